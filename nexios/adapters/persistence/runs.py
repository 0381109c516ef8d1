"""One try of a use case: what its store owes it, and every aggregate it has seen."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from nexios.adapters.persistence.errors import DatabaseError, ReadOnlyTransaction
from nexios.adapters.persistence.mapper import Mapper
from nexios.adapters.persistence.operations import Operation, Tracked
from nexios.adapters.persistence.rows import Rows
from nexios.application.audit import Change
from nexios.application.events import Envelope
from nexios.application.idempotency import Attempt, Idempotency
from nexios.application.subscribers import Consumer
from nexios.application.unit_of_work import Isolation
from nexios.domain.errors import AlreadyExists
from nexios.domain.events import DomainEvent
from nexios.domain.specs import Specification
from nexios.domain.values import Identity


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What was asked of one run.

    Attributes:
        isolation: None for the default, read committed.
        read_only: Writes are refused.
        timeout_s: What is left of the time for all tries.
        name: The use case.
        once: What must not take effect twice; None for everything else.
    """

    isolation: Isolation | None
    read_only: bool
    timeout_s: float | None
    name: str
    once: Attempt | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """One aggregate as a store has it; ``rows`` hold Python values, as ``dump`` gives them."""

    id: UUID
    version: int
    rows: Rows


@dataclass(frozen=True, slots=True)
class Recorded:
    """One event on its way to the outbox, with who is to be told after the commit."""

    event: DomainEvent
    envelope: Envelope
    consumers: tuple[Consumer, ...]


class StoreTransaction(ABC):
    """One try of a run, against one store. Each store implements this.

    Made without I/O: the first call that needs the store begins. All errors are those of
    ``errors.py`` or of the domain.

    Attributes:
        store: The Database or MemoryStore; compared by identity.
        joined: True when somebody else's block around the run commits or rolls back.
    """

    store: object
    joined: bool = False

    async def join(self) -> None:
        """Called first when ``joined``: tell the block around it what this run needs."""
        return

    @property
    @abstractmethod
    def idempotency(self) -> Idempotency:
        """Keeps results in this very transaction."""

    @abstractmethod
    async def fetch(self, mapper: Mapper[Any], id: Identity) -> Stored | None:
        """Return one aggregate's version and rows."""

    @abstractmethod
    async def fetch_page(
        self,
        mapper: Mapper[Any],
        spec: Specification[Any] | None,
        after: UUID | None,
        limit: int,
    ) -> Sequence[Stored]:
        """Return the first ``limit`` that ``spec`` picks with ids above ``after``, in id order."""

    @abstractmethod
    async def write(self, changes: Sequence[Operation]) -> None:
        """Carry the operations out, in this order.

        Raises:
            StaleWrite: An ``UpdateRoot`` found no row of its id and version.
            DomainError: What ``mapper.broken(constraint, error)`` gives for a broken constraint.
        """

    @abstractmethod
    async def audit(self, changes: Sequence[Change]) -> None:
        """Put what changed into the audit trail."""

    @abstractmethod
    async def enqueue(self, recorded: Sequence[Recorded]) -> None:
        """Put events and their deliveries into the outbox."""

    @abstractmethod
    async def commit(self) -> None:
        """Make it last, whoever cancels meanwhile; nothing to do when nothing was begun.

        Not called when ``joined``. Afterwards the workers of this process are woken when events
        were enqueued.
        """

    @abstractmethod
    async def rollback(self) -> None:
        """Undo. Never raises, is not stopped by cancellation, may be called at any moment."""


class Rider(Protocol):
    """Wants to be part of the one run that a delivery causes (see ``delivery.py``)."""

    @property
    def store(self) -> object:
        """The Database or MemoryStore whose run is meant."""
        ...

    async def board(self, transaction: StoreTransaction) -> None:
        """Write what belongs into the same commit."""
        ...

    def committed(self) -> None:
        """The commit with it is known."""
        ...


RIDER: ContextVar[Rider | None] = ContextVar("nexios_rider", default=None)


@asynccontextmanager
async def riding(rider: Rider) -> AsyncIterator[None]:
    """Let the runs of this task see ``rider``, for the body of an ``async with``."""
    token = RIDER.set(rider)
    try:
        yield
    finally:
        RIDER.reset(token)


@dataclass(slots=True, eq=False)
class Run:
    """One try of a use case: its transaction and every aggregate it has seen."""

    options: RunOptions
    transaction: StoreTransaction
    tracked: dict[tuple[str, int], Tracked] = field(default_factory=dict)
    recorded: list[Recorded] = field(default_factory=list)

    def of(self, mapper: Mapper[Any]) -> Iterator[Tracked]:
        """Give what is tracked of one root table."""
        root = mapper.root.name
        return (one for (table, _), one in list(self.tracked.items()) if table == root)

    def find(self, mapper: Mapper[Any], id: UUID) -> Tracked | None:
        """Return what is tracked under an id."""
        return self.tracked.get((mapper.root.name, id.int))

    def loaded(self, mapper: Mapper[Any], stored: Stored) -> Tracked:
        """Track what was read, unless another task of this run was faster."""
        known = self.find(mapper, stored.id)
        if known is not None:
            return known
        aggregate = mapper.load(stored.rows)
        aggregate.version = stored.version
        tracked = Tracked.of_stored(mapper, aggregate)
        self.tracked[mapper.root.name, stored.id.int] = tracked
        return tracked

    def add(self, mapper: Mapper[Any], aggregate: Any) -> None:
        """Track something new."""
        self._refuse_if_read_only("add")
        known = self.find(mapper, aggregate.id)
        if known is None:
            self.tracked[mapper.root.name, aggregate.id.int] = Tracked.new(mapper, aggregate)
        elif known.removed:
            known.aggregate, known.removed = aggregate, False
        else:
            raise AlreadyExists("something with this id is there already", id=str(aggregate.id))

    def remove(self, mapper: Mapper[Any], aggregate: Any) -> None:
        """Note that it is to go."""
        self._refuse_if_read_only("remove")
        known = self.find(mapper, aggregate.id)
        if known is None or known.aggregate is not aggregate:
            raise DatabaseError(
                f"{self.options.name} removes a {type(aggregate).__name__} it has not loaded",
                fix="await repository.get(id) in the same use case, then remove what it returns",
            )
        known.removed = True

    def _refuse_if_read_only(self, verb: str) -> None:
        if self.options.read_only:
            raise ReadOnlyTransaction(
                f"{verb}() in {self.options.name}, which is read-only", fix="drop read_only=True"
            )
