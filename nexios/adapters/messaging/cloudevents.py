"""Events as CloudEvents 1.0 in binary mode: attributes in headers, fields as a JSON body."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, unquote
from uuid import UUID

from nexios.application.broker import Outgoing

_ATTRIBUTES: Final = frozenset(
    f"ce-{name}"
    for name in ("specversion", "id", "source", "type", "time", "partitionkey", "eventversion")
)
_OWN: Final = "ce-"
_SAFE: Final = "/:.,;=@+-_~!$&'()*# "


class NotAnEvent(ValueError):
    """A message is no CloudEvent that Nexios can read; the text says what is missing."""


def to_wire(event: Outgoing, source: str) -> tuple[dict[str, str], bytes]:
    """Return headers and body of an event.

    Args:
        event: What happened.
        source: Which service says so (CloudEvents ``source``, a URI reference).
    """
    headers = {
        "ce-specversion": "1.0",
        "ce-id": str(event.id),
        "ce-source": source,
        "ce-type": _quoted(event.name),
        "ce-time": event.at.isoformat(),
        "ce-partitionkey": _quoted(event.key),
        "ce-eventversion": str(event.version),
        "content-type": "application/json",
    }
    for name, value in event.headers.items():
        headers[_OWN + name] = _quoted(value)
    body = json.dumps(event.payload, allow_nan=False, separators=(",", ":"))
    return headers, body.encode()


def from_wire(headers: Mapping[str, str], body: bytes) -> Outgoing:
    """Return the event of a message.

    Raises:
        NotAnEvent: An attribute is missing or unreadable, or the body is no JSON object.
    """
    known = {name.lower(): value for name, value in headers.items()}
    try:
        payload: Any = json.loads(body)
        if not isinstance(payload, dict):
            raise NotAnEvent("the body is no JSON object")
        return Outgoing(
            id=UUID(known["ce-id"]),
            name=unquote(known["ce-type"]),
            version=int(known.get("ce-eventversion", "1")),
            key=unquote(known.get("ce-partitionkey", "")),
            at=datetime.fromisoformat(known["ce-time"]),
            payload=payload,
            headers={
                name.removeprefix(_OWN): unquote(value)
                for name, value in known.items()
                if name.startswith(_OWN) and name not in _ATTRIBUTES
            },
        )
    except KeyError as missing:
        raise NotAnEvent(f"the message has no {missing}") from None
    except ValueError as error:
        raise NotAnEvent(str(error)) from None


def _quoted(text: str) -> str:
    # Percent-encoded as CloudEvents' HTTP binding has it (3.1.3.2): no line end in a header.
    return quote(text, safe=_SAFE)
