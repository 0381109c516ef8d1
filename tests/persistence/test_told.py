"""What a store tells those who watch an application."""

from typing import Any

import anyio
import pytest

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.errors import DatabaseError, DatabaseUnavailable
from nexios.adapters.persistence.memory import MemoryUnitOfWork
from nexios.adapters.persistence.memory_store import MemoryStore
from nexios.adapters.persistence.sql import SqlUnitOfWork
from nexios.adapters.persistence.told import without_values
from nexios.application.listening import Signals
from nexios.application.signals import (
    PoolWaited,
    StatementRan,
    UseCaseFinished,
    UseCaseStarted,
)

pytestmark = pytest.mark.asyncio


def hearing(teller: Any, *kinds: type) -> list[Any]:
    heard: list[Any] = []
    signals = Signals()
    for kind in kinds:
        signals.on(kind, heard.append)
    teller.tell_to(signals)
    return heard


async def test_statements_are_told_without_their_values(database: Database) -> None:
    heard = hearing(database, StatementRan)
    await database.execute("CREATE TABLE t (id INTEGER, name TEXT)")
    await database.execute("INSERT INTO t VALUES (?, ?)", [7, "hunter2"])
    async with database.transaction():
        await database.fetch_all("SELECT * FROM t WHERE name = 'hunter2' AND id = 7")
    with pytest.raises(DatabaseError):
        await database.fetch_all("SELECT * FROM nowhere")
    shown = [one for one in heard if one.text != "BEGIN"]
    assert "CREATE TABLE t" in shown[0].text
    assert {one.store for one in heard} == {database.store.value}
    assert shown[-2].text == "SELECT * FROM t WHERE name = ? AND id = ?"
    assert shown[-1].failure is not None
    assert shown[-2].failure is None
    assert all(one.duration_s > 0 for one in heard)
    assert "hunter2" not in repr(heard)


async def test_waits_for_a_connection_are_told(database_url: str) -> None:
    async with Database(database_url, pool_size=1, pool_timeout_s=0.05) as database:
        heard = hearing(database, PoolWaited)
        entered = anyio.Event()

        async def hold(until: anyio.Event) -> None:
            async with database.transaction():
                await database.fetch_value("SELECT 1")
                entered.set()
                await until.wait()

        async with anyio.create_task_group() as tasks:
            late = anyio.Event()
            tasks.start_soon(hold, late)
            await entered.wait()
            with pytest.raises(DatabaseUnavailable):
                await database.fetch_value("SELECT 1")
            late.set()
    (waited,) = heard
    assert waited.pool == database.store.value
    assert not waited.given
    assert waited.duration_s >= 0.04


@pytest.mark.parametrize("store", ["memory", "database"])
async def test_use_cases_are_told(store: str, request: pytest.FixtureRequest) -> None:
    unit: Any
    if store == "memory":
        teller: Any = MemoryStore()
        unit = MemoryUnitOfWork(teller)
    else:
        teller = Database("sqlite://")
        unit = SqlUnitOfWork(teller)
    heard = hearing(teller, UseCaseStarted, UseCaseFinished)

    async def work() -> int:
        return 7

    async def broken() -> None:
        raise LookupError

    assert await unit.run(work, name="Shop.open") == 7
    with pytest.raises(LookupError):
        await unit.run(broken, name="Shop.close")
    assert [one.name for one in heard] == ["Shop.open"] * 2 + ["Shop.close"] * 2
    assert [one.failure for one in heard[1::2]] == [None, "LookupError"]
    if store == "database":
        await teller.stop()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("SELECT $1, ?, :name", "SELECT $1, ?, :name"),
        ("SELECT 'it''s' || \"a 1\"", 'SELECT ? || "a 1"'),
        ("SELECT E'a\\'b', -1.5e3, t1.x2", "SELECT ?, ?, t1.x2"),
        ("SELECT 'a\\' = 'secret'", "SELECT ? = ?"),
        ("SELECT $$secret$$, $q$ it's $q$", "SELECT ?, ?"),
        ("SELECT 'never closed", "SELECT ?"),
        ("LIMIT 10 OFFSET 20", "LIMIT ? OFFSET ?"),
    ],
)
async def test_values_written_into_a_statement_are_not_shown(text: str, shown: str) -> None:
    assert without_values(text) == shown
