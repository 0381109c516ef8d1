"""Sockets below a mounted ASGI application: checked like those of the app, then handed over."""

from typing import Any

import pytest
import websockets
from websockets.asyncio.client import connect

from nexios import NexiosApp, Router, StaticFiles, WebSocket
from nexios.adapters.asgi.types import Receive, Scope, Send
from nexios.application.errors import Forbidden
from nexios.testing.sockets import SocketDenied, websocket_connect
from tests.support.server import serving

pytestmark = pytest.mark.asyncio


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Speak plain ASGI, as any framework below does."""
    if scope["type"] != "websocket":
        raise TypeError
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept", "subprotocol": None, "headers": [(b"x-below", b"1")]})
    told = f"{scope['root_path']}|{scope['path']}|{dict(scope.get('path_params', {}))}"
    await send({"type": "websocket.send", "text": told})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            scope["state"]["codes"].append(message["code"])
            return
        if message["text"] == "leave":
            await send({"type": "websocket.close", "code": 4001, "reason": "as you wish"})
            return
        await send({"type": "websocket.send", "text": message["text"].upper()})


def with_codes(app: Any) -> Any:
    codes: list[int] = []

    async def below(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": {"codes": codes}}, receive, send)

    below.codes = codes  # type: ignore[attr-defined]  # for the test to look at
    return below


async def test_the_scope_is_the_applications_own_and_messages_go_both_ways() -> None:
    app = NexiosApp()
    below = with_codes(echo)
    app.register(below, "/of/{org:int}")
    async with websocket_connect(app, "/of/7/chat") as client:
        assert await client.receive_text() == "/of/7|/of/7/chat|{'org': 7}"
        await client.send_text("hi")
        assert await client.receive_text() == "HI"
        await client.send_text("leave")
        assert (await client.closed()).code == 4001


async def test_over_a_real_server_and_the_end_is_told() -> None:
    app = NexiosApp()
    below = with_codes(echo)
    app.register(below, "/below")
    with serving(app) as address:
        async with connect(f"ws://{address}/below/x") as client:
            assert await client.recv() == "/below|/below/x|{}"
            assert client.response is not None
            assert client.response.headers["x-below"] == "1"
            await client.send("a")
            assert await client.recv() == "A"
    assert below.codes == [1000]


async def test_another_nexios_app_below_serves_its_sockets() -> None:
    app, inner = NexiosApp(), NexiosApp()

    @inner.websocket("/ws/{room}")
    async def greet(websocket: WebSocket, room: str) -> None:
        await websocket.accept()
        same = websocket.app is inner and websocket.base_app is app
        await websocket.send_json([room, same, await websocket.receive_text()])

    app.register(inner, "/inner")
    with serving(app) as address:
        async with connect(f"ws://{address}/inner/ws/tea") as client:
            await client.send("x")
            assert await client.recv() == '["tea",true,"x"]'
        with pytest.raises(websockets.InvalidStatus) as refusal:
            async with connect(f"ws://{address}/inner/nothing"):
                pass
    assert refusal.value.response.status_code == 404


async def test_guards_and_middleware_stand_before_it() -> None:
    entered: list[str] = []

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        entered.append(scope["path"])

    async def nobody(connection: Any) -> None:
        raise Forbidden("not here")

    app = NexiosApp()
    router = Router(prefix="/guarded", guards=[nobody])
    router.register(noting, "/below")
    app.mount_router(router)
    app.register(noting, "/other")
    for path, headers in (("/guarded/below/x", {}), ("/other", {"origin": "https://evil.test"})):
        with pytest.raises(SocketDenied) as denied:
            async with websocket_connect(app, path, headers=headers):
                pass
        assert denied.value.status == 403
    assert entered == []


async def test_own_sockets_come_first_and_prefixes_end_at_a_border() -> None:
    app = NexiosApp()
    app.register(echo, "/a")

    @app.websocket("/a/own")
    async def own(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("own")

    async with websocket_connect(app, "/a/own") as client:
        assert await client.receive_text() == "own"
    with pytest.raises(SocketDenied) as denied:
        async with websocket_connect(app, "/ab"):
            pass
    assert denied.value.status == 404


async def test_an_application_mounted_late_gets_its_sockets() -> None:
    app = NexiosApp()
    app.check()
    app.register(with_codes(echo), "/late")
    async with websocket_connect(app, "/late") as client:
        assert await client.receive_text() == "/late|/late|{}"
    app.routes.clear()
    with pytest.raises(SocketDenied):
        async with websocket_connect(app, "/late"):
            pass


async def test_one_that_breaks_or_serves_no_sockets_is_refused(tmp_path: Any) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError("canary")

    async def silent(scope: Scope, receive: Receive, send: Send) -> None: ...

    app = NexiosApp()
    app.register(broken, "/broken")
    app.register(silent, "/silent")
    app.register(StaticFiles(tmp_path), "/static")
    for path, status in (("/broken", 500), ("/silent", 403), ("/static/x", 403)):
        with pytest.raises(SocketDenied) as denied:
            async with websocket_connect(app, path):
                pass
        assert denied.value.status == status
        assert "canary" not in str(denied.value.body)
