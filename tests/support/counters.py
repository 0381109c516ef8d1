"""The smallest aggregate, for tests of what happens around it."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable

from sqlalchemy import Column, Integer, MetaData, Table

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.mapper import Mapper
from nexios.adapters.persistence.rows import Rows
from nexios.adapters.persistence.sql import SqlRepository, SqlUnitOfWork
from nexios.adapters.persistence.types import IdentityType
from nexios.domain.entities import AggregateRoot
from nexios.domain.values import Identity


class CounterId(Identity):
    """Which counter."""


class Counter(AggregateRoot[CounterId]):
    value: int = 0


COUNTERS = Table(
    "counters",
    MetaData(),
    Column("id", IdentityType(CounterId), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("value", Integer, nullable=False),
)


class CounterMapper(Mapper[Counter]):
    root = COUNTERS

    def dump(self, aggregate: Counter) -> Rows:
        return {"counters": [{"id": aggregate.id, "value": aggregate.value}]}

    def load(self, rows: Rows) -> Counter:
        (row,) = rows["counters"]
        return Counter(id=row["id"], value=row["value"])


class SqlCounters(SqlRepository[Counter, CounterId]):
    mapper = CounterMapper()


async def made(database: Database) -> CounterId:
    counter = Counter(id=CounterId.new())
    uow = SqlUnitOfWork(database)

    async def add() -> None:
        SqlCounters(uow).add(counter)

    await uow.run(add)
    return counter.id


async def raise_by_one(database: Database, id: CounterId, *, retries: int = 2) -> int:
    uow = SqlUnitOfWork(database)
    tries = 0

    async def work() -> None:
        nonlocal tries
        tries += 1
        (await SqlCounters(uow).get(id)).value += 1

    await uow.run(work, retries=retries)
    return tries


def in_own_context(work: Callable[[], Awaitable[object]]) -> "asyncio.Task[object]":
    async def run() -> object:
        return await work()

    return asyncio.create_task(run(), context=contextvars.Context())


async def stored(database: Database) -> tuple[object, object]:
    row = await database.fetch_one("SELECT value, version FROM counters")
    assert row is not None
    return row["value"], row["version"]
