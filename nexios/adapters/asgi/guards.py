"""Checks that stand before a handler, for HTTP requests and sockets alike.

A guard is ``async (connection) -> None`` and refuses by raising; or an object with such a
``check``; or a class with one, which the container builds.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol, TypeVar, runtime_checkable

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
    """
    return tuple(sorted(guards, key=lambda guard: getattr(guard, "rank", 1)))


def guards_of(target: object) -> tuple[Guard, ...]:
    """Return the guards noted on ``target``; of a class those of its bases come first."""
    if isinstance(target, type):
        return tuple(
            guard for base in reversed(target.__mro__) for guard in base.__dict__.get(MARK, ())
        )
    found: tuple[Guard, ...] = getattr(target, MARK, ())
    return found
