"""The hub of one app on one event loop: topics, sockets, and the watch over slow ones."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import cancel_shielded_checkpoint

from nexios.adapters.asgi.types import Message
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.backplane import (
    Backplane,
    Keep,
    Link,
    LinkState,
    Position,
    Present,
    Stored,
    Topic,
)
from nexios.application.limits import Limits
from nexios.application.listening import Signals
from nexios.websockets.declared import Spec
from nexios.websockets.entering import accepted
from nexios.websockets.errands import Errands
from nexios.websockets.errors import BlockNeedsOneProcess, ChannelClash
from nexios.websockets.frames import SUBPROTOCOL, bye_frame
from nexios.websockets.member import Member
from nexios.websockets.names import is_users, users_of
from nexios.websockets.options import OverflowKind, WhenDegraded
from nexios.websockets.outgoing import Outgoing
from nexios.websockets.patience import Patience, Stream
from nexios.websockets.post import Post
from nexios.websockets.presence import Presence, presence_topic
from nexios.websockets.resume import AWAY, Before, before
from nexios.websockets.running import Running
from nexios.websockets.telling import Telling
from nexios.websockets.topic import LiveTopic
from nexios.websockets.turn import Turn
from nexios.websockets.walk import Walk
from nexios.websockets.watch import Watch

AGAIN_S: Final = 1.0
PRESSED_TURNS: Final = 4
READS: Final = 8


class Hub:
    """Owns the topics and member sockets of one app on one event loop.

    ``start`` and ``stop`` may run in different tasks: everything here lives in the task group it
    was given.

    Attributes:
        telling: Tells of broadcasts whoever listens.
        post: What goes to single sockets of other processes.
        feeds: Event streams of topics; they end with the hub.
        patience: Waits for slow members, where a channel wants that.
    """

    def __init__(
        self,
        app: object,
        *,
        backplane: Backplane,
        tasks: TaskGroup,
        limits: Limits,
        report: Callable[[BaseException, str], None],
        required: bool = True,
        signals: Signals | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Serve the channels of ``app``.

        Args:
            app: What stands in ``scope["app"]`` of its sockets.
            tasks: Where writers, subscriptions and the watch run.
            report: Told of failures nobody can be answered with.
            required: A backplane that cannot be reached at the start ends it; otherwise the app
                starts degraded.
            signals: Told of broadcasts.
            clock: Seconds, for write deadlines.
        """
        self.app = app
        self.backplane = backplane
        self.limits = limits
        self.clock = clock
        self.pressed = False
        self._errands = Errands(tasks, report)
        self.walk = Walk(self._errands.begin, clock)
        self.turn = Turn(self.walk)
        self.telling = Telling(Signals() if signals is None else signals)
        self._required = required
        self._topics: dict[Topic, LiveTopic] = {}
        self._presence: Presence | None = None
        self._reads = anyio.CapacityLimiter(READS)
        self._up = True
        self._reason = ""
        self._sockets: dict[str, Outgoing] = {}
        self._declared: dict[str, Spec] = {}
        self._watch = Watch(self._sockets, self._topics, self.walk, clock)
        self.post = Post(self)
        self.feeds: set[Stream] = set()
        self.patience = Patience(self)
        self._running = False

    @property
    def degraded(self) -> str:
        """Why other processes cannot be reached, or nothing when they can."""
        return "" if self._up else self._reason or "the message broker cannot be reached"

    async def start(self) -> None:
        """Connect the backplane and be found by channels.

        Raises:
            Unavailable: The backplane cannot be reached.
        """
        self.backplane.on_link(self._linked)
        self._running = True
        try:
            await self.backplane.start()
        except AWAY as error:
            if self._required:
                self._running = False
                raise
            self._linked(Link(LinkState.DEGRADED, str(error)))
            self.begin(self._connect)
        except BaseException:
            self._running = False
            raise
        RUNNING.enter(self)
        self.begin(self._watch.run)
        self.begin(self.turn.run)

    async def stop(self) -> None:
        """Let all members go, end all tasks, close the backplane; idempotent."""
        if not self._running:
            return
        self._running = False
        RUNNING.leave(self)
        for outgoing in tuple(self._sockets.values()):
            self._let_go(outgoing)
        for feed in tuple(self.feeds):
            feed.end()
        await self._errands.end()
        if self._presence is not None:
            with anyio.move_on_after(1.0):
                await self._presence.withdraw()
        await self.backplane.close()

    # Asked by channels

    def declare(self, channel: Spec) -> None:
        """Note a channel at its first use here.

        Raises:
            ChannelClash: One with this name and other options is known.
            BlockNeedsOneProcess: It waits for its members, and some are elsewhere.
        """
        if channel.overflow.kind is OverflowKind.BLOCK and self.backplane.shared:
            raise BlockNeedsOneProcess(channel.name, type(self.backplane).__name__, channel.place)
        known = self._declared.setdefault(channel.name, channel)
        if known is not channel and known.options != channel.options:
            raise ChannelClash(channel.name, (known.place, channel.place))

    async def publish(
        self,
        topic: Topic,
        payload: bytes,
        *,
        id: str,
        key: str | None,
        keep: Keep,
        alone: WhenDegraded = "local",
    ) -> Stored | None:
        """Publish, and give the writers a turn: a loop of broadcasts must not starve them.

        Where a queue is more than half full they get a few, never so many as a member that
        stands still would like. What goes out at the end of this turn needs none of it, so that
        several messages are one write.

        Args:
            alone: What happens while no other process can be reached.

        Returns:
            None when it was told to the members of this process only.

        Raises:
            Unavailable: Nobody got it.
            OutcomeUnknown: It may have been stored.
        """
        stored: Stored | None = None
        if self._up or alone == "refuse":
            try:
                stored = await self.backplane.publish(topic, payload, id=id, key=key, keep=keep)
            except AWAY:
                if alone == "refuse":
                    raise
        live = self._topics.get(topic)
        if live is not None:
            if stored is None:
                live.deliver_here(id, key, payload)
            if self.turn.waits and not self.pressed:
                return stored
            turns, self.pressed = PRESSED_TURNS if self.pressed else 1, False
            for _ in range(turns):
                await cancel_shielded_checkpoint()
        return stored

    async def join(
        self,
        socket: WebSocket,
        topic: Topic,
        channel: Spec,
        *,
        meta: Mapping[str, object] | None,
        recent: int,
        after: Position | None,
    ) -> Member:
        """Accept the socket if needed and take it into the topic; twice is the same member."""
        asked = await accepted(socket)
        known = self._member(socket, topic)
        if known is not None:
            return known
        await self._check_topics(socket, topic)
        if after is None and socket.subprotocol == SUBPROTOCOL:
            after = asked.get(str(topic))
        live = self._live(topic)
        self.post.open()
        try:
            await live.ready()
            await self.post.ready()
            known = self._member(socket, topic)
            if known is not None:  # joined by another task of this socket meanwhile
                return known
            socket.raise_if_ended()
            first = recent > 0 or after is not None or socket.subprotocol == SUBPROTOCOL
            member = self._enter(socket, live, channel, meta, joining=first)
        finally:
            self._leave_topic(live)
            self.post.close()
        if first:
            place = live.last
            try:
                told = await before(self.backplane, topic, place, after, recent)
            except BaseException:
                await member.catch_up(Before(place), lambda: live.last)
                raise
            await member.catch_up(told, lambda: live.last)
        return member

    async def present(self, topic: Topic) -> Sequence[Present]:
        """Return who is in a topic, on all processes; while they are out of reach, on this."""
        here = {one.socket: one.entry for one in self.members(topic)}
        if self._up:
            try:
                found = await self.backplane.present(topic)
            except AWAY:
                found = ()
            for entry in found:
                here.setdefault(entry.socket, entry)
        return sorted(here.values(), key=lambda one: one.since)

    def leave(self, socket: WebSocket, channel: str, topic: Topic | None) -> None:
        """Take a socket out of one topic, or with None out of the channel and all its groups.

        Who is in none of the channel any more is none of its user's sockets there.
        """
        outgoing = self._sockets.get(socket.id)
        if outgoing is None:
            return
        for one in tuple(outgoing.members):
            if one == topic or (topic is None and one.channel == channel):
                self._part(outgoing, one)
        if not any(one.channel == channel for one in outgoing.members):
            users = users_of(channel)
            for one in tuple(outgoing.members):
                if one.channel == users:
                    self._part(outgoing, one)

    def members(self, topic: Topic) -> tuple[Member, ...]:
        """Return the members on this process."""
        live = self._topics.get(topic)
        return () if live is None else live.members

    def outgoing(self, socket: str) -> Outgoing | None:
        """Return the outgoing side of a member socket, by its id."""
        return self._sockets.get(socket)

    # Asked by what stands beside members: letters, event streams

    @property
    def sockets(self) -> tuple[Outgoing, ...]:
        """The sockets here that are in a topic."""
        return tuple(self._sockets.values())

    def known(self, channel: str) -> Spec | None:
        """Return what a channel is declared to be, once it was used here."""
        return self._declared.get(channel)

    def use_topic(self, topic: Topic, *, quiet: bool = False) -> LiveTopic:
        """Follow a topic until it is left as often as it was used."""
        return self._live(topic, quiet=quiet)

    def leave_topic(self, live: LiveTopic) -> None:
        """Use a topic once less."""
        self._leave_topic(live)

    # Asked by members

    def begin(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run a task that ends with the hub."""
        self._errands.begin(work)

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
            within_s = self.limits.close_handshake_s
            self.begin(partial(outgoing.part, message, within_s, socket.parting))

    def look(self) -> None:
        """One round of the watch."""
        self._watch.look()

    # Inside

    def _member(self, socket: WebSocket, topic: Topic) -> Member | None:
        outgoing = self._sockets.get(socket.id)
        return None if outgoing is None else outgoing.members.get(topic)

    async def _check_topics(self, socket: WebSocket, topic: Topic) -> None:
        outgoing = self._sockets.get(socket.id)
        most = socket.limits.topics_per_socket
        if outgoing is None or most is None or len(outgoing.members) < most:
            return
        if not is_users(topic) and sum(not is_users(one) for one in outgoing.members) >= most:
            await socket.refuse(4429, "too many topics")

    def _live(self, topic: Topic, *, quiet: bool = False) -> LiveTopic:
        live = self._topics.get(topic)
        if live is None:
            live = self._topics[topic] = LiveTopic(topic, self._reads, self.turn, quiet=quiet)
            self.begin(partial(live.run, self.backplane))
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
        channel: Spec,
        meta: Mapping[str, object] | None,
        *,
        joining: bool,
    ) -> Member:
        outgoing = self._sockets.get(socket.id)
        if outgoing is None:
            outgoing = self._sockets[socket.id] = Outgoing(socket, self)
            self.post.open()
            socket.when_gone(partial(self._forget, outgoing))
            if outgoing.tagged:
                socket.farewell = bye_frame
        member = Member(outgoing, live.topic, channel.overflow, meta=meta, joining=joining)
        outgoing.members[live.topic] = member
        live.users += 1
        live.add(member)
        if channel.presence:
            self._come(member)
        return member

    def _come(self, member: Member) -> None:
        if self._presence is None:
            self._presence = Presence(self.backplane)
            self.begin(self._presence.run)
        member.present = True
        self._presence.joined(member.entry)
        if member.tagged:
            self._live(presence_topic(member.topic), quiet=True).add(member)

    def _go(self, member: Member) -> None:
        if self._presence is None:
            return
        self._presence.left(member.entry)
        live = self._topics.get(presence_topic(member.topic))
        if live is not None and member.tagged:
            live.remove(member)
            self._leave_topic(live)

    def _part(self, outgoing: Outgoing, topic: Topic) -> None:
        member = outgoing.members.pop(topic)
        live = self._topics.get(topic)
        if live is not None:
            live.remove(member)
            self._leave_topic(live)
        if member.present:
            self._go(member)

    def _forget(self, outgoing: Outgoing) -> None:
        self._let_go(outgoing)

    def _let_go(self, outgoing: Outgoing) -> list[Message]:
        for topic in tuple(outgoing.members):
            self._part(outgoing, topic)
        if self._sockets.pop(outgoing.socket.id, None) is not None:
            self.post.close()
        return outgoing.release()

    def _linked(self, link: Link) -> None:
        up = link.state is LinkState.UP
        self._up, self._reason = up, link.reason
        live = sorted(self._topics.values(), key=lambda one: -len(one.members))
        for topic in live:
            topic.linked(up=up)

    async def _connect(self) -> None:
        while True:
            await anyio.sleep(AGAIN_S)
            try:
                await self.backplane.start()
            except AWAY:
                continue
            return


RUNNING: Final[Running[Hub]] = Running("nexios_hubs")
