"""Places for a bounded number, and the line before them."""

import anyio
import pytest

from nexios.adapters.asgi.slots import Slots

pytestmark = pytest.mark.asyncio


async def test_without_a_bound_it_only_counts() -> None:
    slots = Slots(None)
    assert all([await slots.take(0.01) for _ in range(1000)])
    assert slots.taken == 1000
    assert slots.free


async def test_who_waits_gets_the_place_in_the_order_of_coming() -> None:
    slots, order = Slots(1, waiting=3), []
    assert await slots.take(60)

    async def next_one(name: int) -> None:
        assert await slots.take(60)
        order.append(name)
        slots.give_back()

    async with anyio.create_task_group() as tasks:
        for name in range(3):
            tasks.start_soon(next_one, name)
        await anyio.wait_all_tasks_blocked()
        assert not await slots.take(60)  # the line is full: refused at once
        assert not slots.free
        slots.give_back()
    assert order == [0, 1, 2]
    assert slots.taken == 0


async def test_who_has_waited_long_enough_or_left_takes_no_place() -> None:
    slots = Slots(1, waiting=2)
    assert await slots.take(60)
    assert not await slots.take(0.01)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(slots.take, 60)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    slots.give_back()
    assert slots.taken == 0
    assert await slots.take(60)


async def test_a_place_given_to_one_who_is_cancelled_goes_on_to_the_next() -> None:
    slots = Slots(1, waiting=2)
    assert await slots.take(60)
    got: list[bool] = []

    async def leaving() -> None:
        if await slots.take(60):
            try:
                await anyio.sleep_forever()
            finally:
                slots.give_back()

    async def patient() -> None:
        got.append(await slots.take(60))

    async with anyio.create_task_group() as others, anyio.create_task_group() as tasks:
        tasks.start_soon(leaving)
        await anyio.wait_all_tasks_blocked()
        others.start_soon(patient)
        await anyio.wait_all_tasks_blocked()
        slots.give_back()
        tasks.cancel_scope.cancel()
    assert got == [True]
    assert slots.taken == 1
