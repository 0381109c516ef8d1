"""What the port ``CounterStore`` owes, in memory and in Redis."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from nexios.adapters.security.memory_counters import MemoryCounters
from nexios.adapters.security.redis_counters import RedisCounters
from nexios.application.errors import Unavailable
from nexios.application.rates import CounterStore, Hit, Rate

pytestmark = pytest.mark.asyncio

Open = Callable[[], AbstractAsyncContextManager[CounterStore]]
RATE = Rate.of("3/hour")


@pytest.fixture(params=["memory", "redis"])
def place(request: pytest.FixtureRequest) -> Open:
    @asynccontextmanager
    async def memory() -> AsyncIterator[CounterStore]:
        yield MemoryCounters()

    if request.param == "memory":
        return memory
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


async def test_processes_share_one_rate(nexios_redis: str) -> None:
    prefix = f"nexios-tests-{secrets.token_hex(6)}"
    async with (
        RedisCounters(nexios_redis, prefix=prefix) as first,
        RedisCounters(nexios_redis, prefix=prefix) as second,
    ):
        rate = Rate.of("10/hour")
        told = await asyncio.gather(
            *(store.hit([Hit("a", rate)]) for _ in range(15) for store in (first, second))
        )
        assert sum(one[0].allowed for one in told) == 10


async def test_a_server_that_is_not_there_is_unavailable_soon() -> None:
    async with RedisCounters("redis://127.0.0.1:1/0") as store:
        with pytest.raises(Unavailable):
            await store.hit([Hit("a", RATE)])
