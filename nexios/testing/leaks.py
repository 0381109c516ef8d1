"""What a test must leave behind at the server: nothing that runs, waits or is locked."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from nexios.adapters.persistence.database import Database
from nexios.testing.postgres import assert_pool_idle, run_sql

# A backend whose client died is gone after the client check interval, one second by default.
PATIENCE_S: Final = 4.0
_PAUSE_S: Final = 0.05
_LEFT: Final = (
    "SELECT a.pid, a.application_name, a.state, a.query,"
    " (SELECT count(*) FROM pg_locks l WHERE l.pid = a.pid) AS locks FROM pg_stat_activity a"
    " WHERE a.backend_type = 'client backend' AND a.datname = current_database()"
    " AND a.pid <> pg_backend_pid() AND (a.state <> 'idle'"
    " OR EXISTS (SELECT 1 FROM pg_locks l WHERE l.pid = a.pid))"
)


def assert_nothing_left(url: str, *, patience_s: float = PATIENCE_S) -> None:
    """Fail when a backend of this database still runs, is in a transaction, or holds a lock.

    Args:
        url: Of the database.
        patience_s: How long a backend that is on its way out may take.
    """
    until = time.monotonic() + patience_s
    while left := run_sql(url, _LEFT):
        if time.monotonic() > until:
            raise AssertionError(f"the test left work at the server: {left}")
        time.sleep(_PAUSE_S)


@asynccontextmanager
async def watched(url: str, **options: Any) -> AsyncIterator[Database]:  # Database's own keywords
    """Open a Database that must have every connection back, at rest, when the block ends well."""
    async with Database(url, **options) as database:
        yield database
        assert_pool_idle(database)
        # In a thread: what this loop still has at hand may come to its end meanwhile.
        await asyncio.to_thread(assert_nothing_left, url)
