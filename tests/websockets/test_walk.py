"""One task writes many sockets; whoever makes it wait delays nobody and can be given up."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from nexios.websockets.walk import Walk

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Socket:
    """A socket whose server waits where it is told to."""

    def __init__(self, written: list["Socket"], gate: anyio.Event | None = None) -> None:
        self._written = written
        self._gate = gate
        self.scope: anyio.CancelScope | None = None

    async def write_ready(self) -> None:
        if self._gate is not None:
            await self._gate.wait()
        self._written.append(self)

    def held(self, scope: anyio.CancelScope) -> None:
        self.scope = scope

    def let_go(self) -> None:
        self.scope = None


@asynccontextmanager
async def walking() -> AsyncIterator[tuple[Walk, list[object]]]:
    begun: list[object] = []
    async with anyio.create_task_group() as tasks:

        def begin(work: Callable[[], Awaitable[None]]) -> None:
            begun.append(work)
            tasks.start_soon(work)

        yield Walk(begin), begun
        tasks.cancel_scope.cancel()


async def test_sockets_that_do_not_wait_need_two_tasks_however_many_they_are() -> None:
    written: list[Socket] = []
    async with walking() as (walk, begun):
        sockets = [Socket(written) for _ in range(100)]
        for _ in range(3):
            written.clear()
            for one in sockets:
                walk.add(one)
            await anyio.wait_all_tasks_blocked()
            assert written == sockets
        assert len(begun) == 2


async def test_those_that_wait_delay_nobody_and_are_written_in_the_end() -> None:
    written: list[Socket] = []
    gate = anyio.Event()
    async with walking() as (walk, _):
        slow = [Socket(written, gate) for _ in range(3)]
        quick = [Socket(written) for _ in range(3)]
        for pair in zip(slow, quick, strict=True):
            for one in pair:
                walk.add(one)
        await anyio.wait_all_tasks_blocked()
        assert written == quick
        assert all(one.scope is not None for one in slow)
        gate.set()
        await anyio.wait_all_tasks_blocked()
        assert set(written) == {*slow, *quick}
        assert all(one.scope is None for one in slow)


async def test_a_write_that_waits_can_be_ended_and_the_others_go_on() -> None:
    written: list[Socket] = []
    async with walking() as (walk, _):
        last, next_one = Socket(written, anyio.Event()), Socket(written)
        walk.add(last)
        await anyio.wait_all_tasks_blocked()
        assert last.scope is None  # nobody was there to relieve for
        walk.leave(last)
        await anyio.wait_all_tasks_blocked()
        walk.add(next_one)
        await anyio.wait_all_tasks_blocked()
        assert written == [next_one]


async def test_a_write_that_ends_as_it_is_given_up_takes_no_walker_with_it() -> None:
    written: list[Socket] = []
    gate = anyio.Event()
    async with walking() as (walk, _):
        slow = Socket(written, gate)
        walk.add(slow)
        walk.add(Socket(written))
        await anyio.wait_all_tasks_blocked()
        gate.set()
        assert slow.scope is not None
        slow.scope.cancel()
        for _ in range(5):
            await anyio.wait_all_tasks_blocked()
            following = Socket(written)
            walk.add(following)
            walk.add(Socket(written))
            await anyio.wait_all_tasks_blocked()
            assert following in written
