"""The memory store's unit of work and repository: they fail where PostgreSQL would."""

from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

from nexios.adapters.persistence.errors import StaleWrite
from nexios.adapters.persistence.mapper import Mapper
from nexios.adapters.persistence.memory_idempotency import MemoryIdempotency
from nexios.adapters.persistence.memory_store import MemoryStore
from nexios.adapters.persistence.operations import Operation
from nexios.adapters.persistence.repository import MappedRepository
from nexios.adapters.persistence.runs import Recorded, RunOptions, Stored, StoreTransaction
from nexios.adapters.persistence.told import StoreTold
from nexios.adapters.persistence.unit import TrackingUnitOfWork
from nexios.application.audit import Change
from nexios.application.caller import ANONYMOUS, Caller
from nexios.application.subscribers import Subscribers
from nexios.domain.clock import Clock
from nexios.domain.entities import AggregateRoot
from nexios.domain.specs import Specification
from nexios.domain.values import Identity

A = TypeVar("A", bound=AggregateRoot[Identity])
I = TypeVar("I", bound=Identity)  # noqa: E741


class MemoryTransaction(StoreTransaction):
    """Stages everything; the commit checks and applies it at one go, without awaiting."""

    def __init__(self, store: MemoryStore) -> None:
        """Take the store; nothing happens yet."""
        self.store: MemoryStore = store
        self._changes: list[Operation] = []
        self._recorded: list[Recorded] = []
        self._settled: list[tuple[int, str]] = []
        self._audited: list[Change] = []
        self._idempotency = MemoryIdempotency(store.keys)
        self._accepted: set[tuple[str, str]] = set()

    @property
    def idempotency(self) -> MemoryIdempotency:
        """Keeps results until the commit."""
        return self._idempotency

    async def fetch(self, mapper: Mapper[Any], id: Identity) -> Stored | None:
        """Return what is committed under an id."""
        return self.store.read(mapper, id)

    async def fetch_page(
        self,
        mapper: Mapper[Any],
        spec: Specification[Any] | None,
        after: UUID | None,
        limit: int,
    ) -> Sequence[Stored]:
        """Return committed ones by the specification's Python meaning."""
        found: list[Stored] = []
        for stored in self.store.read_all(mapper, after):
            if spec is None or spec(mapper.load(stored.rows)):
                found.append(stored)
                if len(found) == limit:
                    break
        return found

    async def write(self, changes: Sequence[Operation]) -> None:
        """Stage."""
        self._changes += changes

    async def audit(self, changes: Sequence[Change]) -> None:
        """Stage."""
        self._audited += changes

    async def enqueue(self, recorded: Sequence[Recorded]) -> None:
        """Stage."""
        self._recorded += recorded

    def settle(self, seq: int, consumer: str) -> None:
        """Stage the end of a delivery, so that it goes with the handler's effect."""
        self._settled.append((seq, consumer))

    def accept(self, message: tuple[str, str]) -> bool:
        """Stage that a message is dealt with; False when it is already."""
        if message in self._accepted or message in self.store.accepted:
            return False
        self._accepted.add(message)
        return True

    async def commit(self) -> None:
        """Check and apply everything, or nothing."""
        if self._accepted & self.store.accepted:
            raise StaleWrite
        self.store.apply(self._changes, self._recorded, self._settled, self._audited)
        self.store.accepted |= self._accepted
        self._idempotency.committed()

    async def rollback(self) -> None:
        """Forget what was staged."""
        self._changes.clear()
        self._recorded.clear()
        self._settled.clear()
        self._audited.clear()
        self._idempotency.rolled_back()
        self._accepted.clear()


class MemoryUnitOfWork(TrackingUnitOfWork):
    """A unit of work over a MemoryStore, for tests and applications without a database.

    Isolation is read committed. Not checked, unlike PostgreSQL: CHECK and exclusion
    constraints, triggers, server defaults other than constants, ``serializable``, locks. An
    ON DELETE action is not carried out, the row that refers forbids it; and a run of another unit
    of work inside of a run is a transaction of its own, where a database has them joined.
    """

    def __init__(
        self,
        store: MemoryStore,
        caller: Caller = ANONYMOUS,
        subscribers: Subscribers | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Take the store and what all units of work take."""
        super().__init__(caller, subscribers, clock)
        self._store = store

    @property
    def told(self) -> StoreTold:
        """Whom the store tells."""
        return self._store.told

    def begin(self, options: RunOptions) -> MemoryTransaction:  # noqa: ARG002  # the port's shape
        """Return a transaction that has staged nothing."""
        return MemoryTransaction(self._store)


class MemoryRepository(MappedRepository[A, I]):
    """A repository over a MemoryStore: give it the mapper that the SQL repository has."""

    def __init__(self, uow: MemoryUnitOfWork) -> None:
        """Take the unit of work of this scope."""
        super().__init__(uow)
