"""Refresh tokens and revocations in PostgreSQL or SQLite."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.errors import InsideTransaction
from nexios.adapters.persistence.placeholders import Store
from nexios.application.refresh_tokens import Outcome, RefreshFamily, Turn, Turned
from nexios.application.revocations import SUBJECT_KEPT, Deltas, Kind, Revoked

_JSON: Final = {Store.POSTGRESQL: "CAST(CAST(? AS text) AS jsonb)", Store.SQLITE: "?"}
_COLUMNS: Final = (
    "family, digest, actor, client, CAST(data AS text) AS data, opened_at, idle_ends_at, ends_at"
)
_WHO: Final = "family = ? AND idle_ends_at > ? AND (CAST(? AS text) IS NULL OR client = ?)"
_TURN: Final = (
    "UPDATE nx_refresh SET digest = ?, previous = {previous}, rotated_at = ?,"  # noqa: S608
    " idle_ends_at = CASE WHEN ends_at < ? THEN ends_at ELSE ? END"
    f" WHERE {_WHO} AND {{which}} RETURNING {_COLUMNS}"
)
_FIRST: Final = _TURN.format(previous="digest", which="digest = ?")
_REPEAT: Final = _TURN.format(previous="NULL", which="previous = ? AND rotated_at > ?")
# The good token here has ended meanwhile, or its client is another: nothing was used twice.
_REUSED: Final = f"DELETE FROM nx_refresh WHERE {_WHO} AND digest <> ? RETURNING {_COLUMNS}"  # noqa: S608
_CLOSE: Final = f"DELETE FROM nx_refresh WHERE family = ? RETURNING {_COLUMNS}"  # noqa: S608
_PURGE_REFRESH: Final = (
    "DELETE FROM nx_refresh WHERE family IN"
    " (SELECT family FROM nx_refresh WHERE idle_ends_at <= ? LIMIT ?)"
)
_PURGE_REVOKED: Final = (
    "DELETE FROM nx_revocation WHERE seq IN"
    " (SELECT seq FROM nx_revocation WHERE until <= ? LIMIT ?)"
)
_XACT: Final = {
    Store.POSTGRESQL: "CAST(CAST(pg_current_xact_id() AS text) AS bigint)",
    Store.SQLITE: "NULL",
}
# Numbers of a sequence are seen in another order than they are taken. So what is asked for on
# PostgreSQL begins at the oldest transaction that was running the time before.
_SINCE: Final = {
    Store.POSTGRESQL: "SELECT h.horizon, r.kind, r.key, r.before, r.until FROM"
    " (SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint) AS horizon) h"
    " LEFT JOIN nx_revocation r ON r.xact >= ? AND r.until > ?",
    Store.SQLITE: "SELECT h.horizon, r.kind, r.key, r.before, r.until FROM"
    " (SELECT coalesce(max(seq), 0) AS horizon FROM nx_revocation) h"
    " LEFT JOIN nx_revocation r ON r.seq > ? AND r.until > ?",
}
_AT_ONCE: Final = 1000
_PURGE_EVERY_S: Final = 60.0


class SqlRefreshTokens:
    """Families in ``nx_refresh``; each process forgets ended ones once a minute.

    Called inside of a use case it takes part in its transaction, but for ``rotate``.

    Args:
        database: With the table.
        clock: Seconds that only grow, for that minute.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._purging = _Purging(database, _PURGE_REFRESH, clock)
        self._insert = (
            "INSERT INTO nx_refresh (family, digest, actor, client, data, opened_at,"  # noqa: S608
            f" idle_ends_at, ends_at) VALUES (?, ?, ?, ?, {_JSON[database.store]}, ?, ?, ?)"
        )

    async def open(self, family: RefreshFamily) -> None:
        """Keep a new family."""
        await self._purging.purge()
        data = {"scopes": list(family.scopes), "claims": dict(family.claims)}
        who = [family.id, family.digest, family.actor, family.client]
        ends = [family.opened_at, family.idle_ends_at, family.ends_at]
        told = json.dumps(data, allow_nan=False)
        await self._database.execute(self._insert, [*who, told, *ends])

    async def rotate(self, turn: Turn) -> Turned:
        """Replace the good token; whoever comes second waits for the row, and is too late.

        Raises:
            InsideTransaction: The refusal of a reused token would open its family again.
        """
        if self._database.current is not None:
            raise InsideTransaction(
                "a refresh token was rotated in a transaction, whose end may undo that",
                fix="call TokenPairs.rotate before the use case or after it, not in it",
            )
        fresh = [turn.fresh, turn.now, turn.idle_ends_at, turn.idle_ends_at]
        who = [turn.family, turn.now, turn.client, turn.client]
        row: Any = await self._database.fetch_one(_FIRST, [*fresh, *who, turn.spent])
        if row is None and turn.grace:
            since = turn.now - turn.grace
            row = await self._database.fetch_one(_REPEAT, [*fresh, *who, turn.spent, since])
        if row is not None:
            return Turned(Outcome.ROTATED, _family(row))
        row = await self._database.fetch_one(_REUSED, [*who, turn.spent])
        if row is not None:
            return Turned(Outcome.REUSED, _family(row))
        return Turned(Outcome.UNKNOWN)

    async def close_family(self, family: bytes) -> RefreshFamily | None:
        """Forget a family."""
        row: Any = await self._database.fetch_one(_CLOSE, [family])
        return None if row is None else _family(row)

    async def close_all(self, actor: str) -> int:
        """Forget every family of an actor."""
        return await self._database.execute("DELETE FROM nx_refresh WHERE actor = ?", [actor])


class SqlRevocations:
    """Revocations in ``nx_revocation``; each process forgets ended ones once a minute.

    Called inside of a use case it takes part in its transaction: others know of it after the
    commit.

    Args:
        database: With the table.
        clock: Seconds that only grow, for that minute.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._purging = _Purging(database, _PURGE_REVOKED, clock)
        self._insert = (
            "INSERT INTO nx_revocation (kind, key, before, until, xact)"  # noqa: S608
            f" VALUES (?, ?, ?, ?, {_XACT[database.store]})"
        )

    async def token(self, jti: str, until: datetime) -> None:
        """Refuse one token."""
        await self._add(Kind.TOKEN, jti, None, until)

    async def subject(
        self, actor: str, before: datetime, *, until: datetime | None = None
    ) -> None:
        """Refuse what an actor was given before a moment."""
        await self._add(Kind.SUBJECT, actor, before, until or before + SUBJECT_KEPT)

    async def session(self, id: str, until: datetime) -> None:
        """Refuse one session."""
        await self._add(Kind.SESSION, id, None, until)

    async def since(self, sequence: int) -> Deltas:
        """Return what was noted since."""
        rows: list[Any] = await self._database.fetch_all(
            _SINCE[self._database.store], [sequence, datetime.now(UTC)]
        )
        found = [
            Revoked(
                Kind(row["kind"]),
                row["key"],
                _moment(row["until"]),
                None if row["before"] is None else _moment(row["before"]),
            )
            for row in rows
            if row["kind"] is not None
        ]
        return Deltas(found, rows[0]["horizon"])

    async def _add(self, kind: Kind, key: str, before: datetime | None, until: datetime) -> None:
        await self._purging.purge()
        await self._database.execute(self._insert, [kind.value, key, before, until])


class _Purging:
    """Deletes what has ended, once a minute, along with something new."""

    def __init__(self, database: Database, sql: str, clock: Callable[[], float]) -> None:
        self._database = database
        self._sql = sql
        self._clock = clock
        self._purged_at = clock()

    async def purge(self) -> None:
        """Delete up to a thousand rows, if it is time."""
        if self._clock() - self._purged_at > _PURGE_EVERY_S:
            self._purged_at = self._clock()
            await self._database.execute(self._sql, [datetime.now(UTC), _AT_ONCE])


def _family(row: Any) -> RefreshFamily:
    data = json.loads(row["data"])
    return RefreshFamily(
        id=row["family"],
        digest=row["digest"],
        actor=row["actor"],
        client=row["client"],
        opened_at=_moment(row["opened_at"]),
        idle_ends_at=_moment(row["idle_ends_at"]),
        ends_at=_moment(row["ends_at"]),
        scopes=tuple(data["scopes"]),
        claims=data["claims"],
    )


def _moment(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
