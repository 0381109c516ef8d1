"""Rates that processes share, in PostgreSQL or in a file of SQLite."""

import time
from collections.abc import Sequence
from typing import Any, Final

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.placeholders import Store
from nexios.application.rates import Decision, Hit, all_or_none

# The clock of the store, so that processes on several machines agree; seconds.
_NOW: Final = {
    Store.POSTGRESQL: "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS float8)",
    Store.SQLITE: "(julianday('now') - 2440587.5) * 86400.0",
}
_LATER: Final = {Store.POSTGRESQL: "GREATEST", Store.SQLITE: "MAX"}

# `Rate.decide` once more, in the same order of operations: whoever waited for the row reads what
# the one before has written. ``was`` is that, for the caller to decide the same.
_ONE: Final = """
INSERT INTO nx_rate (key, tat, was, at)
SELECT CAST(? AS text), now + CASE WHEN CAST(? AS int) > CAST(? AS int) THEN 0
    ELSE CAST(? AS float8) * ? END, now, now
FROM (SELECT {now} AS now) AS clock WHERE true
ON CONFLICT (key) DO UPDATE SET was = nx_rate.tat, at = excluded.at, tat = CASE
    WHEN {later}(nx_rate.tat, excluded.at) + CAST(? AS float8) * ?
        - CAST(? AS float8) * ? - excluded.at > CAST(? AS float8) * 0.001 THEN nx_rate.tat
    ELSE {later}(nx_rate.tat, excluded.at) + CAST(? AS float8) * ? END
RETURNING was, at
"""
_LOCK: Final = """
INSERT INTO nx_rate (key, tat, was, at)
SELECT CAST(? AS text), now, now, now FROM (SELECT {now} AS now) AS clock WHERE true
ON CONFLICT (key) DO UPDATE SET was = nx_rate.tat, at = excluded.at
RETURNING was, at
"""
_WRITE: Final = "UPDATE nx_rate SET tat = ? WHERE key = ?"
_PURGE: Final = {
    Store.POSTGRESQL: "DELETE FROM nx_rate WHERE key IN (SELECT key FROM nx_rate"
    " WHERE tat < {now} LIMIT 1000 FOR UPDATE SKIP LOCKED)",
    Store.SQLITE: "DELETE FROM nx_rate WHERE key IN"
    " (SELECT key FROM nx_rate WHERE tat < {now} LIMIT 1000)",
}
_PURGE_EVERY_S: Final = 60.0


class SqlCounters:
    """One row for each key in ``nx_rate``; each process forgets worked-off ones once a minute.

    One rate is one statement; several are one transaction, whose rows are locked in the order of
    their keys. The table is unlogged where `create_tables` makes it: a server that crashes
    forgets what was used.

    Args:
        database: With the table; rates shared by several machines are in PostgreSQL.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        words = {"now": _NOW[database.store], "later": _LATER[database.store]}
        self._one = _ONE.format_map(words)
        self._lock = _LOCK.format_map(words)
        self._purge_ended = _PURGE[database.store].format_map(words)
        self._purged_at = time.monotonic()

    async def hit(self, hits: Sequence[Hit]) -> Sequence[Decision]:
        """Count these in the store."""
        if time.monotonic() - self._purged_at > _PURGE_EVERY_S:
            await self.purge()
        if len(hits) == 1:
            return [await self._hit_one(hits[0])]
        return await self._hit_all(hits)

    async def _hit_one(self, hit: Hit) -> Decision:
        step, burst, cost = hit.rate.interval_s, hit.rate.burst, hit.cost
        args = (hit.key, cost, burst, step, cost, step, cost, step, burst, step, step, cost)
        row = await self._row(self._one, args)
        return hit.rate.decide(row["was"], row["at"], cost)

    async def _hit_all(self, hits: Sequence[Hit]) -> Sequence[Decision]:
        async with self._database.transaction():
            known, now = {}, 0.0
            for key in sorted({one.key for one in hits}):
                row = await self._row(self._lock, [key])
                known[key], now = row["was"], row["at"]
            decided = all_or_none(hits, [known[one.key] for one in hits], now)
            if all(one.allowed for one in decided):
                for hit, one in zip(hits, decided, strict=True):
                    await self._database.execute(_WRITE, [one.known, hit.key])
        return decided

    async def _row(self, sql: str, args: Sequence[object]) -> Any:
        row: Any = await self._database.fetch_one(sql, args)
        if row is None:
            raise RuntimeError("a row that was written is not there")
        return row

    async def purge(self) -> None:
        """Forget keys of which everything is worked off, a thousand at once."""
        self._purged_at = time.monotonic()
        await self._database.execute(self._purge_ended)
