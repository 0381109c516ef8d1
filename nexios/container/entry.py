"""Entries: what an adapter wants called, and the plan it gets back."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from typing import Any, Protocol

from nexios.container.keys import AnyKey
from nexios.container.module import Module
from nexios.container.scope import Scope
from nexios.container.signature import Parameter
from nexios.records import dataclass


@dataclass(frozen=True, slots=True)
class Getter:
    """Reads one parameter from the entry's values: ``read(*values)``.

    Attributes:
        awaits: Whether the result must be awaited.
        same: Whether a call's values always give the same object: it is read once for all.
        item: Attribute and key where ``read(value)`` is ``value.attribute[key]``: a compiled
            plan writes that in place of the call.
        now: Asked by a compiled plan before ``read`` is awaited: gives what can be had without
            waiting, else ``MISSING``. It may have begun then; ``read`` goes on with it.
    """

    read: Callable[..., object]
    awaits: bool = False
    same: bool = False
    item: tuple[str, str] | None = None
    now: Callable[..., object] | None = None


class Unreadable(Exception):  # a fact an adapter reports, shown as NX211
    """Raised by a ``ParameterSource``: the parameter is its own, and it cannot read it."""

    def __init__(self, says: str, fix: str) -> None:
        """Take the sentence and the line that mends it."""
        self.says, self.fix = says, fix
        super().__init__(says, fix)


class ParameterSource(Protocol):
    """The adapter's side of an entry: knows what the container does not."""

    def getter(
        self, asker: Callable[..., object], parameter: Parameter, *, before: bool
    ) -> Getter | None:
        """Return how to read ``parameter``; None when it is not the adapter's.

        Args:
            asker: The function whose parameter it is.
            parameter: Its name, hint and default.
            before: Whether it runs before the target's input is bound.

        Raises:
            Unreadable: It is the adapter's, and it cannot be read.
        """


class NothingRead:
    """The source of entries whose parameters all come from the container."""

    def getter(
        self,
        asker: Callable[..., object],  # noqa: ARG002  # the port's names
        parameter: Parameter,  # noqa: ARG002
        *,
        before: bool,  # noqa: ARG002
    ) -> Getter | None:
        """Return None: nothing is read."""
        return None


@dataclass(frozen=True, slots=True, eq=False)
class EntryPoint:
    """A function or method that something outside calls.

    Attributes:
        label: ``GET /users/{user_id}``: shown in errors and tracebacks.
        target: A function, or a plain function of ``owner`` whose first parameter is its object.
        owner: The controller class, made first; None for functions.
        module: Whose keys it sees; None is the app's root module, where classes bind themselves.
        scope: REQUEST or CONNECTION.
        values: Keys of the plan's positional arguments. With ``Key(ScopeContext)`` among them
            the call stands below that scope.
        reads: Asked once, at start, for what the container does not fill.
        before: Guards and side-effect dependencies: callables, classes and objects with
            ``check``, ``Depend`` markers. Same parameter rules.
        supplies: Given keys computed from the values when they are first asked for.
        finish: Applied to the target's result, inside the scope where the plan opens one.
        streams: Whether a result is sent after the target returned: then the plan answers with
            ``Held`` where it has a scope of its own, or a clean-up waits.
        internal: Of the framework, not of the application: left out of pictures of the wiring.
        lasting: Where a call goes on for as long as its connection: how to keep what it opens
            for less long. A hint shows it to those who open something.
        shared: The call runs *in* the scope given by ``Key(ScopeContext)``, and leaves it open.
    """

    label: str
    target: Callable[..., object]
    owner: type | None = None
    module: Module | None = None
    scope: Scope = Scope.REQUEST
    values: tuple[AnyKey, ...] = ()
    reads: ParameterSource = field(default_factory=NothingRead)
    before: tuple[object, ...] = ()
    supplies: Mapping[AnyKey, Callable[..., object]] = field(default_factory=dict)
    finish: Callable[[object], object] | None = None
    streams: Callable[[object], bool] | None = None
    lasting: str = ""
    shared: bool = False
    internal: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """How to run an entry: ``result = plan.call(*values)``, awaited when ``awaits``.

    Attributes:
        finish: The point's ``finish``, left to the caller: ``result = plan.finish(result)``.
            None where the plan calls it in a scope of its own, or where there is none.
        reads_only: Its values go to the getters of the point's source and to nobody else.
        target: What is called with one value that a getter has at once, where a call does no
            more than that: ``call(*values)`` is ``target(now(*values))`` then.
    """

    call: Callable[..., object]
    awaits: bool
    finish: Callable[[object], object] | None = None
    reads_only: bool = False
    target: Callable[[Any], Awaitable[object]] | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A streamed result whose scope is open until ``await close(error)``."""

    result: object
    close: Callable[[BaseException | None], Awaitable[None]]


class Entry:
    """An entry point made ready; an override swaps ``plan`` by one assignment."""

    __slots__ = ("plan", "point")

    plan: Plan
    point: EntryPoint

    def __init__(self, point: EntryPoint, plan: Plan) -> None:
        """Made by ``Container.entry``."""
        self.point = point
        self.plan = plan

    @property
    def label(self) -> str:
        """The entry's label."""
        return self.point.label
