"""The same attempt again while the server fails: one effect, one record of it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from nexios.adapters.persistence.audit import SqlAuditTrail
from nexios.adapters.persistence.changes import replay
from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.sql import SqlUnitOfWork
from nexios.adapters.persistence.tables import all_rows, create_tables
from nexios.application import (
    ApplicationService,
    Caller,
    OutcomeUnknown,
    Unavailable,
    transactional,
)
from nexios.testing.postgres import PostgresServer, assert_pool_idle
from nexios.testing.proxy import Cut, CuttingProxy
from tests.support.shop import LINES, METADATA, ORDERS, Order, OrderId, SqlOrders

pytestmark = pytest.mark.asyncio

KEY = Caller(actor="ann", idempotency_key="k1")


class Opening(ApplicationService):
    def __init__(self, database: Database) -> None:
        unit = SqlUnitOfWork(database, KEY)
        self.uow = unit
        self.orders = SqlOrders(unit)
        self.ran = 0
        self.entered = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    @transactional(once=True)
    async def open(self, number: str) -> OrderId:
        self.ran += 1
        made = Order.open(number)
        self.orders.add(made)
        self.entered.set()
        await self.go_on.wait()
        return made.id


@pytest_asyncio.fixture
async def database(server: PostgresServer) -> AsyncIterator[Database]:
    async with Database(server.url(), pool_size=6) as opened:
        await create_tables(opened, METADATA)
        yield opened
        assert_pool_idle(opened)


async def assert_one(database: Database, made: OrderId) -> None:
    """One order, one record of it, one key, and the record tells the very row."""
    (row,) = await all_rows(database, ORDERS)
    assert row["id"] == made
    changes = await SqlAuditTrail(database).history()
    assert replay(changes, [ORDERS, LINES]) == {"orders": [row], "order_lines": []}
    assert await database.fetch_value("SELECT count(*) FROM nx_idempotency") == 1


async def test_a_killed_winner_and_its_waiters_have_one_effect(database: Database) -> None:
    winner = Opening(database)
    waiters = [Opening(database) for _ in range(4)]
    winner.go_on.clear()
    first = asyncio.ensure_future(winner.open("n1"))
    await winner.entered.wait()
    others = [asyncio.ensure_future(one.open("n1")) for one in waiters]
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    # Only the server knows, and it tells nobody by itself.
    while await database.fetch_value(waiting) != 4:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    killed = await database.fetch_value(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'nexios' AND state = 'idle in transaction'"
    )
    assert killed is True
    answers = set(await asyncio.gather(*others))
    assert len(answers) == 1
    winner.go_on.set()
    # Its own second try finds what a waiter has done.
    assert await first in answers
    assert winner.ran == 1
    assert sum(one.ran for one in waiters) == 1
    await assert_one(database, answers.pop())


async def test_a_first_that_does_not_end_is_answered_as_unavailable(
    server: PostgresServer,
) -> None:
    async with Database(server.url(), pool_size=3, lock_timeout_s=0.1) as database:
        await create_tables(database, METADATA)
        first, second = Opening(database), Opening(database)
        first.go_on.clear()
        running = asyncio.ensure_future(first.open("n1"))
        await first.entered.wait()
        with pytest.raises(Unavailable):
            await second.open("n1")
        assert second.ran == 0
        first.go_on.set()
        made = await running
        assert await second.open("n1") == made
        await assert_one(database, made)


@pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.AFTER])
async def test_an_unknown_outcome_is_safe_to_repeat_with_its_key(
    server: PostgresServer, database: Database, cut: Cut
) -> None:
    async with CuttingProxy("127.0.0.1", server.port).running() as proxy:
        url = f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres"
        async with Database(url, pool_size=2, connect_timeout_s=0.5) as cuttable:
            proxy.cut = cut
            proxy.refuse_after_cut = True
            with pytest.raises((OutcomeUnknown, Unavailable)):
                await Opening(cuttable).open("n1")
            assert proxy.cuts == 1
            stored = await database.fetch_value("SELECT count(*) FROM orders")
            assert stored == (cut is Cut.AFTER)
    again = Opening(database)
    made = await again.open("n1")
    assert again.ran == (0 if cut is Cut.AFTER else 1)
    await assert_one(database, made)
