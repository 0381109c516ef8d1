"""The test's side of a socket: a peer that ends its own side only."""

import anyio
import pytest

from nexios.adapters.asgi.types import Receive, Scope, Send
from nexios.adapters.websocket.closing import WebSocketDisconnect
from nexios.adapters.websocket.socket import WebSocket
from nexios.testing.sockets import websocket_connect
from nexios.websockets.channel import Channel
from tests.support.chat import members
from tests.support.sockets import FakeApp, running_hub, served

pytestmark = pytest.mark.anyio


async def test_a_half_closed_peer_is_told_as_gone_and_still_hears() -> None:
    told = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        told.append(await receive())
        told.append(await receive())
        await send({"type": "websocket.send", "text": "last words"})

    async with websocket_connect(app, "/") as peer:
        await peer.send_text("first")
        peer.half_close()
        assert await peer.receive_text() == "last words"
        with pytest.raises(AssertionError, match=r"ended its side with half_close\(\)"):
            await peer.send_text("second")
    assert told == [
        {"type": "websocket.receive", "text": "first"},
        {"type": "websocket.disconnect", "code": 1006, "reason": ""},
    ]


async def test_a_half_closed_member_is_out_of_its_room_at_once() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    seen: list[int] = []

    async def stay(websocket: WebSocket) -> None:
        await chat.connect(websocket)
        try:
            async for _ in websocket.iter_text():
                raise AssertionError("nobody says anything")
            await websocket.send_text("nobody hears this")
        except WebSocketDisconnect as end:
            seen.append(end.code)

    handler = served(stay, app=app)
    with anyio.fail_after(5):
        async with (
            running_hub(app),
            websocket_connect(handler, "/ws") as half,
            websocket_connect(handler, "/ws") as whole,
        ):
            await members(chat, 2)
            half.half_close()
            await members(chat, 1)
            await half.ended()
            await chat.broadcast("for the others")
            assert await whole.receive_json() == "for the others"
            assert half.buffered == 0
            assert seen == [1006]
