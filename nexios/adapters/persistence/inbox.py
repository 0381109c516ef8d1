"""Messages from outside that were dealt with: one row each, written with their effect."""

from datetime import UTC, datetime

from nexios.adapters.persistence.memory import MemoryTransaction, MemoryUnitOfWork
from nexios.adapters.persistence.sql import SqlUnitOfWork


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
