"""A wait is bounded, and one that is none costs no timer."""

import asyncio
import threading
import time

import anyio
import anyio.lowlevel
import pytest

from nexios.adapters.http.idle import ANY_LOOP, Elapsed, Waits

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def settled() -> Waits:
    waits = Waits()
    waits.settle()
    return waits


def either(known: bool) -> Waits:
    return settled() if known else ANY_LOOP


KNOWN = pytest.mark.parametrize("known", [False, True])


@KNOWN
async def test_a_wait_that_takes_too_long_is_cancelled(known: bool) -> None:
    seen: list[str] = []

    async def waiting() -> None:
        try:
            await anyio.sleep(60)
        finally:
            seen.append("cleaned up")

    with pytest.raises(Elapsed):
        await either(known).within(waiting(), 0.01)
    assert seen == ["cleaned up"]
    await anyio.sleep(0.001)  # the task itself is not cancelled


@KNOWN
async def test_what_is_there_already_is_returned(known: bool) -> None:
    async def there() -> int:
        return 7

    assert await either(known).within(there(), 0.0 if known else 30.0) == 7


@KNOWN
async def test_what_comes_in_time_is_returned(known: bool) -> None:
    async def soon() -> int:
        for _ in range(3):
            await anyio.sleep(0.001)
        return 7

    assert await either(known).within(soon(), 30.0) == 7


@KNOWN
async def test_scopes_opened_by_the_awaited_end_inside_out(known: bool) -> None:
    async def bounded() -> str:
        with anyio.move_on_after(0.01):
            await anyio.sleep(60)
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 0.001)
        return "done"

    assert await either(known).within(bounded(), 30.0) == "done"


@KNOWN
async def test_the_bound_reaches_into_scopes_opened_by_the_awaited(known: bool) -> None:
    async def bounded() -> None:
        with anyio.move_on_after(60):
            await anyio.sleep(60)

    with anyio.fail_after(10), pytest.raises(Elapsed):
        await either(known).within(bounded(), 0.01)
    with anyio.move_on_after(0.01) as later:
        await anyio.sleep(60)
    assert later.cancelled_caught


@KNOWN
async def test_cancellation_from_outside_passes_through(known: bool) -> None:
    seen: list[str] = []

    async def waiting() -> None:
        try:
            await anyio.sleep(60)
        finally:
            seen.append("cleaned up")

    with anyio.move_on_after(0.01) as outer:
        await either(known).within(waiting(), 30.0)
    assert outer.cancelled_caught
    assert seen == ["cleaned up"]


@KNOWN
async def test_errors_of_the_awaited_are_raised_as_they_are(known: bool) -> None:
    async def failing(error: Exception) -> None:
        await anyio.lowlevel.checkpoint()
        raise error

    for error in (KeyError("x"), TimeoutError("of its own")):
        with pytest.raises(type(error)) as raised:
            await either(known).within(failing(error), 30.0)
        assert raised.value is error


async def test_waits_may_be_used_on_another_event_loop_after_the_end() -> None:
    waits = settled()
    waits.unsettle()
    given: list[object] = []

    async def there() -> str:
        await anyio.sleep(0.001)
        return type(waits.open()).__module__

    async def elsewhere() -> None:
        given.append(await waits.within(there(), 30.0))

    thread = threading.Thread(target=anyio.run, args=(elsewhere,))
    thread.start()
    await anyio.to_thread.run_sync(thread.join)
    assert str(given[0]).endswith("_asyncio")


def test_a_future_can_be_awaited_too() -> None:
    async def main() -> int:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.001, future.set_result, 7)
        value: int = await settled().within(future, 30.0)
        return value

    assert asyncio.run(main()) == 7


def test_what_came_while_the_loop_was_busy_counts() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()

        def block() -> None:
            time.sleep(0.05)  # longer than the bound
            future.set_result(7)

        loop.call_soon(block)
        value: int = await settled().within(future, 0.01)
        return value

    assert asyncio.run(main()) == 7


def test_a_cancellation_that_was_swallowed_leaves_no_trace_on_the_task() -> None:
    async def stubborn() -> int:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return 7
        return 0

    async def main() -> tuple[int, int]:
        value: int = await settled().within(stubborn(), 0.01)
        task = asyncio.current_task()
        assert task is not None
        return value, task.cancelling()

    assert asyncio.run(main()) == (7, 0)


class BareStep:
    """An awaitable whose step is an iterator and no more, as granian's are."""

    def __init__(self, seconds: float) -> None:
        self.waited = asyncio.get_running_loop().create_future()
        self.waited._asyncio_future_blocking = True  # what ``yield from`` of a future leaves
        asyncio.get_running_loop().call_later(seconds, self.finish)

    def finish(self) -> None:
        if not self.waited.done():
            self.waited.set_result("came")

    def __await__(self) -> "BareStep":
        return self

    def __iter__(self) -> "BareStep":
        return self

    def __next__(self) -> "asyncio.Future[str]":
        if self.waited.done():
            raise StopIteration(self.waited.result())
        return self.waited


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_step_that_is_a_bare_iterator_is_waited_for_and_ended() -> None:
    assert await settled().within(BareStep(0.01), 30.0) == "came"
    with pytest.raises(Elapsed):
        await settled().within(BareStep(30.0), 0.01)
