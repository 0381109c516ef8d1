"""The event broker of one process: for tests, and for modules that do not know each other."""

import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import field
from typing import ClassVar, Final
from uuid import UUID

import anyio

from nexios.application.broker import DELIVERIES, Buried, Incoming, Outgoing
from nexios.application.errors import Unavailable
from nexios.records import dataclass

_KEPT: Final = 10_000
_DUPLICATE_WINDOW_S: Final = 120.0
_PATIENCE_S: Final = 1.0


class MemoryBroker:
    """Carries events inside one process and one event loop; nothing survives it.

    A consumer holds back at most 10,000 events: then `publish` waits for a second.
    """

    protocol: ClassVar = "memory"
    """What it speaks, for documents."""

    def __init__(self, *, kept: int = _KEPT, clock: Callable[[], float] = time.monotonic) -> None:
        """Hold nothing yet.

        Args:
            kept: How many events wait for each consumer, and for consumers to come.
            clock: Seconds that only grow.
        """
        self._kept = kept
        self._clock = clock
        self._log: deque[Outgoing] = deque(maxlen=kept)
        self._ids: OrderedDict[UUID, float] = OrderedDict()
        self._consumers: dict[str, _Consumer] = {}

    async def publish(self, event: Outgoing) -> None:
        """Give it to every consumer of its name."""
        self._forget_ids()
        if event.id in self._ids:
            return
        wanted = [one for one in self._consumers.values() if event.name in one.names]
        with anyio.move_on_after(_PATIENCE_S):
            for one in wanted:
                while len(one.waiting) >= self._kept:
                    await one.freed()
        if any(len(one.waiting) >= self._kept for one in wanted):
            raise Unavailable("a consumer of this event does not keep up", retry_after_s=1.0)
        if event.id in self._ids:
            return  # published by somebody else while this one waited
        self._ids[event.id] = self._clock()
        self._log.append(event)
        for one in wanted:
            one.put(_Waiting(event))

    @asynccontextmanager
    async def consume(
        self, consumer: str, names: Sequence[str], *, visible_s: float = 30.0
    ) -> AsyncIterator[AsyncIterator[Incoming]]:
        """Give out what waits for this consumer, one message of a key at a time."""
        known = self._consumers.get(consumer)
        if known is None:
            known = self._consumers[consumer] = _Consumer(self._clock)
            for event in self._log:
                if event.name in names:
                    known.put(_Waiting(event))
        known.names |= set(names)
        yield _deliveries(known, visible_s)

    async def buried(self, consumer: str, *, limit: int = 100) -> Sequence[Buried]:
        """Return what was set aside."""
        known = self._consumers.get(consumer)
        return [] if known is None else known.buried[:limit]

    async def redrive(self, consumer: str, *, id: UUID | None = None) -> int:
        """Put what was set aside at the end of the queue."""
        known = self._consumers.get(consumer)
        if known is None:
            return 0
        again = [one for one in known.buried if id in (None, one.event.id)]
        known.buried = [one for one in known.buried if one not in again]
        for one in again:
            known.put(_Waiting(one.event))
        return len(again)

    def _forget_ids(self) -> None:
        old = self._clock() - _DUPLICATE_WINDOW_S
        while self._ids and next(iter(self._ids.values())) < old:
            self._ids.popitem(last=False)


@dataclass(slots=True, eq=False)
class _Waiting:
    """One event for one consumer. ``due`` in the clock's seconds; taken ones have a deadline."""

    event: Outgoing
    delivery: int = 0
    due: float = 0.0
    taken: bool = False


class _Consumer:
    """What waits for a consumer, in order; its processes share it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.names: set[str] = set()
        self.waiting: dict[_Waiting, None] = {}
        self.buried: list[Buried] = []
        self.clock = clock
        self._changed = anyio.Event()

    def put(self, waiting: _Waiting) -> None:
        self.waiting[waiting] = None
        self.tell()

    def drop(self, waiting: _Waiting) -> None:
        self.waiting.pop(waiting, None)
        self.tell()

    def tell(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def freed(self) -> None:
        await self._changed.wait()

    async def take(self, visible_s: float) -> "_Delivery":
        while True:
            found, soonest = self._next()
            if found is not None:
                found.taken, found.due = True, self.clock() + visible_s
                found.delivery += 1
                if found.delivery <= DELIVERIES:
                    return _Delivery(self, found)
                self.bury(found, f"not acknowledged in {DELIVERIES} deliveries")
                continue
            changed = self._changed
            with anyio.move_on_after(soonest):
                await changed.wait()

    def bury(self, waiting: _Waiting, reason: str) -> None:
        if waiting in self.waiting:
            self.buried.append(Buried(waiting.event, reason))
            self.drop(waiting)

    def _next(self) -> tuple[_Waiting | None, float]:
        """Return the first that may go, or how long to wait for one."""
        now, held, soonest = self.clock(), set(), float("inf")
        for one in self.waiting:
            if one.event.key in held:
                continue
            if one.due <= now:
                one.taken = False
                return one, 0.0
            soonest = min(soonest, one.due - now)
            held.add(one.event.key)
        return None, soonest


async def _deliveries(consumer: _Consumer, visible_s: float) -> AsyncIterator[Incoming]:
    while True:
        yield await consumer.take(visible_s)


@dataclass(slots=True)
class _Delivery:
    """One delivery; told anything after it was given to another it does nothing."""

    consumer: _Consumer
    waiting: _Waiting
    event: Outgoing = field(init=False)
    delivery: int = field(init=False)

    def __post_init__(self) -> None:
        self.event = self.waiting.event
        self.delivery = self.waiting.delivery

    async def ack(self) -> None:
        if self._mine:
            self.consumer.drop(self.waiting)

    async def retry(self, after_s: float) -> None:
        if self._mine:
            self.waiting.taken, self.waiting.due = False, self.consumer.clock() + after_s
            self.consumer.tell()

    async def bury(self, reason: str) -> None:
        if self._mine:
            self.consumer.bury(self.waiting, reason)

    @property
    def _mine(self) -> bool:
        return self.waiting.taken and self.waiting.delivery == self.delivery
