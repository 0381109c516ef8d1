"""The half of a unit of work that no store knows of: track, cascade, diff, order, retry."""

import random
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import replace
from typing import ClassVar, Final, TypeVar
from uuid import UUID

import anyio

from nexios.adapters.persistence.changes import changes_of
from nexios.adapters.persistence.errors import (
    DatabaseError,
    OutsideTransaction,
    ReadOnlyTransaction,
    TransactionOptions,
    is_repeatable,
)
from nexios.adapters.persistence.once import work_once
from nexios.adapters.persistence.operations import Tracked, operations
from nexios.adapters.persistence.runs import (
    RIDER,
    Recorded,
    Rider,
    Run,
    RunOptions,
    StoreTransaction,
)
from nexios.adapters.persistence.told import StoreTold
from nexios.application.caller import ANONYMOUS, Caller
from nexios.application.clock import SystemClock
from nexios.application.errors import TimedOut
from nexios.application.events import Envelope
from nexios.application.idempotency import Attempt
from nexios.application.signals import UseCaseFinished, UseCaseStarted
from nexios.application.subscribers import NoSubscribers, Subscribers
from nexios.application.unit_of_work import Isolation, UnitOfWork
from nexios.domain.clock import Clock
from nexios.domain.events import DomainEvent
from nexios.domain.values import Identity

T = TypeVar("T")

MAX_GENERATIONS: Final = 10
_FIRST_PAUSE_S: Final = 0.01
_STRENGTH: Final = {"read committed": 0, "repeatable read": 1, "serializable": 2}


class EventCascade(DatabaseError):
    """Before-commit handlers keep recording events that are handled again."""

    def __init__(self, chain: Sequence[str]) -> None:
        self.chain = tuple(chain)
        super().__init__(
            f"before-commit handlers did not come to rest after {len(chain)} generations: "
            + " → ".join(chain),
            fix="let one of them handle its event after the commit",
        )


_ACTIVE: ContextVar[tuple[Run, ...]] = ContextVar("nexios_runs", default=())


class TrackingUnitOfWork(UnitOfWork):
    """Everything of a unit of work but the store: subclasses give ``begin``."""

    __nexios_layer__: ClassVar[str] = "persistence"

    def __init__(
        self,
        caller: Caller = ANONYMOUS,
        subscribers: Subscribers | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Take what all runs share.

        Args:
            caller: On whose behalf.
            subscribers: Who handles which event; nobody without.
            clock: Stamps envelopes.
        """
        self.caller = caller
        self._subscribers: Subscribers = subscribers or NoSubscribers()
        self._clock: Clock = clock or SystemClock()
        self._run: Run | None = None
        self._turn: anyio.Lock | None = None

    @property
    @abstractmethod
    def told(self) -> StoreTold:
        """Whom the store tells."""

    @abstractmethod
    def begin(self, options: RunOptions) -> StoreTransaction:
        """Return the transaction of one try; no I/O yet."""

    def current(self, asked: str) -> Run:
        """Return the run the calling task is inside of.

        Raises:
            OutsideTransaction: It is in none; ``asked`` says what was called.
        """
        run = self._run
        if run is None or run not in _ACTIVE.get():
            raise OutsideTransaction(
                f"{asked} outside a use case", fix="put @transactional on the method that calls it"
            )
        return run

    async def run(
        self,
        work: Callable[[], Awaitable[T]],
        *,
        retries: int = 2,
        isolation: Isolation | None = None,
        read_only: bool = False,
        timeout_s: float | None = None,
        name: str | None = None,
        once: Attempt | None = None,
    ) -> T:
        """Do ``work`` in one transaction; see ``UnitOfWork.run``."""
        options = RunOptions(isolation, read_only, timeout_s, name or _name(work), once)
        if self._run is not None and self._run in _ACTIVE.get():
            _check_joining(self._run.options, options)
            return await work()
        # A second task with a use case of its own: one transaction at a time, not one for both.
        if self._turn is None:
            self._turn = anyio.Lock(fast_acquire=True)
        async with self._turn:
            if self.told.signals.hears(UseCaseStarted, UseCaseFinished):
                with self.told.use_case(options.name):
                    return await self._tries(work, options, retries)
            return await self._tries(work, options, retries)

    async def _tries(
        self, work: Callable[[], Awaitable[T]], options: RunOptions, retries: int
    ) -> T:
        started = anyio.current_time()
        tried = 0
        while True:
            left = options.timeout_s
            if left is not None:
                left -= anyio.current_time() - started
            options = replace(options, timeout_s=left)
            run = Run(options, self.begin(options))
            tried += 1
            try:
                return await self._once(run, work)
            except Exception as error:
                if tried > retries or run.transaction.joined or not is_repeatable(error):
                    if tried > 1:
                        error.add_note(f"{options.name} was tried {tried} times")
                    raise
            # Full jitter: writers that met once must not meet again.
            await anyio.sleep(random.uniform(0, _FIRST_PAUSE_S * 2**tried))  # noqa: S311

    async def _once(self, run: Run, work: Callable[[], Awaitable[T]]) -> T:
        transaction = run.transaction
        token = _ACTIVE.set((*_ACTIVE.get(), run))
        self._run = run
        try:
            try:
                # The time limit ends before the commit: a commit that was sent is waited for,
                # and a late success stays a success.
                result, rider = await self._within(run, work)
                if not transaction.joined:
                    await transaction.commit()
            except BaseException:
                for tracked in run.tracked.values():
                    tracked.undone()
                with anyio.CancelScope(shield=True):
                    await transaction.rollback()
                raise
        finally:
            self._run = None
            _ACTIVE.reset(token)
        if rider is not None:
            rider.committed()
        for tracked in run.tracked.values():
            tracked.stored()
        return result

    async def _within(self, run: Run, work: Callable[[], Awaitable[T]]) -> tuple[T, Rider | None]:
        limit = run.options.timeout_s
        if limit is None:
            return await self._body(run, work)
        with anyio.move_on_after(max(limit, 0)):
            return await self._body(run, work)
        raise TimedOut

    async def _body(self, run: Run, work: Callable[[], Awaitable[T]]) -> tuple[T, Rider | None]:
        if run.transaction.joined:
            await run.transaction.join()
        attempt = run.options.once
        if attempt is None or run.transaction.joined:
            result = await work()
        else:
            result = await work_once(run.transaction.idempotency, attempt, work)
        await self._cascade(run)
        changes = operations(list(run.tracked.values()))
        if changes and run.options.read_only:
            raise ReadOnlyTransaction(
                f"{run.options.name} is read-only and changed {changes[0].mapper.root.name}",
                fix="drop read_only=True",
            )
        if changes:
            await run.transaction.write(changes)
            written = changes_of(
                run.tracked.values(), self.caller, run.options.name, self._clock.now()
            )
            if written:
                await run.transaction.audit(written)
        if run.recorded:
            await run.transaction.enqueue(run.recorded)
        rider = RIDER.get()
        if rider is None or run.transaction.joined or rider.store is not run.transaction.store:
            return result, None
        await rider.board(run.transaction)
        return result, rider

    async def _cascade(self, run: Run) -> None:
        chain: list[str] = []
        while fresh := self._collect(run):
            handled = [
                (handler, one)
                for one in fresh
                for handler in self._subscribers.before(type(one.event))
            ]
            if not handled:
                continue
            chain.append(handled[0][1].envelope.name)
            if len(chain) > MAX_GENERATIONS:
                raise EventCascade(chain)
            for handler, one in handled:
                await handler(one.event, one.envelope)

    def _collect(self, run: Run) -> list[Recorded]:
        fresh: list[Recorded] = []
        for tracked in list(run.tracked.values()):
            for event in tracked.aggregate.pull_events():
                consumers = tuple(self._subscribers.consumers(type(event)))
                fresh.append(Recorded(event, self._envelope(tracked, event), consumers))
                tracked.events += 1
        run.recorded += fresh
        return fresh

    def _envelope(self, tracked: Tracked, event: DomainEvent) -> Envelope:
        caller = self.caller
        return Envelope(
            id=UUID(int=Identity.new().int),
            name=event.__event_name__,
            version=event.__event_version__,
            stream=f"{tracked.mapper.root.name}:{tracked.aggregate.id}",
            stream_version=tracked.version + 1,
            index=tracked.events,
            at=self._clock.now(),
            actor=caller.actor,
            tenant=caller.tenant,
            correlation=caller.correlation,
            causation=caller.causation,
        )


def _check_joining(outer: RunOptions, inner: RunOptions) -> None:
    asked = _STRENGTH[inner.isolation or "read committed"]
    if asked > _STRENGTH[outer.isolation or "read committed"]:
        raise TransactionOptions(
            f"{inner.name} needs {inner.isolation} and runs inside {outer.name}, "
            f"which is {outer.isolation or 'read committed'}",
            fix=f'@transactional(isolation="{inner.isolation}") on {outer.name}',
        )


def _name(work: Callable[[], Awaitable[object]]) -> str:
    return getattr(work, "__qualname__", None) or "a use case"
