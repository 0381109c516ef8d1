"""Says which method of an application service handles which event from another service."""

import inspect
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, TypeVar, get_type_hints

from nexios.application.broker import DELIVERIES
from nexios.application.events import Envelope
from nexios.domain.events import DomainEvent
from nexios.records import dataclass

S = TypeVar("S")
E = TypeVar("E", bound=DomainEvent)

HandlerMethod = Callable[[S, E, Envelope], Awaitable[None]]

_MARKS: Final = "__nexios_from_broker__"


@dataclass(frozen=True, slots=True)
class FromBroker:
    """The mark on a handler method.

    Attributes:
        name: Of the event, as the broker has it.
        version: The newest that is understood; older ones are lifted by the class's ``upgrade``.
        consumer: The consumer's name at the broker and in the inbox, when given.
        timeout_s: For one attempt.
        attempts: How many, the first included.
    """

    name: str
    version: int
    consumer: str | None
    timeout_s: float
    attempts: int


def from_broker(
    name: str,
    *,
    version: int = 1,
    consumer: str | None = None,
    timeout_s: float = 20.0,
    attempts: int = DELIVERIES,
) -> Callable[[HandlerMethod[S, E]], HandlerMethod[S, E]]:
    """Handle an event that another service published, in a transaction of its own.

    The class of the event is the annotation of the method's first parameter. A message may come
    twice; its row in the `Inbox` is written with its effect, so that happens once. It is
    acknowledged after the commit; what fails is tried again, later each time, while what has its
    key waits; what fails every time, or cannot be read, is set aside.

    Args:
        name: Of the event, ``billing.invoice-paid``.
        version: The newest that is understood, which is that of the class.
        consumer: The name it is known by to the broker and the inbox, for all processes;
            ``<module>.<Class>.<method>`` unless given. Give the old one when you rename.
        timeout_s: For one attempt; less than the 30 s after which another process has it.
        attempts: How many, the first included, at most 10.
    """
    if not 1 <= attempts <= DELIVERIES or not 0 < timeout_s < 30:
        raise ValueError(
            f"attempts is 1 to {DELIVERIES} and timeout_s below 30; got {attempts} and {timeout_s}"
        )
    mark = FromBroker(name, version, consumer, timeout_s, attempts)

    def decorate(method: HandlerMethod[S, E]) -> HandlerMethod[S, E]:
        where = getattr(method, "__qualname__", repr(method))
        if (
            not inspect.iscoroutinefunction(method)
            or len(inspect.signature(method).parameters) != 3
        ):
            raise TypeError(
                f"{where} handles events and must be: async def (self, event, envelope)"
            )
        setattr(method, _MARKS, (*getattr(method, _MARKS, ()), mark))
        return method

    return decorate


def received_by(service: type) -> Iterator[tuple[str, FromBroker, type[DomainEvent]]]:
    """Give each handler method of a class: its name, its mark and the class of its event.

    Raises:
        TypeError: The event's annotation is no event class, or one of another version.
    """
    for name, member in inspect.getmembers(service, inspect.isfunction):
        for mark in getattr(member, _MARKS, ()):
            yield name, mark, _event_type(member, mark)


def _event_type(method: Callable[..., Any], mark: FromBroker) -> type[DomainEvent]:
    where = method.__qualname__
    parameter = list(inspect.signature(method).parameters)[1]
    kind = get_type_hints(method).get(parameter)
    if not (isinstance(kind, type) and issubclass(kind, DomainEvent)):
        raise TypeError(
            f"{where} handles {mark.name!r}, and {parameter!r} is no event\n"
            f"  fix: annotate it with a DomainEvent class"
        )
    if kind.__event_version__ != mark.version:
        raise TypeError(
            f"{where} understands version {mark.version} of {mark.name!r}, and {kind.__name__} is"
            f" version {kind.__event_version__}\n  fix: version={kind.__event_version__}"
        )
    return kind
