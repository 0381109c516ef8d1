"""Which scopes a task is in by ``with``: asked by the providers that people hand out."""

from contextvars import ContextVar
from typing import NamedTuple, Protocol


class Entered(Protocol):
    """A scope, as far as being in it goes."""

    closed: bool

    @property
    def resolver(self) -> object:
        """The container it belongs to."""


class _Place(NamedTuple):
    scope: Entered
    outer: "_Place | None"


_place: ContextVar[_Place | None] = ContextVar("nexios_container_entered", default=None)


def enter(scope: Entered) -> None:
    """Be in ``scope`` from now on, and in the tasks started from here."""
    _place.set(_Place(scope, _place.get()))


def leave(scope: Entered) -> None:
    """Be where the task was before, where that is open still."""
    # Not by a token: test fixtures may leave in another context than they entered in.
    place = _place.get()
    if place is not None and place.scope is scope:
        while place is not None and (place.scope is scope or place.scope.closed):
            place = place.outer
        _place.set(place)


def entered(resolver: object) -> Entered | None:
    """Return the nearest scope of a container that the task is in; None outside of one."""
    place = _place.get()
    while place is not None and place.scope.resolver is not resolver:
        place = place.outer
    return None if place is None else place.scope
