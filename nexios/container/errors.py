"""What can go wrong: one class per wiring problem and per run-time refusal."""

from collections.abc import Sequence
from typing import ClassVar

from nexios.container.keys import AnyKey
from nexios.container.places import NOWHERE, Step


class ContainerError(Exception):
    """Root of everything the container refuses."""

    code: ClassVar[str] = ""


class WiringProblem(ContainerError):
    """One mistake in the wiring, found before the first request.

    Attributes:
        says: The mistake in one sentence.
        key: The key it is about, or None.
        asked_by: Who asked, from the nearest asker to the entry point.
        notes: Further lines, such as ``near: ...``.
        fix: The line to write.
        label: The entry point on whose path it lies; empty when no entry reaches it.
    """

    def __init__(
        self,
        says: str,
        *,
        key: AnyKey | None = None,
        asked_by: Sequence[Step] = (),
        notes: Sequence[str] = (),
        fix: str = "",
        label: str = "",
    ) -> None:
        """Keep the data; the text is made when it is asked for."""
        self.says = says
        self.key = key
        self.asked_by = tuple(asked_by)
        self.notes = tuple(notes)
        self.fix = fix
        self.label = label
        super().__init__(says)

    def __str__(self) -> str:
        """Return the whole text: sentence, path, notes and fix."""
        lines = [f"{self.code} {self.says}"]
        lines += [str(step) for step in self.asked_by]
        lines += [f"  {note}" for note in self.notes]
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        return "\n".join(lines)

    @property
    def order(self) -> tuple[str, str, int, str, str]:
        """What listings are sorted by: entry label, file, line, code, sentence."""
        where = next((step.where for step in self.asked_by if step.where.file), NOWHERE)
        return (self.label, where.file, where.number, self.code, self.says)


class LayerBreach(WiringProblem):
    """A constructor, handler or function dependency asks outward."""

    code = "NX201"


class CaptiveDependency(WiringProblem):
    """An object would keep a shorter-lived one alive."""

    code = "NX202"


class MissingBinding(WiringProblem):
    """Nothing that the asking module sees provides ``key``."""

    code = "NX203"


class PortMismatch(WiringProblem):
    """A source does not satisfy the port it is bound to."""

    code = "NX204"


class DependencyCycle(WiringProblem):
    """Objects that need each other to be made."""

    code = "NX205"


class DuplicateBinding(WiringProblem):
    """Two bindings for one key in the view of one module."""

    code = "NX206"


class AmbiguousBinding(WiringProblem):
    """More than one binding could answer."""

    code = "NX207"


class NotVisible(WiringProblem):
    """The key is bound, but private to another module."""

    code = "NX208"


class NeedsAwait(WiringProblem):
    """Something that awaits is asked for where nothing can await."""

    code = "NX209"


class UnusableSource(WiringProblem):
    """A source that cannot make anything."""

    code = "NX210"


class UnreadableParameter(WiringProblem):
    """A parameter that says nothing the container could use."""

    code = "NX211"


class ModuleMisuse(WiringProblem):
    """A module that contradicts itself."""

    code = "NX212"


class ProfileGap(WiringProblem):
    """The conditions leave no binding of a key, or two, for the profile that runs."""

    code = "NX213"


class DecoratorMisuse(WiringProblem):
    """A decorator that does not wrap what it decorates."""

    code = "NX214"


class MissingValue(WiringProblem):
    """A value that comes with the scope did not come."""

    code = "NX215"


class WiringErrors(ContainerError, ExceptionGroup[WiringProblem]):
    """Several wiring problems, in a stable order."""

    def __str__(self) -> str:
        """Return the numbered listing."""
        head = f"{len(self.exceptions)} wiring problems"
        return "\n".join([head, *(f"{n}. {item}" for n, item in enumerate(self.exceptions, 1))])

    def derive(self, excs: Sequence[WiringProblem], /) -> "WiringErrors":  # type: ignore[override]  # the group holds nothing else
        """Return a group of the same type, so that splitting keeps it."""
        return WiringErrors(self.message, excs)


class ScopeClosed(ContainerError):
    """A scope was asked after its end."""

    def __init__(self, scope: str, asked: str, task: str) -> None:
        """Name the scope, what was asked of it, and the task that asked."""
        self.scope, self.asked, self.task = scope, asked, task
        super().__init__(scope, asked, task)

    def __str__(self) -> str:
        """Return who came too late, and the way out."""
        return (
            f"the {self.scope} scope is closed; task {self.task!r} asked it for {self.asked}\n"
            "  fix: a task that outlives its scope opens its own: "
            "group.start_soon(partial(scopes.call, work))"
        )


class ContainerNotRunning(ContainerError):
    """The container was asked before its start or after its stop."""

    def __init__(self, asked: str) -> None:
        """Name what was asked."""
        self.asked = asked
        super().__init__(asked)

    def __str__(self) -> str:
        """Return what to do first."""
        return (
            f"the container is not running, so {self.asked} cannot be made\n"
            "  fix: async with container: ...   (the application's lifespan does it)"
        )


class WrongScope(ContainerError):
    """A short-lived key was asked of a scope that lives longer."""

    def __init__(self, key: str, needs: str, asked: str) -> None:
        """Name the key, the scope it needs, and the scope that was asked."""
        self.key, self.needs, self.asked = key, needs, asked
        super().__init__(key, needs, asked)

    def __str__(self) -> str:
        """Return which scope to enter."""
        below = "container" if self.asked == "SINGLETON" else "scope"
        asked = below if below == "container" else f"{self.asked} scope"
        return (
            f"{self.key} lives in a {self.needs} scope and was asked of the {asked}\n"
            f"  fix: async with {below}.enter(Scope.{self.needs}) as inner: "
            f"await inner.get({self.key})"
        )


class WrongEventLoop(ContainerError):
    """The container was started on another event loop."""

    def __init__(self, started_on: str, used_on: str) -> None:
        """Name both loops."""
        self.started_on, self.used_on = started_on, used_on
        super().__init__(started_on, used_on)

    def __str__(self) -> str:
        """Return both loops and the way out."""
        return (
            f"the container was started on {self.started_on} and is used on {self.used_on}\n"
            "  fix: one container per event loop: container.derive()"
        )


class Deadlock(ContainerError):
    """Objects that ask for each other through handles while they are made."""

    def __init__(self, ring: Sequence[str]) -> None:
        """Name what is made, each waiting for the next and the last for the first."""
        self.ring = tuple(ring)
        super().__init__(self.ring)

    def __str__(self) -> str:
        """Return the ring and the way out."""
        says = f"{self.ring[0]} asks for itself while it is made"
        if len(self.ring) > 1:
            chain = " -> ".join([*self.ring, self.ring[0]])
            says = f"makers wait for each other and would never end: {chain}"
        return (
            f"{says}\n"
            "  fix: keep the handle while the object is made, and ask it in a method later on"
        )


class MarkerNotResolved(ContainerError, AttributeError):
    """A ``Depend`` marker was used as if it were the object."""

    def __init__(self, function: str, parameter: str) -> None:
        """Name the function that was called by hand, and its parameter."""
        self.function, self.parameter = function, parameter
        super().__init__(function, parameter)

    def __str__(self) -> str:
        """Return how to call the function."""
        called = f"{self.function}()" if self.function else "a function with a Depend parameter"
        parameter = self.parameter or "the parameter"
        return f"you called {called} without the container; pass {parameter}=..."


class YieldedTwice(ContainerError):
    """A generator source yielded again after its one value."""

    def __init__(self, source: str) -> None:
        """Name the generator."""
        self.source = source
        super().__init__(source)

    def __str__(self) -> str:
        """Return what a source may do."""
        return f"{self.source} yielded twice\n  fix: yield one value, clean up, and end there"


class NothingYielded(ContainerError):
    """A generator source ended without a value."""

    def __init__(self, source: str) -> None:
        """Name the generator."""
        self.source = source
        super().__init__(source)

    def __str__(self) -> str:
        """Return what a source owes."""
        return f"{self.source} ended before it yielded its value\n  fix: yield once, or raise"


class CleanupTimedOut(ContainerError):
    """A clean-up ran past its limit and was abandoned."""

    def __init__(self, source: str, after_s: float) -> None:
        """Name the source and the limit in seconds."""
        self.source, self.after_s = source, after_s
        super().__init__(source, after_s)

    def __str__(self) -> str:
        """Return what was abandoned."""
        says = f"the clean-up of {self.source} was abandoned after {self.after_s:g} s"
        return f"{says}\n  fix: make it shorter, or Container(..., close_timeout_s=...) longer"


class NeedsAsyncClose(ContainerError):
    """A scope was left synchronously while it held a clean-up that awaits."""

    def __init__(self, sources: Sequence[str]) -> None:
        """Name what needs awaiting."""
        self.sources = tuple(sources)
        super().__init__(self.sources)

    def __str__(self) -> str:
        """Return the way to leave."""
        held = ", ".join(self.sources)
        return (
            f"the clean-up of {held} awaits, and the scope was left synchronously\n"
            "  fix: async with container.enter(...) as scope: ..."
        )


class WrongReplacement(ContainerError):
    """An override or a given value does not fit its key."""

    def __init__(self, key: str, says: str) -> None:
        """Name the key, and say what does not fit."""
        self.key, self.says = key, says
        super().__init__(key, says)

    def __str__(self) -> str:
        """Return the misfit."""
        return f"{self.says}, so it cannot stand in for {self.key}"


class UnknownKey(ContainerError):
    """``override`` was told a key that nothing binds."""

    def __init__(self, key: str, near: Sequence[str], *, is_open: bool = False) -> None:
        """Name the key, what it might have meant, and whether it has type variables."""
        self.key, self.near, self.is_open = key, tuple(near), is_open
        super().__init__(key, self.near)

    def __str__(self) -> str:
        """Return the suggestions."""
        tail = f"; did you mean {' or '.join(self.near)}?" if self.near else ""
        if self.is_open:
            return f"{self.key} is open, and only its closed forms can be overridden{tail}"
        return f"nothing binds {self.key}, so there is nothing to override{tail}"


class MisplacedArgument(ContainerError, TypeError):
    """``call`` was given an argument its target does not take."""
