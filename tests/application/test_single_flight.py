"""Of all who ask for one key the first does the work."""

import asyncio

import anyio
import pytest

from nexios.application.single_flight import Abandoned, SingleFlight

pytestmark = pytest.mark.asyncio


class Work:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls = 0
        self.go = anyio.Event()

    async def __call__(self) -> int:
        self.calls += 1
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return self.calls


async def test_one_does_it_for_all() -> None:
    flights, work = SingleFlight[int](), Work()
    tasks = [asyncio.create_task(flights.do("a", work)) for _ in range(10)]
    await anyio.sleep(0.01)
    work.go.set()
    assert await asyncio.gather(*tasks) == [1] * 10
    assert await flights.do("a", work) == 2


async def test_a_result_is_kept_a_while() -> None:
    moment = 0.0
    flights, work = SingleFlight[int](keep_s=60, clock=lambda: moment), Work()
    work.go.set()
    assert await flights.do("a", work) == 1
    moment = 59.0
    assert await flights.do("a", work) == 1
    assert await flights.do("b", work) == 2
    moment = 60.0
    assert await flights.do("a", work) == 3
    assert len(flights._flights) == 2


async def test_a_failure_reaches_all_and_is_forgotten() -> None:
    flights, work = SingleFlight[int](keep_s=60), Work(ValueError("no"))
    tasks = [asyncio.create_task(flights.do("a", work)) for _ in range(3)]
    await anyio.sleep(0.01)
    work.go.set()
    for error in await asyncio.gather(*tasks, return_exceptions=True):
        assert error is work.error
    work.error = None
    assert await flights.do("a", work) == 2


async def test_who_is_cancelled_finishes_it_for_the_others() -> None:
    flights, work = SingleFlight[int](), Work()
    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as leaving:

            async def wait() -> None:
                assert await flights.do("a", work) == 1

            async def leave() -> None:
                await anyio.sleep(0.01)
                leaving.cancel()
                work.go.set()

            group.start_soon(leave)
            await anyio.sleep(0.001)
            group.start_soon(wait)
            await flights.do("a", work)
    assert work.calls == 1


async def test_who_is_stopped_hard_leaves_nobody_waiting() -> None:
    flights, work = SingleFlight[int](keep_s=60), Work()
    first = asyncio.create_task(flights.do("a", work))
    await anyio.sleep(0.01)
    second = asyncio.create_task(flights.do("a", work))
    await anyio.sleep(0.01)
    first.cancel()
    with pytest.raises(Abandoned):
        await second
    work.go.set()
    assert await flights.do("a", work) == 2
