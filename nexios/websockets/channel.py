"""A named set of sockets, declared once at module level: `chat = Channel("chat")`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nexios.adapters.websocket.description import ChannelDescription
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.backplane import Position, Present
from nexios.websockets.answers import M
from nexios.websockets.declared import Joining, Spec
from nexios.websockets.described import description_of
from nexios.websockets.errors import MessageInvalid, UnknownSocket, UsersOff
from nexios.websockets.member import Member
from nexios.websockets.names import GROUP_BYTES, is_group_name
from nexios.websockets.one_socket import OneSocketChannel
from nexios.websockets.options import History, Overflow, WhenDegraded
from nexios.websockets.post import Letter
from nexios.websockets.room import Group, Room, To, UserSockets, socket_id
from nexios.websockets.wire import encode


class Channel(Room[M]):
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
        joining: Joining | None = None,
        users: bool = False,
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
            joining: Asked at each ``connect`` and ``join``, before the handshake is answered,
                with the socket and the name of the group, None for the channel itself; raising
                refuses. See `recheck`.
            users: All sockets of a user can be told at once, see `user`. It is a topic more for
                each user who is there.
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
            joining=joining,
            users=users,
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
        Room.__init__(bound, self._spec, None, app)
        return bound

    def group(self, name: str) -> Group[M]:
        """Return a group; it needs no creating and ends with its last member.

        Raises:
            ValueError: The name is empty, over 200 bytes, or holds control characters.
        """
        if not is_group_name(name):
            raise ValueError(
                f"a group name has 1 to {GROUP_BYTES} bytes and no control characters: {name!r}"
            )
        return Group(self._spec, name, self._app)

    def user(self, subject: str) -> UserSockets[M]:
        """Return the sockets of one user, with an order and a history of their own.

        A socket is one of them as long as it is in the channel or a group of it, by the
        ``caller.actor`` it had when it came.

        Raises:
            UsersOff: The channel is declared without ``users=True``.
            ValueError: The subject is empty, over 200 bytes, or holds control characters.
        """
        if not self._spec.users:
            raise UsersOff(self.name)
        if not is_group_name(subject):
            raise ValueError(
                f"a user is named by 1 to {GROUP_BYTES} bytes, no control characters: {subject!r}"
            )
        return UserSockets(self._spec, subject, self._app)

    async def recheck(self, subject: str) -> None:
        """Ask ``joining`` again for each socket of a user, on all processes: rights have changed.

        Who is refused is closed with 4403, or with what the error means elsewhere.

        Raises:
            Unavailable: Other processes cannot be reached; the sockets here are asked.
            OutcomeUnknown: Perhaps they cannot.
        """
        await self._hub().post.recheck(self.name, subject)

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
        single: bool = False,
    ) -> Member:
        """Take a socket into the channel, accepting it if needed; twice is the same member.

        It leaves by itself when its handler ends, however that ends.

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

    async def disconnect(self, websocket: WebSocket) -> None:
        """Let a socket go, from all groups too; it stays open.

        Idempotent, and safe when the peer is gone.
        """
        self._leave(websocket, None)

    async def send(self, to: To, message: M) -> None:
        """Send a message to one socket, in order with what else is due to it. Best effort.

        Args:
            to: A socket, a member, or the id of a socket, which another process may hold. Whether
                such an id is one of a socket is known to nobody here.

        Raises:
            MessageInvalid: The message is not what the channel carries.
            UnknownSocket: It is no member of anything here, and no other process has it.
            Unavailable: Another process has it, and none can be reached.
            OutcomeUnknown: The same; it may have gone out.
        """
        value = self._checked(message)
        hub = self._hub()
        try:
            letter = Letter(socket_id(to), self._topic(), *encode(value))
            if isinstance(to, str):
                await hub.post.send(letter)
            elif not hub.post.deliver(letter):
                raise UnknownSocket(letter.to)
        except ValueError as error:
            raise MessageInvalid(self.name, str(error)) from None
