"""Forgets what nobody will ask for again, a thousand rows at a time."""

from datetime import UTC, datetime, timedelta
from typing import Final

from nexios.adapters.persistence.database import Database

_AT_ONCE: Final = 1000
_OUTBOX: Final = (
    "DELETE FROM nx_outbox WHERE seq IN (SELECT o.seq FROM nx_outbox o"
    " WHERE o.at < ? AND NOT EXISTS (SELECT 1 FROM nx_delivery d WHERE d.seq = o.seq)"
    " ORDER BY o.seq LIMIT ?)"
)
_INBOX: Final = (
    "DELETE FROM nx_inbox WHERE (consumer, message_id) IN"
    " (SELECT consumer, message_id FROM nx_inbox WHERE at < ? LIMIT ?)"
)


async def purge_outbox(database: Database, *, older_than_s: float) -> int:
    """Forget events recorded longer ago and delivered to everybody; return how many."""
    return await _purge(database, _OUTBOX, older_than_s)


async def purge_inbox(database: Database, *, older_than_s: float) -> int:
    """Forget messages accepted longer ago; return how many.

    Args:
        database: With the table.
        older_than_s: Longer than any broker would deliver one again.
    """
    return await _purge(database, _INBOX, older_than_s)


async def _purge(database: Database, sql: str, older_than_s: float) -> int:
    before = datetime.now(UTC) - timedelta(seconds=older_than_s)
    total = 0
    while True:
        gone = await database.execute(sql, [before, _AT_ONCE])
        total += gone
        if gone < _AT_ONCE:
            return total
