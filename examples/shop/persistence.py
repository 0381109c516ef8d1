"""The one store of the shop, shared by its contexts: one pool, one unit of work a request."""

from collections.abc import AsyncIterator

from sqlalchemy import MetaData

from nexios import Module, Scope
from nexios.adapters.persistence import Database, SqlOutbox, SqlUnitOfWork, create_tables
from nexios.application import OutboxStore, UnitOfWork
from nexios.layers import Layer


def persistence(url: str, *metadata: MetaData) -> Module:
    """Return the store at ``url`` as a module.

    Args:
        url: ``sqlite:///file``, or ``postgresql://...``.
        metadata: The tables of all contexts, made at the start where they are missing.
    """
    module = Module("persistence", layer=Layer.PERSISTENCE)

    @module.provides(scope=Scope.SINGLETON)
    async def database() -> AsyncIterator[Database]:
        async with Database(url) as opened:
            await create_tables(opened, *metadata)
            yield opened

    module.bind(SqlUnitOfWork)
    module.bind(UnitOfWork).alias(SqlUnitOfWork)
    module.bind(OutboxStore, scope=Scope.SINGLETON).to(SqlOutbox)
    module.export(Database, SqlUnitOfWork, UnitOfWork, OutboxStore)
    return module
