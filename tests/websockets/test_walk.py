"""One task writes many sockets; whoever makes it wait delays nobody and can be given up."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest

from nexios.adapters.asgi.types import Message
from nexios.application.backplane import Topic
from nexios.websockets.due import Due
from nexios.websockets.options import Overflow
from nexios.websockets.walk import Route, Walk

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


TOPIC = Topic("chat", None)


def due(text: str = "x") -> Due:
    message: Message = {"type": "websocket.send", "text": text}
    return Due(message, len(text), TOPIC, Overflow.disconnect(), None)


class Socket:
    """A socket whose server waits where it is told to."""

    def __init__(self, written: list["Socket"], gate: anyio.Event | None = None) -> None:
        self._written = written
        self._gate = gate
        self.apart = False
        self.scope: anyio.CancelScope | None = None
        self.since = -1.0
        self.got: list[str] = []
        self.queued: list[str] = []
        self.error: Exception | None = None

    async def put(self, message: Message) -> None:
        if self._gate is not None:
            await self._gate.wait()
        self._written.append(self)
        self.got.append(message["text"])

    def take(self, dues: Sequence[Due]) -> None:
        self.queued += [one.message["text"] for one in dues]

    def give_up(self, error: Exception) -> None:
        self.error = error

    def held(self, scope: anyio.CancelScope, since: float, left: Sequence[Due]) -> None:
        self.scope, self.since, self.apart = scope, since, True
        self.take(left)

    def let_go(self) -> None:
        self.scope, self.apart = None, False


class BrokenSocket(Socket):
    """A socket whose server fails."""

    async def put(self, message: Message) -> None:
        await super().put(message)
        raise OSError("gone")


@asynccontextmanager
async def walking(
    clock: Callable[[], float] = lambda: 0.0,
) -> AsyncIterator[tuple[Walk, list[object]]]:
    begun: list[object] = []
    async with anyio.create_task_group() as tasks:

        def begin(work: Callable[[], Awaitable[None]]) -> None:
            begun.append(work)
            tasks.start_soon(work)

        yield Walk(begin, clock), begun
        tasks.cancel_scope.cancel()


def send(walk: Walk, *sockets: Socket, texts: str = "x") -> None:
    walk.add([due(text) for text in texts], Route(sockets))


async def test_sockets_that_do_not_wait_need_two_tasks_however_many_they_are() -> None:
    written: list[Socket] = []
    async with walking() as (walk, begun):
        sockets = [Socket(written) for _ in range(100)]
        for _ in range(3):
            written.clear()
            send(walk, *sockets)
            await anyio.wait_all_tasks_blocked()
            assert written == sockets
        assert len(begun) == 2


async def test_those_that_wait_delay_nobody_and_are_written_in_the_end() -> None:
    written: list[Socket] = []
    gate = anyio.Event()
    async with walking() as (walk, _):
        slow = [Socket(written, gate) for _ in range(3)]
        quick = [Socket(written) for _ in range(3)]
        send(walk, *(one for pair in zip(slow, quick, strict=True) for one in pair))
        await anyio.wait_all_tasks_blocked()
        assert written == quick
        assert all(one.scope is not None for one in slow)
        gate.set()
        await anyio.wait_all_tasks_blocked()
        assert set(written) == {*slow, *quick}
        assert all(one.scope is None for one in slow)


async def test_one_that_waits_queues_the_rest_and_what_comes_then() -> None:
    written: list[Socket] = []
    gate, now = anyio.Event(), [7.0]
    async with walking(lambda: now[0]) as (walk, _):
        slow, quick = Socket(written, gate), Socket(written)
        send(walk, slow, quick, texts="abc")
        await anyio.wait_all_tasks_blocked()
        now[0] = 8.0
        send(walk, quick, slow, texts="de")
        await anyio.wait_all_tasks_blocked()
        assert (slow.got, slow.queued, slow.since) == ([], list("bcde"), 7.0)
        assert (quick.got, quick.queued) == (list("abcde"), [])
        gate.set()
        await anyio.wait_all_tasks_blocked()
        assert slow.got == ["a"]
        send(walk, slow, texts="f")
        await anyio.wait_all_tasks_blocked()
        assert slow.got == ["a", "f"]


async def test_one_that_writes_by_itself_takes_what_is_on_its_way_and_gets_it_once() -> None:
    written: list[Socket] = []
    async with walking() as (walk, _):
        one, other = Socket(written), Socket(written)
        send(walk, one, other, texts="a")
        send(walk, other, texts="b")
        send(walk, other, one, texts="c")
        walk.part(one)
        walk.part(one)
        assert one.queued == ["a", "c"]
        assert walk.waits
        await anyio.wait_all_tasks_blocked()
        assert not walk.waits
        assert (one.got, one.queued) == ([], ["a", "c"])
        assert other.got == ["a", "b", "c"]


async def test_one_that_waits_and_writes_by_itself_is_handed_over() -> None:
    written: list[Socket] = []
    gate = anyio.Event()
    async with walking() as (walk, _):
        first, slow = Socket(written), Socket(written, gate)
        send(walk, first, texts="a")
        send(walk, slow, texts="ab")
        await anyio.wait_all_tasks_blocked()
        walk.part(slow)
        assert slow.scope is not None
        assert slow.queued == ["b"]
        send(walk, first, texts="c")
        await anyio.wait_all_tasks_blocked()
        assert first.got == ["a", "c"]
        gate.set()
        await anyio.wait_all_tasks_blocked()
        assert slow.got == ["a"]


async def test_the_watch_finds_the_last_one_that_waits() -> None:
    written: list[Socket] = []
    async with walking(lambda: 3.0) as (walk, _):
        last = Socket(written, anyio.Event())
        send(walk, last)
        await anyio.wait_all_tasks_blocked()
        assert last.scope is None  # nobody was there to relieve for
        walk.look()
        assert last.scope is not None
        assert last.since == 3.0


async def test_one_that_fails_is_given_up_and_the_others_go_on() -> None:
    written: list[Socket] = []
    gate = anyio.Event()
    async with walking() as (walk, _):
        broken, late, well = BrokenSocket(written), BrokenSocket(written, gate), Socket(written)
        send(walk, broken, late, well, texts="ab")
        await anyio.wait_all_tasks_blocked()
        assert isinstance(broken.error, OSError)
        assert broken.got == ["a"]
        assert well.got == ["a", "b"]
        gate.set()
        await anyio.wait_all_tasks_blocked()
        assert isinstance(late.error, OSError)
        assert late.scope is None
        send(walk, Socket(written), well, texts="c")
        await anyio.wait_all_tasks_blocked()
        assert well.got == ["a", "b", "c"]


async def test_a_write_that_waits_can_be_ended_and_the_others_go_on() -> None:
    written: list[Socket] = []
    async with walking() as (walk, _):
        last, next_one = Socket(written, anyio.Event()), Socket(written)
        send(walk, last)
        await anyio.wait_all_tasks_blocked()
        walk.leave(last)
        await anyio.wait_all_tasks_blocked()
        send(walk, next_one)
        await anyio.wait_all_tasks_blocked()
        assert written == [next_one]


async def test_a_write_that_ends_as_it_is_given_up_takes_no_walker_with_it() -> None:
    written: list[Socket] = []
    gate = anyio.Event()
    async with walking() as (walk, _):
        slow = Socket(written, gate)
        send(walk, slow, Socket(written))
        await anyio.wait_all_tasks_blocked()
        gate.set()
        assert slow.scope is not None
        slow.scope.cancel()
        for _ in range(5):
            await anyio.wait_all_tasks_blocked()
            following = Socket(written)
            send(walk, following, Socket(written))
            await anyio.wait_all_tasks_blocked()
            assert following in written
