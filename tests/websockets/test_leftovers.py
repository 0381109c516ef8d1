"""Nothing outlives a test: the watch over these folders itself."""

import asyncio
import socket

import anyio
import pytest

from tests.support.leftovers import Left, watched
from tests.support.sockets import FakeApp, running_hub


@pytest.mark.asyncio
async def test_nothing_outlives_a_test_no_task() -> None:
    tasks = []

    async def leaves() -> None:
        tasks.append(asyncio.create_task(asyncio.sleep(60), name="left over"))

    with pytest.raises(Left, match=r"a task: .*left over"):
        await watched(leaves)()
    tasks[0].cancel()


@pytest.mark.anyio
async def test_nothing_outlives_a_test_no_descriptor() -> None:
    files = []

    async def leaves() -> None:
        files.append(socket.socket())

    with pytest.raises(Left, match="a descriptor: socket"):
        await watched(leaves)()
    files[0].close()


@pytest.mark.anyio
async def test_nothing_outlives_a_test_no_running_app() -> None:
    context = running_hub(FakeApp())
    with pytest.raises(Left, match="an app that runs"):
        await watched(context.__aenter__)()
    await context.__aexit__(None, None, None)


@pytest.mark.anyio
async def test_what_is_on_its_way_out_has_a_moment() -> None:
    async def slow() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep, 0.01)

    await watched(slow)()
