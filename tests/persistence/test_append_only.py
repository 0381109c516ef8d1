"""The audit's tables refuse to be rewritten, and still take new rows."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from nexios.adapters.persistence.append_only import append_only, append_only_statements
from nexios.adapters.persistence.audit import SqlAuditTrail
from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.errors import BadStatement
from nexios.adapters.persistence.placeholders import Store
from nexios.adapters.persistence.sql import SqlUnitOfWork
from nexios.adapters.persistence.tables import create_tables
from nexios.domain import RuleViolated
from tests.support.shop import METADATA, Order, SqlOrders

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def kept(database: Database) -> AsyncIterator[Database]:
    await create_tables(database, METADATA)
    for statement in append_only_statements(database.store):
        await database.execute(statement)
    await add(database, "n1")
    assert await SqlAuditTrail(database).seal() is not None
    yield database


async def add(database: Database, number: str) -> None:
    unit = SqlUnitOfWork(database)
    orders = SqlOrders(unit)

    async def work() -> None:
        orders.add(Order.open(number))

    await unit.run(work)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE nx_audit SET actor = 'bob'",
        "DELETE FROM nx_audit",
        "UPDATE nx_seal SET changes = 0",
        "DELETE FROM nx_seal WHERE n = 1",
    ],
)
async def test_rewriting_is_refused(kept: Database, statement: str) -> None:
    with pytest.raises((RuleViolated, BadStatement)) as refusal:
        await kept.execute(statement)
    assert "only takes new rows" in f"{refusal.value} {refusal.value.__cause__}"
    verdict = await SqlAuditTrail(kept).verify()
    assert (verdict.intact, verdict.rows) == (True, 1)


async def test_emptying_is_refused(nexios_database: Database) -> None:
    await create_tables(nexios_database, METADATA)
    for statement in append_only_statements(Store.POSTGRESQL):
        await nexios_database.execute(statement)
    for table in ("nx_audit", "nx_seal"):
        with pytest.raises(BadStatement, match="only takes new rows"):
            await nexios_database.execute(f"TRUNCATE {table}")


async def test_new_rows_and_seals_are_taken(kept: Database) -> None:
    await add(kept, "n2")
    trail = SqlAuditTrail(kept)
    assert await trail.seal() is not None
    assert (await trail.verify()).rows == 2


class Op:
    """Alembic's ``op``, as far as it is asked."""

    def __init__(self, dialect: str) -> None:
        self.statements: list[str] = []
        self.dialect = type("Dialect", (), {"name": dialect})()

    def execute(self, sqltext: Any) -> None:
        self.statements.append(sqltext)

    def get_context(self) -> Any:
        return self


async def test_a_migration_runs_the_sql_of_its_store() -> None:
    for name, store in (("postgresql", Store.POSTGRESQL), ("sqlite", Store.SQLITE)):
        op = Op(name)
        append_only(op)
        assert tuple(op.statements) == append_only_statements(store)
