"""Who handles which event: the port the unit of work asks, and a plain one for tests."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, runtime_checkable

from nexios.application.events import Envelope
from nexios.application.handlers import Handles, Moment, OnDead, consumer_name, handlers_of
from nexios.domain.events import DomainEvent
from nexios.records import dataclass

Handler = Callable[[DomainEvent, Envelope], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Consumer:
    """One after-commit handler, as the outbox knows it.

    Attributes:
        name: Stored with each delivery.
        event_type: What it handles.
        on_dead: ``"skip"`` or ``"block"`` once attempts are used up.
        timeout_s: For one attempt.
        attempts: How many, the first included.
    """

    name: str
    event_type: type[DomainEvent]
    on_dead: OnDead = "skip"
    timeout_s: float = 30.0
    attempts: int = 10

    @classmethod
    def of(cls, name: str, handles: Handles) -> "Consumer":
        """Make the consumer of a marked method."""
        return cls(name, handles.event_type, handles.on_dead, handles.timeout_s, handles.attempts)


@runtime_checkable
class Subscribers(Protocol):
    """Knows the handlers of an application. Asking makes no service."""

    def before(self, event_type: type[DomainEvent]) -> Sequence[Handler]:
        """Return what runs inside the transaction, in order of registration.

        Each is called with event and envelope, in the unit of work that asks.
        """
        ...

    def consumers(self, event_type: type[DomainEvent]) -> Sequence[Consumer]:
        """Return who is to be told after the commit."""
        ...


class NoSubscribers:
    """Nobody handles anything."""

    def before(self, event_type: type[DomainEvent]) -> Sequence[Handler]:  # noqa: ARG002
        """Return nothing."""
        return ()

    def consumers(self, event_type: type[DomainEvent]) -> Sequence[Consumer]:  # noqa: ARG002
        """Return nothing."""
        return ()


class SubscribedServices:
    """The handlers of some finished services; what ``subscribe`` returns."""

    def __init__(self, services: Sequence[object]) -> None:
        """Read the marks of each service's class."""
        self._before: defaultdict[type[DomainEvent], list[Handler]] = defaultdict(list)
        self._consumers: defaultdict[type[DomainEvent], list[Consumer]] = defaultdict(list)
        self._calls: dict[str, Handler] = {}
        for service in services:
            for method, handles in handlers_of(type(service)):
                handler: Handler = getattr(service, method)
                if handles.moment is Moment.BEFORE_COMMIT:
                    self._before[handles.event_type].append(handler)
                    continue
                name = consumer_name(type(service), method, handles)
                if self._calls.setdefault(name, handler) != handler:
                    raise ValueError(f'two consumers are named "{name}"; give one name="..."')
                self._consumers[handles.event_type].append(Consumer.of(name, handles))

    def before(self, event_type: type[DomainEvent]) -> Sequence[Handler]:
        """Return what runs inside the transaction."""
        return self._before.get(event_type, ())

    def consumers(self, event_type: type[DomainEvent]) -> Sequence[Consumer]:
        """Return who is to be told after the commit."""
        return self._consumers.get(event_type, ())

    def every_consumer(self) -> Sequence[Consumer]:
        """Return all consumers; the worker is made from them."""
        return [consumer for consumers in self._consumers.values() for consumer in consumers]

    async def deliver(self, consumer: Consumer, event: DomainEvent, envelope: Envelope) -> None:
        """Call the consumer's method, in a run of its service's unit of work when it has one."""
        handler = self._calls[consumer.name]
        uow = getattr(getattr(handler, "__self__", None), "uow", None)
        if uow is None:
            await handler(event, envelope)
            return
        await uow.run(lambda: handler(event, envelope), retries=0, name=consumer.name)


def subscribe(*services: object) -> SubscribedServices:
    """Return the subscribers made of finished services, for tests and one-file programs."""
    return SubscribedServices(services)
