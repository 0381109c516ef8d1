"""The outbox of a MemoryStore, as the worker sees it."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from nexios.adapters.persistence.lanes import Waiting
from nexios.adapters.persistence.memory import MemoryTransaction
from nexios.adapters.persistence.memory_store import MemoryStore
from nexios.adapters.persistence.runs import StoreTransaction, riding
from nexios.application.outbox import Claim, DeadLetter, Delivery


class MemoryOutbox:
    """Deliveries of a MemoryStore, with the states they have in SQL."""

    def __init__(self, store: MemoryStore) -> None:
        """Take the store that the units of work write to."""
        self._store = store
        self._lanes = store.lanes

    @property
    def most_workers(self) -> int | None:
        """Any number: there are no connections."""
        return None

    @asynccontextmanager
    async def claim(self, *, longest_s: float = 30.0) -> AsyncIterator[Claim | None]:  # noqa: ARG002
        """Take the next ready delivery."""
        waiting = self._lanes.claim()
        if waiting is None:
            yield None
            return
        try:
            yield _MemoryClaim(self._store, waiting)
        finally:
            waiting.claimed = False

    async def repair(self) -> int:
        """Free lanes whose first delivery waits for nothing; normally there are none."""
        return self._lanes.repair()

    async def dead(self, consumer: str | None = None, *, limit: int = 100) -> Sequence[DeadLetter]:
        """Return dead and blocked deliveries, the oldest first."""
        return [
            DeadLetter(
                seq=one.seq,
                consumer=one.consumer,
                stream=one.stream,
                event=one.recorded.envelope.name,
                attempts=one.attempts,
                blocked=one.state == "blocked",
                error=one.error,
                at=one.recorded.envelope.at,
                overtaken=self._lanes.overtaken(one),
            )
            for one in sorted(self._lanes.dead(consumer), key=lambda one: (one.seq, one.consumer))
        ][:limit]

    async def redrive(self, consumer: str | None = None, *, seq: int | None = None) -> int:
        """Make dead and blocked deliveries ready again."""
        return self._lanes.redrive(consumer, seq)

    async def skip(self, consumer: str, *, seq: int) -> int:
        """Let the lane of a blocked delivery go on without it."""
        return self._lanes.skip(consumer, seq)

    async def purge(self, *, older_than_s: float) -> int:  # noqa: ARG002  # tests look at all
        """Keep everything: a memory store lives as long as its test or process."""
        return 0

    async def pending(self) -> Mapping[str, int]:
        """Return how many deliveries wait, by consumer."""
        return self._lanes.pending()

    def on_commit(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` after each commit that left deliveries."""
        self._lanes.on_commit(wake)

    def hearing(self, wake: Callable[[], None]) -> AbstractAsyncContextManager[None]:  # noqa: ARG002
        """Do nothing: no other process sees this store."""
        return nullcontext()


class _MemoryClaim:
    """Rides on the run that the handler causes; see ``unit.Rider``."""

    def __init__(self, store: MemoryStore, waiting: Waiting) -> None:
        self._lanes = store.lanes
        self._waiting = waiting
        self._done = False
        self.store = store
        self.delivery = Delivery(
            seq=waiting.seq,
            consumer=waiting.consumer,
            attempts=waiting.attempts,
            envelope=waiting.recorded.envelope,
            payload=self._lanes.payload(waiting),
        )

    def handling(self) -> AbstractAsyncContextManager[None]:
        return riding(self)

    async def board(self, transaction: StoreTransaction) -> None:
        if isinstance(transaction, MemoryTransaction):
            transaction.settle(self.delivery.seq, self.delivery.consumer)

    def committed(self) -> None:
        self._done = True

    async def settle(self) -> None:
        if not self._done:
            self._lanes.settle(self.delivery.seq, self.delivery.consumer)

    async def fail(self, error: str, *, delay_s: float | None, block: bool = False) -> None:
        if not self._done:
            self._lanes.fail(self._waiting, error, delay_s=delay_s, block=block)
