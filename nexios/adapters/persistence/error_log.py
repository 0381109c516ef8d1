"""Reports of errors in PostgreSQL or SQLite."""

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.drivers import Row
from nexios.adapters.persistence.placeholders import Store
from nexios.application.showing import seen
from nexios.application.tracking import (
    ErrorReport,
    Occasion,
    ReportedError,
    ReportedFrame,
)

_JSON: Final = {Store.POSTGRESQL: "CAST(CAST(? AS text) AS jsonb)", Store.SQLITE: "?"}
_RECENT: Final = "SELECT CAST(report AS text) AS report FROM nx_error"
_PURGE: Final = (
    "DELETE FROM nx_error WHERE seq IN (SELECT seq FROM nx_error WHERE at < ? LIMIT 1000)"
)
_PURGE_EVERY_S: Final = 3600.0
_TITLE_CHARS: Final = 500


class SqlErrors:
    """Keeps reports in ``nx_error``. Implements ``ErrorTracker``.

    Args:
        database: With the table.
        keep_s: Older reports are forgotten, once an hour; None keeps them.
    """

    def __init__(self, database: Database, keep_s: float | None = 30 * 86_400.0) -> None:
        self._database = database
        self._keep_s = keep_s
        self._purged_at = time.monotonic()
        self._insert = (
            "INSERT INTO nx_error (id, fingerprint, at, title, repeated, report)"  # noqa: S608
            f" VALUES (?, ?, ?, ?, ?, {_JSON[database.store]})"
        )

    async def record(self, report: ErrorReport) -> None:
        """Keep one.

        Raises:
            Unavailable: The database cannot be used now.
        """
        text = json.dumps(report.as_json(), default=str, ensure_ascii=False)
        # PostgreSQL keeps neither U+0000 nor half a surrogate pair.
        text = text.replace("\\u0000", "\\ufffd").encode(errors="replace").decode()
        title = seen(report.title)[:_TITLE_CHARS]
        values = [report.id, report.fingerprint, report.at, title, report.repeated, text]
        await self._database.execute(self._insert, values)
        if self._keep_s is not None and time.monotonic() - self._purged_at > _PURGE_EVERY_S:
            self._purged_at = time.monotonic()
            await self.purge(older_than_s=self._keep_s)

    async def recent(
        self, limit: int = 50, *, fingerprint: str | None = None
    ) -> Sequence[ErrorReport]:
        """Return the last ones, of all or of one fingerprint, the youngest first."""
        where = "" if fingerprint is None else " WHERE fingerprint = ?"
        given: list[object] = [] if fingerprint is None else [fingerprint]
        rows = await self._database.fetch_all(
            f"{_RECENT}{where} ORDER BY seq DESC LIMIT ?", [*given, limit]
        )
        return [_report(row) for row in rows]

    async def find(self, error_id: str) -> ErrorReport | None:
        """Return the report with the id that a client was shown; None when there is none."""
        row = await self._database.fetch_one(f"{_RECENT} WHERE id = ? LIMIT 1", [error_id])
        return None if row is None else _report(row)

    async def purge(self, *, older_than_s: float) -> int:
        """Forget reports, at most a thousand at a time; return how many."""
        before = datetime.now(UTC) - timedelta(seconds=older_than_s)
        return await self._database.execute(_PURGE, [before])


def _report(row: Row) -> ErrorReport:
    told: Mapping[str, Any] = json.loads(str(row["report"]))
    occasion = dict(told["occasion"])
    for name in ("headers", "query"):
        occasion[name] = [(pair[0], pair[1]) for pair in occasion[name]]
    return ErrorReport(
        id=told["id"],
        fingerprint=told["fingerprint"],
        at=datetime.fromisoformat(told["at"]),
        errors=[_error(one) for one in told["errors"]],
        occasion=Occasion(**occasion),
        versions=told["versions"],
        repeated=told["repeated"],
    )


def _error(told: Mapping[str, Any]) -> ReportedError:
    frames = [ReportedFrame(**one) for one in told["frames"]]
    return ReportedError(told["kind"], told["message"], told["relation"], frames)
