"""Messages of the AsyncAPI document: what each is called, and how it looks on the wire."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, get_origin

from nexios.adapters.openapi.answers import JSON
from nexios.adapters.openapi.dialect import draft7
from nexios.adapters.openapi.listing import NO_WORD
from nexios.adapters.openapi.operations import words_of
from nexios.adapters.openapi.schemas import Mode, Schemas, Slot
from nexios.adapters.websocket.messages import Plain

_PLAIN: Final[Mapping[frozenset[type], tuple[str, str]]] = {
    frozenset({str}): ("text", "text/plain"),
    frozenset({bytes}): ("bytes", "application/octet-stream"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One message, with the slot of its payload.

    Attributes:
        headers: Its schema, where it has headers.
    """

    name: str
    payload: Slot
    media: str = JSON
    summary: str | None = None
    headers: Slot | None = None

    def written(self) -> dict[str, Any]:
        """Return it as the document has it; its slot has been filled."""
        told = {
            "title": self.name,
            "summary": self.summary,
            "contentType": self.media,
            "headers": self.headers,
            "payload": draft7(self.payload),
        }
        return {name: value for name, value in told.items() if value is not None}


def asked(annotation: Any, mode: Mode, schemas: Schemas, *, as_json: bool = False) -> Asked:
    """Ask for the payload of a message.

    Args:
        as_json: Text goes out as JSON, too, as channels send it.
    """
    plain = Plain.of(annotation)
    kind = _PLAIN.get(plain.kinds) if plain is not None else None
    if kind is not None and not (as_json and kind[0] == "text"):
        return Asked(kind[0], schemas.ask(annotation, mode), kind[1])
    named = get_origin(annotation) or annotation
    own = isinstance(named, type) and named.__module__ != "builtins"
    name = _name_of(annotation, named) if own else "message"
    summary = words_of(named)[0] if own else None
    return Asked(name, schemas.ask(annotation, mode), summary=summary)


def anything() -> Asked:
    """Return the message of which nobody says what it is."""
    return Asked("anything", {})


@dataclass(slots=True)
class Messages:
    """The messages of one channel, by names that are unique there.

    Attributes:
        channel: The id of the channel.
    """

    channel: str
    written: dict[str, Any] = field(default_factory=dict)

    def add(self, messages: Iterable[Asked]) -> list[dict[str, str]]:
        """Take messages in; return references to them, one for each."""
        keys = dict.fromkeys(self._key(one) for one in messages)
        return [{"$ref": f"#/channels/{self.channel}/messages/{key}"} for key in keys]

    def _key(self, message: Asked) -> str:
        told = message.written()
        key, number = message.name, 1
        while self.written.setdefault(key, told) != told:
            number += 1
            key = f"{message.name}_{number}"
        return key


def _name_of(annotation: Any, named: type) -> str:
    # A generic model is called by its arguments, too: Envelope[Thing].
    name = getattr(annotation, "__name__", named.__name__)
    return NO_WORD.sub("_", name).strip("_")
