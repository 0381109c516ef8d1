"""What may be used once, in PostgreSQL or SQLite."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.placeholders import Store

_JSON: Final = {Store.POSTGRESQL: "CAST(CAST(? AS text) AS jsonb)", Store.SQLITE: "?"}
_TAKE: Final = (
    "DELETE FROM nx_one_time WHERE purpose = ? AND digest = ?"
    " RETURNING CAST(value AS text) AS value, ends_at"
)
_PURGE: Final = (
    "DELETE FROM nx_one_time WHERE (purpose, digest) IN"
    " (SELECT purpose, digest FROM nx_one_time WHERE ends_at <= ? LIMIT ?)"
)
_AT_ONCE: Final = 1000
_PURGE_EVERY_S: Final = 60.0


class SqlOneTime:
    """Values in ``nx_one_time``; each process forgets ended ones once a minute.

    Each call is a statement of its own, beside the transactions of use cases: what was taken
    stays taken, also when they roll back.

    Args:
        database: With the table.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._put = (
            "INSERT INTO nx_one_time (purpose, digest, value, ends_at)"  # noqa: S608
            f" VALUES (?, ?, {_JSON[database.store]}, ?) ON CONFLICT (purpose, digest)"
            " DO UPDATE SET value = excluded.value, ends_at = excluded.ends_at"
        )
        self._purged_at = time.monotonic()

    async def put(
        self, purpose: str, key_digest: bytes, value: Mapping[str, Any], ttl_s: float
    ) -> None:
        """Keep a value."""
        await self._purge()
        ends = datetime.now(UTC) + timedelta(seconds=ttl_s)
        text = json.dumps(value, allow_nan=False)
        await self._database.execute(self._put, [purpose, key_digest, text, ends])

    async def take(self, purpose: str, key_digest: bytes) -> dict[str, Any] | None:
        """Return a value and forget it: the row goes to one of those who delete it at once."""
        row: Any = await self._database.fetch_one(_TAKE, [purpose, key_digest])
        if row is None or _moment(row["ends_at"]) <= datetime.now(UTC):
            return None
        value: dict[str, Any] = json.loads(row["value"])
        return value

    async def _purge(self) -> None:
        if time.monotonic() - self._purged_at > _PURGE_EVERY_S:
            self._purged_at = time.monotonic()
            await self._database.execute(_PURGE, [datetime.now(UTC), _AT_ONCE])


def _moment(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
