"""Requests whose scope opens with their first wait, also where they opened one of their own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from nexios import MakeConfig, NexiosApp
from tests.support.asgi import Answer, ask

pytestmark = pytest.mark.asyncio

Serve = Callable[[], Awaitable[str]]


def app_of(*middleware: object, request_s: float = 0.15) -> NexiosApp:
    app = NexiosApp(config=MakeConfig(limits={"request_s": request_s}))
    for one in middleware:
        app.add_middleware(one)
    return app


class Behind:
    """Middleware that waits before it passes on: the line's scope opens here."""

    async def __call__(self, request: Any, response: Any, call_next: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        return await call_next()


class Waiting:
    """Middleware whose own scope is open when the first wait comes."""

    async def __call__(self, request: Any, response: Any, call_next: Any) -> Any:
        with anyio.move_on_after(60):
            return await call_next()


async def asked(serve: Serve, *middleware: object) -> Answer:
    app = app_of(*middleware)
    app.get("/")(serve)
    with anyio.fail_after(5):
        return await ask(app, "GET", "/")


async def in_a_scope() -> str:
    with anyio.move_on_after(60):
        await anyio.sleep_forever()
    return "went on"


async def in_a_group() -> str:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.sleep_forever)
    return "went on"


async def in_a_timeout_of_asyncio() -> str:
    async with asyncio.timeout(60):
        await anyio.sleep_forever()
    return "went on"


async def swallowing() -> str:
    with anyio.move_on_after(60):
        for _ in range(3):
            try:
                await anyio.sleep_forever()
            except BaseException:  # what nobody should write
                continue
    return "went on"


async def plain() -> str:
    await anyio.sleep_forever()
    return "went on"


async def turning() -> str:
    with anyio.CancelScope():
        while True:
            await anyio.lowlevel.checkpoint()


SERVES = [in_a_scope, in_a_group, in_a_timeout_of_asyncio, plain, turning]


@pytest.mark.parametrize(
    "middleware", [(), (Behind(),), (Waiting(),)], ids=["alone", "behind", "waiting"]
)
@pytest.mark.parametrize("serve", SERVES)
async def test_each_is_ended_in_time(serve: Serve, middleware: tuple[object, ...]) -> None:
    answer = await asked(serve, *middleware)
    assert answer.status == 504
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_one_that_swallows_is_ended_all_the_same() -> None:
    # With nothing left to wait for it comes to its end, as within a scope.
    assert (await asked(swallowing)).text == "went on"


async def test_a_shield_within_a_scope_of_its_own_comes_to_its_end() -> None:
    done: list[str] = []

    async def serve() -> str:
        with anyio.move_on_after(60):
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.4)
                done.append("stored")
            await anyio.sleep_forever()
        return "went on"

    assert (await asked(serve)).status == 504
    assert done == ["stored"]


async def test_a_scope_of_its_own_still_ends_what_is_in_it() -> None:
    async def serve() -> str:
        with anyio.move_on_after(0.02) as scope:
            await anyio.sleep_forever()
        return f"ended {scope.cancelled_caught}"

    assert (await asked(serve)).text == "ended True"


async def test_what_comes_in_time_is_answered_with_a_scope_of_its_own() -> None:
    async def serve() -> str:
        with anyio.move_on_after(60):
            await anyio.sleep(0.02)
        return "in time"

    assert (await asked(serve)).text == "in time"


async def test_a_cancellation_from_outside_is_nobody_elses() -> None:
    app = app_of(request_s=60)
    app.get("/")(in_a_scope)
    task = asyncio.ensure_future(ask(app, "GET", "/"))
    await anyio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_application_within_another_keeps_to_its_own_limit() -> None:
    inner, outer = app_of(), app_of(Waiting(), request_s=60)
    inner.get("/slow")(plain)
    outer.register(inner, prefix="/inner")
    with anyio.fail_after(5):
        assert (await ask(outer, "GET", "/inner/slow")).status == 504


async def test_the_callers_own_scope_around_it_changes_nothing() -> None:
    app = app_of()
    app.get("/")(plain)
    with anyio.fail_after(5), anyio.CancelScope():
        assert (await ask(app, "GET", "/")).status == 504


async def test_those_who_ask_for_their_deadline_are_told_from_the_start() -> None:
    app = NexiosApp()
    left: list[float] = []

    async def serve() -> str:
        left.append(anyio.current_effective_deadline() - anyio.current_time())
        await anyio.lowlevel.checkpoint()
        return "ok"

    app.get("/", limits={"request_s": 5})(serve)
    await ask(app, "GET", "/")
    assert 4 < left[0] <= 5
