"""A socket in one topic: what it gets first, and what arrives meanwhile."""

import time
from collections.abc import Callable, Mapping
from typing import Protocol

from nexios.adapters.asgi.types import Message
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.backplane import Position, Present, Topic
from nexios.application.limits import Limits
from nexios.websockets.frames import joined_frame, reset_frame
from nexios.websockets.options import Overflow
from nexios.websockets.resume import Before
from nexios.websockets.row import Seat
from nexios.websockets.wire import Delivery


class Outlet(Seat, Protocol):
    """What a member needs of its socket's outgoing side."""

    limits: Limits
    socket: WebSocket

    def offer_frame(
        self, frame: Message, size: int, topic: Topic, policy: Overflow, key: str | None = None
    ) -> None:
        """Have a frame written that counts as one of ``topic``; never waits."""
        ...

    async def send(self, frame: Message) -> None:
        """Send in order with what is due; raises WebSocketDisconnect when the socket is over."""
        ...

    def evict(self, code: int, reason: str) -> None:
        """Give the socket up."""
        ...


class Member:
    """A socket in one topic.

    Attributes:
        topic: Channel, or channel and group.
        outgoing: The socket's outgoing side.
        policy: What happens when its queue is full.
        socket: Id of the socket.
        subject: Who was authenticated, or None.
        meta: What ``connect`` was given, for those who list the members.
        since: Unix time at which it joined.
        present: All processes know of it.
        tagged: It gets the frames of ``nexios.v1``, not the messages alone.
    """

    __slots__ = (
        "_full",
        "_joining",
        "_settled",
        "meta",
        "outgoing",
        "policy",
        "present",
        "since",
        "socket",
        "subject",
        "tagged",
        "topic",
    )

    def __init__(
        self,
        outgoing: Outlet,
        topic: Topic,
        policy: Overflow,
        *,
        meta: Mapping[str, object] | None = None,
        joining: bool = False,
    ) -> None:
        """Stand in ``topic``; while ``joining``, what arrives waits for what was before it."""
        self.outgoing = outgoing
        self.policy = policy
        self._joining: list[Delivery | Message] | None = [] if joining else None
        self._full = False
        self._settled: tuple[Callable[[], None], ...] = ()
        self.present = False
        self.topic = topic
        self.tagged = outgoing.tagged
        self.socket = outgoing.socket.id
        self.subject = outgoing.socket.caller.actor
        self.meta = dict(meta or {})
        self.since = time.time()

    def __repr__(self) -> str:
        return f"<Member {self.socket} of {self.topic}>"

    @property
    def websocket(self) -> WebSocket:
        """The socket itself."""
        return self.outgoing.socket

    @property
    def entry(self) -> Present:
        """The member as other processes know it."""
        return Present(self.topic, self.socket, self.subject, self.meta, self.since)

    @property
    def joining_is_full(self) -> bool:
        """Whether so much came while it is told what was before that no more may wait."""
        return self._joining is not None and (len(self._joining) >= self.outgoing.limits.queue_out)

    def expect(self, settled: Callable[[], None]) -> bool:
        """Tell whether what was before is still on the way; ``settled`` is called when it came.

        Until then its messages come by `wait`, afterwards it is written with all others.
        """
        if self._joining is None:
            return False
        self._settled += (settled,)
        return True

    def wait(self, delivery: Delivery) -> None:
        """Keep one message of the topic until what was before has come. Never waits itself."""
        if self._joining is None:
            return
        if len(self._joining) < self.outgoing.limits.queue_out:
            self._joining.append(delivery)
        elif self.tagged:
            self._full = True
        else:
            self.outgoing.evict(1013, "slow reader")

    def tell(self, frame: Message) -> None:
        """Queue a frame about the topic."""
        if self._joining is None:
            self.outgoing.offer_frame(frame, 0, self.topic, self.policy)
        else:
            self._joining.append(frame)

    async def catch_up(self, before: Before, now: Callable[[], Position | None]) -> None:
        """Send what was there before, then let go what came while that was read, each once.

        Args:
            before: What it gets first.
            now: Where the topic stands.

        Raises:
            WebSocketDisconnect: The socket is over.
        """
        try:
            if self.tagged:
                await self._greet(before)
            for arrived in before.messages:
                delivery = Delivery(arrived)
                tagged = delivery.tagged(self.topic) if self.tagged else delivery.frame
                await self.outgoing.send(tagged)
        finally:
            self._let_go(before.end, now())

    async def _greet(self, before: Before) -> None:
        replayed = len(before.messages)
        recovered = before.recovered
        await self.outgoing.send(
            joined_frame(self.topic, before.at, recovered=recovered, replayed=replayed)
        )
        if before.lost and before.at is not None:
            await self.outgoing.send(reset_frame(self.topic, before.at, before.lost))

    def _let_go(self, last: Position | None, head: Position | None) -> None:
        waited, self._joining = self._joining or [], None
        settled, self._settled = self._settled, ()
        for tell in settled:
            tell()
        if self._full and head is not None:
            self.tell(reset_frame(self.topic, head, "overflow"))
            return
        for one in waited:
            if not isinstance(one, Delivery):
                self.tell(one)
            elif one.position is None or one.position.is_beyond(last):
                self._offer(one)

    def _offer(self, one: Delivery) -> None:
        frame = one.tagged(self.topic) if self.tagged else one.frame
        self.outgoing.offer_frame(frame, one.size, self.topic, self.policy, one.key)
