"""Describes one socket as a channel of the AsyncAPI document, with its operations."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from nexios.adapters.openapi.dialect import draft7
from nexios.adapters.openapi.listing import NO_WORD, address_of
from nexios.adapters.openapi.messages import Asked, Messages, anything, asked
from nexios.adapters.openapi.operations import words_of
from nexios.adapters.openapi.paths import path_schema
from nexios.adapters.openapi.schemas import Schemas, Slot, with_default, without_null
from nexios.adapters.websocket.description import (
    AuthFrame,
    ErrorFrame,
    SocketDescription,
    Taken,
    alternatives,
)
from nexios.adapters.websocket.inputs import Input
from nexios.container.keys import MISSING

Written = dict[str, Any]
Secured = Callable[[Sequence[Any]], tuple[list[dict[str, str]], str | None]]
"""From guards to references to the schemes, and what they cannot say in words."""

_AT: Final[Slot] = {
    "type": "array",
    "items": {"type": "string"},
    "description": "Where a client of nexios.v1 left: `topic@epoch:offset`, once for each topic.",
}


@dataclass(slots=True)
class SocketFacts:
    """What one socket reads, takes and sends, with the slots of the types.

    Attributes:
        taken: Each kind of message it takes, what it may be, and what is replied; None for
            nothing.
    """

    described: SocketDescription
    paths: list[tuple[str, str, Slot]] = field(default_factory=list)
    inputs: list[tuple[Input, Slot]] = field(default_factory=list)
    taken: list[tuple[Taken, list[Asked], list[Asked] | None]] = field(default_factory=list)
    sends: list[Asked] = field(default_factory=list)
    auth: Asked | None = None


def read_socket(described: SocketDescription, schemas: Schemas) -> SocketFacts:
    """Ask for the types of a socket."""
    facts = SocketFacts(described)
    for one in described.template.fields:
        facts.paths.append((one.name, one.converter, path_schema(one, schemas)))
    facts.inputs = [(one, schemas.ask(one.annotation, "validation")) for one in described.inputs]
    for taken in described.taken:
        messages = [asked(one, "validation", schemas) for one in taken.types]
        facts.taken.append((taken, messages or [anything()], _replies(taken.reply, schemas)))
    facts.sends = _sent(described, schemas)
    if described.in_first_message:
        facts.auth = asked(AuthFrame, "validation", schemas)
    return facts


def _replies(reply: Any, schemas: Schemas) -> list[Asked] | None:
    if reply is None:
        return None
    if reply is MISSING:
        return [anything()]
    kinds = [one for one in alternatives(reply) if one is not type(None)]
    return [asked(one, "serialization", schemas) for one in kinds]


def _sent(described: SocketDescription, schemas: Schemas) -> list[Asked]:
    sent = [asked(one, "serialization", schemas) for one in described.sends or ()]
    for channel in described.channels:
        if channel.message is MISSING:
            sent.append(anything())
        else:
            kinds = alternatives(channel.message)
            sent += [asked(one, "serialization", schemas, as_json=True) for one in kinds]
        sent += [asked(one, "serialization", schemas) for one in channel.frames]
    if described.sends is None:
        sent.append(anything())
    return [*sent, asked(ErrorFrame, "serialization", schemas)]


def channel_of(
    facts: SocketFacts, id: str, server: str, schemas: Schemas, secured: Secured
) -> tuple[Written, list[tuple[str, Written]]]:
    """Return the channel of a socket, and its operations by name; every slot has been filled.

    Args:
        id: Of the channel.
        server: The id of the server it is on.
    """
    described = facts.described
    messages = Messages(id)
    here = {"$ref": f"#/channels/{id}"}
    refs, besides = secured(described.guards)
    common = {
        "security": refs or None,
        "tags": [{"name": tag} for tag in described.tags] or None,
    }

    def operation(action: str, kinds: Sequence[Asked], **more: Any) -> Written:
        told = {"action": action, "channel": here, "messages": messages.add(kinds)}
        return said({**told, **more, **common})

    operations: list[tuple[str, Written]] = []
    if facts.auth is not None:
        says = "Credentials, before anything else, and fresh ones later."
        operations.append(("auth", operation("receive", [facts.auth], summary=says)))
    for taken, kinds, replies in facts.taken:
        summary, description = words_of(taken.handler)
        written = operation("receive", kinds, summary=summary, description=description)
        if replies is not None:
            written["reply"] = {"channel": here, "messages": messages.add(replies)}
        operations.append((taken.name, written))
    operations.append(("send", operation("send", facts.sends)))
    summary, description = words_of(described.handler)
    channel = {
        "address": address_of(described.template, {}),
        "summary": described.summary or summary,
        "description": "\n\n".join(filter(None, (description, besides))) or None,
        "servers": [{"$ref": f"#/servers/{server}"}],
        "parameters": _parameters(facts, schemas) or None,
        "messages": messages.written,
        "bindings": {"ws": _binding(facts)},
        "tags": common["tags"],
    }
    return said(channel), operations


def address_values(paths: Iterable[tuple[str, str, Slot]]) -> dict[str, Written]:
    """Return the values of an address: the format has no schema for them, so it stands beside."""
    return {
        name: {
            "description": f"As the converter `{converter}` takes it.",
            "x-schema": draft7(slot),
        }
        for name, converter, slot in paths
    }


def _parameters(facts: SocketFacts, schemas: Schemas) -> dict[str, Written]:
    written = address_values(facts.paths)
    for one, slot in facts.inputs:
        choices = schemas.followed(without_null(slot)).get("enum", ())
        if one.place == "path" and one.name in written and choices:
            written[one.name]["enum"] = [str(choice) for choice in choices]
    return written


def _binding(facts: SocketFacts) -> Written:
    """Return the handshake, in the words of the WebSocket binding 0.1.0."""
    query = _text_values(facts, "query")
    headers = _text_values(facts, "header")
    cookies = [one.name for one, _ in facts.inputs if one.place == "cookie"]
    if cookies:
        headers.append(("cookie", _told("Holds: ", cookies), False))
    subprotocols = [*facts.described.subprotocols]
    subprotocols += [one.subprotocol for one in facts.described.channels]
    if facts.described.channels:
        query.append(("at", _AT, False))
    if subprotocols:
        known = _told("Subprotocols that may be offered: ", dict.fromkeys(subprotocols))
        headers.append(("sec-websocket-protocol", known, False))
    binding = {"method": "GET", "query": object_of(query), "headers": object_of(headers)}
    return {**said(binding), "bindingVersion": "0.1.0"}


def _text_values(facts: SocketFacts, place: str) -> list[tuple[str, Slot, bool]]:
    found = []
    for one, slot in facts.inputs:
        if one.place == place:
            schema = without_null(slot)
            if one.optional:
                schema = with_default(schema, one.default)
            found.append((one.name, draft7(schema), not one.optional))
    return found


def _told(text: str, names: Iterable[str]) -> Slot:
    return {"type": "string", "description": text + ", ".join(f"`{name}`" for name in names)}


def object_of(members: Sequence[tuple[str, Slot, bool]]) -> Slot | None:
    """Return the schema of an object by name, schema and need of each member; None of none."""
    if not members:
        return None
    schema: Slot = {"type": "object", "properties": {name: slot for name, slot, _ in members}}
    required = [name for name, _, needed in members if needed]
    return {**schema, "required": required} if required else schema


def said(told: Mapping[str, Any]) -> Written:
    """Return an object of the format without what nobody says."""
    return {name: value for name, value in told.items() if value is not None}


def free(wanted: str, taken: Container[str]) -> str:
    """Return an id that nothing has yet."""
    found, number = wanted, 1
    while found in taken:
        number += 1
        found = f"{wanted}_{number}"
    return found


def identifier(text: str) -> str:
    """Return a text as an id of the document."""
    return NO_WORD.sub("_", text).strip("_") or "channel"
