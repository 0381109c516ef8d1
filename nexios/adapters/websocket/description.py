"""What documents may know of a socket: plain facts, read from its compiled endpoint."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NotRequired,
    Protocol,
    get_args,
    get_origin,
    runtime_checkable,
)

from typing_extensions import TypedDict

from nexios.adapters.asgi.annotations import UNIONS
from nexios.adapters.asgi.controllers import short_name
from nexios.adapters.routing.template import Template
from nexios.adapters.websocket.endpoint import SocketEndpoint
from nexios.adapters.websocket.inputs import Input, SocketSource
from nexios.container.keys import MISSING
from nexios.container.signature import hint_of


@dataclass(frozen=True, slots=True)
class ChannelDescription:
    """What a channel says of itself to documents.

    Attributes:
        message: What it carries; ``MISSING`` when anything goes.
        frames: What clients of ``subprotocol`` get around it, each one JSON object.
        subprotocol: What they offer.
    """

    name: str
    message: Any
    frames: tuple[Any, ...]
    subprotocol: str


@runtime_checkable
class Described(Protocol):
    """A channel, as far as documents are concerned; ``sends=`` may name one."""

    def description(self) -> ChannelDescription:
        """Return what it says of itself."""
        ...


class ErrorFrame(TypedDict):
    """What a message is answered with that cannot be: the words of RFC 9457."""

    type: Literal["error"]
    ref: NotRequired[Any]
    status: int
    code: str
    detail: str
    details: NotRequired[dict[str, Any]]
    errors: NotRequired[list[dict[str, Any]]]
    error_id: NotRequired[str]


class AuthFrame(TypedDict):
    """Credentials in a message."""

    type: Literal["auth"]
    token: str


@dataclass(frozen=True, slots=True)
class Taken:
    """One kind of message that a socket takes.

    Attributes:
        name: Of the method; ``receive`` of a function.
        types: What clients may send; empty when nobody says.
        reply: What goes back to the sender; None for nothing, ``MISSING`` when nobody says.
        handler: Whose docstring tells of it.
    """

    name: str
    types: tuple[Any, ...]
    reply: Any
    handler: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class SocketDescription:
    """One socket, for documents.

    Attributes:
        name: What its operations are called by.
        handler: Whose docstring tells of it.
        inputs: What it reads from the handshake, guards included.
        sends: What it sends unasked; None when nobody says.
        channels: Those among what it sends that are channels.
    """

    name: str
    label: str
    where: str
    template: Template
    handler: Callable[..., Any]
    guards: tuple[Any, ...]
    summary: str | None
    tags: tuple[str, ...]
    subprotocols: tuple[str, ...]
    in_first_message: bool
    inputs: tuple[Input, ...]
    taken: tuple[Taken, ...]
    sends: tuple[Any, ...] | None
    channels: tuple[ChannelDescription, ...] = field(default=())

    @property
    def untyped(self) -> list[str]:
        """What nobody says, in words: the document shows ``{}`` there."""
        found = []
        for one in self.taken:
            if not one.types:
                found.append(f"what {one.name} takes: receives=, or an annotation of the message")
            if one.reply is MISSING:
                found.append(f"what {one.name} replies: a return annotation, -> None for nothing")
        if self.sends is None:
            found.append("what it sends: sends=, () for nothing")
        found += [
            f"what channel {one.name!r} carries: Channel(message=)"
            for one in self.channels
            if one.message is MISSING
        ]
        return found


_SUFFIXES: Final = ("WebSocketController", "Controller", "WebSocket", "Socket")


def describe(endpoint: SocketEndpoint) -> SocketDescription:
    """Return what documents may know of an endpoint; its plans must have been made."""
    options = endpoint.options
    given = None if options.sends is None else _each(options.sends)
    channels = tuple(one.description() for one in given or () if isinstance(one, Described))
    return SocketDescription(
        name=options.name or _name_of(endpoint.handler),
        label=endpoint.label,
        where=endpoint.where,
        template=endpoint.template,
        handler=endpoint.handler,
        guards=endpoint.guards,
        summary=options.summary,
        tags=tuple(dict.fromkeys(options.tags)),
        subprotocols=tuple(options.subprotocols),
        in_first_message=endpoint.in_first_message,
        inputs=tuple(_inputs_of(endpoint)),
        taken=_taken_by(endpoint),
        sends=None
        if given is None
        else tuple(one for one in given if not isinstance(one, Described)),
        channels=channels,
    )


def alternatives(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, tagged or not, else the annotation alone."""
    origin = get_origin(annotation)
    if origin is Annotated and get_origin(get_args(annotation)[0]) in UNIONS:
        return alternatives(get_args(annotation)[0])
    if origin in UNIONS:
        return tuple(one for member in get_args(annotation) for one in alternatives(member))
    return (annotation,)


def _each(given: Any) -> tuple[Any, ...]:
    """Return what an option names: one thing, a union, or several in a list."""
    several = given if isinstance(given, list | tuple) else (given,)
    return tuple(one for each in several for one in alternatives(each))


def _taken_by(endpoint: SocketEndpoint) -> tuple[Taken, ...]:
    if endpoint.methods is None:
        received = endpoint.options.receives
        types = () if received is None else _each(received)
        # What a function answers it sends itself.
        named = received is None or bool(types)
        return (Taken("receive", types, None, endpoint.handler),) if named else ()
    return tuple(
        Taken(name, () if takes is MISSING else alternatives(takes), _reply_of(method), method)
        for name, (takes, method) in sorted(endpoint.methods.items())
    )


def _reply_of(method: Callable[..., Any]) -> Any:
    hint = hint_of(method)
    return None if hint is type(None) else hint


def _inputs_of(endpoint: SocketEndpoint) -> list[Input]:
    found: dict[tuple[str, str], Input] = {}
    for point in endpoint.points:
        if isinstance(point.reads, SocketSource):
            for one in point.reads.every:
                known = found.get((one.place, one.name))
                # Who needs it makes it needed for all.
                if known is None or known.optional:
                    found[one.place, one.name] = one
    return list(found.values())


def _name_of(handler: Callable[..., Any]) -> str:
    if isinstance(handler, type):
        return short_name(handler, *_SUFFIXES)
    return str(getattr(handler, "__name__", "socket"))
