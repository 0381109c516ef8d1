"""What the port ``OneTime`` owes, on every store."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from nexios.adapters.persistence import Database, create_tables
from nexios.adapters.persistence.one_time import SqlOneTime
from nexios.adapters.security.memory_one_time import MemoryOneTime
from nexios.adapters.security.redis_one_time import RedisOneTime
from nexios.application.errors import Unavailable
from nexios.application.one_time import OneTime

pytestmark = pytest.mark.asyncio

Open = Callable[[], AbstractAsyncContextManager[OneTime]]
KEY, OTHER = b"k" * 32, b"o" * 32
VALUE = {"next": "/", "words": ["ü", 1, None]}


@pytest.fixture(params=["memory", "sqlite", "postgres", "redis"])
def place(request: pytest.FixtureRequest) -> Open:
    if request.param == "memory":

        @asynccontextmanager
        async def memory() -> AsyncIterator[OneTime]:
            yield MemoryOneTime()

        return memory
    if request.param == "redis":
        server = request.getfixturevalue("nexios_redis")
        prefix = f"nexios-tests-{secrets.token_hex(6)}"
        return lambda: RedisOneTime(server, prefix=prefix)
    url = "sqlite://"
    if request.param == "postgres":
        url = request.getfixturevalue("nexios_database_url")

    @asynccontextmanager
    async def sql() -> AsyncIterator[OneTime]:
        async with Database(url) as database:
            await create_tables(database)
            yield SqlOneTime(database)

    return sql


async def test_a_value_is_given_out_once(place: Open) -> None:
    async with place() as store:
        await store.put("login", KEY, VALUE, 60)
        assert await store.take("login", OTHER) is None
        assert await store.take("login", KEY) == VALUE
        assert await store.take("login", KEY) is None


async def test_a_value_of_another_purpose_is_none(place: Open) -> None:
    async with place() as store:
        await store.put("login", KEY, VALUE, 60)
        assert await store.take("ticket", KEY) is None
        assert await store.take("login", KEY) == VALUE


async def test_of_many_who_take_at_once_one_gets_it(place: Open) -> None:
    async with place() as store:
        for _ in range(5):
            await store.put("login", KEY, VALUE, 60)
            taken = await asyncio.gather(*(store.take("login", KEY) for _ in range(8)))
            assert [one for one in taken if one is not None] == [VALUE]


async def test_what_has_ended_is_not_given_out(place: Open) -> None:
    async with place() as store:
        await store.put("login", KEY, VALUE, 0.05)
        await store.put("login", OTHER, VALUE, 60)
        await asyncio.sleep(0.1)
        assert await store.take("login", KEY) is None
        assert await store.take("login", OTHER) == VALUE


async def test_a_key_that_comes_again_replaces(place: Open) -> None:
    async with place() as store:
        await store.put("login", KEY, VALUE, 0.05)
        await store.put("login", KEY, {"n": 2}, 60)
        await asyncio.sleep(0.1)
        assert await store.take("login", KEY) == {"n": 2}
        assert await store.take("login", KEY) is None


async def test_memory_holds_no_more_than_it_may() -> None:
    moment = 0.0
    store = MemoryOneTime(kept=3, clock=lambda: moment)
    for number in range(5):
        await store.put("login", bytes([number]), {"n": number}, 60)
    assert len(store._values) == 3
    assert await store.take("login", bytes([1])) is None
    assert await store.take("login", bytes([4])) == {"n": 4}
    moment = 61.0
    await store.put("login", KEY, VALUE, 60)
    assert list(store._values) == [("login", KEY)]


async def test_two_processes_share_what_is_in_the_database(nexios_database_url: str) -> None:
    async with Database(nexios_database_url) as one, Database(nexios_database_url) as two:
        await create_tables(one)
        first, second = SqlOneTime(one), SqlOneTime(two)
        await first.put("login", KEY, VALUE, 60)
        taken = await asyncio.gather(
            *(store.take("login", KEY) for _ in range(4) for store in (first, second))
        )
        assert [one for one in taken if one is not None] == [VALUE]


async def test_ended_rows_are_purged(nexios_database_url: str) -> None:
    async with Database(nexios_database_url) as database:
        await create_tables(database)
        store = SqlOneTime(database)
        await store.put("login", KEY, VALUE, 0.01)
        await asyncio.sleep(0.05)
        store._purged_at -= 61
        await store.put("login", OTHER, VALUE, 60)
        assert await database.fetch_value("SELECT count(*) FROM nx_one_time") == 1


async def test_a_server_that_is_not_there_is_unavailable_soon() -> None:
    async with RedisOneTime("redis://127.0.0.1:1/0") as store:
        with pytest.raises(Unavailable):
            await store.put("login", KEY, VALUE, 60)
        with pytest.raises(Unavailable):
            await store.take("login", KEY)
