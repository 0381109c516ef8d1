"""Work that starts when the answer is out, each piece in a scope of its own."""

import functools
import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from typing import Any, Final, Protocol

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from nexios.application.caller import Caller
from nexios.container.scope import Scope, ScopeContext
from nexios.records import dataclass

_POSITIONAL: Final = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)
_KEPT: Final = "__nexios_background__"


@dataclass(frozen=True, slots=True)
class Work:
    """One call to be made after the answer."""

    function: Callable[..., object]
    args: tuple[object, ...] = ()
    kwargs: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What logs call it."""
        name: str = getattr(self.function, "__qualname__", type(self.function).__qualname__)
        return name


class Tasks:
    """Takes work for after the answer: ask for ``tasks: Tasks`` in a handler or a service.

    The work starts when the last byte is out, in the application's task group and a REQUEST
    scope of its own: what the request made is closed by then, so hand over ids, not objects.
    Parameters not given are injected. Nothing starts when the request fails.
    """

    __slots__ = ("_noted",)

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self._noted: list[Work] = []

    def add(self, function: Callable[..., object], /, *args: object, **kwargs: object) -> None:
        """Call ``function`` after the answer; a ``def`` runs in a worker thread.

        Raises:
            TypeError: It cannot be called.
        """
        if not callable(function):
            raise TypeError(
                f"background work is a function, not {function!r}"
                "\n  fix: pass the function and its arguments apart: add(send, order_id)"
            )
        self._noted.append(Work(function, args, kwargs))

    def clear(self) -> None:
        """Forget what was noted: the request failed."""
        self._noted.clear()

    @property
    def noted(self) -> Sequence[Work]:
        """The work so far, in order."""
        return tuple(self._noted)


class Scopes(Protocol):
    """The container, as far as the work needs it."""

    def enter(
        self, kind: Scope = Scope.REQUEST, *, values: Mapping[object, object] | None = None
    ) -> ScopeContext:
        """Return a scope, to be used in an ``async with``."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """How to call a function by the names of its parameters; found out once.

    Attributes:
        of: The function.
        target: What is called for it; in a worker thread where it is a ``def``.
        names: Of the parameters that take positional arguments, the object of a method first.
    """

    of: Callable[..., object]
    target: Callable[..., object]
    names: tuple[str, ...]


class Background:
    """Runs the work of one app while it is open."""

    __slots__ = ("_done", "_failed", "_running", "_scopes", "_tasks")

    def __init__(self, scopes: Scopes, failed: Callable[[BaseException, str], None]) -> None:
        """Prepare; nothing runs before ``open``.

        Args:
            scopes: The container.
            failed: Told of each error and the work it came from. Must not raise.
        """
        self._scopes = scopes
        self._failed = failed
        self._tasks: TaskGroup | None = None
        self._running = 0
        self._done: anyio.Event | None = None

    def open(self, tasks: TaskGroup) -> None:
        """Run work in ``tasks`` from now on."""
        self._tasks = tasks

    def start(self, works: Sequence[Work], caller: Caller, place: str) -> None:
        """Start each piece of work; one that fails does not touch the others.

        Args:
            caller: On whose behalf.
            place: Template of the route, for logs.
        """
        for work in works:
            if self._tasks is None:
                self._failed(NotRunning(work.name), f"{work.name} of {place}")
                continue
            self._running += 1
            self._tasks.start_soon(self._run, work, caller, place, name=f"work {work.name}")

    async def close(self, grace_s: float) -> None:
        """Wait for the work under way; what is not done in ``grace_s`` is left to be cancelled."""
        with anyio.move_on_after(grace_s):
            while self._running:
                self._done = anyio.Event()
                await self._done.wait()
        self._tasks = None

    async def _run(self, work: Work, caller: Caller, place: str) -> None:
        try:
            function = work.function
            shape = _shape(function)
            bound = (function.__self__,) if isinstance(function, types.MethodType) else ()
            values = (*bound, *work.args)
            if len(values) > len(shape.names):
                raise TypeError(f"{work.name}() takes no {len(work.args)} positional arguments")
            given = {**dict(zip(shape.names, values, strict=False)), **work.kwargs}
            async with self._scopes.enter(values={Caller: caller}) as scope:
                await scope.call(shape.target, **given)
        except Exception as error:
            self._failed(error, f"{work.name} of {place}")
        finally:
            self._running -= 1
            if self._done is not None:
                self._done.set()


def _shape(function: Callable[..., Any]) -> _Shape:
    """Return how to call a function. It is kept on the function, and ends with it."""
    # A method is called as a function of its object: the container remembers what it called,
    # and would keep the object with it.
    plain = function.__func__ if isinstance(function, types.MethodType) else function
    known: _Shape | None = getattr(plain, _KEPT, None)
    # functools.wraps() copies attributes, so this may be another function's.
    if known is not None and known.of is plain:
        return known
    parameters = inspect.signature(plain).parameters.values()
    names = tuple(p.name for p in parameters if p.kind in _POSITIONAL)
    direct = isinstance(plain, types.FunctionType) and inspect.iscoroutinefunction(plain)
    shape = _Shape(plain, plain if direct else _in_thread(plain), names)
    with suppress(AttributeError, TypeError):
        setattr(plain, _KEPT, shape)
    return shape


def _in_thread(function: Callable[..., Any]) -> Callable[..., object]:
    @functools.wraps(function)
    async def in_thread(*args: Any, **kwargs: Any) -> Any:
        result = await to_thread.run_sync(functools.partial(function, *args, **kwargs))
        # An object or partial may turn out to be async only now.
        return await result if inspect.isawaitable(result) else result

    return in_thread


class NotRunning(RuntimeError):
    """Work came when its application was not running."""

    def __init__(self, work: str) -> None:
        self.work = work
        super().__init__(work)

    def __str__(self) -> str:
        return f"{self.work} was not started: the application has stopped"
