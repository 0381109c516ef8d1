"""Publishes domain events to other services: one more consumer of the outbox."""

from typing import Any

from nexios.application.broker import EventBroker, Outgoing
from nexios.application.codec import check_events, dump_event
from nexios.application.events import Envelope
from nexios.application.handlers import OnDead, after_commit
from nexios.application.use_cases import ApplicationService
from nexios.domain.events import DomainEvent


class Relay(ApplicationService):
    """What `relay` makes: publishes what it is told of, under the event's own id and stream.

    Args:
        broker: Where to.
    """

    def __init__(self, broker: EventBroker) -> None:
        self._broker = broker

    async def publish(self, event: DomainEvent, envelope: Envelope) -> None:
        """Publish one event; sent again it is the same message."""
        told = {
            "actor": envelope.actor,
            "tenant": envelope.tenant,
            "correlation": envelope.correlation,
            "causation": envelope.causation,
        }
        await self._broker.publish(
            Outgoing(
                id=envelope.id,
                name=envelope.name,
                version=event.__event_version__,
                key=envelope.stream,
                at=envelope.at,
                payload=dump_event(event),
                headers={name: value for name, value in told.items() if value is not None},
            )
        )


def is_relay(service: type | None) -> bool:
    """Tell whether a service is one that `relay` made."""
    return service is not None and issubclass(service, Relay)


def relay(
    *events: type[DomainEvent],
    name: str = "relay",
    attempts: int = 10,
    on_dead: OnDead = "block",
    timeout_s: float = 10.0,
) -> type[Relay]:
    """Return a service that publishes these events through the bound `EventBroker`.

    ``module.bind(relay(OrderPlaced, OrderClosed))`` is all it takes: it is one consumer of the
    outbox, so events of one stream leave in their order, at least once, under the envelope's id,
    and a broker that is away for long stops the stream instead of losing anything.

    Args:
        events: Which ones.
        name: The consumer's name in the outbox; two relays of one application have two.
        attempts: How often one is tried before its stream stops.
        on_dead: ``"skip"`` goes on without it instead.
        timeout_s: For one attempt.

    Raises:
        TypeError: No events, or something that is none.
        UncodableField: An event has a field without a JSON form.
    """
    if not events:
        raise TypeError("relay() publishes nothing\n  fix: relay(OrderPlaced, ...)")
    check_events(events)

    async def publish(self: Relay, event: DomainEvent, envelope: Envelope) -> None:
        await Relay.publish(self, event, envelope)

    # One method with a mark for each event is one consumer.
    marked: Any = publish
    for event in events:
        mark = after_commit(
            event, name=name, on_dead=on_dead, timeout_s=timeout_s, attempts=attempts
        )
        marked = mark(marked)
    return type("Relay", (Relay,), {"publish": marked, "__doc__": f"Publishes as {name!r}."})
