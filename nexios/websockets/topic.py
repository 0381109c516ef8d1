"""One topic on one process: its members, and the subscription that feeds them."""

import time
from collections import OrderedDict
from functools import partial
from typing import Final, Protocol

import anyio

from nexios.adapters.asgi.types import Message
from nexios.application.backplane import Arrived, Backplane, Position, Topic
from nexios.websockets.crowd import Crowd
from nexios.websockets.cursor import Cursor, State, Step
from nexios.websockets.frames import link_frame, reset_frame
from nexios.websockets.member import Member
from nexios.websockets.resume import AWAY, PAGE
from nexios.websockets.turn import Turn
from nexios.websockets.wire import Delivery

_AGAIN_S: Final = 1.0
_TOLD_S: Final = 120.0

_Told = tuple[float, frozenset[str], "tuple[Listener, ...]"]


class Listener(Protocol):
    """Somebody of this process who hears a topic and is no member."""

    def heard(self, delivery: Delivery) -> None:
        """Take a message; never waits and never raises."""
        ...

    def lost(self, head: Position, reason: str, /) -> None:
        """Note that messages were lost before ``head``, why in the words of ``reset``."""
        ...


class LiveTopic:
    """The members of one topic here; lives from its first member to its last.

    Attributes:
        topic: Its name.
        told: How many messages its members were offered.
        users: Members, and joins that are still on the way.
    """

    __slots__ = (
        "_crowd",
        "_cursor",
        "_error",
        "_joining",
        "_limit",
        "_listeners",
        "_local",
        "_members",
        "_quiet",
        "_ready",
        "_row",
        "_signal",
        "_stopped",
        "_tagged",
        "_turn",
        "told",
        "topic",
        "users",
    )

    def __init__(
        self, topic: Topic, limit: anyio.CapacityLimiter, turn: Turn, *, quiet: bool = False
    ) -> None:
        """Be the topic here.

        Args:
            limit: How many topics read at once after an outage.
            turn: At its end members are written.
            quiet: Members are told its messages, and nothing of the topic itself.
        """
        self._quiet = quiet
        self.topic = topic
        self.users = 0
        self.told = 0
        self._limit = limit
        self._turn = turn
        self._cursor = Cursor()
        self._members: dict[str, Member] = {}
        self._joining: dict[str, Member] = {}
        self._listeners: tuple[Listener, ...] = ()
        self._row: tuple[Member, ...] | None = None
        self._crowd: Crowd | None = None
        self._tagged = 0
        self._ready = anyio.Event()
        self._signal = anyio.Event()
        self._stopped = False
        self._error: Exception | None = None
        # What was told here without the broker: if it was stored after all, it comes once more.
        self._local: OrderedDict[str, _Told] = OrderedDict()

    @property
    def members(self) -> tuple[Member, ...]:
        """Who is in it now, in order of joining. Changes make a new tuple, so it can be walked."""
        if self._row is None:
            self._row = tuple(self._members.values())
        return self._row

    @property
    def last(self) -> Position | None:
        """Up to where the members were told everything; None when nobody knows."""
        return self._cursor.last

    @property
    def degraded(self) -> bool:
        """Whether the broker is away."""
        return self._cursor.state is State.DEGRADED

    def add(self, member: Member) -> None:
        """Take a member in; it gets what arrives from now on."""
        self._members[member.socket] = member
        self._tagged += member.tagged
        if member.expect(partial(self._settled, member)):
            self._joining[member.socket] = member
        self._row = self._crowd = None

    def remove(self, member: Member) -> None:
        """Let a member go."""
        if self._members.pop(member.socket, None) is not None:
            self._joining.pop(member.socket, None)
            self._tagged -= member.tagged
            self._row = self._crowd = None

    def listen(self, listener: Listener) -> None:
        """Have somebody hear what arrives from now on."""
        self._listeners = (*self._listeners, listener)

    def unlisten(self, listener: Listener) -> None:
        """Tell somebody no more."""
        self._listeners = tuple(one for one in self._listeners if one is not listener)

    def arrived(self, arrived: Arrived) -> None:
        """Take a message from the backplane. Never waits and never raises for a member."""
        step = self._cursor.take(arrived)
        if step is Step.DELIVER:
            self._deliver(arrived)
        elif step is Step.RESET:
            self._reset(Position(arrived.position.epoch, arrived.previous))
            self._deliver(arrived)
        elif step is Step.READ:
            self._rouse()

    def deliver_here(self, id: str, key: str | None, payload: bytes) -> None:
        """Tell the members here what could not be stored for all."""
        now = time.monotonic()
        while self._local and next(iter(self._local.values()))[0] < now - _TOLD_S:
            self._local.popitem(last=False)
        if id in self._local or self._cursor.knows(id):
            return
        self._local[id] = (now, frozenset(self._members), self._listeners)
        delivery = Delivery(Arrived(Position("", 0), 0, id, key, payload), degraded=True)
        self._offer(delivery, delivery.exclude)

    def linked(self, *, up: bool) -> None:
        """Note that the broker was lost, or found again."""
        was, never_began = self.degraded, self._cursor.last is None
        if up:
            if self._cursor.found() is Step.READ or never_began:
                self._rouse()
        else:
            self._cursor.lost()
        if was is up or never_began:
            self._tell(link_frame(self.topic, up=up))

    async def run(self, backplane: Backplane) -> None:
        """Follow the topic until ``stop``; one task owns the subscription."""
        while not self._stopped:
            try:
                async with backplane.follow(self.topic, self.arrived) as head:
                    self._begin(head)
                    await self._serve(backplane)
            except AWAY:
                self._cursor.lost()
                self._ready.set()  # members are taken in; they get what is said here
                await self._pause()
            except Exception as error:
                if self._ready.is_set():
                    raise
                self._error = error
                return
            finally:
                self._ready.set()

    async def ready(self) -> None:
        """Return when following has begun, or when the broker turned out to be away.

        Raises:
            Exception: What following failed with.
        """
        if not self._ready.is_set():
            await self._ready.wait()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """End the subscription."""
        self._stopped = True
        self._rouse()

    def _begin(self, head: Position) -> None:
        if self._cursor.begin(head) is Step.RESET and (self._members or self._listeners):
            self._cursor.reason = "epoch"  # they joined while nobody knew the place
            self._reset(head)

    async def _serve(self, backplane: Backplane) -> None:
        while not self._stopped:
            self._ready.set()
            signal = self._signal
            if self._cursor.state is State.CATCHING_UP:
                try:
                    async with self._limit:
                        await self._catch_up(backplane)
                except AWAY:
                    # Asked again after a pause, or as soon as the link is up.
                    await self._pause()
                continue
            await signal.wait()

    async def _catch_up(self, backplane: Backplane) -> None:
        while self._cursor.state is State.CATCHING_UP and not self._stopped:
            after = self._cursor.last
            part = await backplane.read(self.topic, after, PAGE)
            step, told = self._cursor.read(part)
            if step is Step.RESET:
                self._reset(part.head)
            for message in told:
                self._deliver(message)

    async def _pause(self) -> None:
        if not self._stopped:
            signal = self._signal
            with anyio.move_on_after(_AGAIN_S):
                await signal.wait()

    def _rouse(self) -> None:
        signal, self._signal = self._signal, anyio.Event()
        signal.set()

    def _deliver(self, arrived: Arrived) -> None:
        delivery = Delivery(arrived)
        told = self._local.get(arrived.id) if self._local else None
        if told is None:
            self._offer(delivery, delivery.exclude)
        else:
            self._offer(delivery, delivery.exclude | told[1], told[2])

    def _offer(
        self, delivery: Delivery, exclude: frozenset[str], heard: tuple[Listener, ...] = ()
    ) -> None:
        self.told += 1
        for member in tuple(self._joining.values()):
            if member.socket not in exclude:
                member.wait(delivery)
        if self._crowd is None:
            self._crowd = self._gathered()
        if self._crowd is not None:
            self._crowd.offer(delivery, exclude)
        for listener in self._listeners:
            if listener not in heard:
                listener.heard(delivery)

    def _gathered(self) -> Crowd | None:
        """Return those who are to be told what arrives, None when there is nobody."""
        told = [one for one in self.members if one.socket not in self._joining]
        if not told:
            return None
        # Those who are told of joins and leaves here are members of the topic that this is about.
        first = told[0]
        return Crowd([one.outgoing for one in told], first.topic, first.policy, self._turn)

    def _settled(self, member: Member) -> None:
        if self._joining.pop(member.socket, None) is not None:
            self._crowd = None

    def _reset(self, head: Position) -> None:
        self._tell(reset_frame(self.topic, head, self._cursor.reason))
        for listener in self._listeners:
            listener.lost(head, self._cursor.reason)

    def _tell(self, frame: Message) -> None:
        if self._tagged and not self._quiet:
            for member in self.members:
                if member.tagged:
                    member.tell(frame)
