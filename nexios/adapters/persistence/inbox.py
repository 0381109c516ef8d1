"""Messages from outside that were dealt with: one row each, written with their effect."""

from datetime import UTC, datetime, timedelta
from typing import Final

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.memory import MemoryTransaction, MemoryUnitOfWork
from nexios.adapters.persistence.sql import SqlUnitOfWork

_PURGE_AT_ONCE: Final = 1000


class SqlInbox:
    """The inbox in PostgreSQL or SQLite; see the port ``Inbox``."""

    def __init__(self, uow: SqlUnitOfWork) -> None:
        """Take the unit of work of this scope."""
        self._uow = uow

    async def accept(self, consumer: str, message_id: str) -> bool:
        """Insert its row; a concurrent one of the same key is waited for by the key itself."""
        self._uow.current("SqlInbox.accept()")
        inserted = await self._uow.database.execute(
            "INSERT INTO nx_inbox (consumer, message_id, at) VALUES (?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            [consumer, message_id, datetime.now(UTC)],
        )
        return inserted == 1


class MemoryInbox:
    """The inbox of a MemoryStore; of two at once the second finds out at its commit."""

    def __init__(self, uow: MemoryUnitOfWork) -> None:
        """Take the unit of work of this scope."""
        self._uow = uow

    async def accept(self, consumer: str, message_id: str) -> bool:
        """Stage its key; one that lost the race is run again and told False."""
        transaction = self._uow.current("MemoryInbox.accept()").transaction
        if not isinstance(transaction, MemoryTransaction):
            raise TypeError("MemoryInbox needs a MemoryUnitOfWork")
        return transaction.accept((consumer, message_id))


async def purge_inbox(database: Database, *, older_than_s: float) -> int:
    """Forget messages accepted longer ago, a thousand at a time; return how many.

    Args:
        database: With the table.
        older_than_s: Longer than any broker would deliver one again.
    """
    before = datetime.now(UTC) - timedelta(seconds=older_than_s)
    total = 0
    while True:
        gone = await database.execute(
            "DELETE FROM nx_inbox WHERE (consumer, message_id) IN"
            " (SELECT consumer, message_id FROM nx_inbox WHERE at < ? LIMIT ?)",
            [before, _PURGE_AT_ONCE],
        )
        total += gone
        if gone < _PURGE_AT_ONCE:
            return total
