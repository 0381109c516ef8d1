"""Says which method of an application service handles which event, and when."""

import inspect
from collections.abc import Awaitable, Callable, Iterator
from enum import Enum
from typing import Final, Literal, TypeVar

from nexios.application.events import Envelope
from nexios.domain.events import DomainEvent
from nexios.records import dataclass

E = TypeVar("E", bound=DomainEvent)
S = TypeVar("S")

HandlerMethod = Callable[[S, E, Envelope], Awaitable[None]]
OnDead = Literal["skip", "block"]

_MARKS: Final = "__nexios_handles__"


class Moment(Enum):
    """When a handler runs."""

    BEFORE_COMMIT = "before commit"
    AFTER_COMMIT = "after commit"


@dataclass(frozen=True, slots=True)
class Handles:
    """The mark on a handler method.

    Attributes:
        event_type: Exactly this class of events.
        moment: Inside the transaction, or later in one of its own.
        name: The consumer's stored name, when given.
        on_dead: What happens to the rest of the stream when attempts are used up.
        timeout_s: For one attempt.
        attempts: How many, the first included.
    """

    event_type: type[DomainEvent]
    moment: Moment
    name: str | None = None
    on_dead: OnDead = "skip"
    timeout_s: float = 30.0
    attempts: int = 10


def before_commit(
    event_type: type[E],
) -> Callable[[HandlerMethod[S, E]], HandlerMethod[S, E]]:
    """Handle ``event_type`` inside the transaction that records it.

    The method may read and write through repositories and never calls out: a mail cannot be
    rolled back. What it records is handled too. Raising undoes the whole use case.
    """
    return _mark(Handles(event_type, Moment.BEFORE_COMMIT))


def after_commit(
    event_type: type[E],
    *,
    name: str | None = None,
    on_dead: OnDead = "skip",
    timeout_s: float = 30.0,
    attempts: int = 10,
) -> Callable[[HandlerMethod[S, E]], HandlerMethod[S, E]]:
    """Handle ``event_type`` after the commit, through the outbox, in a transaction of its own.

    Called at least once, in the order of the event's stream. Its effects in this database
    happen exactly once; give ``envelope.id`` as the key to whoever it calls outside. A method
    marked several times handles several events, in order, as one consumer.

    Args:
        event_type: Exactly this class.
        name: The name its deliveries are stored under, ``<module>.<Class>.<method>`` unless
            given. Give the old one when you rename.
        on_dead: After the last attempt: ``"skip"`` sets this delivery aside and goes on with
            the stream, ``"block"`` stops the stream until somebody looks.
        timeout_s: For one attempt.
        attempts: How many, the first included.
    """
    if on_dead not in ("skip", "block"):
        raise ValueError(f'on_dead is "skip" or "block", not {on_dead!r}')
    if attempts < 1 or timeout_s <= 0:
        raise ValueError(
            f"attempts is at least 1 and timeout_s above 0; got {attempts} and {timeout_s}"
        )
    return _mark(Handles(event_type, Moment.AFTER_COMMIT, name, on_dead, timeout_s, attempts))


def handlers_of(service: type) -> Iterator[tuple[str, Handles]]:
    """Give each handler method of a class: its name and its mark, in order of definition.

    A method that a subclass replaces without a mark is no handler any more.
    """
    seen: dict[str, object] = {}
    for base in reversed(service.__mro__):
        for name in vars(base):
            seen[name] = getattr(service, name)
    for name, member in seen.items():
        for handles in getattr(member, _MARKS, ()):
            yield name, handles


def consumer_name(service: type, method: str, handles: Handles, module: str | None = None) -> str:
    """Return the name deliveries are stored under.

    Args:
        service: The class that handles.
        method: Its handler method.
        handles: The method's mark.
        module: Name of the module that binds the class; its Python module without one.
    """
    return handles.name or f"{module or service.__module__}.{service.__qualname__}.{method}"


def _mark(handles: Handles) -> Callable[[HandlerMethod[S, E]], HandlerMethod[S, E]]:
    def decorate(method: HandlerMethod[S, E]) -> HandlerMethod[S, E]:
        where = getattr(method, "__qualname__", repr(method))
        if not inspect.iscoroutinefunction(method):
            raise TypeError(
                f"{where} handles events and must be: async def (self, event, envelope)"
            )
        if len(inspect.signature(method).parameters) != 3:
            raise TypeError(f"{where} must take (self, event, envelope)")
        event_type: object = handles.event_type
        if not (isinstance(event_type, type) and issubclass(event_type, DomainEvent)):
            raise TypeError(f"{where} handles {event_type!r}, which is no DomainEvent class")
        setattr(method, _MARKS, (*getattr(method, _MARKS, ()), handles))
        return method

    return decorate
