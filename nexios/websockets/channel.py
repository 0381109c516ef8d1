"""A named set of sockets, declared once at module level: `chat = Channel("chat")`."""

import re
import secrets
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic

import pydantic
from pydantic_core import ValidationError
from typing_extensions import TypeVar

from nexios.adapters.websocket.socket import WebSocket
from nexios.application.backplane import Position, Topic
from nexios.websockets.errors import MessageInvalid, NoRunningApp, UnknownSocket
from nexios.websockets.hub import Hub, hub_of
from nexios.websockets.member import Member
from nexios.websockets.options import History, Overflow
from nexios.websockets.wire import Delivery, bare, decode, encode, pack

M = TypeVar("M", default=Any)

To = WebSocket | Member | str
"""Who is meant: a socket, a member, or the id of a socket."""

GROUP_BYTES: Final = 200

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a broadcast.

    Attributes:
        id: The message's id, the given one or a new one.
        position: Its place in the topic.
        duplicate: A message with this id had been stored before; nobody got it again.
    """

    id: str
    position: Position
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Told(Generic[M]):
    """One message of the history."""

    id: str
    position: Position
    data: M


@dataclass(frozen=True, slots=True)
class Slice(Generic[M]):
    """A part of a topic's history, oldest first.

    Attributes:
        messages: What is kept after the asked position.
        position: Where the topic stands now.
        complete: False when something after the asked position is gone.
    """

    messages: tuple[Told[M], ...]
    position: Position
    complete: bool


class _Spec:
    """What was declared; the hub compares it by ``options``."""

    __slots__ = ("adapter", "history", "key", "message", "name", "overflow", "place")

    def __init__(
        self,
        name: str,
        message: Any,
        key: Callable[[Any], str] | None,
        overflow: Overflow,
        history: History,
    ) -> None:
        if _NAME.fullmatch(name) is None:
            raise ValueError(
                f"{name!r} is no channel name: up to 64 of a-z 0-9 . _ -, beginning with a letter "
                f"or digit; what users name belongs in a group: Channel(...).group({name!r})"
            )
        self.name = name
        self.message = message
        self.key = key
        self.overflow = overflow
        self.history = history
        self.adapter = None if message is None else pydantic.TypeAdapter[Any](message)
        self.place = _place()

    @property
    def options(self) -> tuple[object, ...]:
        """What has to be the same in every declaration of one name."""
        return (self.message, self.key, self.overflow, self.history)


class _Room(Generic[M]):
    """What a channel and a group have in common: one topic."""

    __slots__ = ("_app", "_group", "_spec")

    def __init__(self, spec: _Spec, group: str | None, app: object | None) -> None:
        self._spec = spec
        self._group = group
        self._app = app

    async def broadcast(
        self,
        message: M,
        *,
        id: str | None = None,
        key: str | None = None,
        exclude: Iterable[To] = (),
    ) -> Receipt:
        """Send a message to all members, on all processes.

        It never waits for a member and never raises for one.

        Args:
            message: What the channel is declared to carry, else anything with a JSON form;
                ``bytes`` go out as a binary frame.
            id: Repeating a broadcast with the same id within two minutes sends nothing.
            key: What later messages replace it by, under ``Overflow.latest_by_key()``.
            exclude: Sockets that do not get it.

        Raises:
            MessageInvalid: The message is not what the channel carries.
            Unavailable: The backplane cannot store it now; nobody got it.
            NoRunningApp: No app runs on this loop.
            AmbiguousApp: Several do; write ``channel.of(app)``.
        """
        hub = self._hub()
        value = self._checked(message)
        if key is None and self._spec.key is not None:
            key = self._spec.key(value)
        name = id or secrets.token_urlsafe(12)
        try:
            payload = pack(*encode(value), [_socket_id(to) for to in exclude])
        except ValueError as error:
            raise MessageInvalid(self._spec.name, str(error)) from None
        stored = await hub.publish(
            self._topic(), payload, id=name, key=key, keep=self._spec.history.keep
        )
        return Receipt(name, stored.position, stored.duplicate)

    async def history(self, after: Position | None = None, limit: int = 100) -> Slice[M]:
        """Return what is kept after a position, or the last messages."""
        kept = await self._hub().backplane.read(self._topic(), after, limit)
        told = []
        for arrived in kept.messages:
            data = decode(Delivery(arrived), self._spec.adapter)
            told.append(Told(arrived.id, arrived.position, data))
        return Slice(tuple(told), kept.head, kept.complete)

    @property
    def members(self) -> tuple[Member, ...]:
        """The members on this process, in order of joining."""
        return self._hub().members(self._topic())

    async def _join(
        self, websocket: WebSocket, recent: int, meta: Mapping[str, object] | None
    ) -> Member:
        hub = self._hub(websocket)
        return await hub.join(
            websocket, self._topic(), self._spec.overflow, meta=meta, recent=recent
        )

    def _leave(self, websocket: WebSocket, group: str | None) -> None:
        try:
            hub = self._hub(websocket)
        except NoRunningApp:
            return  # the app has stopped, and let everybody go when it did
        hub.leave(websocket, self._spec.name, group)

    def _topic(self) -> Topic:
        return Topic(self._spec.name, self._group)

    def _hub(self, websocket: WebSocket | None = None) -> Hub:
        app = self._app
        if app is None and websocket is not None:
            app = websocket.app
        hub = hub_of(app, self._spec.name)
        hub.declare(self._spec)
        return hub

    def _checked(self, message: M) -> Any:
        spec = self._spec
        if spec.adapter is None or type(message) is spec.message:
            return message
        try:
            return spec.adapter.validate_python(message)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in found["loc"])
            raise MessageInvalid(
                spec.name, f"{place}: {found['msg']}" if place else found["msg"]
            ) from None


class Group(_Room[M]):
    """A named part of a channel, with an order and a history of its own."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """Name of the group."""
        return self._group or ""

    def __repr__(self) -> str:
        return f"<Group {self._topic()}>"

    async def join(
        self,
        websocket: WebSocket,
        *,
        recent: int = 0,
        meta: Mapping[str, object] | None = None,
    ) -> Member:
        """Take a socket into the group, accepting it if needed; twice is the same member.

        Args:
            recent: So many of the last messages are sent first.
            meta: What ``members`` shows about it.

        Raises:
            WebSocketDisconnect: The socket is over.
        """
        return await self._join(websocket, recent, meta)

    async def leave(self, websocket: WebSocket) -> None:
        """Let a socket go; it stays open. Idempotent, and safe when the peer is gone."""
        self._leave(websocket, self._group)


class Channel(_Room[M]):
    """A named set of sockets.

    Made at module level, it belongs to no app: each use finds the app of the socket, or the one
    that runs on this event loop.
    """

    __slots__ = ()

    def __init__(
        self,
        name: str,
        *,
        message: type[M] | None = None,
        key: Callable[[M], str] | None = None,
        overflow: Overflow | None = None,
        history: History | None = None,
    ) -> None:
        """Declare a channel.

        Args:
            name: Up to 64 of ``a-z 0-9 . _ -``.
            message: What it carries; other messages are refused to the one who broadcasts.
            key: What makes a newer message replace an older one.
            overflow: What happens to members that read too slowly; ``Overflow.disconnect()``.
            history: How much is kept; ``History()``.
        """
        policy = overflow or Overflow.disconnect()
        spec = _Spec(name, message, key, policy, history or History())
        super().__init__(spec, None, None)

    @property
    def name(self) -> str:
        """Name of the channel."""
        return self._spec.name

    def __repr__(self) -> str:
        return f"<Channel {self.name}>"

    def of(self, app: object) -> "Channel[M]":
        """Return this channel bound to one app, for several apps on one loop."""
        bound: Channel[M] = Channel.__new__(Channel)
        _Room.__init__(bound, self._spec, None, app)
        return bound

    def group(self, name: str) -> Group[M]:
        """Return a group; it needs no creating and ends with its last member.

        Raises:
            ValueError: The name is empty, over 200 bytes, or holds control characters.
        """
        size = len(name.encode("utf-8", "surrogatepass"))
        if not name or size > GROUP_BYTES or _CONTROL.search(name) is not None:
            raise ValueError(
                f"a group name has 1 to {GROUP_BYTES} bytes and no control characters: {name!r}"
            )
        return Group(self._spec, name, self._app)

    async def connect(
        self,
        websocket: WebSocket,
        *,
        recent: int = 0,
        meta: Mapping[str, object] | None = None,
    ) -> Member:
        """Take a socket into the channel, accepting it if needed; twice is the same member.

        It leaves by itself when its handler ends, however that ends.

        Args:
            recent: So many of the last messages are sent first.
            meta: What ``members`` shows about it.

        Raises:
            WebSocketDisconnect: The socket is over.
        """
        return await self._join(websocket, recent, meta)

    async def disconnect(self, websocket: WebSocket) -> None:
        """Let a socket go, from all groups too; it stays open.

        Idempotent, and safe when the peer is gone.
        """
        self._leave(websocket, None)

    async def send(self, to: To, message: M) -> None:
        """Send a message to one socket, in order with what else is due to it. Best effort.

        Raises:
            MessageInvalid: The message is not what the channel carries.
            UnknownSocket: It is no member of anything here.
        """
        value = self._checked(message)
        try:
            flags, body = encode(value)
        except ValueError as error:
            raise MessageInvalid(self.name, str(error)) from None
        socket = _socket_id(to)
        outgoing = self._hub().outgoing(socket)
        if outgoing is None:
            raise UnknownSocket(socket)
        outgoing.offer_frame(
            bare(body, binary=bool(flags)), len(body), self._topic(), self._spec.overflow
        )


def _socket_id(to: To) -> str:
    if isinstance(to, str):
        return to
    return to.socket if isinstance(to, Member) else to.id


def _place() -> str:
    """Return file and line of the declaration, past this file and generic aliases."""
    frame = sys._getframe(1)  # noqa: SLF001  # the documented CPython call, as in `warnings`
    while frame.f_back is not None and frame.f_globals.get("__name__") in (__name__, "typing"):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
