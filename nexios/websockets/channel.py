"""A named set of sockets, declared once at module level: `chat = Channel("chat")`."""

import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Generic

from pydantic_core import ValidationError

from nexios.adapters.websocket.description import ChannelDescription
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.backplane import Position, Present, Topic
from nexios.websockets.answers import M, Receipt, Slice, Told
from nexios.websockets.declared import Spec
from nexios.websockets.described import description_of
from nexios.websockets.errors import MessageInvalid, NoRunningApp, PresenceOff, UnknownSocket
from nexios.websockets.hub import RUNNING, Hub
from nexios.websockets.member import Member
from nexios.websockets.one_socket import OneSocketChannel
from nexios.websockets.options import History, Overflow, WhenDegraded
from nexios.websockets.wire import Delivery, bare, decode, encode, pack

To = WebSocket | Member | str
"""Who is meant: a socket, a member, or the id of a socket."""

GROUP_BYTES: Final = 200

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class _Room(Generic[M]):
    """What a channel and a group have in common: one topic."""

    __slots__ = ("_app", "_group", "_spec")

    def __init__(self, spec: Spec, group: str | None, app: object | None) -> None:
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
            Unavailable: With ``when_degraded="refuse"``, and it cannot be stored; nobody got it.
            OutcomeUnknown: With the same, and it may have been stored: repeat it with the id.
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
        spec = self._spec
        publishing = hub.publish(
            self._topic(),
            payload,
            id=name,
            key=key,
            keep=spec.history.keep,
            alone=spec.when_degraded,
        )
        if hub.telling.heard:
            publishing = hub.telling.told(publishing, spec.name, len(payload))
        stored = await publishing
        if stored is None:
            return Receipt(name, None, degraded=True)
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

    async def presence(self) -> Sequence[Present]:
        """Return who is in it, on all processes; those first who came first.

        Somebody on a process that was killed is in it for a minute more.

        Raises:
            PresenceOff: The channel is declared without ``presence=True``.
        """
        if not self._spec.presence:
            raise PresenceOff(self._spec.name)
        return await self._hub().present(self._topic())

    async def _join(
        self,
        websocket: WebSocket,
        recent: int,
        meta: Mapping[str, object] | None,
        after: Position | None,
    ) -> Member:
        hub = self._hub(websocket)
        return await hub.join(
            websocket, self._topic(), self._spec, meta=meta, recent=recent, after=after
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
        hub = RUNNING.of(app, self._spec.name)
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
        after: Position | None = None,
        recent: int = 0,
        meta: Mapping[str, object] | None = None,
    ) -> Member:
        """Take a socket into the group, accepting it if needed; twice is the same member.

        A client that offers ``nexios.v1`` gets its frames, and says itself where it left.

        Args:
            after: What came after this place is sent first.
            recent: Without it, so many of the last messages are.
            meta: What ``members`` and ``presence`` show about it; JSON values.

        Raises:
            WebSocketDisconnect: The socket is over.
        """
        return await self._join(websocket, recent, meta, after)

    async def leave(self, websocket: WebSocket) -> None:
        """Let a socket go; it stays open. Idempotent, and safe when the peer is gone."""
        self._leave(websocket, self._group)


class Channel(_Room[M]):
    """A named set of sockets.

    Made at module level, it belongs to no app: each use finds the app of the socket, or the one
    that runs on this event loop. ``Channel(websocket, payload_type)`` is Nexios 2.11's channel of
    one socket, a `OneSocketChannel`.
    """

    __slots__ = ()

    def __new__(cls, *first: Any, **options: Any) -> Any:
        """Return a channel; with a socket as first argument the one-socket channel of 2.11."""
        socket = first[0] if first else options.get("websocket")
        if isinstance(socket, WebSocket):
            return OneSocketChannel(*first, **options)
        return super().__new__(cls)

    def __init__(
        self,
        name: str,
        *,
        message: type[M] | None = None,
        key: Callable[[M], str] | None = None,
        overflow: Overflow | None = None,
        history: History | None = None,
        presence: bool = False,
        when_degraded: WhenDegraded = "local",
    ) -> None:
        """Declare a channel.

        Args:
            name: Up to 64 of ``a-z 0-9 . _ -``.
            message: What it carries; other messages are refused to the one who broadcasts.
            key: What makes a newer message replace an older one.
            overflow: What happens to members that read too slowly; ``Overflow.disconnect()``.
            history: How much is kept; ``History()``.
            presence: All processes know who is in it, and tell ``nexios.v1`` clients of joins
                and leaves.
            when_degraded: While no other process can be reached, the members here get messages
                all the same; ``"refuse"`` raises instead.
        """
        policy = overflow or Overflow.disconnect()
        spec = Spec(
            name,
            message,
            key,
            policy,
            history or History(),
            presence=presence,
            when_degraded=when_degraded,
        )
        super().__init__(spec, None, None)

    @property
    def name(self) -> str:
        """Name of the channel."""
        return self._spec.name

    def __repr__(self) -> str:
        return f"<Channel {self.name}>"

    def description(self) -> ChannelDescription:
        """Return what documents may know of it."""
        return description_of(self._spec)

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

    async def present(self, room: str | None = None) -> Sequence[Present]:
        """Return who is in a group, or without one in the channel itself; see `presence`."""
        return await (self if room is None else self.group(room)).presence()

    async def connect(
        self,
        websocket: WebSocket,
        *,
        after: Position | None = None,
        recent: int = 0,
        meta: Mapping[str, object] | None = None,
    ) -> Member:
        """Take a socket into the channel, accepting it if needed; twice is the same member.

        It leaves by itself when its handler ends, however that ends.

        A client that offers ``nexios.v1`` gets its frames, and says itself where it left.

        Args:
            after: What came after this place is sent first.
            recent: Without it, so many of the last messages are.
            meta: What ``members`` and ``presence`` show about it; JSON values.

        Raises:
            WebSocketDisconnect: The socket is over.
        """
        return await self._join(websocket, recent, meta, after)

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
