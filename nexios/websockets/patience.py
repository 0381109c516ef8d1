"""Has a broadcast under ``Overflow.block`` wait until every member here has room for it."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

import anyio
from anyio.lowlevel import checkpoint

from nexios.application.backplane import Topic
from nexios.websockets.member import Member
from nexios.websockets.outgoing import Outgoing
from nexios.websockets.overflow import Waiting
from nexios.websockets.turn import Turn
from nexios.websockets.walk import Walk

_LOOK_S: Final = 0.05
"""So often room is looked for that nobody tells of, such as that of members who join just now."""


class Stream(Protocol):
    """An event stream of a topic."""

    topic: Topic
    queue: Waiting

    def end(self) -> None:
        """End it, without waiting."""
        ...


class Waited(Protocol):
    """What waiting needs of the hub."""

    turn: Turn
    walk: Walk

    @property
    def feeds(self) -> Iterable[Stream]:
        """Event streams of all topics."""
        ...

    def members(self, topic: Topic) -> Sequence[Member]:
        """Return who is in a topic here."""
        ...

    def outgoing(self, socket: str) -> Outgoing | None:
        """Return the outgoing side of a member socket."""
        ...

    def evict(self, outgoing: Outgoing, code: int, reason: str) -> None:
        """Close a socket, without waiting for it."""
        ...


class Patience:
    """Lets one broadcast of a topic after the other wait for room."""

    __slots__ = ("_hub", "_locks")

    def __init__(self, hub: Waited) -> None:
        self._hub = hub
        self._locks: dict[Topic, anyio.Lock] = {}

    @asynccontextmanager
    async def room(self, topic: Topic, size: int, timeout_s: float) -> AsyncIterator[None]:
        """Enter when every member has room for so many bytes; others wait behind the body.

        Members that have none after ``timeout_s`` are closed, event streams end.
        """
        lock = self._locks.setdefault(topic, anyio.Lock())
        try:
            async with lock:
                await self._wait(topic, size, timeout_s)
                yield
        finally:
            if not lock.locked() and not lock.statistics().tasks_waiting:
                self._locks.pop(topic, None)

    async def _wait(self, topic: Topic, size: int, timeout_s: float) -> None:
        with anyio.move_on_after(timeout_s):
            while True:
                # Each time: other topics of the same members have something due meanwhile.
                await self._hand_out()
                full = self._full(topic, size)
                if full is None:
                    return
                await _freed(full)
        for member in self._hub.members(topic):
            outgoing = self._hub.outgoing(member.socket)
            if outgoing is not None and not _has_room(member, outgoing, size):
                self._hub.evict(outgoing, 1013, "slow reader")
        for feed in self._feeds(topic):
            if not feed.queue.has_room(size):
                feed.end()

    async def _hand_out(self) -> None:
        """Have what is due written or queued: it counts as well."""
        self._hub.turn.flush()
        while self._hub.walk.waits:
            self._hub.walk.look()  # or a walker that waits for the last socket is not relieved
            await checkpoint()

    def _full(self, topic: Topic, size: int) -> Waiting | None:
        """Return a queue without room, or one of somebody who joins; None when all have some."""
        hub = self._hub
        for member in hub.members(topic):
            outgoing = hub.outgoing(member.socket)
            if outgoing is not None and not _has_room(member, outgoing, size):
                return outgoing.queue
        for feed in self._feeds(topic):
            if not feed.queue.has_room(size):
                return feed.queue
        return None

    def _feeds(self, topic: Topic) -> list[Stream]:
        return [feed for feed in self._hub.feeds if feed.topic == topic]


def _has_room(member: Member, outgoing: Outgoing, size: int) -> bool:
    return not member.joining_is_full and outgoing.queue.has_room(size)


async def _freed(queue: Waiting) -> None:
    """Return when something was taken from a queue, or shortly after."""
    freed = anyio.Event()
    queue.tell(freed.set)
    try:
        with anyio.move_on_after(_LOOK_S):
            await freed.wait()
    finally:
        queue.untell(freed.set)
