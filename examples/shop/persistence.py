"""The one store of the shop, shared by its contexts: one pool, one unit of work a request."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from nexios import Module, Scope
from nexios.adapters.persistence import (
    Database,
    Migrations,
    SqlAuditTrail,
    SqlOutbox,
    SqlUnitOfWork,
)
from nexios.application import AuditTrail, OutboxStore, UnitOfWork
from nexios.layers import Layer

MIGRATIONS: Final = Path(__file__).parent / "migrations"


def persistence(url: str, *, migrated: bool = False) -> Module:
    """Return the store at ``url`` as a module.

    Opening it makes no tables, so that ``nexios db`` finds the database as it is.

    Args:
        url: ``sqlite:///file``, or ``postgresql://...``.
        migrated: The tables are those of the migrations; behind them the shop is not ready.
    """
    module = Module("persistence", layer=Layer.PERSISTENCE)

    @module.provides(scope=Scope.SINGLETON)
    async def database() -> AsyncIterator[Database]:
        async with Database(url) as opened:
            yield opened

    if migrated:

        @module.provides(scope=Scope.SINGLETON)
        def migrations(database: Database) -> Migrations:
            return Migrations(database, folder=MIGRATIONS)

        module.export(Migrations)

    module.bind(SqlUnitOfWork)
    module.bind(UnitOfWork).alias(SqlUnitOfWork)
    module.bind(OutboxStore, scope=Scope.SINGLETON).to(SqlOutbox)
    module.bind(AuditTrail, scope=Scope.SINGLETON).to(SqlAuditTrail)
    module.export(Database, SqlUnitOfWork, UnitOfWork, OutboxStore, AuditTrail)
    return module
