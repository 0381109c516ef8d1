"""The outgoing side of one socket in channels: what waits for it, and the task that writes it."""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Protocol

import anyio

from nexios.adapters.asgi.types import Message
from nexios.adapters.websocket.closing import WebSocketDisconnect
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.backplane import Topic
from nexios.application.limits import Limits
from nexios.websockets.due import Due
from nexios.websockets.frames import SUBPROTOCOL, dropped_frame
from nexios.websockets.member import Member
from nexios.websockets.options import Overflow
from nexios.websockets.overflow import Item, Verdict, Waiting
from nexios.websockets.turn import FRAMES, Turn
from nexios.websockets.waking import Wake
from nexios.websockets.walk import Walk


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

    There is one write at a time. A socket in step is written with all others of its row. What it
    cannot take waits in its queue, and it stands apart until its own writer has written that. What
    the handler sends goes at once when nothing is due, else behind what is.

    Attributes:
        members: This socket's memberships by topic.
        told: What its topics had told when the watch last looked.
        silent_since: Clock when that last changed.
        writing_since: Clock at the start of the write that runs, or None.
        apart: Rows do not write it: something waits or is being written, or it is over.
        framed, write: Whether and by what its server takes prepared frames.
        inflates: Those may be compressed.
        put: The server's ``send``.
        most: How many messages of one turn its queue takes with ease.
    """

    __slots__ = (
        "_busy",
        "_closing",
        "_dropped",
        "_held",
        "_keeper",
        "_queue",
        "_wake",
        "_write",
        "_writer",
        "apart",
        "framed",
        "id",
        "inflates",
        "limits",
        "members",
        "most",
        "put",
        "released",
        "silent_since",
        "socket",
        "tagged",
        "told",
        "write",
        "writing_since",
    )

    def __init__(self, socket: WebSocket, keeper: Keeper) -> None:
        self.socket = socket
        self.id = socket.id
        self.tagged = socket.subprotocol == SUBPROTOCOL
        self.limits = socket.limits
        self.most = max(1, socket.limits.queue_out // FRAMES)
        self.members: dict[Topic, Member] = {}
        self.told = 0
        self.silent_since = keeper.clock()
        self.writing_since: float | None = None
        self.apart = self.released = False
        frame_writer = socket.frame_writer
        self.framed = frame_writer is not None
        self.inflates = socket.inflates
        self.write: Callable[[bytes], bool] = frame_writer or _never
        self.put = socket.server_send
        self._keeper = keeper
        # Of those that are always in step nothing is needed but what is said here.
        self._queue: Waiting | None = None
        self._dropped: dict[Hashable, int] | None = None
        self._busy = self._closing = False
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
        if not self.released and self.socket.is_connected():
            self._keeper.turn.offer(self, frame, size, topic, policy, key)

    def take(self, dues: Sequence[Due]) -> None:
        """Queue what is due, and have the writer write it; nothing when the socket is over."""
        for due in dues:
            if self.released or self._closing:
                return
            self._enqueue(due)

    def held(self, scope: anyio.CancelScope, since: float, left: Sequence[Due]) -> None:
        """Note that the server makes us wait; what comes now is for the writer."""
        self._held = scope
        self._busy = self.apart = True
        self.writing_since = since
        self.take(left)

    def let_go(self) -> None:
        """Note that the write under that scope is over."""
        self._held = None
        self._written()

    def give_up(self, _: Exception) -> None:
        """End a socket whose server fails."""
        if not self.released:
            self.socket.cut()

    def _enqueue(self, due: Due) -> None:
        queue = self._waiting()
        self.apart = True
        item = Item(due.message, due.size, due.topic, due.key)
        if queue.offer(item, due.policy) is Verdict.FULL:
            self.evict(1013, "slow reader")
            return
        if self.tagged and queue.gave_way:
            dropped = self._dropped = self._dropped or {}
            dropped[due.topic] = dropped.get(due.topic, 0) + queue.gave_way
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
        if self._keeper.turn.waits:
            self._keeper.turn.flush()
        if self._keeper.walk.waits:
            self._keeper.walk.part(self)
        if frame["type"] == "websocket.close":
            self._closing = True  # nothing goes behind it, be it written or in the queue
        if self.released or not self.apart:
            with anyio.CancelScope() as self._write:
                await self._transmit(frame)
                return
            raise self._over()
        item = _Direct(frame)
        queue = self._waiting()
        queue.put(item)
        self.apart = True
        self._rouse()
        try:
            await item.done.wait()
        except BaseException:
            queue.discard(item)
            self._settle()
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

    def release(self) -> list[Message]:
        """Drop what waits and end the writer; later sends of the handler go straight out.

        Returns:
            What the handler had queued and still waited for; it is told that the socket is over.
        """
        if self.released:
            return []
        self.released = self.apart = True
        self.socket.before_send = None
        dropped = [] if self._queue is None else self._queue.clear()
        for item in dropped:
            if isinstance(item, _Direct):
                item.error = self._over()
                item.done.set()
        self._keeper.walk.leave(self)
        for writing in (self._write, self._writer, self._held):
            if writing is not None:
                writing.cancel()
        if self._wake is not None:
            self._wake.rouse()
        return [item.frame for item in dropped]

    async def part(self, message: Message, within_s: float, done: anyio.Event) -> None:
        """Say the close of a socket that was released, and end it; set ``done`` then."""
        socket = self.socket
        last_word = None if socket.farewell is None else socket.farewell(message["code"])
        try:
            with anyio.move_on_after(within_s):
                if last_word is not None:
                    await socket.transmit(last_word)
                await socket.transmit(message)
        except WebSocketDisconnect:
            pass  # it was gone already
        finally:
            socket.end()
            done.set()

    async def _tell_dropped(self, topic: Hashable) -> None:
        if isinstance(topic, Topic) and self._dropped is not None:
            await self._transmit(dropped_frame(topic, self._dropped.pop(topic)))

    async def _transmit(self, frame: Message) -> None:
        self._busy = self.apart = True
        self.writing_since = self._keeper.clock()
        try:
            await self.socket.transmit(frame)
        finally:
            self._write = None
            self._written()

    def _written(self) -> None:
        self._busy = False
        self.writing_since = None
        self._settle()

    def _settle(self) -> None:
        """Go back in step when nothing waits."""
        if self._queue:
            self._rouse()
        elif not self._busy:
            self.apart = self.released or self._closing

    def _over(self) -> WebSocketDisconnect:
        protocol = self.socket.protocol
        return WebSocketDisconnect(protocol.code or 1006, protocol.reason)


def _never(_: bytes) -> bool:
    return False
