"""Security events in PostgreSQL or SQLite, and the queue before them."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from contextvars import Context
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

from sqlalchemy import select

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.drivers import Row
from nexios.adapters.persistence.finishing import to_the_end
from nexios.adapters.persistence.placeholders import Store
from nexios.adapters.persistence.tables import SECURITY
from nexios.application.errors import Unavailable
from nexios.application.security_events import SecurityEvent, SecurityEvents, note
from nexios.application.tracking import tell

_JSON: Final = {Store.POSTGRESQL: "CAST(CAST(? AS text) AS jsonb)", Store.SQLITE: "?"}
_QUEUE: Final = 1_000
_FLUSH_S: Final = 2.0

_log: Final = logging.getLogger("nexios.security")


class SqlSecurityEvents:
    """Keeps events in ``nx_security``. Implements ``SecurityEvents``; every event is required.

    Each is a short transaction of its own, also inside the transaction of a use case: there it
    takes a second connection, and stays when the use case rolls back. Bind
    `QueuedSecurityEvents` around it where policies refuse inside of use cases.

    Args:
        database: With the table, which `append_only` protects.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = (
            "INSERT INTO nx_security (at, action, outcome, actor, scheme, reason, details)"  # noqa: S608
            f" VALUES (?, ?, ?, ?, ?, ?, {_JSON[database.store]})"
        )

    async def record(self, event: SecurityEvent) -> None:
        """Keep an event.

        Raises:
            Unavailable: It cannot be kept, whatever the reason.
        """
        details = json.dumps(event.details, default=str).replace("\\u0000", "\\ufffd")
        told = (event.action, event.outcome, event.actor, event.scheme, event.reason)
        cleaned = [None if one is None else _storable(one) for one in told]
        values = [event.at or datetime.now(UTC), *cleaned, _without_halves(details)]
        # In a context of its own there is no transaction that this would be part of.
        writing, cancelled = await to_the_end(
            self._database.execute(self._insert, values), Context()
        )
        if cancelled is not None:
            raise cancelled
        failed = writing.exception()
        if failed is not None:
            raise Unavailable("this cannot be recorded now") from failed

    async def recent(
        self, limit: int = 100, *, actor: str | None = None, after: int = 0
    ) -> Sequence[SecurityEvent]:
        """Return the last events, of all or of one actor, the youngest first."""
        query = select(SECURITY).where(SECURITY.c.id > after).order_by(SECURITY.c.id.desc())
        if actor is not None:
            query = query.where(SECURITY.c.actor == actor)
        return [_event(row) for row in await self._database.fetch_all(query.limit(limit))]


class QueuedSecurityEvents:
    """Keeps required events at once, and the others soon. Implements ``SecurityEvents``.

    What finds the queue full, or cannot be kept, goes to the log ``nexios.security``: a store
    that is slow or away stops a login, and nobody else. Open it by ``async with``.

    Args:
        inner: Where events are kept.
        limit: So many may wait.
    """

    def __init__(self, inner: SecurityEvents, *, limit: int = _QUEUE) -> None:
        self.spilled = 0
        self._inner = inner
        self._limit = limit
        self._queue: deque[SecurityEvent] = deque()
        self._woken = asyncio.Event()
        self._stopping = False
        self._worker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._stopping = False
        self._worker = asyncio.get_running_loop().create_task(self._keep(), context=Context())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping = True
        self._woken.set()
        worker, self._worker = self._worker, None
        if worker is not None:
            _, late = await asyncio.wait([worker], timeout=_FLUSH_S)
            for one in late:
                one.cancel()
                await asyncio.wait([one])
        while self._queue:
            self._spill(self._queue.popleft())

    async def record(self, event: SecurityEvent) -> None:
        """Keep an event that is required; take the others into the queue.

        Raises:
            Unavailable: It is required and cannot be kept.
        """
        event = replace(event, at=event.at or datetime.now(UTC))
        if event.required:
            await self._inner.record(event)
        elif len(self._queue) >= self._limit or self._worker is None:
            self._spill(event)
        else:
            self._queue.append(event)
            self._woken.set()

    async def _keep(self) -> None:
        while self._queue or not self._stopping:
            self._woken.clear()
            while self._queue:
                event = self._queue.popleft()
                try:
                    await self._inner.record(event)
                except Exception as error:
                    tell(_log, logging.ERROR, error, "a security event could not be kept")
                    self._spill(event)
                except asyncio.CancelledError:
                    self._spill(event)
                    raise
            if not self._stopping:
                await self._woken.wait()

    def _spill(self, event: SecurityEvent) -> None:
        self.spilled += 1
        note(event)


def _storable(text: str) -> str:
    return _without_halves(text).replace("\x00", "\ufffd")


def _without_halves(text: str) -> str:
    return text.encode(errors="replace").decode()


def _event(row: Row) -> SecurityEvent:
    told: Mapping[str, Any] = row
    names = ("action", "outcome", "actor", "scheme", "reason", "details", "at")
    return SecurityEvent(**{name: told[name] for name in names})
