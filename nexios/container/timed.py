"""Tells how long the making of an object took, where somebody wants to know."""

from collections.abc import AsyncGenerator, Callable, Generator
from time import perf_counter
from types import TracebackType
from typing import Any, Final

from nexios.container.scope import Scope
from nexios.container.signature import SourceKind

Made = Callable[[str, Scope, float, str | None], None]
"""Told the name, the scope, the seconds, and the class of the error where it failed."""

WORTH_S: Final = 0.001
"""What a plain constructor takes less than is not told: thousands of them are no work."""


class Clock:
    """Times one source."""

    __slots__ = ("_scope", "_tell", "_title")

    def __init__(self, title: str, scope: Scope, tell: Made) -> None:
        self._title = title
        self._scope = scope
        self._tell = tell

    def note(self, began: float, error: BaseException | None = None, least_s: float = 0.0) -> None:
        """Tell that it is made, or could not be."""
        spent = perf_counter() - began
        if error is not None:
            self._tell(self._title, self._scope, spent, type(error).__name__)
        elif spent >= least_s:
            self._tell(self._title, self._scope, spent, None)

    def around(self, source: Callable[..., Any], kind: SourceKind) -> Callable[..., Any]:
        """Return ``source`` as something of the same kind that tells."""
        match kind:
            case SourceKind.COROUTINE:
                return self._awaited(source)
            case SourceKind.ASYNC_GENERATOR:
                return lambda *args, **named: _Opening(source(*args, **named), self)
            case SourceKind.GENERATOR:
                return lambda *args, **named: _OpeningNow(source(*args, **named), self)
        return self._called(source)

    def _awaited(self, source: Callable[..., Any]) -> Callable[..., Any]:
        async def make(*args: Any, **named: Any) -> Any:
            began = perf_counter()
            try:
                made = await source(*args, **named)
            except BaseException as error:
                self.note(began, error)
                raise
            self.note(began)
            return made

        return make

    def _called(self, source: Callable[..., Any]) -> Callable[..., Any]:
        def make(*args: Any, **named: Any) -> Any:
            began = perf_counter()
            try:
                made = source(*args, **named)
            except BaseException as error:
                self.note(began, error)
                raise
            self.note(began, least_s=WORTH_S)
            return made

        return make


class _Opening(AsyncGenerator[Any, Any]):
    """An async generator whose way to its value is timed."""

    def __init__(self, generator: AsyncGenerator[Any, Any], clock: Clock) -> None:
        self._generator = generator
        self._clock: Clock | None = clock

    def __anext__(self) -> Any:
        clock, self._clock = self._clock, None
        return self._generator.__anext__() if clock is None else self._first(clock)

    async def _first(self, clock: Clock) -> Any:
        began = perf_counter()
        try:
            value = await self._generator.__anext__()
        except BaseException as error:
            clock.note(began, error)
            raise
        clock.note(began)
        return value

    def asend(self, value: Any) -> Any:
        return self._generator.asend(value)

    def athrow(self, kind: Any, value: Any = None, trace: TracebackType | None = None) -> Any:
        if value is None and trace is None:
            return self._generator.athrow(kind)
        return self._generator.athrow(kind, value, trace)

    def aclose(self) -> Any:
        return self._generator.aclose()


class _OpeningNow(Generator[Any, Any, Any]):
    """A generator whose way to its value is timed."""

    def __init__(self, generator: Generator[Any, Any, Any], clock: Clock) -> None:
        self._generator = generator
        self._clock: Clock | None = clock

    def __next__(self) -> Any:
        clock, self._clock = self._clock, None
        if clock is None:
            return next(self._generator)
        began = perf_counter()
        try:
            value = next(self._generator)
        except BaseException as error:
            clock.note(began, error)
            raise
        clock.note(began)
        return value

    def send(self, value: Any) -> Any:
        return self._generator.send(value)

    def throw(self, kind: Any, value: Any = None, trace: TracebackType | None = None) -> Any:
        if value is None and trace is None:
            return self._generator.throw(kind)
        return self._generator.throw(kind, value, trace)

    def close(self) -> None:
        self._generator.close()
