"""Handlers that do not receive, and closes that others send: the end is seen all the same."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest

from nexios.adapters.asgi.types import Message
from nexios.adapters.websocket.closing import WebSocketDisconnect
from nexios.adapters.websocket.controller import WebSocketController, controller_route
from nexios.adapters.websocket.inbox import INBOX, Inbox
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.errors import Forbidden
from nexios.application.limits import Limits
from nexios.testing.sockets import websocket_connect
from tests.support.gateway import Served, denial, route, serving

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def watched(app: Served) -> AsyncIterator[None]:
    """Two rounds of the watch, after which nobody's absence is overlooked."""
    async with anyio.create_task_group() as readers:
        app.gateway.look(readers)
        app.gateway.look(readers)
        await anyio.wait_all_tasks_blocked()
        yield
        readers.cancel_scope.cancel()


@pytest.mark.parametrize("how", ["close", "cut"])
async def test_a_handler_that_only_waits_for_the_end_sees_it(how: str) -> None:
    ended: list[str] = []

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        websocket.when_gone(lambda: ended.append("gone"))
        await websocket.wait_closed()
        ended.append("woken")

    async with (
        serving(route("/ws", handler)) as app,
        websocket_connect(app, "/ws") as client,
        watched(app),
    ):
        if how == "cut":
            client.cut()
        else:
            await client.close()
        await client.ended()
    assert ended == ["gone", "woken"]


async def test_what_came_meanwhile_is_handed_on_in_order_and_then_the_end() -> None:
    go, seen = anyio.Event(), list[str]()

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        await go.wait()
        try:
            while True:
                seen.append(await websocket.receive_text())
        except WebSocketDisconnect as end:
            seen.append(str(end.code))
            with pytest.raises(WebSocketDisconnect):
                await websocket.receive_text()

    async with serving(route("/ws", handler)) as app, websocket_connect(app, "/ws") as client:
        await client.send_text("0")
        async with watched(app):
            for number in range(1, 4):
                await client.send_text(str(number))
            await client.close(4001)
            await anyio.wait_all_tasks_blocked()
            go.set()
            await client.ended()
    assert seen == ["0", "1", "2", "3", "4001"]


async def test_a_handler_that_comes_back_receives_by_itself_again() -> None:
    go = anyio.Event()

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        await go.wait()
        async for text in websocket.iter_text():
            with anyio.CancelScope() as hasty:  # a receive given up loses nothing
                hasty.cancel()
                await websocket.receive_text()
            await websocket.send_text(text)

    async with serving(route("/ws", handler)) as app, websocket_connect(app, "/ws") as client:
        async with watched(app):
            go.set()
            for number in range(2 * INBOX):
                await client.send_text(str(number))
                assert await client.receive_text() == str(number)
        for number in range(3):
            await client.send_text(str(number))
            assert await client.receive_text() == str(number)


async def test_nobody_reads_for_a_handler_that_receives() -> None:
    inside: list[WebSocket] = []

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        inside.append(websocket)
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    async with serving(route("/ws", handler)) as app, websocket_connect(app, "/ws") as client:
        for _ in range(3):
            await client.send_text("x")
            await client.receive_text()
            await anyio.wait_all_tasks_blocked()
            assert inside[0].read_on() is None


async def test_the_inbox_stops_when_full_and_goes_on_when_there_is_room() -> None:
    numbers = iter(range(100))

    async def read() -> Message:
        await anyio.lowlevel.checkpoint()
        return {"number": next(numbers)}

    inbox = Inbox(read)
    assert inbox.begin()
    assert not inbox.begin()  # one reader at a time
    await inbox.read()
    assert not inbox.begin()  # full
    assert await inbox.take() == {"number": 0}
    assert inbox.begin()
    await inbox.read()
    taken = [await inbox.take() for _ in range(INBOX)]
    assert taken == [{"number": number} for number in range(1, INBOX + 1)]
    assert await inbox.take() is None


async def test_those_who_wait_for_the_inbox_are_all_woken() -> None:
    go, got = anyio.Event(), list[Message | None]()

    async def read() -> Message:
        await go.wait()
        return {"number": 1}

    async def take() -> None:
        got.append(await inbox.take())

    inbox = Inbox(read)
    assert inbox.begin()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(inbox.read)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(take)
        tasks.start_soon(take)
        await anyio.wait_all_tasks_blocked()
        go.set()
    assert got == [{"number": 1}, None]


async def test_a_handler_that_stays_after_its_socket_is_cancelled() -> None:
    ended = anyio.Event()

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                try:
                    await websocket.send_text("tick")
                except WebSocketDisconnect:
                    await anyio.lowlevel.checkpoint()
        finally:
            ended.set()

    async with (
        serving(route("/ws", handler), limits=Limits(message_finish_s=0.01)) as app,
        websocket_connect(app, "/ws") as client,
    ):
        await client.receive_text()
        client.cut()
        await client.ended()
        assert ended.is_set()
        assert app.faults == []


async def test_a_close_by_somebody_else_goes_out_before_the_callable_ends() -> None:
    inside: list[WebSocket] = []
    go = anyio.Event()

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        inside.append(websocket)
        await go.wait()

    async with (
        serving(route("/ws", handler)) as app,
        websocket_connect(app, "/ws") as client,
        anyio.create_task_group() as tasks,
    ):
        await anyio.wait_all_tasks_blocked()
        client.stall()
        tasks.start_soon(inside[0].close, 4000)
        await anyio.wait_all_tasks_blocked()
        go.set()
        await anyio.wait_all_tasks_blocked()
        client.resume()
        assert (await client.closed()).code == 4000
        await client.ended()


async def test_a_peer_that_reads_nothing_cannot_hold_the_close_for_ever() -> None:
    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_text()

    async with (
        serving(route("/ws", handler), limits=Limits(write_idle_s=0.01)) as app,
        websocket_connect(app, "/ws") as client,
    ):
        client.stall()
        await client.send_text("x")
        await client.ended()


async def test_a_close_sent_as_a_message_is_checked_too() -> None:
    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        with pytest.raises(ValueError, match="999"):
            await websocket.send({"type": "websocket.close", "code": 999})
        await websocket.send({"type": "websocket.close", "code": 4000, "reason": "r" * 200})

    async with serving(route("/ws", handler)) as app, websocket_connect(app, "/ws") as client:
        end = await client.closed()
        assert (end.code, end.reason) == (4000, "r" * 123)


async def test_a_handshake_that_waits_when_the_app_stops_is_503() -> None:
    entered = anyio.Event()

    async def handler(websocket: WebSocket) -> None:
        entered.set()
        await anyio.sleep_forever()

    async with (
        serving(route("/ws", handler), limits=Limits(message_finish_s=0.01)) as app,
        anyio.create_task_group() as tasks,
    ):

        async def stop() -> None:
            await entered.wait()
            await app.gateway.close()

        tasks.start_soon(stop)
        assert (await denial(app, "/ws")).status == 503


async def test_an_error_in_on_disconnect_is_told_and_changes_no_answer() -> None:
    class Room(WebSocketController, path="/ws"):
        async def on_connect(self) -> None:
            raise Forbidden("members only")

        async def on_disconnect(self) -> None:
            raise AttributeError("what on_connect would have set")

    async with serving(controller_route(Room)) as app:
        assert (await denial(app, "/ws")).status == 403
        assert [type(error) for error, _ in app.faults] == [AttributeError]
