"""What the AsyncAPI document may know of events that leave for other services, or come in."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from nexios.domain.events import DomainEvent


@dataclass(frozen=True, slots=True)
class EventDescription:
    """One event that leaves for other services, or comes from them.

    Attributes:
        action: What this application does with it.
        type: Its class.
        consumer: Who receives it; empty where it is sent.
    """

    action: Literal["send", "receive"]
    name: str
    version: int
    type: type
    consumer: str = ""


def cloud_event(event: EventDescription) -> dict[str, Any]:
    """Return the headers of CloudEvents 1.0 in binary mode (adapters/messaging/cloudevents.py)."""
    text: dict[str, Any] = {"type": "string"}
    properties: dict[str, dict[str, Any]] = {
        "ce-specversion": {"const": "1.0"},
        "ce-id": {"type": "string", "format": "uuid"},
        "ce-source": {"type": "string", "format": "uri-reference"},
        "ce-type": {"const": event.name},
        "ce-time": {"type": "string", "format": "date-time"},
        "ce-partitionkey": text,
        "ce-eventversion": {"const": str(event.version)},
        "ce-traceparent": text,
        "content-type": {"const": "application/json"},
    }
    required = [name for name in properties if name != "ce-traceparent"]
    return {"type": "object", "properties": properties, "required": required}


def described(
    sent: Iterable[type[DomainEvent]], received: Iterable[tuple[str, type[DomainEvent], str]]
) -> list[EventDescription]:
    """Return the events of an application, each once.

    Args:
        received: Name on the wire, class and consumer of each.
    """
    leaving = [
        EventDescription("send", one.__event_name__, one.__event_version__, one) for one in sent
    ]
    coming = [
        EventDescription("receive", name, one.__event_version__, one, consumer)
        for name, one, consumer in received
    ]
    return list(dict.fromkeys([*leaving, *coming]))
