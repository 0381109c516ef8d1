"""Members that are slow, stuck, gone or broken cost nobody but themselves."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import anyio
import anyio.lowlevel
import pytest

from nexios.adapters.asgi.types import ASGIApp
from nexios.adapters.websocket.closing import WebSocketDisconnect
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.limits import Limits
from nexios.testing.sockets import SocketSession
from nexios.websockets.channel import Channel
from nexios.websockets.options import Overflow
from tests.support.chat import Quote, chatting, joined, members
from tests.support.sockets import FakeApp, running_hub, served

pytestmark = pytest.mark.anyio

Enter = Callable[[ASGIApp], Awaitable[SocketSession]]


async def test_stopped_readers_delay_nobody_and_end_1013() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    limits = Limits(queue_out=4)
    async with running_hub(app, limits=limits), AsyncExitStack() as stack:
        slow, quick = await joined(stack, chatting(chat, app, limits=limits), 2)
        await members(chat, 2)
        slow.stall()
        for number in range(10):
            await chat.broadcast(number)
            assert await quick.receive_json() == number
        assert [member.websocket.is_connected() for member in chat.members] == [True]
        slow.resume()
        end = await slow.closed()
        assert (end.code, end.reason) == (1013, "slow reader")


async def test_a_write_without_progress_is_given_up_by_the_watch() -> None:
    app, chat, now = FakeApp(), Channel[object]("chat"), [0.0]
    seen: list[int] = []

    async def handler(websocket: WebSocket) -> None:
        await chat.connect(websocket)
        try:
            await websocket.receive()
        except WebSocketDisconnect as end:
            seen.append(end.code)

    async with running_hub(app, clock=lambda: now[0]) as hub, AsyncExitStack() as stack:
        (peer,) = await joined(stack, served(handler, app=app), 1)
        await members(chat, 1)
        peer.stall()
        await chat.broadcast("x")
        await anyio.wait_all_tasks_blocked()
        now[0] = 9.9
        hub.look()
        assert len(chat.members) == 1
        now[0] = 10.0
        hub.look()
        assert chat.members == ()
        peer.resume()
        assert (await peer.closed()).code == 1013
        await peer.ended()
    assert seen == [1013]


async def test_a_stuck_handlers_own_send_raises_when_the_watch_gives_up() -> None:
    app, chat, now = FakeApp(), Channel[object]("chat"), [0.0]
    seen: list[int] = []

    async def handler(websocket: WebSocket) -> None:
        await chat.connect(websocket)
        await websocket.receive_text()
        try:
            await websocket.send_text("stuck")
        except WebSocketDisconnect as end:
            seen.append(end.code)

    async with running_hub(app, clock=lambda: now[0]) as hub, AsyncExitStack() as stack:
        (peer,) = await joined(stack, served(handler, app=app), 1)
        await members(chat, 1)
        peer.stall()
        await peer.send_text("go")
        await anyio.wait_all_tasks_blocked()
        now[0] = 10.0
        hub.look()
        await anyio.wait_all_tasks_blocked()
        assert seen == [1013]


async def test_a_socket_that_was_given_up_is_over_though_its_handler_stays() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    leave = anyio.Event()

    async def handler(websocket: WebSocket) -> None:
        await chat.connect(websocket)
        await websocket.wait_closed()  # the gateway's clock for handlers that stay starts here
        leave.set()

    limits = Limits(queue_out=1, close_handshake_s=0.01)
    async with running_hub(app, limits=limits), AsyncExitStack() as stack:
        (peer,) = await joined(stack, served(handler, app=app, limits=limits), 1)
        await members(chat, 1)
        peer.stall()
        for number in range(3):
            await chat.broadcast(number)
        with anyio.fail_after(5):
            await leave.wait()


async def test_peers_reset_in_mid_broadcast_leave_the_room_whole() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app), AsyncExitStack() as stack:
        peers = await joined(stack, chatting(chat, app), 6)
        await members(chat, 6)
        for number in range(20):
            if number in (3, 7, 11):
                peers[number % 6].cut()
            await chat.broadcast(number)
        await members(chat, 3)
        gone = {3 % 6, 7 % 6, 11 % 6}
        for index, peer in enumerate(peers):
            if index not in gone:
                assert [await peer.receive_json() for _ in range(20)] == list(range(20))


@pytest.mark.parametrize("error", [OSError("gone"), RuntimeError("odd"), ValueError("odder")])
async def test_broadcast_never_raises_for_a_member(error: Exception) -> None:
    app, chat = FakeApp(), Channel[object]("chat")

    def broken(inner: ASGIApp) -> ASGIApp:
        async def call(scope, receive, send):  # type: ignore[no-untyped-def]
            async def failing(message):  # type: ignore[no-untyped-def]
                if message["type"] == "websocket.send":
                    raise error
                await send(message)

            await inner(scope, receive, failing)

        return call

    async with running_hub(app), AsyncExitStack() as stack:
        (well,) = await joined(stack, chatting(chat, app), 1)
        await joined(stack, broken(chatting(chat, app)), 1)
        await members(chat, 2)
        await chat.broadcast("a")
        await members(chat, 1)
        await chat.broadcast("b")
        assert [await well.receive_json() for _ in range(2)] == ["a", "b"]


async def test_a_loop_of_broadcasts_starves_no_healthy_member() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app), AsyncExitStack() as stack:
        (peer,) = await joined(stack, chatting(chat, app), 1)
        await members(chat, 1)
        for number in range(2000):
            await chat.broadcast(number)
        assert [await peer.receive_json() for _ in range(2000)] == list(range(2000))


async def test_leaving_while_broadcasting() -> None:
    app, chat = FakeApp(), Channel[object]("chat")

    async def handler(websocket: WebSocket) -> None:
        await chat.connect(websocket)
        async for _ in websocket.iter_text():
            await chat.disconnect(websocket)
            await websocket.send_text('"left"')

    async with running_hub(app), AsyncExitStack() as stack:
        peers = await joined(stack, served(handler, app=app), 8)
        await members(chat, 8)

        async def speak() -> None:
            for number in range(100):
                await chat.broadcast(number)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(speak)
            for peer in peers[:4]:
                await peer.send_text("go")
                await anyio.lowlevel.checkpoint()
        assert len(chat.members) == 4
        for peer in peers[4:]:
            assert [await peer.receive_json() for _ in range(100)] == list(range(100))
        for peer in peers[:4]:
            got = [await peer.receive_json() for _ in range(peer.buffered)]
            assert got == [*range(len(got) - 1), "left"]


async def test_too_many_topics_close_4429() -> None:
    app, chat = FakeApp(), Channel[object]("chat")

    async def handler(websocket: WebSocket) -> None:
        for number in range(3):
            await chat.group(str(number)).join(websocket)

    async with running_hub(app), AsyncExitStack() as stack:
        limits = Limits(topics_per_socket=2)
        (peer,) = await joined(stack, served(handler, app=app, limits=limits), 1)
        assert (await peer.closed()).code == 4429
        await peer.ended()
        assert chat.group("0").members == ()


async def test_drop_oldest_keeps_replies_and_the_newest() -> None:
    app = FakeApp()
    chat = Channel[object]("chat", overflow=Overflow.drop_oldest())
    limits = Limits(queue_out=3)
    async with running_hub(app), AsyncExitStack() as stack:
        (peer,) = await joined(stack, chatting(chat, app, limits=limits), 1)
        await members(chat, 1)
        peer.stall()
        for number in range(10):
            await chat.broadcast(number)
        peer.resume()
        assert [await peer.receive_json() for _ in range(4)] == [0, 7, 8, 9]


async def test_latest_by_key_keeps_one_for_each_key_in_offset_order() -> None:
    app = FakeApp()
    quotes = Channel(
        "quotes", message=Quote, key=lambda q: q.symbol, overflow=Overflow.latest_by_key()
    )

    async with running_hub(app), AsyncExitStack() as stack:
        (peer,) = await joined(stack, chatting(quotes, app), 1)  # type: ignore[arg-type]
        await members(quotes, 1)  # type: ignore[arg-type]
        peer.stall()
        for price, symbol in enumerate("ZABABCA"):
            await quotes.broadcast(Quote(symbol=symbol, price=price))
        await anyio.wait_all_tasks_blocked()
        peer.resume()
        got = [await peer.receive_json() for _ in range(4)]
    assert [(one["symbol"], one["price"]) for one in got] == [
        ("Z", 0),
        ("B", 4),
        ("C", 5),
        ("A", 6),
    ]


async def test_a_close_behind_a_stuck_write_still_goes_out() -> None:
    app, chat, now = FakeApp(), Channel[object]("chat"), [0.0]

    async def handler(websocket: WebSocket) -> None:
        await chat.connect(websocket)
        await websocket.receive_text()
        await chat.broadcast("stuck")
        await websocket.close(4000)

    async with running_hub(app, clock=lambda: now[0]) as hub, AsyncExitStack() as stack:
        (peer,) = await joined(stack, served(handler, app=app), 1)
        await members(chat, 1)
        peer.stall()
        await peer.send_text("go")
        await anyio.wait_all_tasks_blocked()
        now[0] = 10.0
        hub.look()
        await anyio.wait_all_tasks_blocked()
        peer.resume()
        assert (await peer.closed()).code == 4000


async def test_a_cancelled_reply_is_not_sent_later() -> None:
    app, chat = FakeApp(), Channel[object]("chat")

    async def handler(websocket: WebSocket) -> None:
        await chat.connect(websocket)
        await websocket.receive_text()
        await chat.broadcast("due")
        with anyio.move_on_after(0):
            await websocket.send_text("cancelled")
        await websocket.receive_text()
        await websocket.send_text('"kept"')

    async with running_hub(app), AsyncExitStack() as stack:
        (peer,) = await joined(stack, served(handler, app=app), 1)
        await members(chat, 1)
        peer.stall()
        await peer.send_text("go")
        await anyio.wait_all_tasks_blocked()
        peer.resume()
        await peer.send_text("go")
        assert [await peer.receive_json() for _ in range(2)] == ["due", "kept"]
