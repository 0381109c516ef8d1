"""Sockets through a whole application: functions, controllers of modules, plain requests."""

import pytest

from nexios import Controller, Module, NexiosApp, Router, Scope, WebSocket, WebSocketController
from nexios.application.limits import Limits
from nexios.gathering import NoController
from nexios.testing.client import AsyncTestClient
from nexios.testing.sockets import websocket_connect

pytestmark = pytest.mark.asyncio


class Greeting:
    def word(self) -> str:
        return "hello"


class Echo(WebSocketController, path="/echo/{room}"):
    def __init__(self, greeting: Greeting) -> None:
        self._greeting = greeting

    async def on_message(self, message: str, room: str) -> str:
        return f"{self._greeting.word()} {room}: {message}"


def app() -> NexiosApp:
    module = Module("talk")
    module.bind(Greeting, scope=Scope.CONNECTION)
    module.controllers(Echo)
    made = NexiosApp(module)

    @made.websocket("/plain/{number:int}")
    async def plain(websocket, number: int) -> None:
        await websocket.accept()
        await websocket.send_json({"twice": number * 2})

    return made


async def test_controller_of_a_module_gets_its_services() -> None:
    async with (
        AsyncTestClient(app()) as client,
        client.websocket_connect("/echo/tea") as socket,
    ):
        await socket.send_text("you")
        assert await socket.receive_text() == "hello tea: you"


async def test_function_gets_its_converted_path_value() -> None:
    async with (
        AsyncTestClient(app()) as client,
        client.websocket_connect("/plain/4") as socket,
    ):
        assert await socket.receive_json() == {"twice": 8}


async def test_plain_request_at_a_socket_is_426_and_elsewhere_404() -> None:
    async with AsyncTestClient(app()) as client:
        answer = await client.get("/plain/4")
        assert answer.status_code == 426
        assert answer.headers["upgrade"] == "websocket"
        assert answer.headers["content-type"] == "application/problem+json"
        assert (await client.get("/plain/x")).status_code == 404


async def test_class_that_is_no_controller_is_named() -> None:
    module = Module("talk")
    module.controllers(Greeting)
    with pytest.raises(NoController, match='Greeting in module "talk" is no controller'):
        NexiosApp(module).check()


async def test_http_and_socket_may_share_a_path() -> None:
    made = app()

    @made.get("/plain/{number:int}")
    async def show(number: int) -> int:
        return number

    class Page(Controller, path="/page"): ...

    async with (
        AsyncTestClient(made) as client,
        client.websocket_connect("/plain/4") as socket,
    ):
        assert (await client.get("/plain/4")).json() == 4
        assert await socket.receive_json() == {"twice": 8}


async def test_limits_of_a_router_hold_for_its_sockets() -> None:
    seen: dict[str, tuple[int | None, int]] = {}
    app = NexiosApp()
    router = Router(prefix="/in", limits={"message_bytes": 10, "history": 3})

    async def note(websocket: WebSocket) -> None:
        seen[websocket.path] = (websocket.limits.message_bytes, websocket.limits.history)
        await websocket.accept()

    router.websocket("/plain", note)
    router.websocket("/own", note, limits={"message_bytes": 20})
    router.websocket("/whole", note, limits=Limits(message_bytes=30))
    app.websocket("/free", note)
    app.mount_router(router)
    for path in ("/in/plain", "/in/own", "/in/whole", "/free"):
        async with websocket_connect(app, path) as client:
            await client.closed()
    usual = Limits()
    assert seen == {
        "/in/plain": (10, 3),
        "/in/own": (20, 3),
        "/in/whole": (30, usual.history),
        "/free": (usual.message_bytes, usual.history),
    }
