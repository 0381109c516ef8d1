"""One socket in channels: what it belongs to, what waits for it, and the task that writes it."""

import time
from collections.abc import Callable, Mapping
from typing import Protocol

import anyio

from nexios.adapters.asgi.types import Message
from nexios.adapters.websocket.closing import WebSocketDisconnect
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.backplane import Topic
from nexios.application.limits import Limits
from nexios.websockets.options import Overflow
from nexios.websockets.overflow import Item, Verdict, Waiting
from nexios.websockets.wire import Delivery


class Member:
    """A socket in one topic.

    Attributes:
        topic: Channel, or channel and group.
        socket: Id of the socket.
        subject: Who was authenticated, or None.
        meta: What ``connect`` was given, for those who list the members.
        since: Unix time at which it joined.
    """

    __slots__ = ("_joining", "_outgoing", "_policy", "meta", "since", "socket", "subject", "topic")

    def __init__(
        self,
        outgoing: "Outgoing",
        topic: Topic,
        policy: Overflow,
        *,
        meta: Mapping[str, object] | None = None,
        joining: bool = False,
    ) -> None:
        """Stand in ``topic``; while ``joining``, what arrives waits for what was before it."""
        self._outgoing = outgoing
        self._policy = policy
        self._joining: list[Delivery] | None = [] if joining else None
        self.topic = topic
        self.socket = outgoing.socket.id
        self.subject = outgoing.socket.caller.actor
        self.meta = dict(meta or {})
        self.since = time.time()

    def __repr__(self) -> str:
        return f"<Member {self.socket} of {self.topic}>"

    @property
    def websocket(self) -> WebSocket:
        """The socket itself."""
        return self._outgoing.socket

    def offer(self, delivery: Delivery) -> None:
        """Take one message of the topic. Never waits, never raises for the socket's state."""
        if self._joining is None:
            self._outgoing.offer(delivery, self.topic, self._policy)
        elif len(self._joining) < self._outgoing.limits.queue_out:
            self._joining.append(delivery)
        else:
            self._outgoing.evict(1013, "slow reader")

    def joined(self, before: list[Delivery]) -> None:
        """Send what was there before, then what came while that was read, each once."""
        waited, self._joining = self._joining or [], None
        last = before[-1].position if before else None
        for delivery in before:
            self.offer(delivery)
        for delivery in waited:
            here = delivery.position
            if last is None or here.epoch != last.epoch or here.offset > last.offset:
                self.offer(delivery)


class Keeper(Protocol):
    """What a socket's outgoing side needs of the hub."""

    limits: Limits
    clock: Callable[[], float]
    pressed: bool

    def evict(self, outgoing: "Outgoing", code: int, reason: str) -> None:
        """Close a socket that cannot keep up, without waiting for it."""
        ...


class _Direct(Item):
    """A handler's own message, behind channel messages that are due before it."""

    __slots__ = ("done", "error")

    def __init__(self, frame: Message) -> None:
        super().__init__(frame, 0)
        self.done = anyio.Event()
        self.error: BaseException | None = None


class Outgoing:
    """The outgoing side of one socket that is a member of something.

    There is one write at a time. Channel messages go through the queue and its writer task; what
    the handler sends goes at once when nothing is due, else behind what is.

    Attributes:
        members: This socket's memberships by topic.
        writing_since: Clock at the start of the write that runs, or None.
    """

    __slots__ = (
        "_busy",
        "_keeper",
        "_queue",
        "_wake",
        "_write",
        "limits",
        "members",
        "released",
        "socket",
        "writing_since",
    )

    def __init__(self, socket: WebSocket, keeper: Keeper) -> None:
        self.socket = socket
        self.limits = socket.limits
        self.members: dict[Topic, Member] = {}
        self.writing_since: float | None = None
        self.released = False
        self._keeper = keeper
        self._queue = Waiting(
            max_count=self.limits.queue_out, max_bytes=self.limits.queue_out_bytes
        )
        self._busy = False
        self._wake: anyio.Event | None = None
        self._write: anyio.CancelScope | None = None
        socket.before_send = self.send

    @property
    def waiting(self) -> int:
        """How many messages wait to be written."""
        return len(self._queue)

    def offer(self, delivery: Delivery, topic: Topic, policy: Overflow) -> None:
        """Queue a channel message; a socket that has no room is given up."""
        self.offer_frame(delivery.frame, delivery.size, topic, policy, delivery.key)

    def offer_frame(
        self, frame: Message, size: int, topic: Topic, policy: Overflow, key: str | None = None
    ) -> None:
        """Queue a frame that counts as one of ``topic``."""
        if self.released or not self.socket.is_connected():
            return
        item = Item(frame, size, topic, key)
        if self._queue.offer(item, policy) is Verdict.FULL:
            self.evict(1013, "slow reader")
            return
        if len(self._queue) > self.limits.queue_out // 2:
            self._keeper.pressed = True
        self._rouse()

    def evict(self, code: int, reason: str) -> None:
        """Give the socket up."""
        self._keeper.evict(self, code, reason)

    async def send(self, frame: Message) -> None:
        """Send a handler's message in order with the channel messages due to this socket.

        Raises:
            WebSocketDisconnect: The socket is over.
        """
        if self.released or not (self._busy or self._queue):
            await self._transmit(frame)
            return
        item = _Direct(frame)
        self._queue.put(item)
        self._rouse()
        try:
            await item.done.wait()
        except BaseException:
            self._queue.discard(item)
            raise
        if item.error is not None:
            raise item.error

    async def run(self) -> None:
        """Write what is queued until the socket is released."""
        while not self.released:
            item = None if self._busy else self._queue.take()
            if item is None:
                self._wake = anyio.Event()
                await self._wake.wait()
                continue
            error: Exception | None = None
            try:
                await self._transmit(item.frame)
            except Exception as broken:  # whatever a dead peer's send raises ends this socket only
                error = broken
            if isinstance(item, _Direct):
                item.error = error
                item.done.set()
            elif error is not None and not self.released:
                self.socket.cut()

    def release(self) -> list[Message]:
        """Drop what waits and end the writer; later sends of the handler go straight out.

        Returns:
            What the handler had queued and still waited for; it is told that the socket is over.
        """
        if self.released:
            return []
        self.released = True
        self.socket.before_send = None
        dropped = self._queue.clear()
        for item in dropped:
            if isinstance(item, _Direct):
                item.error = self._over()
                item.done.set()
        if self._write is not None:
            self._write.cancel()
        self._rouse()
        return [item.frame for item in dropped]

    async def _transmit(self, frame: Message) -> None:
        self._busy = True
        self.writing_since = self._keeper.clock()
        try:
            with anyio.CancelScope() as self._write:
                await self.socket.transmit(frame)
                return
            raise self._over()
        finally:
            self._busy = False
            self._write = None
            self.writing_since = None
            if self._queue:
                self._rouse()

    def _rouse(self) -> None:
        if self._wake is not None:
            self._wake.set()

    def _over(self) -> WebSocketDisconnect:
        protocol = self.socket.protocol
        return WebSocketDisconnect(protocol.code or 1006, protocol.reason)
