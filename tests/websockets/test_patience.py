"""Broadcasts that wait for members, where a channel wants that and can have it."""

from contextlib import AsyncExitStack
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from nexios import MakeConfig, Module, NexiosApp, WebSocket
from nexios.adapters.messaging.memory_backplane import MemoryBackplane
from nexios.application.backplane import Backplane
from nexios.application.limits import Limits
from nexios.testing.client import AsyncTestClient
from nexios.testing.server import LifespanFailed
from nexios.testing.sockets import websocket_connect
from nexios.websockets.channel import Channel
from nexios.websockets.errors import BlockNeedsOneProcess
from nexios.websockets.options import Overflow
from nexios.websockets.overflow import Item, Waiting
from tests.support.backplanes import Linked
from tests.support.chat import members
from tests.support.processes import IN, enter, staying
from tests.support.sockets import FakeApp, running_hub, served

pytestmark = pytest.mark.anyio

FEW = Limits(queue_out=4)


def patient(timeout_s: float) -> Channel[Any]:
    return Channel("chat", overflow=Overflow.block(timeout_s))


async def test_a_broadcast_waits_for_a_member_that_stalls_and_loses_nothing() -> None:
    app, chat = FakeApp(), patient(30)
    said: list[int] = []
    async with (
        running_hub(app),
        anyio.create_task_group() as tasks,
        AsyncExitStack() as stack,
    ):
        slow = await enter(stack, staying(chat, app, limits=FEW))
        quick = await enter(stack, staying(chat, app, limits=FEW))
        slow.stall()

        async def speak() -> None:
            for number in range(50):
                await chat.broadcast(number)
                said.append(number)

        tasks.start_soon(speak)
        await anyio.sleep(0.2)
        held = len(said)
        assert 4 <= held <= 8
        await anyio.sleep(0.1)
        assert len(said) == held
        slow.resume()
        assert [await slow.receive_json() for _ in range(50)] == list(range(50))
        assert [await quick.receive_json() for _ in range(50)] == list(range(50))


async def test_who_has_no_room_in_time_is_closed_and_the_others_go_on() -> None:
    app, chat = FakeApp(), patient(0.1)
    async with running_hub(app), AsyncExitStack() as stack:
        slow = await enter(stack, staying(chat, app, limits=FEW))
        quick = await enter(stack, staying(chat, app, limits=FEW))
        slow.stall()
        with anyio.fail_after(10):
            for number in range(20):
                await chat.broadcast(number)
        assert [await quick.receive_json() for _ in range(20)] == list(range(20))
        await members(chat, 1)
        slow.resume()
        while slow.close_code is None:
            try:
                await slow.receive()
            except Exception:
                break
        assert slow.close_code == 1013


async def test_concurrent_broadcasts_wait_one_behind_the_other() -> None:
    app, chat = FakeApp(), patient(30)
    async with running_hub(app), AsyncExitStack() as stack:
        slow = await enter(stack, staying(chat, app, limits=FEW))
        slow.stall()
        async with anyio.create_task_group() as tasks:
            for number in range(40):
                tasks.start_soon(chat.broadcast, number)
            await anyio.sleep(0.1)
            slow.resume()
            got = [await slow.receive_json() for _ in range(40)]
        assert sorted(got) == list(range(40))
        assert len(chat.members) == 1


async def test_a_broadcast_waits_for_event_streams_too() -> None:
    app, chat = FakeApp(), patient(0.1)
    async with running_hub(app, limits=FEW) as hub:
        events = chat.events()
        assert (await anext(events)).event == "joined"
        for number in range(6):
            await chat.broadcast(number)
        assert hub.feeds
        assert [(await anext(events)).data for _ in range(4)] == ["0", "1", "2", "3"]
        with pytest.raises(StopAsyncIteration):
            await anext(events)


async def test_a_broadcast_that_is_cancelled_lets_the_next_one_go() -> None:
    app, chat = FakeApp(), patient(30)
    async with running_hub(app), AsyncExitStack() as stack:
        slow = await enter(stack, staying(chat, app, limits=FEW))
        slow.stall()
        with anyio.move_on_after(0.1) as waiting:
            for number in range(20):
                await chat.broadcast(number)
        assert waiting.cancelled_caught
        slow.resume()
        with anyio.fail_after(5):
            await chat.broadcast("next")
        got = []
        while not got or got[-1] != "next":
            got.append(await slow.receive_json())
        assert got[:-1] == list(range(len(got) - 1))


@pytest.mark.parametrize("wrong", [0, -1.0])
async def test_a_time_that_is_none_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="more than 0 seconds"):
        Overflow.block(wrong)


async def test_block_with_a_shared_backplane_is_refused_at_first_use() -> None:
    app, chat = FakeApp(), patient(1)
    async with running_hub(app, backplane=Linked(MemoryBackplane())):
        with pytest.raises(BlockNeedsOneProcess, match=r"'chat' waits .* and Linked carries"):
            await chat.broadcast("x")


async def test_block_with_a_shared_backplane_is_refused_at_start() -> None:
    module = Module("carrier")
    module.bind(Backplane).value(Linked(MemoryBackplane()))
    app = NexiosApp(module.export(Backplane), config=MakeConfig())
    chat = patient(1)

    @app.websocket("/ws", receives=(), sends=[str, chat])
    async def stay(websocket: WebSocket) -> None:
        await chat.connect(websocket)

    with pytest.raises(LifespanFailed) as refused:
        async with AsyncTestClient(app):
            pass
    assert "realtime.backplane='memory://'" in str(refused.value)
    assert __file__ in str(refused.value)


async def test_block_in_one_process_starts() -> None:
    app = NexiosApp()
    chat = patient(1)

    @app.websocket("/ws", receives=(), sends=chat)
    async def stay(websocket: WebSocket) -> None:
        await chat.connect(websocket)
        await websocket.receive()

    async with AsyncTestClient(app), websocket_connect(app, "/ws") as peer:
        await members(chat, 1)
        await chat.broadcast("hello")
        assert await peer.receive_json() == "hello"


async def test_a_member_of_many_topics_that_reads_slowly_is_not_given_up() -> None:
    app, chat = FakeApp(), patient(30)
    rooms = [chat.group(f"room-{number}") for number in range(20)]

    async def stay(websocket: WebSocket) -> None:
        for room in rooms:
            await room.join(websocket)
        await websocket.send_text(IN)
        await websocket.receive()

    async with running_hub(app), AsyncExitStack() as stack:
        slow = await enter(stack, served(stay, app=app, limits=FEW))
        slow.stall()

        async def speak(room: Any) -> None:
            for number in range(5):
                await room.broadcast(number)

        async with anyio.create_task_group() as tasks:
            for room in rooms:
                tasks.start_soon(speak, room)
            for _ in range(40):  # it takes a little now and then
                await anyio.sleep(0.01)
                slow.resume()
                await anyio.lowlevel.checkpoint()
                slow.stall()
            slow.resume()
        said = [await slow.receive_json() for _ in range(100)]
    assert sorted(said) == sorted([*range(5)] * 20)


async def test_one_member_that_stalls_does_not_have_the_broadcast_spin() -> None:
    app, chat = FakeApp(), patient(30)
    async with running_hub(app) as hub, AsyncExitStack() as stack:
        slow = await enter(stack, staying(chat, app, limits=FEW))
        slow.stall()
        await chat.broadcast(0)
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await anyio.lowlevel.checkpoint()
                turns += 1

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(count)
            await chat.broadcast(1)
            tasks.cancel_scope.cancel()
        assert turns < 100  # and not until the watch looks, after a second
        assert hub.sockets
        slow.resume()


async def test_several_who_wait_for_one_queue_are_all_told() -> None:
    queue, told = Waiting(max_count=1, max_bytes=10), list[str]()
    first, second = (lambda: told.append("first")), (lambda: told.append("second"))
    queue.tell(first)
    queue.tell(second)
    queue.put(Item({"type": "websocket.send"}, 1))
    queue.take()
    queue.untell(first)
    queue.put(Item({"type": "websocket.send"}, 1))
    queue.take()
    assert told == ["first", "second", "second"]
