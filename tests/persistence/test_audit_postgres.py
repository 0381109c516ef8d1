"""Seals while others write: what only a database with several writers can show."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from nexios.adapters.persistence.audit import SqlAuditTrail
from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.sql import SqlUnitOfWork
from nexios.adapters.persistence.tables import create_tables
from nexios.domain import AlreadyExists
from tests.support.shop import METADATA, Order, SqlOrders

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def database(nexios_database: Database) -> AsyncIterator[Database]:
    await create_tables(nexios_database, METADATA)
    yield nexios_database
    assert nexios_database.status.in_use == 0


async def add(database: Database, number: str) -> None:
    unit = SqlUnitOfWork(database)
    orders = SqlOrders(unit)

    async def work() -> None:
        orders.add(Order.open(number))

    await unit.run(work)


async def test_a_running_transaction_delays_the_seal_and_no_change_is_passed_over(
    database: Database,
) -> None:
    trail = SqlAuditTrail(database)
    written, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        async with database.transaction():
            await add(database, "slow")
            written.set()
            await go_on.wait()

    running = asyncio.create_task(slow())
    await written.wait()
    # Committed before the slow one, and with a higher number.
    await add(database, "quick")
    assert await trail.seal() is None
    go_on.set()
    await running
    sealed = await trail.seal()
    assert sealed is not None
    assert sealed.rows == 2
    assert (await trail.verify()).intact


async def test_writers_and_sealers_at_once_leave_each_change_in_one_seal(
    database: Database,
) -> None:
    trail = SqlAuditTrail(database)
    done = asyncio.Event()

    async def write(writer: int) -> None:
        for n in range(8):
            try:
                # Some clash, and are rolled back: their numbers stay unused.
                await add(database, f"{writer % 4}/{n}" if n % 3 == 0 else f"{writer}-{n}")
            except AlreadyExists:
                continue

    async def seal() -> None:
        while not done.is_set():
            await trail.seal()
            await asyncio.sleep(0.002)

    sealers = [asyncio.create_task(seal()) for _ in range(2)]
    await asyncio.gather(*(write(writer) for writer in range(8)))
    done.set()
    await asyncio.gather(*sealers)
    while await trail.seal() is not None:
        pass
    verdict = await trail.verify()
    assert verdict.reason == ""
    assert verdict.rows == await database.fetch_value("SELECT count(*) FROM orders")
    assert verdict.rows == len(await trail.history())
    assert verdict.seals > 1
