"""The backplane of one process: a counter and a ring for each topic, called directly."""

import secrets
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from nexios.application.backplane import (
    Arrived,
    Keep,
    Link,
    Position,
    Present,
    Slice,
    Stored,
    Topic,
)

DUPLICATE_WINDOW_S: Final = 120.0
SWEEP_S: Final = 30.0
PROCESS_BYTES: Final = 64 * 2**20
PROCESS_IDS: Final = 65_536
"""So many ids at most: above 546 messages a second they are remembered for less than 120 s."""


class _Log:
    """What one topic remembers; ``ids`` counts those of its ids that are remembered."""

    __slots__ = ("epoch", "followers", "ids", "keep", "kept_bytes", "last", "ring", "trimmed")

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.last = 0
        self.trimmed = 0
        self.ring: deque[tuple[float, Arrived]] = deque()
        self.kept_bytes = 0
        self.keep = Keep(count=0, size=0, age_s=0.0)
        self.ids = 0
        self.followers: tuple[Callable[[Arrived], None], ...] = ()


class MemoryBackplane:
    """Carries topics inside one process and one event loop.

    Nothing here awaits between taking an offset and calling the followers, so order needs no
    lock. History is held under ``process_bytes`` over all topics, longest unused first out.
    """

    shared = False

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        process_bytes: int = PROCESS_BYTES,
        process_ids: int = PROCESS_IDS,
    ) -> None:
        self._clock = clock
        self._process_bytes = process_bytes
        self._process_ids = process_ids
        self._ids: OrderedDict[tuple[Topic, str], tuple[float, int]] = OrderedDict()
        self._present: dict[Topic, dict[str, tuple[float, Present]]] = {}
        self._epoch = secrets.token_hex(8)
        self._logs: OrderedDict[Topic, _Log] = OrderedDict()
        self._kept_bytes = 0
        self._swept_at = clock()

    async def start(self) -> None:
        """There is nothing to connect to."""

    async def close(self) -> None:
        """Forget everything; what comes after is another epoch."""
        self._logs.clear()
        self._ids.clear()
        self._present.clear()
        self._kept_bytes = 0
        self._epoch = secrets.token_hex(8)

    def on_link(self, changed: Callable[[Link], None]) -> None:
        """Accept the listener; a link inside one process never changes."""

    async def publish(
        self, topic: Topic, payload: bytes, *, id: str, key: str | None, keep: Keep
    ) -> Stored:
        """Store one message and call the followers before returning."""
        now = self._clock()
        self._sweep(now)
        log = self._log(topic)
        self._logs.move_to_end(topic)
        self._forget_ids(now)
        seen = self._ids.get((topic, id))
        if seen is not None:
            return Stored(Position(log.epoch, seen[1]), duplicate=True)
        previous, log.last = log.last, log.last + 1
        self._ids[topic, id] = (now, log.last)
        log.ids += 1
        log.keep = keep
        message = Arrived(Position(log.epoch, log.last), previous, id, key, payload)
        log.ring.append((now, message))
        log.kept_bytes += len(payload)
        self._kept_bytes += len(payload)
        self._trim(log, now)
        self._trim_process()
        for arrived in log.followers:
            arrived(message)
        return Stored(message.position)

    @asynccontextmanager
    async def follow(
        self, topic: Topic, arrived: Callable[[Arrived], None]
    ) -> AsyncIterator[Position]:
        """Call ``arrived`` for what is published while the context is open."""
        self._sweep(self._clock())  # an app whose groups are only joined must forget them too
        log = self._log(topic)
        log.followers = (*log.followers, arrived)
        try:
            yield Position(log.epoch, log.last)
        finally:
            log.followers = _without(log.followers, arrived)

    async def read(self, topic: Topic, after: Position | None, limit: int) -> Slice:
        """Return what is kept after a position, or the last messages for None."""
        log = self._logs.get(topic)
        if log is None:
            known = after is None or (after.epoch == self._epoch and after.offset == 0)
            return Slice((), Position(self._epoch, 0), complete=known)
        self._trim(log, self._clock())
        head = Position(log.epoch, log.last)
        kept = [message for _, message in log.ring]
        if after is None:
            return Slice(tuple(kept[-limit:] if limit else ()), head, complete=True)
        if after.epoch != log.epoch or after.offset > log.last:
            return Slice((), head, complete=False)
        beyond = [message for message in kept if message.position.offset > after.offset]
        return Slice(tuple(beyond[:limit]), head, complete=after.offset >= log.trimmed)

    async def touch(self, entries: Sequence[Present], ttl_s: float) -> None:
        """Note them; who was there keeps its place."""
        until = self._clock() + ttl_s
        self._sweep(self._clock())
        for entry in entries:
            self._present.setdefault(entry.topic, {})[entry.socket] = (until, entry)

    async def forget(self, entries: Sequence[Present]) -> None:
        """Drop them at once."""
        for entry in entries:
            here = self._present.get(entry.topic)
            if here is not None:
                here.pop(entry.socket, None)
                if not here:
                    del self._present[entry.topic]

    async def present(self, topic: Topic) -> Sequence[Present]:
        """Return who was noted and whose time is not over."""
        self._stay(topic, self._clock())
        found = [entry for _, entry in self._present.get(topic, {}).values()]
        return sorted(found, key=lambda entry: entry.since)

    def _stay(self, topic: Topic, now: float) -> None:
        here = self._present.get(topic, {})
        for socket in [socket for socket, (until, _) in here.items() if until <= now]:
            del here[socket]
        if not here:
            self._present.pop(topic, None)

    def _log(self, topic: Topic) -> _Log:
        log = self._logs.get(topic)
        if log is None:
            log = self._logs[topic] = _Log(self._epoch)
        return log

    def _trim(self, log: _Log, now: float) -> None:
        keep = log.keep
        while log.ring and (
            len(log.ring) > keep.count
            or log.kept_bytes > keep.size
            or now - log.ring[0][0] > keep.age_s
        ):
            self._drop_oldest(log)

    def _trim_process(self) -> None:
        while self._kept_bytes > self._process_bytes:
            topic, log = next(iter(self._logs.items()))
            if log.ring:
                self._drop_oldest(log)
            else:
                self._logs.move_to_end(topic)

    def _drop_oldest(self, log: _Log) -> None:
        _, message = log.ring.popleft()
        log.trimmed = message.position.offset
        log.kept_bytes -= len(message.payload)
        self._kept_bytes -= len(message.payload)

    def _forget_ids(self, now: float) -> None:
        while self._ids:
            place = next(iter(self._ids))
            old = now - self._ids[place][0] > DUPLICATE_WINDOW_S
            if not old and len(self._ids) <= self._process_ids:
                return
            del self._ids[place]
            self._logs[place[0]].ids -= 1

    def _sweep(self, now: float) -> None:
        """Trim by age each half minute, and forget topics of which nothing is left.

        Group names often come from a URL, so what is idle must not stay. A forgotten topic would
        start at 1 again, hence what is made from now on has another epoch.
        """
        if now - self._swept_at < SWEEP_S:
            return
        self._swept_at = now
        self._forget_ids(now)
        for topic in tuple(self._present):
            self._stay(topic, now)
        for topic, log in tuple(self._logs.items()):
            self._trim(log, now)
            if not (log.ring or log.ids or log.followers):
                del self._logs[topic]
                self._epoch = secrets.token_hex(8)


def _without(
    followers: tuple[Callable[[Arrived], None], ...], arrived: Callable[[Arrived], None]
) -> tuple[Callable[[Arrived], None], ...]:
    """Take one follower out, by identity: callables may be equal to each other."""
    for index, follower in enumerate(followers):
        if follower is arrived:
            return followers[:index] + followers[index + 1 :]
    return followers
