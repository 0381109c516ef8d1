"""A wait is bounded, and one that is none costs no timer."""

import asyncio
import threading

import anyio
import anyio.lowlevel
import pytest

from nexios.adapters.http.idle import ANY_LOOP, Scopes, within

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def settled() -> Scopes:
    scopes = Scopes()
    scopes.settle()
    return scopes


@pytest.mark.parametrize("known", [False, True])
async def test_a_wait_that_takes_too_long_is_cancelled(known: bool) -> None:
    with (settled() if known else ANY_LOOP).open() as scope:
        await within(anyio.sleep(60), scope, 0.01)
    assert scope.cancelled_caught


async def test_what_is_there_already_sets_no_deadline() -> None:
    async def there() -> int:
        return 7

    with settled().open() as scope:
        assert await within(there(), scope, 1.0) == 7
        assert scope.deadline == float("inf")


async def test_what_comes_in_time_is_returned() -> None:
    async def soon() -> int:
        for _ in range(3):
            await anyio.sleep(0.001)
        return 7

    with settled().open() as scope:
        assert await within(soon(), scope, 30.0) == 7
    assert not scope.cancelled_caught


async def test_scopes_opened_by_the_awaited_end_inside_out() -> None:
    async def bounded() -> str:
        with anyio.move_on_after(0.01):
            await anyio.sleep(60)
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 0.001)
        return "done"

    with settled().open() as scope:
        assert await within(bounded(), scope, 30.0) == "done"


async def test_cancellation_from_outside_passes_through() -> None:
    seen: list[str] = []

    async def waiting() -> None:
        try:
            await anyio.sleep(60)
        finally:
            seen.append("cleaned up")

    with anyio.move_on_after(0.01) as outer, settled().open() as scope:
        await within(waiting(), scope, 30.0)
    assert outer.cancelled_caught
    assert not scope.cancelled_caught
    assert seen == ["cleaned up"]


async def test_an_error_of_the_awaited_is_raised() -> None:
    async def failing() -> None:
        await anyio.lowlevel.checkpoint()
        raise KeyError("x")

    with settled().open() as scope, pytest.raises(KeyError):
        await within(failing(), scope, 30.0)


async def test_scopes_may_be_used_on_another_event_loop_after_the_end() -> None:
    scopes = settled()
    scopes.unsettle()
    kinds: list[type[object]] = []

    async def elsewhere() -> None:
        kinds.append(type(scopes.open()))

    thread = threading.Thread(target=anyio.run, args=(elsewhere,))
    thread.start()
    await anyio.to_thread.run_sync(thread.join)
    assert kinds[0].__module__.endswith("_asyncio")


def test_a_future_can_be_awaited_too() -> None:
    async def main() -> int:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.001, future.set_result, 7)
        with settled().open() as scope:
            return await within(future, scope, 30.0)

    assert asyncio.run(main()) == 7
