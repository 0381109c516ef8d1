"""A topic as an application sees it: what a channel and a group have in common, and groups."""

import secrets
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic

from pydantic_core import ValidationError

from nexios.adapters.http.sse import ServerSentEvent
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.backplane import Position, Present, Stored, Topic
from nexios.websockets.answers import M, Receipt, Slice, Told
from nexios.websockets.declared import Spec
from nexios.websockets.errors import MessageInvalid, NoRunningApp, PresenceOff
from nexios.websockets.feed import events
from nexios.websockets.hub import RUNNING, Hub
from nexios.websockets.member import Member
from nexios.websockets.names import user_topic, users_of
from nexios.websockets.options import OverflowKind
from nexios.websockets.wire import Delivery, decode, encode, pack

To = WebSocket | Member | str
"""Who is meant: a socket, a member, or the id of a socket."""


def socket_id(to: To) -> str:
    """Return the id of who is meant."""
    if isinstance(to, str):
        return to
    return to.socket if isinstance(to, Member) else to.id


class Room(Generic[M]):
    """What a channel and a group have in common: one topic."""

    __slots__ = ("_app", "_group", "_spec")

    def __init__(self, spec: Spec, group: str | None, app: object | None) -> None:
        self._spec = spec
        self._group = group
        self._app = app

    @property
    def spec(self) -> Spec:
        """What its channel is declared to be."""
        return self._spec

    async def broadcast(
        self,
        message: M,
        *,
        id: str | None = None,
        key: str | None = None,
        exclude: Iterable[To] = (),
    ) -> Receipt:
        """Send a message to all members, on all processes.

        It never raises for a member, and waits for one under ``Overflow.block`` only.

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
            payload = pack(*encode(value), [socket_id(to) for to in exclude])
        except ValueError as error:
            raise MessageInvalid(self._spec.name, str(error)) from None
        overflow = self._spec.overflow
        if overflow.kind is OverflowKind.BLOCK:
            async with hub.patience.room(self._topic(), len(payload), overflow.timeout_s):
                stored = await self._publish(hub, payload, name, key)
        else:
            stored = await self._publish(hub, payload, name, key)
        if stored is None:
            return Receipt(name, None, degraded=True)
        return Receipt(name, stored.position, stored.duplicate)

    def _publish(
        self, hub: Hub, payload: bytes, id: str, key: str | None
    ) -> Coroutine[Any, Any, Stored | None]:
        spec = self._spec
        publishing = hub.publish(
            self._topic(),
            payload,
            id=id,
            key=key,
            keep=spec.history.keep,
            alone=spec.when_degraded,
        )
        telling = hub.telling
        return telling.told(publishing, spec.name, len(payload)) if telling.heard else publishing

    async def history(self, after: Position | None = None, limit: int = 100) -> Slice[M]:
        """Return what is kept after a position, or the last messages."""
        kept = await self._hub().backplane.read(self._topic(), after, limit)
        told = []
        for arrived in kept.messages:
            data = decode(Delivery(arrived), self._spec.adapter)
            told.append(Told(arrived.id, arrived.position, data))
        return Slice(tuple(told), kept.head, kept.complete)

    def events(self, after: Position | str | None = None) -> AsyncIterator[ServerSentEvent[Any]]:
        """Return the messages as an event stream, for ``response.sse``.

        An event's id is the message's place, so that a browser goes on where it was cut. The
        data is the message's JSON; that of ``bytes`` is Base64, with ``event: bytes``. Beside
        them come ``joined`` first, ``reset`` where messages were lost, and ``dropped`` with the
        count of those that gave way. What is too slow under ``Overflow.disconnect()`` ends, and
        its client comes back.

        Args:
            after: Where to go on: ``request.last_event_id``, or a position. With None it
                begins now; an id of something else is a ``reset``.

        Raises:
            NoRunningApp: No app runs on this loop.
            AmbiguousApp: Several do; write ``channel.of(app)``.
        """
        return events(self._hub(), self._topic(), self._spec, after)

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
        *,
        single: bool,
    ) -> Member:
        hub = self._hub(websocket)
        spec, topic = self._spec, self._topic()
        if spec.joining is not None:
            await spec.joining(websocket, self._group)
        subject = websocket.caller.actor
        alone = single and subject is not None
        if alone:
            hub.post.expect(topic, websocket.id)
        try:
            member = await hub.join(websocket, topic, spec, meta=meta, recent=recent, after=after)
            mine = user_topic(spec.name, subject) if spec.users else None
            if mine is not None and mine != topic:
                await hub.join(websocket, mine, spec, meta=meta, recent=0, after=None)
            if alone and subject is not None:
                await hub.post.replace(topic, subject, websocket.id)
        except BaseException:
            hub.post.unexpect(topic, websocket.id)
            raise
        return member

    def _leave(self, websocket: WebSocket, topic: Topic | None) -> None:
        try:
            hub = self._hub(websocket)
        except NoRunningApp:
            return  # the app has stopped, and let everybody go when it did
        hub.leave(websocket, self._spec.name, topic)

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


class Group(Room[M]):
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
        single: bool = False,
    ) -> Member:
        """Take a socket into the group, accepting it if needed; twice is the same member.

        A client that offers ``nexios.v1`` gets its frames, and says itself where it left.

        Args:
            after: What came after this place is sent first.
            recent: Without it, so many of the last messages are.
            meta: What ``members`` and ``presence`` show about it; JSON values.
            single: Other sockets of the same user in it are closed with 4409, on all processes;
                nothing for a socket that nobody authenticated.

        Raises:
            WebSocketDisconnect: The socket is over.
            Exception: What the channel's ``joining`` refuses with.
        """
        return await self._join(websocket, recent, meta, after, single=single)

    async def leave(self, websocket: WebSocket) -> None:
        """Let a socket go; it stays open. Idempotent, and safe when the peer is gone."""
        self._leave(websocket, self._topic())


class UserSockets(Room[M]):
    """The sockets of one user in a channel: those that connect to it or join a group of it.

    Nobody else can be taken in.
    """

    __slots__ = ()

    @property
    def subject(self) -> str:
        """The user, by the ``caller.actor`` of the sockets."""
        return self._group or ""

    def __repr__(self) -> str:
        return f"<UserSockets {self._topic()}>"

    def _topic(self) -> Topic:
        return Topic(users_of(self._spec.name), self._group)


def specs_in(sends: Any) -> Iterator[Spec]:
    """Yield the channels among what a socket's ``sends=`` names."""
    if isinstance(sends, Room):
        yield sends.spec
    elif isinstance(sends, list | tuple):
        for one in sends:
            yield from specs_in(one)
