"""Puts events and their deliveries into the database, in the transaction that caused them."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Final
from weakref import WeakKeyDictionary, WeakSet

from sqlalchemy import Executable, select

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.delivery import HeldClaims, MarkedClaims, now_of
from nexios.adapters.persistence.drivers import Row
from nexios.adapters.persistence.placeholders import Store
from nexios.adapters.persistence.purging import purge_inbox, purge_outbox
from nexios.adapters.persistence.runs import Recorded
from nexios.adapters.persistence.tables import OUTBOX
from nexios.application.codec import dump_event
from nexios.application.outbox import Claim, DeadLetter

# Far below the number of values one statement may carry on either store.
_AT_ONCE: Final = 500

_LAST_PENDING: Final = (
    "SELECT seq FROM nx_delivery WHERE consumer = ? AND stream = ? AND state <> 'dead'"
    " ORDER BY seq DESC LIMIT 1"
)

_FREE_HEADS: Final = (
    "UPDATE nx_delivery SET state = 'ready' WHERE state = 'waiting' AND NOT EXISTS ("
    "SELECT 1 FROM nx_delivery e WHERE e.consumer = nx_delivery.consumer"
    " AND e.stream = nx_delivery.stream AND e.seq < nx_delivery.seq"
    " AND e.state <> 'dead')"
)
_DEAD: Final = (
    "SELECT d.seq, d.consumer, d.stream, o.name, d.attempts, d.state, d.error, o.at, EXISTS ("
    "SELECT 1 FROM nx_outbox l WHERE l.stream = d.stream AND l.seq > d.seq AND NOT EXISTS ("
    "SELECT 1 FROM nx_delivery p WHERE p.seq = l.seq AND p.consumer = d.consumer)) AS overtaken"
    " FROM nx_delivery d JOIN nx_outbox o ON o.seq = d.seq"
    " WHERE d.state IN ('dead', 'blocked') AND (? = '' OR d.consumer = ?)"
    " ORDER BY d.seq, d.consumer LIMIT ?"
)
_CHANNEL: Final = "nexios_outbox"

_WAKERS: WeakKeyDictionary[Database, list[Callable[[], None]]] = WeakKeyDictionary()
# Without an outbox in its hands, a process is a script or a test: it opens no line for a hint.
_HAS_OUTBOX: WeakSet[Database] = WeakSet()


async def enqueue(
    database: Database, recorded: Sequence[Recorded], *, isolation: str | None = None
) -> None:
    """Insert events and one delivery for each consumer, in the current transaction.

    Only the first pending delivery of a lane (consumer, stream) is ``ready``; the next becomes
    so when it is settled.

    Args:
        database: Where a transaction is current.
        recorded: In the order they happened.
        isolation: Of the transaction; above read committed a lane cannot be looked at safely.
    """
    for start in range(0, len(recorded), _AT_ONCE):
        part = recorded[start : start + _AT_ONCE]
        seqs = await _insert_events(database, part)
        rows = await _deliveries(database, part, seqs, isolation)
        for first in range(0, len(rows), _AT_ONCE):
            await _insert_deliveries(database, rows[first : first + _AT_ONCE])


def written_event(recorded: Recorded) -> Executable:
    """Return a query that finds an event once the transaction that recorded it is committed."""
    return select(OUTBOX.c.seq).where(OUTBOX.c.id == recorded.envelope.id)


def wake(database: Database) -> None:
    """Tell the workers of a commit that left deliveries: this process' now, others' soon."""
    for waker in _WAKERS.get(database, ()):
        waker()
    if database in _HAS_OUTBOX:
        database.announce(_CHANNEL)


class SqlOutbox:
    """The outbox in PostgreSQL or SQLite, as the worker sees it.

    On PostgreSQL a claim is a row lock, held through the handler: its effect and the end of the
    delivery are one transaction, and a worker that dies gives the row back at once. On SQLite a
    claim is a mark in this process, and the delivery ends in the handler's own commit, so that
    a slow handler does not hold the only write lock.
    """

    def __init__(self, database: Database) -> None:
        """Take the database that the units of work write to."""
        self._database = database
        _HAS_OUTBOX.add(database)
        self._claims: HeldClaims | MarkedClaims = (
            HeldClaims(database) if database.store is Store.POSTGRESQL else MarkedClaims(database)
        )

    @property
    def most_workers(self) -> int | None:
        """Half the pool: a worker holds a connection while its handler runs."""
        if self._database.store is not Store.POSTGRESQL:
            return None
        return max(self._database.status.size // 2, 1)

    def claim(self, *, longest_s: float = 30.0) -> AbstractAsyncContextManager[Claim | None]:
        """Take the next ready delivery, for a handler that takes at most ``longest_s``."""
        return self._claims.claim(longest_s=longest_s)

    async def repair(self) -> int:
        """Free lanes whose first delivery waits for nothing; normally there are none."""
        return await self._database.execute(_FREE_HEADS)

    async def dead(self, consumer: str | None = None, *, limit: int = 100) -> Sequence[DeadLetter]:
        """Return dead and blocked deliveries, the oldest first."""
        rows = await self._database.fetch_all(_DEAD, [consumer or "", consumer or "", limit])
        return [_dead_letter(row) for row in rows]

    async def redrive(self, consumer: str | None = None, *, seq: int | None = None) -> int:
        """Make dead and blocked deliveries ready again."""
        clock, values = now_of(self._database)
        # One that is not its lane's head is kept back by the claim until it is.
        count = await self._database.execute(
            f"UPDATE nx_delivery SET state = 'ready', attempts = 0, not_before = {clock}"  # noqa: S608
            " WHERE state IN ('dead', 'blocked') AND (? = '' OR consumer = ?)"
            " AND (? = 0 OR seq = ?)",
            [*values, consumer or "", consumer or "", seq or 0, seq or 0],
        )
        if count:
            wake(self._database)
        return count

    async def skip(self, consumer: str, *, seq: int) -> int:
        """Let the lane of a blocked delivery go on without it."""
        async with self._database.transaction():
            count = await self._database.execute(
                "UPDATE nx_delivery SET state = 'dead'"
                " WHERE state = 'blocked' AND consumer = ? AND seq = ?",
                [consumer, seq],
            )
            if count:
                await self._database.execute(_FREE_HEADS)
        if count:
            wake(self._database)
        return count

    async def purge(self, *, older_than_s: float) -> int:
        """Forget events without deliveries, and messages of the inbox, from longer ago."""
        gone = await purge_outbox(self._database, older_than_s=older_than_s)
        await purge_inbox(self._database, older_than_s=older_than_s)
        return gone

    async def pending(self) -> Mapping[str, int]:
        """Return how many deliveries wait, by consumer."""
        rows = await self._database.fetch_all(
            "SELECT consumer, count(*) AS n FROM nx_delivery WHERE state <> 'dead'"
            " GROUP BY consumer ORDER BY consumer"
        )
        return {str(row["consumer"]): _int(row["n"]) for row in rows}

    def on_commit(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` after each commit of this process that left deliveries."""
        _WAKERS.setdefault(self._database, []).append(wake)

    def hearing(self, wake: Callable[[], None]) -> AbstractAsyncContextManager[None]:
        """Call ``wake`` when other processes commit deliveries, for the body of the block."""
        return self._database.listen(_CHANNEL, lambda _: wake())


async def _insert_events(database: Database, recorded: Sequence[Recorded]) -> list[int]:
    values: list[object] = []
    for one in recorded:
        envelope = one.envelope
        values += [envelope.id, envelope.stream, envelope.stream_version, envelope.index]
        values += [envelope.name, envelope.version]
        values += [json.dumps(dump_event(one.event), allow_nan=False), _headers(one)]
        values.append(envelope.at)
    rows = await database.fetch_all(
        "INSERT INTO nx_outbox (id, stream, stream_version, idx, name, version, payload, headers,"  # noqa: S608
        f" at) VALUES {_groups(len(recorded), _EVENT_VALUES[database.store])} RETURNING seq, id",
        values,
    )
    # RETURNING promises no order.
    found = {str(row["id"]): _int(row["seq"]) for row in rows}
    return [found[str(one.envelope.id)] for one in recorded]


async def _deliveries(
    database: Database, recorded: Sequence[Recorded], seqs: Sequence[int], isolation: str | None
) -> list[tuple[int, str, str, str]]:
    rows = []
    busy: set[tuple[str, str]] = set()
    for seq, one in zip(seqs, recorded, strict=True):
        for consumer in one.consumers:
            lane = (consumer.name, one.envelope.stream)
            waits = lane in busy or await _lane_is_pending(database, lane, isolation)
            busy.add(lane)
            rows.append((seq, *lane, "waiting" if waits else "ready"))
    return rows


async def _lane_is_pending(
    database: Database, lane: tuple[str, str], isolation: str | None
) -> bool:
    if database.store is Store.POSTGRESQL and isolation not in (None, "read committed"):
        # The claim sorts these few out: it passes over what is not its lane's head.
        return False
    # Locked, so that no worker settles the last one before our row is visible to it. One that a
    # worker holds is passed over: we never wait for a worker.
    lock = " FOR UPDATE SKIP LOCKED" if database.store is Store.POSTGRESQL else ""
    row = await database.fetch_one(_LAST_PENDING + lock, lane)
    return row is not None


async def _insert_deliveries(
    database: Database, rows: Sequence[tuple[int, str, str, str]]
) -> None:
    clock, now = now_of(database)
    values = [value for row in rows for value in (*row, *now)]
    await database.execute(
        "INSERT INTO nx_delivery (seq, consumer, stream, state, not_before) VALUES "  # noqa: S608
        + _groups(len(rows), f"(?, ?, ?, ?, {clock})"),
        values,
    )


def _headers(one: Recorded) -> str:
    envelope = one.envelope
    headers = {
        "actor": envelope.actor,
        "tenant": envelope.tenant,
        "correlation": envelope.correlation,
        "causation": envelope.causation,
    }
    return json.dumps({name: value for name, value in headers.items() if value is not None})


def _groups(count: int, group: str) -> str:
    return ", ".join([group] * count)


def _dead_letter(row: Row) -> DeadLetter:
    at = row["at"]
    return DeadLetter(
        seq=_int(row["seq"]),
        consumer=str(row["consumer"]),
        stream=str(row["stream"]),
        event=str(row["name"]),
        attempts=_int(row["attempts"]),
        blocked=row["state"] == "blocked",
        error=str(row["error"] or ""),
        at=at if isinstance(at, datetime) else datetime.fromisoformat(str(at)),
        overtaken=bool(row["overtaken"]),
    )


def _int(value: object) -> int:
    return int(str(value))


# JSON is given as text: what the driver would make of a dict is its own affair.
_EVENT_VALUES: Final = {
    Store.POSTGRESQL: "(?, ?, ?, ?, ?, ?, CAST(CAST(? AS text) AS jsonb),"
    " CAST(CAST(? AS text) AS jsonb), ?)",
    Store.SQLITE: "(?, ?, ?, ?, ?, ?, ?, ?, ?)",
}
