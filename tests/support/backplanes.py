"""Several processes in one loop: each has its own link, which a test can lose, to one store."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio

from nexios.application.backplane import (
    Arrived,
    Backplane,
    Keep,
    Link,
    LinkState,
    Position,
    Present,
    Slice,
    Stored,
    Topic,
)
from nexios.application.errors import OutcomeUnknown, Unavailable


class Linked:
    """One process's link to a store that others share.

    Attributes:
        up: Whether the store can be reached; set by ``lose`` and ``heal``.
        unheard: The store keeps what is published, and the publisher is not told so.
        gate: Reads wait until it is set.
        reads: How many there were.
        following: How many subscriptions are open.
    """

    shared = True

    def __init__(self, store: Backplane, *, up: bool = True) -> None:
        self._store = store
        self._listeners: list[Callable[[Link], None]] = []
        self.up = up
        self.unheard = False
        self.gate = anyio.Event()
        self.gate.set()
        self.reads = 0
        self.following = 0

    def lose(self) -> None:
        self.up = False
        self._tell(LinkState.DEGRADED)

    def heal(self) -> None:
        self.up = True
        self._tell(LinkState.UP)

    async def start(self) -> None:
        self._check()

    async def close(self) -> None:
        """The store is the test's."""

    def on_link(self, changed: Callable[[Link], None]) -> None:
        self._listeners.append(changed)

    async def publish(
        self, topic: Topic, payload: bytes, *, id: str, key: str | None, keep: Keep
    ) -> Stored:
        self._check()
        stored = await self._store.publish(topic, payload, id=id, key=key, keep=keep)
        if self.unheard:
            raise OutcomeUnknown
        return stored

    @asynccontextmanager
    async def follow(
        self, topic: Topic, arrived: Callable[[Arrived], None]
    ) -> AsyncIterator[Position]:
        self._check()

        def heard(message: Arrived) -> None:
            if self.up:
                arrived(message)

        self.following += 1
        try:
            async with self._store.follow(topic, heard) as head:
                yield head
        finally:
            self.following -= 1

    async def read(self, topic: Topic, after: Position | None, limit: int) -> Slice:
        self.reads += 1
        part = await self._store.read(topic, after, limit)
        await self.gate.wait()
        self._check()
        return part

    async def touch(self, entries: Sequence[Present], ttl_s: float) -> None:
        self._check()
        await self._store.touch(entries, ttl_s)

    async def forget(self, entries: Sequence[Present]) -> None:
        self._check()
        await self._store.forget(entries)

    async def present(self, topic: Topic) -> Sequence[Present]:
        self._check()
        return await self._store.present(topic)

    def _tell(self, state: LinkState) -> None:
        for changed in self._listeners:
            changed(Link(state))

    def _check(self) -> None:
        if not self.up:
            raise Unavailable("the message broker cannot be reached")
