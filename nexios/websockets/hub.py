"""The hub of one app on one event loop: topics, sockets, and the watch over slow ones."""

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final, Protocol

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import RunVar, cancel_shielded_checkpoint

from nexios.adapters.asgi.types import Message
from nexios.adapters.websocket.closing import WebSocketDisconnect
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.backplane import Backplane, Keep, Stored, Topic
from nexios.application.limits import Limits
from nexios.websockets.errors import AmbiguousApp, ChannelClash, NoRunningApp
from nexios.websockets.member import Member, Outgoing
from nexios.websockets.options import Overflow
from nexios.websockets.topic import LiveTopic
from nexios.websockets.turn import Turn
from nexios.websockets.wire import Delivery

WATCH_S: Final = 1.0
PRESSED_TURNS: Final = 4


class Declared(Protocol):
    """What the hub compares of two channels with one name."""

    name: str
    place: str

    @property
    def options(self) -> tuple[object, ...]: ...


# The only table of the process: which apps run on this event loop. anyio keeps it weakly by loop.
_RUNNING: Final[RunVar[tuple["Hub", ...]]] = RunVar("nexios_hubs")


class Hub:
    """Owns the topics and member sockets of one app on one event loop.

    ``start`` and ``stop`` may run in different tasks: everything here lives in the task group it
    was given.
    """

    def __init__(
        self,
        app: object,
        *,
        backplane: Backplane,
        tasks: TaskGroup,
        limits: Limits,
        report: Callable[[BaseException, str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Serve the channels of ``app``.

        Args:
            app: What stands in ``scope["app"]`` of its sockets.
            tasks: Where writers, subscriptions and the watch run.
            report: Told of failures nobody can be answered with.
            clock: Seconds, for write deadlines.
        """
        self.app = app
        self.backplane = backplane
        self.limits = limits
        self.clock = clock
        self.pressed = False
        self.turn = Turn()
        self._tasks = tasks
        self._report = report
        self._topics: dict[Topic, LiveTopic] = {}
        self._sockets: dict[str, Outgoing] = {}
        self._declared: dict[str, Declared] = {}
        self._scopes: set[anyio.CancelScope] = set()
        self._idle: anyio.Event | None = None
        self._running = False

    async def start(self) -> None:
        """Connect the backplane and be found by channels.

        Raises:
            Unavailable: The backplane cannot be reached.
        """
        await self.backplane.start()
        self._running = True
        _RUNNING.set((*_RUNNING.get(()), self))
        self._spawn(self._watch)

    async def stop(self) -> None:
        """Let all members go, end all tasks, close the backplane; idempotent."""
        if not self._running:
            return
        self._running = False
        _RUNNING.set(tuple(hub for hub in _RUNNING.get(()) if hub is not self))
        for outgoing in tuple(self._sockets.values()):
            self._let_go(outgoing)
        for scope in tuple(self._scopes):
            scope.cancel()
        if self._scopes:
            self._idle = anyio.Event()
            await self._idle.wait()
        await self.backplane.close()

    # Asked by channels

    def declare(self, channel: Declared) -> None:
        """Note a channel at its first use here.

        Raises:
            ChannelClash: One with this name and other options is known.
        """
        known = self._declared.setdefault(channel.name, channel)
        if known is not channel and known.options != channel.options:
            raise ChannelClash(channel.name, (known.place, channel.place))

    async def publish(
        self, topic: Topic, payload: bytes, *, id: str, key: str | None, keep: Keep
    ) -> Stored:
        """Publish, and give the writers a turn: a loop of broadcasts must not starve them.

        Where a queue is more than half full they get a few, never so many as a member that
        stands still would like. What goes out at the end of this turn needs none of it, so that
        several messages are one write.
        """
        self.pressed = False
        stored = await self.backplane.publish(topic, payload, id=id, key=key, keep=keep)
        if topic in self._topics:
            if self.turn.full:
                self.turn.flush()
            elif self.turn.waits and not self.pressed:
                return stored
            for _ in range(PRESSED_TURNS if self.pressed else 1):
                await cancel_shielded_checkpoint()
        return stored

    async def join(
        self,
        socket: WebSocket,
        topic: Topic,
        policy: Overflow,
        *,
        meta: Mapping[str, object] | None,
        recent: int,
    ) -> Member:
        """Accept the socket if needed and take it into the topic; twice is the same member."""
        if not socket.is_connected():
            await socket.accept()
        known = self._member(socket, topic)
        if known is not None:
            return known
        await self._check_topics(socket)
        live = self._live(topic)
        try:
            await live.ready()
            known = self._member(socket, topic)
            if known is not None:  # joined by another task of this socket meanwhile
                return known
            socket.raise_if_ended()
            member = self._enter(socket, live, policy, meta, joining=recent > 0)
        finally:
            self._leave_topic(live)
        if recent > 0:
            await self._replay(member, topic, recent)
        return member

    def leave(self, socket: WebSocket, channel: str, group: str | None) -> None:
        """Take a socket out of one group, or with None out of the channel and all its groups."""
        outgoing = self._sockets.get(socket.id)
        if outgoing is None:
            return
        for topic in tuple(outgoing.members):
            if topic.channel == channel and group in (None, topic.group):
                self._part(outgoing, topic)

    def members(self, topic: Topic) -> tuple[Member, ...]:
        """Return the members on this process."""
        live = self._topics.get(topic)
        return () if live is None else live.members

    def outgoing(self, socket: str) -> Outgoing | None:
        """Return the outgoing side of a member socket, by its id."""
        return self._sockets.get(socket)

    # Asked by members

    def evict(self, outgoing: Outgoing, code: int, reason: str) -> None:
        """Close a socket that cannot keep up, in a task of its own; nobody waits for it."""
        socket = outgoing.socket
        message = socket.condemn(code, reason)
        dropped = self._let_go(outgoing)
        if message is None:
            message = next((m for m in dropped if m["type"] == "websocket.close"), None)
        if message is None or not self._running:
            socket.end()
        else:
            socket.parting = anyio.Event()
            self._spawn(partial(self._say_close, socket, message, socket.parting))

    def look(self) -> None:
        """One round of the watch: end writes that stand still."""
        now = self.clock()
        for outgoing in tuple(self._sockets.values()):
            since = outgoing.writing_since
            if since is not None and now - since >= outgoing.limits.write_idle_s:
                self.evict(outgoing, 1013, "slow reader")

    # Inside

    def _member(self, socket: WebSocket, topic: Topic) -> Member | None:
        outgoing = self._sockets.get(socket.id)
        return None if outgoing is None else outgoing.members.get(topic)

    async def _check_topics(self, socket: WebSocket) -> None:
        outgoing = self._sockets.get(socket.id)
        most = socket.limits.topics_per_socket
        if outgoing is not None and most is not None and len(outgoing.members) >= most:
            await socket.refuse(4429, "too many topics")

    def _live(self, topic: Topic) -> LiveTopic:
        live = self._topics.get(topic)
        if live is None:
            live = self._topics[topic] = LiveTopic(topic)
            self._spawn(partial(live.run, self.backplane))
        live.users += 1
        return live

    def _leave_topic(self, live: LiveTopic) -> None:
        live.users -= 1
        if live.users == 0:
            live.stop()
            if self._topics.get(live.topic) is live:
                del self._topics[live.topic]

    def _enter(
        self,
        socket: WebSocket,
        live: LiveTopic,
        policy: Overflow,
        meta: Mapping[str, object] | None,
        *,
        joining: bool,
    ) -> Member:
        outgoing = self._sockets.get(socket.id)
        if outgoing is None:
            outgoing = self._sockets[socket.id] = Outgoing(socket, self)
            socket.when_gone(partial(self._forget, outgoing))
            self._spawn(outgoing.run)
        member = Member(outgoing, live.topic, policy, meta=meta, joining=joining)
        outgoing.members[live.topic] = member
        live.users += 1
        live.add(member)
        return member

    def _part(self, outgoing: Outgoing, topic: Topic) -> None:
        member = outgoing.members.pop(topic)
        live = self._topics.get(topic)
        if live is not None:
            live.remove(member)
            self._leave_topic(live)

    def _forget(self, outgoing: Outgoing) -> None:
        self._let_go(outgoing)

    def _let_go(self, outgoing: Outgoing) -> list[Message]:
        for topic in tuple(outgoing.members):
            self._part(outgoing, topic)
        self._sockets.pop(outgoing.socket.id, None)
        return outgoing.release()

    async def _replay(self, member: Member, topic: Topic, recent: int) -> None:
        before: list[Delivery] = []
        try:
            kept = await self.backplane.read(topic, None, recent)
            before = [Delivery(arrived) for arrived in kept.messages]
        finally:
            member.joined(before)

    async def _say_close(self, socket: WebSocket, message: Message, done: anyio.Event) -> None:
        try:
            with anyio.move_on_after(self.limits.close_handshake_s):
                await socket.transmit(message)
        except WebSocketDisconnect:
            pass  # it was gone already
        finally:
            socket.end()
            done.set()

    async def _watch(self) -> None:
        while True:
            await anyio.sleep(WATCH_S)
            self.look()

    def _spawn(self, work: Callable[[], Awaitable[None]]) -> None:
        scope = anyio.CancelScope()
        self._scopes.add(scope)
        self._tasks.start_soon(self._guarded, work, scope)

    async def _guarded(
        self, work: Callable[[], Awaitable[None]], scope: anyio.CancelScope
    ) -> None:
        """Run one task of the hub: a fault in it is told and touches nothing else."""
        try:
            with scope:
                await work()
        except Exception as error:
            self._report(error, "a task of the channels failed")
        finally:
            self._scopes.discard(scope)
            if not self._scopes and self._idle is not None:
                self._idle.set()


def hub_of(app: object | None, channel: str) -> Hub:
    """Return the hub of ``app`` on this loop; for None the only one that runs here.

    Raises:
        NoRunningApp: None runs here.
        AmbiguousApp: Several do, and ``app`` does not say which.
    """
    running = _RUNNING.get(())
    if app is not None:
        running = tuple(hub for hub in running if hub.app is app)
    if not running:
        raise NoRunningApp(channel)
    if len(running) > 1:
        raise AmbiguousApp(channel, len(running))
    return running[0]
