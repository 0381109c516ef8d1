"""Keeps results of use cases in the database, in the transaction of their effect."""

import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final
from weakref import WeakKeyDictionary

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.errors import TransactionUndone
from nexios.adapters.persistence.once import check_fingerprint
from nexios.adapters.persistence.placeholders import Store
from nexios.application.idempotency import LIFETIME_S

# A concurrent insert of the same key makes this wait for the end of that transaction.
_CLAIM: Final = (
    "INSERT INTO nx_idempotency (key, use_case, fingerprint, at) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (key) DO UPDATE SET use_case = excluded.use_case,"
    " fingerprint = excluded.fingerprint, result = NULL, at = excluded.at"
    " WHERE nx_idempotency.at < ? RETURNING key"
)
_KEPT: Final = (
    "SELECT fingerprint, CAST(result AS text) AS result FROM nx_idempotency WHERE key = ?"
)
_KEEP: Final = {
    Store.POSTGRESQL: "UPDATE nx_idempotency SET result = CAST(CAST(? AS text) AS jsonb)"
    " WHERE key = ?",
    Store.SQLITE: "UPDATE nx_idempotency SET result = ? WHERE key = ?",
}
# Those that somebody uses again at this moment are left alone.
_PURGE: Final = (
    "DELETE FROM nx_idempotency WHERE key IN"
    " (SELECT key FROM nx_idempotency WHERE at < ? ORDER BY at LIMIT ?{lock})"
)
_PURGE_AT_ONCE: Final = 1000
_PURGE_EVERY_S: Final = 60.0
_PURGED: Final[WeakKeyDictionary[Database, float]] = WeakKeyDictionary()


class SqlIdempotency:
    """Results by key in ``nx_idempotency``. Used inside of a transaction of ``database``.

    A concurrent call of a key waits on the unique key, ``lock_timeout_s`` at most. Each process
    deletes what has expired once a minute, a thousand rows at a time, along with a new key.

    Args:
        database: That of the units of work.
        lifetime_s: After it a key counts as never seen.
    """

    def __init__(self, database: Database, *, lifetime_s: float = LIFETIME_S) -> None:
        self._database = database
        self._lifetime = timedelta(seconds=lifetime_s)

    async def once(
        self,
        key: bytes,
        fingerprint: bytes,
        work: Callable[[], Awaitable[object]],
        *,
        use_case: str = "",
    ) -> object:
        """Do ``work``, or return what it returned when ``key`` was first seen."""
        database = self._database
        now = datetime.now(UTC)
        claim = [key, use_case, fingerprint, now, now - self._lifetime]
        if await database.fetch_one(_CLAIM, claim) is None:
            return await self._kept(key, fingerprint)
        if self._is_due():
            await self.purge()
        result = await work()
        await database.execute(_KEEP[database.store], [json.dumps(result, allow_nan=False), key])
        return result

    async def purge(self) -> int:
        """Delete up to a thousand expired keys; return how many."""
        lock = " FOR UPDATE SKIP LOCKED" if self._database.store is Store.POSTGRESQL else ""
        _PURGED[self._database] = time.monotonic()
        return await self._database.execute(
            _PURGE.format(lock=lock), [datetime.now(UTC) - self._lifetime, _PURGE_AT_ONCE]
        )

    async def _kept(self, key: bytes, fingerprint: bytes) -> object:
        row = await self._database.fetch_one(_KEPT, [key])
        if row is None:
            # Expired and purged between the two statements.
            raise TransactionUndone("an idempotency key expired at this moment", _KEPT)
        kept = row["fingerprint"]
        check_fingerprint(kept if isinstance(kept, bytes) else b"", fingerprint)
        return json.loads(str(row["result"]))

    def _is_due(self) -> bool:
        last = _PURGED.get(self._database)
        return last is None or time.monotonic() - last > _PURGE_EVERY_S
