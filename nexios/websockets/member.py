"""One socket in channels: what it belongs to, what waits for it, and the task that writes it."""

import time
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Protocol

import anyio

from nexios.adapters.asgi.types import Message
from nexios.adapters.websocket.closing import WebSocketDisconnect
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.backplane import Position, Present, Topic
from nexios.application.limits import Limits
from nexios.websockets.frames import SUBPROTOCOL, dropped_frame, joined_frame, reset_frame
from nexios.websockets.options import Overflow, OverflowKind
from nexios.websockets.overflow import Item, Verdict, Waiting
from nexios.websockets.resume import Before
from nexios.websockets.turn import FRAMES, Due, Turn
from nexios.websockets.waking import Wake
from nexios.websockets.walk import Walk
from nexios.websockets.wire import Delivery


class Member:
    """A socket in one topic.

    Attributes:
        topic: Channel, or channel and group.
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
        "_outgoing",
        "_policy",
        "meta",
        "present",
        "since",
        "socket",
        "subject",
        "tagged",
        "topic",
    )

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
        self._joining: list[Delivery | Message] | None = [] if joining else None
        self._full = False
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
        return self._outgoing.socket

    @property
    def entry(self) -> Present:
        """The member as other processes know it."""
        return Present(self.topic, self.socket, self.subject, self.meta, self.since)

    @property
    def joining_is_full(self) -> bool:
        """Whether so much came while it is told what was before that no more may wait."""
        return self._joining is not None and (
            len(self._joining) >= self._outgoing.limits.queue_out
        )

    def offer(self, delivery: Delivery) -> None:
        """Take one message of the topic. Never waits, never raises for the socket's state."""
        if self._joining is None:
            if self.tagged:
                frame = delivery.tagged(self.topic)
            elif delivery.presence:
                return
            else:
                frame = delivery.frame
            self._outgoing.offer_frame(
                frame, delivery.size, self.topic, self._policy, delivery.key
            )
        elif len(self._joining) < self._outgoing.limits.queue_out:
            self._joining.append(delivery)
        elif self.tagged:
            self._full = True
        else:
            self._outgoing.evict(1013, "slow reader")

    def tell(self, frame: Message) -> None:
        """Queue a frame about the topic."""
        if self._joining is None:
            self._outgoing.offer_frame(frame, 0, self.topic, self._policy)
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
                await self._outgoing.send(tagged)
        finally:
            self._let_go(before.end, now())

    async def _greet(self, before: Before) -> None:
        replayed = len(before.messages)
        recovered = before.recovered
        await self._outgoing.send(
            joined_frame(self.topic, before.at, recovered=recovered, replayed=replayed)
        )
        if before.lost and before.at is not None:
            await self._outgoing.send(reset_frame(self.topic, before.at, before.lost))

    def _let_go(self, last: Position | None, head: Position | None) -> None:
        waited, self._joining = self._joining or [], None
        if self._full and head is not None:
            self.tell(reset_frame(self.topic, head, "overflow"))
            return
        for one in waited:
            if not isinstance(one, Delivery):
                self.tell(one)
            elif _beyond(one.position, last):
                self.offer(one)


def _beyond(here: Position | None, last: Position | None) -> bool:
    if here is None or last is None or here.epoch != last.epoch:
        return True
    return here.offset > last.offset


class Keeper(Protocol):
    """What a socket's outgoing side needs of the hub."""

    limits: Limits
    clock: Callable[[], float]
    pressed: bool
    turn: Turn
    walk: Walk

    def begin(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run a task that ends with the hub."""
        ...

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
    the handler sends goes at once when nothing is due, else behind what is. Where the server
    takes prepared frames, a socket in step is written at the end of the turn without either.

    Attributes:
        members: This socket's memberships by topic.
        told: What its topics had told when the watch last looked.
        silent_since: Clock when that last changed.
        writing_since: Clock at the start of the write that runs, or None.
    """

    __slots__ = (
        "_busy",
        "_dropped",
        "_due",
        "_held",
        "_keeper",
        "_queue",
        "_ready",
        "_send",
        "_waits",
        "_wake",
        "_write",
        "_write_frames",
        "_writer",
        "limits",
        "members",
        "released",
        "silent_since",
        "socket",
        "tagged",
        "told",
        "writing_since",
    )

    def __init__(self, socket: WebSocket, keeper: Keeper) -> None:
        self.socket = socket
        self.tagged = socket.subprotocol == SUBPROTOCOL
        self.limits = socket.limits
        self.members: dict[Topic, Member] = {}
        self.told = 0
        self.silent_since = keeper.clock()
        self.writing_since: float | None = None
        self.released = False
        self._keeper = keeper
        # Of those that are always in step nothing is needed but what is said here.
        self._queue: Waiting | None = None
        self._dropped: dict[Hashable, int] | None = None
        self._busy = False
        self._due: list[Due] | None = None
        self._ready: list[Due] | None = None
        self._write_frames = socket.frame_writer
        self._send = socket.server_send
        self._waits = False
        self._held: anyio.CancelScope | None = None
        self._wake: Wake | None = None
        self._writer: anyio.CancelScope | None = None
        self._write: anyio.CancelScope | None = None
        socket.before_send = self.send

    @property
    def waiting(self) -> int:
        """How many messages wait to be written."""
        return 0 if self._queue is None else len(self._queue)

    @property
    def queue(self) -> Waiting:
        """What waits to be written, made when it is first asked for."""
        return self._waiting()

    def offer_frame(
        self, frame: Message, size: int, topic: Topic, policy: Overflow, key: str | None = None
    ) -> None:
        """Have a frame written that counts as one of ``topic``."""
        if self.released or not self.socket.is_connected():
            return
        turn = self._keeper.turn
        if self._busy or self._queue or self._ready:
            self._enqueue(frame, size, topic, policy, key)
            return
        due = turn.due(frame, size, topic, policy, key)
        if self._due is None:
            self._due = [due]
            turn.add(self)
        else:
            self._due.append(due)

    def write_due(self, turn: Turn) -> None:
        """Write what is due at the end of a turn; what is not taken waits in the queue."""
        dues, self._due = self._due or [], None
        if not (self._busy or self._queue or self._ready):
            if self._write_frames is None:
                self._ready, dues = self._split(dues)
                if self._waits:
                    self._rouse()
                elif self._ready:
                    self._keeper.walk.add(self)
            elif dues and self._write_frames(turn.joined(dues)):
                return
        for due in dues:
            self._enqueue(due.message, due.size, due.topic, due.policy, due.key)

    def _split(self, dues: list[Due]) -> tuple[list[Due], list[Due]]:
        """Return what may be written past the queue, and what a policy has a word in."""
        if len(dues) <= 1 or (
            len(dues) <= self.limits.queue_out // FRAMES
            and all(due.policy.kind is OverflowKind.DISCONNECT for due in dues)
        ):
            return dues, []
        return dues[:1], dues[1:]

    def held(self, scope: anyio.CancelScope) -> None:
        """Note that the server makes us wait; from now on this socket has a writer of its own."""
        self._waits = True
        self._held = scope
        if self.released:
            scope.cancel()

    def let_go(self) -> None:
        """Note that the write under that scope is over."""
        self._held = None

    def give_up(self, _: Exception) -> None:
        """End a socket whose server fails."""
        self.socket.cut()

    def _enqueue(
        self, frame: Message, size: int, topic: Topic, policy: Overflow, key: str | None
    ) -> None:
        queue = self._waiting()
        if queue.offer(Item(frame, size, topic, key), policy) is Verdict.FULL:
            self.evict(1013, "slow reader")
            return
        if self.tagged and queue.gave_way:
            dropped = self._dropped = self._dropped or {}
            dropped[topic] = dropped.get(topic, 0) + queue.gave_way
        if len(queue) > self.limits.queue_out // 2:
            self._keeper.pressed = True
        self._rouse()

    def _waiting(self) -> Waiting:
        if self._queue is None:
            self._queue = Waiting(
                max_count=self.limits.queue_out, max_bytes=self.limits.queue_out_bytes
            )
        return self._queue

    def evict(self, code: int, reason: str) -> None:
        """Give the socket up."""
        self._keeper.evict(self, code, reason)

    async def send(self, frame: Message) -> None:
        """Send a handler's message in order with the channel messages due to this socket.

        Raises:
            WebSocketDisconnect: The socket is over.
        """
        if self._due:
            self.write_due(self._keeper.turn)
        if self.released or not (self._busy or self._queue or self._ready):
            with anyio.CancelScope() as self._write:
                await self._transmit(frame)
                return
            raise self._over()
        item = _Direct(frame)
        queue = self._waiting()
        queue.put(item)
        self._rouse()
        try:
            await item.done.wait()
        except BaseException:
            queue.discard(item)
            raise
        if item.error is not None:
            raise item.error

    def _rouse(self) -> None:
        """Have the writer look; it begins with the first work there is."""
        if self._wake is None:
            self._wake = Wake()
            self._keeper.begin(self.run)
        else:
            self._wake.rouse()

    async def run(self) -> None:
        """Write what is queued until the socket is released."""
        with anyio.CancelScope() as self._writer:
            await self._run(self._wake or Wake())

    async def _run(self, wake: Wake) -> None:
        while not self.released:
            if self._ready and not self._busy:
                await self.write_ready()
                continue
            item = None if self._busy or self._queue is None else self._queue.take()
            if item is None:
                await wake.sleep()
                continue
            error: Exception | None = None
            try:
                if self._dropped and item.topic in self._dropped:
                    await self._tell_dropped(item.topic)
                await self._transmit(item.frame)
            except Exception as broken:  # whatever a dead peer's send raises ends this socket only
                error = broken
            except BaseException:  # released: whoever waits for this message has to hear of it
                if isinstance(item, _Direct):
                    item.error = self._over()
                    item.done.set()
                raise
            if isinstance(item, _Direct):
                item.error = error
                item.done.set()
            elif error is not None and not self.released:
                self.socket.cut()

    async def write_ready(self) -> None:
        """Write what came in one turn; it is in nobody's queue any more."""
        ready, self._ready = self._ready, None
        if self._busy or not ready:
            self._ready = ready
            return
        self._busy = True
        broken = False
        try:
            for due in ready:
                self.writing_since = self._keeper.clock()
                await self._send(due.message)
                if self.released:
                    break
        except Exception:  # as for what is queued
            broken = True
        finally:
            self._busy = False
            self.writing_since = None
            if self._queue:
                self._rouse()
        if broken and not self.released:
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
        dropped = [] if self._queue is None else self._queue.clear()
        for item in dropped:
            if isinstance(item, _Direct):
                item.error = self._over()
                item.done.set()
        self._due = self._ready = None
        if self._busy:
            self._keeper.walk.leave(self)
        for writing in (self._write, self._writer, self._held):
            if writing is not None:
                writing.cancel()
        if self._wake is not None:
            self._wake.rouse()
        return [item.frame for item in dropped]

    async def _tell_dropped(self, topic: Hashable) -> None:
        if isinstance(topic, Topic) and self._dropped is not None:
            await self._transmit(dropped_frame(topic, self._dropped.pop(topic)))

    async def _transmit(self, frame: Message) -> None:
        self._busy = True
        self.writing_since = self._keeper.clock()
        try:
            await self.socket.transmit(frame)
        finally:
            self._busy = False
            self._write = None
            self.writing_since = None
            if self._queue:
                self._rouse()

    def _over(self) -> WebSocketDisconnect:
        protocol = self.socket.protocol
        return WebSocketDisconnect(protocol.code or 1006, protocol.reason)
