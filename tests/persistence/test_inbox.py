"""Messages from outside on every store: twice told, once done."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.errors import OutsideTransaction
from nexios.adapters.persistence.inbox import MemoryInbox, SqlInbox
from nexios.adapters.persistence.memory import MemoryUnitOfWork
from nexios.adapters.persistence.memory_store import MemoryStore
from nexios.adapters.persistence.purging import purge_inbox
from nexios.adapters.persistence.sql import SqlUnitOfWork
from nexios.adapters.persistence.tables import create_tables
from nexios.testing.postgres import assert_pool_idle
from tests.support.counters import in_own_context
from tests.support.shop import METADATA, MemoryOrders, Order, SqlOrders

pytestmark = pytest.mark.asyncio


@dataclass
class Shop:
    """Opens one order for each message it has not seen."""

    make_unit: Callable[[], Any]
    make_inbox: Callable[[Any], Any]
    make_orders: Callable[[Any], Any]

    async def handle(
        self, message: str, *, hold: asyncio.Event | None = None, fail: bool = False
    ) -> bool:
        unit = self.make_unit()
        inbox, orders = self.make_inbox(unit), self.make_orders(unit)

        async def work() -> bool:
            if not await inbox.accept("shop", message):
                return False
            orders.add(Order.open(f"{message}-{Order.open('x').id}"[-20:]))
            if hold is not None:
                await hold.wait()
            if fail:
                raise ZeroDivisionError
            return True

        return bool(await unit.run(work))

    async def effects(self) -> int:
        unit = self.make_unit()
        orders = self.make_orders(unit)

        async def work() -> int:
            return len((await orders.select()).items)

        return int(await unit.run(work))


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    match request.param:
        case "memory":
            yield ""
        case "sqlite":
            yield f"sqlite:///{tmp_path / 'inbox.db'}"
        case _:
            yield request.getfixturevalue("nexios_database_url")


@pytest_asyncio.fixture
async def shop(store: str) -> AsyncIterator[Shop]:
    if not store:
        memory = MemoryStore()
        yield Shop(lambda: MemoryUnitOfWork(memory), MemoryInbox, MemoryOrders)
        return
    async with Database(store) as database:
        await create_tables(database, METADATA)
        yield Shop(lambda: SqlUnitOfWork(database), SqlInbox, SqlOrders)
        assert_pool_idle(database)


async def test_a_message_twice_has_one_effect(shop: Shop) -> None:
    assert await shop.handle("m1")
    assert not await shop.handle("m1")
    assert await shop.handle("m2")

    assert await shop.effects() == 2


async def test_a_message_twice_at_once_has_one_effect(shop: Shop) -> None:
    answers = await asyncio.gather(*(in_own_context(lambda: shop.handle("m1")) for _ in range(5)))

    assert sorted(answers) == [False] * 4 + [True]  # type: ignore[type-var]
    assert await shop.effects() == 1


async def test_when_the_first_fails_the_second_does_it(shop: Shop) -> None:
    hold = asyncio.Event()
    first = in_own_context(lambda: shop.handle("m1", hold=hold, fail=True))
    await asyncio.sleep(0.05)
    second = in_own_context(lambda: shop.handle("m1"))
    await asyncio.sleep(0.05)
    hold.set()

    with pytest.raises(ZeroDivisionError):
        await first
    assert await second is True
    assert await shop.effects() == 1


async def test_each_consumer_has_its_own_effect(shop: Shop) -> None:
    unit = shop.make_unit()
    inbox = shop.make_inbox(unit)

    async def work() -> list[bool]:
        return [await inbox.accept(name, "m1") for name in ("mail", "stock", "mail")]

    assert await unit.run(work) == [True, True, False]


async def test_outside_of_a_use_case_it_is_refused(shop: Shop) -> None:
    with pytest.raises(OutsideTransaction, match=r"Inbox\.accept\(\) outside a use case"):
        await shop.make_inbox(shop.make_unit()).accept("shop", "m1")


async def test_old_messages_are_forgotten(database: Database) -> None:
    await create_tables(database)
    unit = SqlUnitOfWork(database)
    inbox = SqlInbox(unit)
    await unit.run(lambda: inbox.accept("shop", "m1"))

    assert await purge_inbox(database, older_than_s=3600) == 0
    assert await purge_inbox(database, older_than_s=-1) == 1
    assert await unit.run(lambda: inbox.accept("shop", "m1"))
