"""The shield of a clean-up is put around what the clean-up has opened before it first waits."""

import itertools
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack

import anyio
import anyio.lowlevel
import pytest

from nexios.container import nesting
from nexios.container.container import Container
from nexios.container.errors import CleanupTimedOut
from nexios.container.module import Module

pytestmark = pytest.mark.anyio


class Opened:
    pass


def container_of(cleaning: Callable[[], object], timeout_s: float = 5.0) -> Container:
    module = Module("late")

    @module.provides()
    async def opened() -> AsyncIterator[Opened]:
        yield Opened()
        await cleaning()  # type: ignore[misc]  # a coroutine function

    return Container(module, close_timeout_s=timeout_s)


async def cancelled_while_it_waits(cleaning: Callable[[], object], waiting: anyio.Event) -> None:
    async def request(container: Container) -> None:
        async with container.enter() as scope:
            await scope.get(Opened)

    async with container_of(cleaning) as container, anyio.create_task_group() as tasks:
        tasks.start_soon(request, container)
        await waiting.wait()
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("around", [0, 1, 2])
@pytest.mark.parametrize("within", [0, 1, 2])
async def test_a_cancelled_request_lets_its_clean_up_come_to_its_end(
    around: int, within: int
) -> None:
    log: list[str] = []
    waiting, go_on = anyio.Event(), anyio.Event()

    async def cleaning() -> None:
        with ExitStack() as own:
            for _ in range(within):
                own.enter_context(anyio.CancelScope())
            waiting.set()
            await go_on.wait()
            await anyio.lowlevel.checkpoint()
            log.append("cleaned")

    async def request(container: Container) -> None:
        with ExitStack() as outer:
            for _ in range(around):
                outer.enter_context(anyio.CancelScope())
            async with container.enter() as scope:
                await scope.get(Opened)
            await anyio.lowlevel.checkpoint()
            log.append("went on")

    async with container_of(cleaning) as container, anyio.create_task_group() as tasks:
        tasks.start_soon(request, container)
        await waiting.wait()
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.02)
            go_on.set()
    assert log == ["cleaned"]  # and what comes after it is cancelled


async def test_a_time_limit_of_the_clean_up_itself_still_ends_what_it_stands_around() -> None:
    log: list[str] = []
    waiting = anyio.Event()

    async def cleaning() -> None:
        with anyio.move_on_after(0.05) as limit:
            waiting.set()
            await anyio.sleep_forever()
        log.append(f"gave up: {limit.cancelled_caught}")
        await anyio.lowlevel.checkpoint()
        log.append("cleaned")

    await cancelled_while_it_waits(cleaning, waiting)
    assert log == ["gave up: True", "cleaned"]


@pytest.mark.parametrize("within", [0, 1, 2])
async def test_a_clean_up_that_takes_too_long_is_ended_through_its_own_scopes(within: int) -> None:
    log: list[str] = []

    async def cleaning() -> None:
        with ExitStack() as own:
            for _ in range(within):
                own.enter_context(anyio.CancelScope())
            try:
                await anyio.sleep_forever()
            finally:
                log.append("ended")

    async with container_of(cleaning, timeout_s=0.02) as container:
        with anyio.CancelScope() as around:
            with pytest.raises(CleanupTimedOut):
                async with container.enter() as scope:
                    await scope.get(Opened)
            await anyio.lowlevel.checkpoint()
            log.append("went on")
        assert not around.cancelled_caught
    assert log == ["ended", "went on"]


async def test_a_clean_up_within_a_scope_that_is_over_waits_behind_its_shield_from_the_start() -> (
    None
):
    log: list[str] = []

    async def cleaning() -> None:
        for _ in range(3):
            await anyio.lowlevel.checkpoint_if_cancelled()
            await anyio.lowlevel.checkpoint()
        log.append("cleaned")

    async with container_of(cleaning, timeout_s=2.0) as container:
        with anyio.CancelScope() as request:
            async with container.enter() as scope:
                await scope.get(Opened)
                request.cancel()
        assert log == ["cleaned"]


async def test_a_task_group_of_the_clean_up_is_ended_by_it_and_by_nobody_else() -> None:
    log: list[str] = []
    waiting = anyio.Event()

    async def work(number: int) -> None:
        await anyio.sleep(0.01 * number)
        log.append(str(number))

    async def cleaning() -> None:
        async with anyio.create_task_group() as own:
            own.start_soon(work, 1)
            own.start_soon(work, 2)
            waiting.set()
        log.append("cleaned")

    await cancelled_while_it_waits(cleaning, waiting)
    assert log == ["1", "2", "cleaned"]


@pytest.mark.parametrize("seed", range(20))
async def test_any_mix_of_scopes_leaves_the_task_as_it_was(seed: int) -> None:
    rng = random.Random(seed)
    counter = itertools.count()
    log: list[int] = []

    async def cleaning() -> None:
        for _ in range(rng.randrange(4)):
            async with AsyncExitStack() as own:
                for _ in range(rng.randrange(3)):
                    if rng.random() < 0.5:
                        own.enter_context(anyio.CancelScope(shield=rng.random() < 0.3))
                    else:
                        await own.enter_async_context(anyio.create_task_group())
                for _ in range(rng.randrange(3)):
                    await anyio.lowlevel.checkpoint()
        log.append(next(counter))

    async with container_of(cleaning) as container:
        requests = 6
        for _ in range(requests):
            with ExitStack() as outer:
                scopes = [
                    outer.enter_context(anyio.CancelScope()) for _ in range(rng.randrange(3))
                ]
                async with container.enter() as scope:
                    await scope.get(Opened)
                with anyio.move_on_after(0) as last:  # the next wait is cancelled, as anywhere
                    await anyio.sleep(1)
                assert last.cancelled_caught
            assert not any(one.cancelled_caught for one in scopes)
    assert log == list(range(requests))


async def test_this_anyio_is_known(anyio_backend_name: str) -> None:
    encloser = nesting.encloser_of(type(anyio.CancelScope()))
    assert (encloser is not None) is (anyio_backend_name == "asyncio")
