"""Sessions in PostgreSQL or SQLite."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.placeholders import Store
from nexios.application.sessions import StoredSession

_JSON: Final = {Store.POSTGRESQL: "CAST(CAST(? AS text) AS jsonb)", Store.SQLITE: "?"}
_SELECT: Final = (
    "SELECT digest, CAST(data AS text) AS data, actor, created_at, seen_at, ends_at, version"
    " FROM nx_session WHERE "
)
_PURGE: Final = (
    "DELETE FROM nx_session WHERE digest IN"
    " (SELECT digest FROM nx_session WHERE ends_at <= ? LIMIT ?)"
)
_AT_ONCE: Final = 1000
_PURGE_EVERY_S: Final = 60.0


class SqlSessions:
    """Sessions in ``nx_session``; each process forgets ended ones once a minute.

    Each call is a statement of its own, beside the transactions of use cases: a session is no
    part of what they roll back.

    Args:
        database: With the table.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._json = _JSON[database.store]
        self._purged_at = time.monotonic()

    async def load(self, digest: bytes) -> StoredSession | None:
        """Return a session that has not ended."""
        row: Any = await self._database.fetch_one(
            _SELECT + "digest = ? AND ends_at > ?", [digest, datetime.now(UTC)]
        )
        return None if row is None else _session(row)

    async def create(self, digest: bytes, session: StoredSession) -> None:
        """Keep a new session."""
        await self._purge()
        await self._database.execute(
            "INSERT INTO nx_session (digest, data, actor, created_at, seen_at, ends_at, version)"  # noqa: S608
            f" VALUES (?, {self._json}, ?, ?, ?, ?, ?)",
            [digest, *self._values(session), session.version],
        )

    async def save(self, digest: bytes, session: StoredSession) -> bool:
        """Replace a session of the version before."""
        return await self._replace(digest, digest, session)

    async def renew(self, digest: bytes, new: bytes, session: StoredSession) -> bool:
        """Replace as `save` does, under another digest: it is the same row."""
        return await self._replace(digest, new, session)

    async def end(self, digest: bytes) -> None:
        """Forget a session."""
        await self._database.execute("DELETE FROM nx_session WHERE digest = ?", [digest])

    async def end_all(self, actor: str, *, keep: bytes | None = None) -> int:
        """Forget every session of an actor, but for one."""
        return await self._database.execute(
            "DELETE FROM nx_session WHERE actor = ? AND digest <> ?", [actor, keep or b""]
        )

    async def of(self, actor: str) -> Mapping[bytes, StoredSession]:
        """Return the sessions of an actor."""
        rows: Any = await self._database.fetch_all(
            _SELECT + "actor = ? AND ends_at > ?", [actor, datetime.now(UTC)]
        )
        return {bytes(row["digest"]): _session(row) for row in rows}

    async def _replace(self, digest: bytes, new: bytes, session: StoredSession) -> bool:
        changed = await self._database.execute(
            f"UPDATE nx_session SET digest = ?, data = {self._json}, actor = ?, created_at = ?,"  # noqa: S608
            " seen_at = ?, ends_at = ?, version = version + 1"
            " WHERE digest = ? AND version = ? AND ends_at > ?",
            [new, *self._values(session), digest, session.version - 1, datetime.now(UTC)],
        )
        return changed == 1

    def _values(self, session: StoredSession) -> list[object]:
        data = json.dumps(session.data, allow_nan=False)
        return [data, session.actor, session.created_at, session.seen_at, session.ends_at]

    async def _purge(self) -> None:
        if time.monotonic() - self._purged_at > _PURGE_EVERY_S:
            self._purged_at = time.monotonic()
            await self._database.execute(_PURGE, [datetime.now(UTC), _AT_ONCE])


def _session(row: Any) -> StoredSession:
    return StoredSession(
        data=json.loads(row["data"]),
        actor=row["actor"],
        created_at=_moment(row["created_at"]),
        seen_at=_moment(row["seen_at"]),
        ends_at=_moment(row["ends_at"]),
        version=row["version"],
    )


def _moment(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
