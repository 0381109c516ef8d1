"""Draws the AsyncAPI document: sockets, event streams, and events for other services."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from nexios.adapters.openapi.answers import EVENTS, JSON
from nexios.adapters.openapi.channels import (
    SocketFacts,
    Written,
    address_values,
    channel_of,
    free,
    identifier,
    object_of,
    said,
)
from nexios.adapters.openapi.config import OpenAPIConfig
from nexios.adapters.openapi.dialect import draft7
from nexios.adapters.openapi.events import EventDescription, cloud_event
from nexios.adapters.openapi.listing import asked_for, spelled
from nexios.adapters.openapi.messages import Asked, Messages, asked
from nexios.adapters.openapi.operations import Facts, parameters_of, words_of
from nexios.adapters.openapi.schemas import Schemas, Slot, used
from nexios.adapters.openapi.security import requirements

ASYNCAPI: Final = "3.1.0"

_HOST: Final = "{host}"
_AT_BROKER: Final = {"$ref": "#/servers/broker"}
_SCHEMES: Final = {"http": ("ws", "http"), "https": ("wss", "https")}
_CONTACT: Final = ("name", "url", "email")
_LICENSE: Final = ("name", "url")


@dataclass(frozen=True, slots=True)
class EventFacts:
    """One event with the slot of its fields."""

    described: EventDescription
    message: Asked


def read_event(described: EventDescription, schemas: Schemas) -> EventFacts:
    """Ask for the type of an event; on the wire it is as it is written, both ways."""
    plain = asked(described.type, "serialization", schemas)
    headers = cloud_event(described)
    return EventFacts(
        described, Asked(plain.name, plain.payload, summary=plain.summary, headers=headers)
    )


class AsyncDrawing:
    """What an application says beside its channels, put around them."""

    def __init__(self, config: OpenAPIConfig, known: Mapping[str, Any], broker: str) -> None:
        """Note what is known beside the channels.

        Args:
            known: Every security scheme, by name.
            broker: The protocol of what carries events to other services.
        """
        self._config = config
        self._known = known
        self._broker = broker
        self._named: set[str] = set()

    def document(
        self,
        sockets: Sequence[SocketFacts],
        streams: Sequence[Facts],
        events: Sequence[EventFacts],
        schemas: Schemas,
        root_path: str,
    ) -> Written:
        """Return the whole; every slot of ``schemas`` has been filled.

        Args:
            streams: Operations of HTTP; those that answer with event streams are described.
            root_path: Where the server has put the application.
        """
        self._named = set()
        channels: dict[str, Written] = {}
        operations: dict[str, Written] = {}
        for channel_id, facts in zip(_ids(sockets), sockets, strict=True):
            channel, its = channel_of(facts, channel_id, "sockets", schemas, self._secured)
            channels[channel_id] = channel
            for name, operation in its:
                operations[free(f"{channel_id}_{name}", operations)] = operation
        for one in streams:
            for answer, slot in one.answers:
                if answer.media == EVENTS:
                    self._stream(one, slot, schemas, channels, operations)
        for event in events:
            self._event(event, channels, operations)
        whole: Written = {
            "asyncapi": ASYNCAPI,
            "info": self._info(),
            "servers": self._servers(channels, root_path),
            "defaultContentType": "application/json",
            "channels": dict(sorted(channels.items())),
            "operations": dict(sorted(operations.items())),
        }
        components = self._components(schemas, whole)
        return {**whole, "components": components} if components else whole

    def _stream(
        self,
        one: Facts,
        slot: Slot,
        schemas: Schemas,
        channels: dict[str, Written],
        operations: dict[str, Written],
    ) -> None:
        listed = one.listed
        channel_id = free(identifier(listed.id), channels)
        messages = Messages(channel_id)
        message = Asked("event", slot, "text/plain" if slot.get("type") == "string" else JSON)
        unit = listed.unit
        wanted = requirements(unit.guards, asked_for(unit), self._known)
        refs, besides = self._references(wanted)
        summary, description = words_of(unit.flat.route.handler)
        fields = unit.templates[0].fields
        names = listed.names
        slots = dict(one.paths)
        paths = [
            (names.get(each.name, each.name), each.converter, slots[each.name]) for each in fields
        ]
        query = [
            (each["name"], draft7(each["schema"]), each["required"])
            for each in parameters_of(one, schemas)
            if each["in"] == "query"
        ]
        binding = said({"method": listed.method.upper(), "query": object_of(query)})
        operation: Written = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{channel_id}"},
            "messages": messages.add([message]),
            "bindings": {"http": {**binding, "bindingVersion": "0.3.0"}},
            "security": refs or None,
        }
        channel: Written = {
            "address": listed.path,
            "summary": unit.flat.route.summary or summary,
            "description": "\n\n".join(filter(None, (description, besides))) or None,
            "servers": [{"$ref": "#/servers/http"}],
            "parameters": address_values(paths) or None,
            "messages": messages.written,
        }
        channels[channel_id] = said(channel)
        operations[free(channel_id, operations)] = said(operation)

    def _event(
        self, event: EventFacts, channels: dict[str, Written], operations: dict[str, Written]
    ) -> None:
        described = event.described
        base = identifier(described.name)
        same = (
            channel_id
            for channel_id, channel in channels.items()
            if channel["address"] == described.name and channel["servers"] == [_AT_BROKER]
        )
        channel_id = next(same, None) or free(base, channels)
        channel = channels.setdefault(
            channel_id, {"address": described.name, "servers": [_AT_BROKER], "messages": {}}
        )
        messages = Messages(channel_id, channel["messages"])
        name = identifier(described.consumer) if described.consumer else f"{channel_id}_send"
        operations[free(name, operations)] = {
            "action": described.action,
            "channel": {"$ref": f"#/channels/{channel_id}"},
            "messages": messages.add([event.message]),
        }

    def _secured(self, guards: Sequence[Any]) -> tuple[list[dict[str, str]], str | None]:
        return self._references(requirements(guards, None, self._known))

    def _references(
        self, wanted: Sequence[Mapping[str, Any]] | None
    ) -> tuple[list[dict[str, str]], str | None]:
        """Return the schemes; the format knows "any one of them", so "both" is said in words."""
        names = sorted({name for each in wanted or () for name in each})
        self._named.update(names)
        refs = [{"$ref": f"#/components/securitySchemes/{name}"} for name in names]
        if not any(len(each) > 1 for each in wanted or ()):
            return refs, None
        sets = (" and ".join(f"`{name}`" for name in sorted(each)) for each in wanted or ())
        return refs, f"Asks for {', or '.join(sets)}."

    def _info(self) -> Written:
        info: Written = dict(self._config.info)
        for part, words in (("contact", _CONTACT), ("license", _LICENSE)):
            if part in info:  # OpenAPI's have more words than AsyncAPI's
                info[part] = {word: info[part][word] for word in words if word in info[part]}
        if self._config.tags:
            info["tags"] = self._config.tags
        if self._config.external_docs is not None:
            info["externalDocs"] = self._config.external_docs
        return info

    def _servers(self, channels: Mapping[str, Written], root_path: str) -> Written | None:
        """Return the servers that channels are on; hosts that nobody names are variables."""
        needed = {
            ref["$ref"].rpartition("/")[2] for one in channels.values() for ref in one["servers"]
        }
        servers: dict[str, Written] = {}
        places = [_placed(one) for one in self._config.servers] or [_placed({"url": root_path})]
        for number, (schemes, place) in enumerate(places, 1):
            ending = "" if number == 1 else f"_{number}"
            for kind, protocol in zip(("sockets", "http"), schemes, strict=True):
                if kind in needed:
                    servers[kind + ending] = {**place, "protocol": protocol}
        if "broker" in needed:
            where = {"description": "Where the services of this application meet."}
            servers["broker"] = {
                "host": _HOST,
                "protocol": self._broker,
                "description": "Events as CloudEvents 1.0 in binary mode.",
                "variables": {"host": where},
            }
        for channel in channels.values():
            kind = channel["servers"][0]["$ref"].rpartition("/")[2]
            if kind != "broker":
                refs = [name for name in servers if name == kind or name.startswith(f"{kind}_")]
                channel["servers"] = [{"$ref": f"#/servers/{name}"} for name in refs]
        return servers

    def _components(self, schemas: Schemas, whole: Written) -> Written:
        known = {**schemas.components, **self._config.components.get("schemas", {})}
        needed = {name: draft7(one) for name, one in used(known, whole).items()}
        schemes = {name: _scheme(self._known[name]) for name in sorted(self._named)}
        parts = {"schemas": needed, "securitySchemes": schemes}
        return {kind: part for kind, part in parts.items() if part}


def _ids(sockets: Sequence[SocketFacts]) -> list[str]:
    """Return the ids of sockets: their names; of those that share one, their paths in words."""
    names = [identifier(one.described.name) for one in sockets]
    count = Counter(names)
    taken: dict[str, None] = {}
    for one, name in zip(sockets, names, strict=True):
        wanted = name if count[name] == 1 else identifier(spelled(one.described.template))
        taken[free(wanted, taken)] = None
    return list(taken)


def _placed(server: Mapping[str, Any]) -> tuple[tuple[str, str], Written]:
    """Return the protocols for sockets and HTTP at a server of OpenAPI, and where it is."""
    url = urlsplit(str(server.get("url", "")))
    place: Written = {"host": url.netloc or _HOST}
    if url.path.rstrip("/"):
        place["pathname"] = url.path.rstrip("/")
    if server.get("description"):
        place["description"] = server["description"]
    variables = dict(server.get("variables") or {})
    if not url.netloc:
        variables["host"] = {"description": "Where the application is served."}
    if variables:
        place["variables"] = variables
    return _SCHEMES.get(url.scheme, _SCHEMES["http"]), place


def _scheme(given: Mapping[str, Any]) -> Written:
    """Return a security scheme of OpenAPI in the words of AsyncAPI."""
    scheme = dict(given)
    kind = scheme.get("type")
    if kind == "apiKey":
        return {**scheme, "type": "httpApiKey"}
    if kind == "mutualTLS":
        return {**scheme, "type": "X509"}
    if kind == "oauth2":
        flows = {name: dict(flow) for name, flow in scheme["flows"].items()}
        for flow in flows.values():
            flow["availableScopes"] = flow.pop("scopes", {})
        return {**scheme, "flows": flows}
    return scheme
