"""What the port ``CounterStore`` owes, on every store."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from nexios.adapters.persistence import Database, create_tables
from nexios.adapters.persistence.counters import SqlCounters
from nexios.adapters.security.memory_counters import MemoryCounters
from nexios.adapters.security.redis_counters import RedisCounters
from nexios.application.errors import Unavailable
from nexios.application.rates import CounterStore, Hit, Rate

pytestmark = pytest.mark.asyncio

Open = Callable[[], AbstractAsyncContextManager[CounterStore]]
RATE = Rate.of("3/hour")


@pytest.fixture(params=["memory", "redis", "sqlite", "postgres"])
def place(request: pytest.FixtureRequest) -> Open:
    @asynccontextmanager
    async def memory() -> AsyncIterator[CounterStore]:
        yield MemoryCounters()

    if request.param == "memory":
        return memory
    if request.param in ("sqlite", "postgres"):
        postgres = request.param == "postgres"
        place = request.getfixturevalue("nexios_database_url") if postgres else "sqlite://"

        @asynccontextmanager
        async def sql() -> AsyncIterator[CounterStore]:
            async with Database(place) as database:
                await create_tables(database)
                yield SqlCounters(database)

        return sql
    url = request.getfixturevalue("nexios_redis")
    prefix = f"nexios-tests-{secrets.token_hex(6)}"
    return lambda: RedisCounters(url, prefix=prefix)


async def test_a_burst_passes_and_no_more(place: Open) -> None:
    async with place() as store:
        told = [(await store.hit([Hit("a", RATE)]))[0] for _ in range(5)]
        assert [one.allowed for one in told] == [True, True, True, False, False]
        assert [one.remaining for one in told] == [2, 1, 0, 0, 0]
        assert 1199 < told[3].retry_after_s <= 1200
        assert 3590 < told[3].reset_s <= 3600
        assert (await store.hit([Hit("b", RATE)]))[0].allowed


async def test_all_pass_or_none_is_counted(place: Open) -> None:
    async with place() as store:
        both = [Hit("wide", Rate.of("5/hour")), Hit("narrow", Rate.of("1/hour"))]
        assert all(one.allowed for one in await store.hit(both))
        for _ in range(3):
            assert [one.allowed for one in await store.hit(both)] == [True, False]
        assert (await store.hit(both[:1]))[0].remaining == 3


async def test_a_cost_counts_for_so_many(place: Open) -> None:
    async with place() as store:
        assert (await store.hit([Hit("a", RATE, cost=2)]))[0].remaining == 1
        assert not (await store.hit([Hit("a", RATE, cost=2)]))[0].allowed
        assert (await store.hit([Hit("a", RATE)]))[0].allowed


async def test_of_many_at_once_only_the_burst_passes(place: Open) -> None:
    async with place() as store:
        rate = Rate.of("20/hour")
        told = await asyncio.gather(*(store.hit([Hit("a", rate)]) for _ in range(40)))
        assert sum(one[0].allowed for one in told) == 20


async def test_what_is_worked_off_passes_again(place: Open) -> None:
    async with place() as store:
        quick = Hit("a", Rate(20, 1.0, 1))
        assert (await store.hit([quick]))[0].allowed
        refused = (await store.hit([quick]))[0]
        assert not refused.allowed
        await asyncio.sleep(refused.retry_after_s + 0.005)
        assert (await store.hit([quick]))[0].allowed


_PROCESS = """
import asyncio, sys
from nexios.adapters.persistence import Database
from nexios.adapters.persistence.counters import SqlCounters
from nexios.adapters.security.redis_counters import RedisCounters
from nexios.application.rates import Hit, Rate

async def count(store):
    await store.hit([Hit("warm", Rate.of("1/day"))])
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    both = [Hit("a", Rate.of("50/hour")), Hit("b", Rate.of("1000/hour"))]
    hits = [both[:1] if n % 2 else both for n in range(40)]
    told = await asyncio.gather(*(store.hit(one) for one in hits))
    print(sum(all(one.allowed for one in decided) for decided in told), flush=True)

async def main(kind, url, prefix):
    if kind == "redis":
        async with RedisCounters(url, prefix=prefix) as store:
            await count(store)
    else:
        async with Database(url, pool_size=4, max_waiting=1_000) as database:
            await count(SqlCounters(database))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("kind", ["redis", "postgres"])
async def test_four_processes_share_one_rate(kind: str, request: pytest.FixtureRequest) -> None:
    prefix = f"nexios-tests-{secrets.token_hex(6)}"
    if kind == "redis":
        url = request.getfixturevalue("nexios_redis")
    else:
        url = request.getfixturevalue("nexios_database_url")
        async with Database(url) as database:
            await create_tables(database)
    pipe = asyncio.subprocess.PIPE
    children = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _PROCESS, kind, url, prefix), stdin=pipe, stdout=pipe
        )
        for _ in range(4)
    ]
    async with asyncio.timeout(120):
        for child in children:
            assert child.stdout is not None
            assert await child.stdout.readline() == b"ready\n"
        told = await asyncio.gather(*(child.communicate(b"go\n") for child in children))
    # Within the seconds this takes not one more is worked off: 50 an hour is one in 72 s.
    assert 50 <= sum(int(out) for out, _ in told) <= 51


async def test_a_hit_that_costs_more_than_the_burst_never_passes(place: Open) -> None:
    async with place() as store:
        for _ in range(2):
            dear = (await store.hit([Hit("a", RATE, cost=4)]))[0]
            assert not dear.allowed
            assert dear.remaining == 3
        assert (await store.hit([Hit("a", RATE, cost=3)]))[0].allowed


async def test_keys_in_any_order_do_not_lock_each_other_out(place: Open) -> None:
    async with place() as store:
        rate = Rate.of("100/hour")
        there = [Hit("a", rate), Hit("b", rate), Hit("c", rate)]
        lists = [there if n % 2 else there[::-1] for n in range(40)]
        told = await asyncio.gather(*(store.hit(one) for one in lists))
        assert all(one.allowed for decided in told for one in decided)
        assert (await store.hit(there[:1]))[0].remaining == 59


async def test_worked_off_rows_are_forgotten(nexios_database_url: str) -> None:
    async with Database(nexios_database_url) as database:
        await create_tables(database)
        store = SqlCounters(database)
        await store.hit([Hit("old", Rate(1000, 1.0, 1))])
        await store.hit([Hit("new", RATE)])
        await asyncio.sleep(0.01)
        await store.purge()
        rows = await database.fetch_all("SELECT key FROM nx_rate")
        kind = await database.fetch_value(
            "SELECT relpersistence::text FROM pg_class WHERE relname = 'nx_rate'"
            " AND relnamespace = current_schema()::regnamespace"
        )
    assert rows == [{"key": "new"}]
    assert kind == "u"


async def test_a_server_that_is_not_there_is_unavailable_soon() -> None:
    async with RedisCounters("redis://127.0.0.1:1/0") as store:
        with pytest.raises(Unavailable):
            await store.hit([Hit("a", RATE)])
