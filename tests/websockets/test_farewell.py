"""What `nexios.v1` clients are told beside messages: when to come back, and that one is there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from nexios.adapters.websocket.closing import WebSocketDisconnect
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.limits import Limits
from nexios.testing.sockets import SocketSession, websocket_connect
from nexios.websockets.channel import Channel
from nexios.websockets.frames import SUBPROTOCOL, bye_frame
from tests.support.chat import members
from tests.support.sockets import FakeApp, running_hub, served

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def entered(
    chat: Channel[object], app: FakeApp, *, tagged: bool = True, limits: Limits | None = None
) -> AsyncIterator[SocketSession]:
    """A client in the channel, past its ``joined``."""

    async def stay(websocket: WebSocket) -> None:
        await chat.connect(websocket)
        async for text in websocket.iter_text():
            await websocket.close(int(text))

    offered = [SUBPROTOCOL] if tagged else []
    handler = served(stay, app=app, limits=limits)
    async with websocket_connect(handler, "/ws", subprotocols=offered) as peer:
        if tagged:
            assert (await peer.receive_json())["type"] == "joined"
        await members(chat, 1)
        yield peer


@pytest.mark.parametrize("code", [1012, 1013])
async def test_a_close_for_restart_or_overload_says_when_to_come_back(code: int) -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app), entered(chat, app) as peer:
        await peer.send_text(str(code))
        bye = await peer.receive_json()
        assert 1.0 <= bye.pop("reconnect_after_s") <= 5.0
        assert bye == {"type": "bye", "code": code}
        assert (await peer.closed()).code == code


@pytest.mark.parametrize(("code", "tagged"), [(1000, True), (4003, True), (1012, False)])
async def test_no_other_close_and_no_bare_client_gets_a_bye(code: int, tagged: bool) -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app), entered(chat, app, tagged=tagged) as peer:
        await peer.send_text(str(code))
        with pytest.raises(WebSocketDisconnect) as end:
            await peer.receive()
        assert end.value.code == code


async def test_a_slow_reader_is_told_too() -> None:
    app, chat, limits = FakeApp(), Channel[object]("chat"), Limits(queue_out=2)
    async with running_hub(app, limits=limits), entered(chat, app, limits=limits) as peer:
        peer.stall()
        for number in range(6):
            await chat.broadcast(number)
        peer.resume()
        told = []
        while not told or told[-1]["type"] != "bye":
            told.append(await peer.receive_json())
        assert told[-1]["code"] == 1013
        assert (await peer.closed()).reason == "slow reader"


async def test_clients_come_back_at_different_times() -> None:
    advised = {str(bye_frame(1012)) for _ in range(50)}
    assert len(advised) > 25


async def test_a_tick_breaks_25_seconds_of_silence_and_no_less() -> None:
    app, chat, now = FakeApp(), Channel[object]("chat"), [0.0]
    async with running_hub(app, clock=lambda: now[0]) as hub, entered(chat, app) as peer:

        async def at(second: float) -> list[str]:
            await anyio.wait_all_tasks_blocked()
            now[0] = second
            hub.look()
            await anyio.wait_all_tasks_blocked()
            return [(await peer.receive_json())["type"] for _ in range(peer.buffered)]

        assert await at(24.9) == []
        await chat.broadcast("x")
        assert await at(25.0) == ["message"]
        assert await at(49.9) == []
        assert await at(50.0) == ["tick"]
        assert await at(74.9) == []
        assert await at(75.0) == ["tick"]


async def test_a_bare_client_gets_no_tick() -> None:
    app, chat, now = FakeApp(), Channel[object]("chat"), [0.0]
    async with (
        running_hub(app, clock=lambda: now[0]) as hub,
        entered(chat, app, tagged=False) as peer,
    ):
        now[0] = 100.0
        hub.look()
        await anyio.wait_all_tasks_blocked()
        assert peer.buffered == 0
