"""Claims of deliveries: taken by one worker, settled together with the handler's effect."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.errors import TransactionUndone
from nexios.adapters.persistence.placeholders import Store
from nexios.adapters.persistence.runs import StoreTransaction, riding
from nexios.application.events import Envelope
from nexios.application.outbox import Claim, Delivery

_READY: Final = (
    "SELECT d.seq, d.consumer, d.stream, d.attempts, o.id, o.stream_version, o.idx, o.name,"
    " o.version, CAST(o.payload AS text) AS payload, CAST(o.headers AS text) AS headers, o.at"
    " FROM nx_delivery d JOIN nx_outbox o ON o.seq = d.seq"
    " WHERE d.state = 'ready' AND d.not_before <= {now} AND NOT EXISTS ("
    "SELECT 1 FROM nx_delivery e WHERE e.consumer = d.consumer AND e.stream = d.stream"
    " AND e.seq < d.seq AND e.state <> 'dead') ORDER BY d.not_before, d.seq"
)
HELD_CLAIM: Final = _READY + " LIMIT 1 FOR UPDATE OF d SKIP LOCKED"
# Beyond the handler's own limit, for what the worker does around it.
_SPARE_S: Final = 5.0
_NEXT_IN_LANE: Final = (
    "UPDATE nx_delivery SET state = 'ready' WHERE state = 'waiting' AND consumer = ?"
    " AND stream = ? AND seq = (SELECT min(seq) FROM nx_delivery WHERE consumer = ?"
    " AND stream = ? AND seq > ? AND state <> 'dead')"
)


def now_of(database: Database, delay_s: float = 0.0) -> tuple[str, list[object]]:
    """Return SQL for the database's clock plus a delay, and the values it needs."""
    if database.store is Store.POSTGRESQL:
        # Not now(): that is when the transaction began.
        if not delay_s:
            return "clock_timestamp()", []
        return "clock_timestamp() + CAST(? AS float8) * interval '1 second'", [delay_s]
    return "?", [datetime.now(UTC) + timedelta(seconds=delay_s)]


class AlreadySettled(TransactionUndone):
    """Another process delivered this meanwhile; what this one did is undone."""

    def __init__(self, delivery: Delivery) -> None:
        super().__init__(f"delivery {delivery.seq} to {delivery.consumer} is done already", "")


class HeldClaims:
    """PostgreSQL: the claim is a row lock in a transaction that lasts through the handler."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def claim(self, *, longest_s: float) -> AsyncIterator["Claim | None"]:
        """Take the next ready delivery that no other worker holds."""
        database = self._database
        now, _ = now_of(database)
        # The server waits for us while the handler does something else.
        transaction = database.begin(idle_timeout_s=longest_s + _SPARE_S)
        try:
            row = await database.fetch_one(HELD_CLAIM.format(now=now))
            yield None if row is None else _HeldClaim(database, _delivery(row))
            await transaction.commit()
        except BaseException:
            await transaction.rollback()
            raise
        finally:
            database.end(transaction)


class _HeldClaim:
    def __init__(self, database: Database, delivery: Delivery) -> None:
        self._database = database
        self.delivery = delivery

    @asynccontextmanager
    async def handling(self) -> AsyncIterator[None]:
        # A savepoint: the handler's writes can be undone and the claim kept.
        async with self._database.transaction():
            yield
            # A deferred constraint that fails at COMMIT would undo the count of attempts too.
            await self._database.execute("SET CONSTRAINTS ALL IMMEDIATE")

    async def settle(self) -> None:
        await _remove(self._database, self.delivery)

    async def fail(self, error: str, *, delay_s: float | None, block: bool = False) -> None:
        await _note_failure(self._database, self.delivery, error, delay_s, block)


class MarkedClaims:
    """SQLite: the claim is a mark in this process; the handler's commit ends the delivery."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._marked: set[tuple[int, str]] = set()

    @asynccontextmanager
    async def claim(self, *, longest_s: float) -> AsyncIterator["Claim | None"]:  # noqa: ARG002
        """Take the next ready delivery that no other worker of this process holds."""
        now, values = now_of(self._database)
        # At most as many rows are passed over as workers hold claims.
        rows = await self._database.fetch_all(
            _READY.format(now=now) + f" LIMIT {len(self._marked) + 1}", values
        )
        # No await between looking and marking.
        for row in rows:
            delivery = _delivery(row)
            mark = (delivery.seq, delivery.consumer)
            if mark not in self._marked:
                break
        else:
            yield None
            return
        self._marked.add(mark)
        try:
            yield _MarkedClaim(self._database, delivery)
        finally:
            self._marked.discard(mark)


class _MarkedClaim:
    """Rides on the run that the handler causes; see ``unit.Rider``."""

    def __init__(self, database: Database, delivery: Delivery) -> None:
        self._database = database
        self._done = False
        self.store = database
        self.delivery = delivery

    def handling(self) -> AbstractAsyncContextManager[None]:
        return riding(self)

    async def board(self, transaction: StoreTransaction) -> None:  # noqa: ARG002  # it is current
        if not await _remove(self._database, self.delivery):
            raise AlreadySettled(self.delivery)

    def committed(self) -> None:
        self._done = True

    async def settle(self) -> None:
        if self._done:
            return
        # A handler that ran nothing in this database.
        async with self._database.transaction():
            await _remove(self._database, self.delivery)

    async def fail(self, error: str, *, delay_s: float | None, block: bool = False) -> None:
        if self._done:
            # The effect is committed, so the delivery is over, whatever came after.
            return
        async with self._database.transaction():
            await _note_failure(self._database, self.delivery, error, delay_s, block)


async def _remove(database: Database, delivery: Delivery) -> bool:
    gone = await database.execute(
        "DELETE FROM nx_delivery WHERE seq = ? AND consumer = ?",
        [delivery.seq, delivery.consumer],
    )
    if gone:
        await _free_next(database, delivery)
    return bool(gone)


async def _free_next(database: Database, delivery: Delivery) -> None:
    lane = [delivery.consumer, delivery.envelope.stream]
    await database.execute(_NEXT_IN_LANE, [*lane, *lane, delivery.seq])


async def _note_failure(
    database: Database, delivery: Delivery, error: str, delay_s: float | None, block: bool
) -> None:
    state = "ready"
    if delay_s is None:
        state = "blocked" if block else "dead"
    clock, values = now_of(database, delay_s or 0.0)
    await database.execute(
        f"UPDATE nx_delivery SET attempts = attempts + 1, state = ?, error = ?,"  # noqa: S608
        f" not_before = {clock} WHERE seq = ? AND consumer = ?",
        [state, error, *values, delivery.seq, delivery.consumer],
    )
    if state == "dead":
        await _free_next(database, delivery)


def _delivery(row: Mapping[str, Any]) -> Delivery:
    headers: dict[str, str] = json.loads(row["headers"])
    at = row["at"]
    return Delivery(
        seq=row["seq"],
        consumer=row["consumer"],
        attempts=row["attempts"],
        payload=json.loads(row["payload"]),
        envelope=Envelope(
            id=UUID(str(row["id"])),
            name=row["name"],
            version=row["version"],
            stream=row["stream"],
            stream_version=row["stream_version"],
            index=row["idx"],
            at=datetime.fromisoformat(at) if isinstance(at, str) else at,
            actor=headers.get("actor"),
            tenant=headers.get("tenant"),
            correlation=headers.get("correlation"),
            causation=headers.get("causation"),
        ),
    )
