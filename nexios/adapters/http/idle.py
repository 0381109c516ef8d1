"""Bounds a wait that is mostly none: what is there already costs neither timer nor task."""

import types
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Final, TypeVar

import anyio

from nexios.container.closing import rest

T = TypeVar("T")


class Scopes:
    """Opens cancel scopes of the kind that the running event loop has.

    anyio asks each time which loop runs: 2.0 -> 0.4 us a scope (CPython 3.11).

    Attributes:
        open: Returns a fresh cancel scope.
    """

    __slots__ = ("open",)

    def __init__(self) -> None:
        self.open: Callable[[], anyio.CancelScope] = anyio.CancelScope

    def settle(self) -> None:
        """Keep to the kind of the running event loop: the application starts on it."""
        self.open = type(anyio.CancelScope())

    def unsettle(self) -> None:
        """Ask anyio again: the next start may be on another event loop."""
        self.open = anyio.CancelScope


ANY_LOOP: Final = Scopes()
"""Asks each time; for readers that belong to no running application."""


@types.coroutine
def within(
    awaitable: Awaitable[T], scope: anyio.CancelScope, seconds: float
) -> Generator[object, Any, T]:
    """Await, and cancel ``scope`` when it takes longer; the caller has entered it.

    The deadline is set when there is something to wait for. The scope has to stand before the
    first step, which may open scopes of its own, and those end inside out.
    """
    step: Any = awaitable.__await__()
    try:
        waited = next(step)
    except StopIteration as done:
        value: T = done.value
        return value
    scope.deadline = anyio.current_time() + seconds
    outcome: T = yield from rest(step, waited)
    return outcome
