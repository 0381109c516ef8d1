"""Checks that stand before a handler, for HTTP requests and sockets alike.

A guard is ``async (connection) -> None`` and refuses by raising; or an object with such a
``check``; or a class with one, which the container builds.
"""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from inspect import iscoroutinefunction, isroutine
from typing import Any, Final, Protocol, TypeVar, runtime_checkable

from nexios.adapters.asgi.connection import Connection

MARK: Final = "__nexios_guards__"
SERVED: Final = "__nexios_served__"
"""On a handler whose route is compiled already: a guard noted now would never be asked."""

T = TypeVar("T")


@runtime_checkable
class HasCheck(Protocol):
    """A guard with state of its own."""

    async def check(self, connection: Connection, /) -> None:
        """Return to let the connection pass, raise to refuse it."""


Guard = Callable[[Connection], Awaitable[None]] | HasCheck | type[HasCheck]


def guarded(target: T, guard: Guard) -> T:
    """Note ``guard`` on a handler or controller class and return the very same object.

    Decorators may stand above or below the route's decorator and in any order: nothing is
    wrapped, so nothing can be dropped. The topmost decorator is asked first.

    Raises:
        TypeError: ``target`` cannot carry a mark (a bound method, a built-in), or is being
            served already, so that the mark would come too late.
    """
    if getattr(target, SERVED, False):
        raise TypeError(
            f"{target!r} is served already and would stay unguarded; "
            "fix: put the guard below the route's decorator"
        )
    own: tuple[Guard, ...] = getattr(target, "__dict__", {}).get(MARK, ())
    try:
        setattr(target, MARK, (guard, *own))
    except (AttributeError, TypeError):
        raise TypeError(
            f"{target!r} cannot be guarded: decorate the function or the class itself"
        ) from None
    return target


def in_order(guards: Iterable[object]) -> tuple[object, ...]:
    """Return the guards as they are asked: by their ``rank``, then in the order given.

    Who is calling (rank 0) is settled before what they may do (rank 2), wherever the decorators
    stand: a permission is that of the user the handler will see. A guard without rank has 1.

    Raises:
        NotAGuard: One of them could not refuse anybody.
    """
    ordered = tuple(sorted(guards, key=lambda guard: getattr(guard, "rank", 1)))
    for guard in ordered:
        _refuse_idle(guard)
    return ordered


class NotAGuard(TypeError):
    """Something that stands among the guards and would let everybody pass.

    A factory of guards (``guards=[auth]``) is called with the connection, returns a guard, and
    nobody asks that one.
    """

    def __init__(self, guard: object) -> None:
        self.guard = guard
        super().__init__(guard)

    def __str__(self) -> str:
        name = getattr(self.guard, "__qualname__", None) or repr(self.guard)
        return (
            f"{name} is no guard: a guard is async and refuses by raising"
            f"\n  fix: {name}(...) where it makes guards, or async def {name}(connection): ..."
        )


def _refuse_idle(guard: object) -> None:
    asked: Any = getattr(guard, "check", guard)
    while isinstance(asked, partial):
        asked = asked.func
    # What cannot be called is a marker of the container, which knows what to make of it.
    if callable(asked) and not iscoroutinefunction(asked):
        call = getattr(type(asked), "__call__", None)  # noqa: B004  # async or not is the question
        if isinstance(asked, type) or isroutine(asked) or not iscoroutinefunction(call):
            raise NotAGuard(guard)


def guards_of(target: object) -> tuple[Guard, ...]:
    """Return the guards noted on ``target``; of a class those of its bases come first."""
    if isinstance(target, type):
        return tuple(
            guard for base in reversed(target.__mro__) for guard in base.__dict__.get(MARK, ())
        )
    found: tuple[Guard, ...] = getattr(target, MARK, ())
    return found
