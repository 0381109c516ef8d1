"""Which hosts an application answers to."""

from typing import Any

import pytest

from nexios.adapters.websocket.socket import WebSocket
from nexios.app import NexiosApp
from nexios.config import MakeConfig
from nexios.middleware.hosts import TrustedHostMiddleware
from tests.support.asgi import ask, http_scope

pytestmark = pytest.mark.asyncio


def app_with(allowed: list[str] | None, *middleware: Any) -> NexiosApp:
    app = NexiosApp(config=MakeConfig(allowed_hosts=allowed))
    for one in middleware:
        app.add_middleware(one)

    @app.get("/")
    async def index(request: Any, response: Any) -> Any:
        return response.json("here")

    return app


@pytest.mark.parametrize(
    ("allowed", "host", "status"),
    [
        (["shop.example"], "shop.example", 200),
        (["SHOP.example"], "Shop.Example:8000", 200),
        (["shop.example:8000"], "shop.example:8000", 200),
        (["shop.example:8000"], "shop.example:8001", 400),
        (["shop.example:8000"], "shop.example", 400),
        (["[::1]"], "[::1]:80", 200),
        (["[::1]:80"], "[::1]:80", 200),
        (["[::1]:80"], "[::1]:81", 400),
        (["shop.example"], "evil.example", 400),
        (["shop.example"], "evilshop.example", 400),
        (["shop.example"], "shop.example.evil.example", 400),
        (["shop.example"], "shop.example@evil.example", 400),
        (["*.shop.example"], "a.shop.example", 200),
        (["*.shop.example"], "a.b.shop.example", 200),
        (["*.shop.example"], "shop.example", 400),
        (["*.shop.example"], ".shop.example", 400),
        (["*.shop.example"], "evilshop.example", 400),
        (["*"], "anything.example", 200),
        ([], "shop.example", 400),
        (None, "anything.example", 200),
    ],
)
async def test_the_setting_is_obeyed_without_adding_anything(
    allowed: list[str] | None, host: str, status: int
) -> None:
    answer = await ask(app_with(allowed), "GET", "/", headers={"host": host})
    assert answer.status == status
    own = app_with(None, TrustedHostMiddleware(allowed))
    assert (await ask(own, "GET", "/", headers={"host": host})).status == status


async def test_a_missing_path_under_a_foreign_host_is_not_told() -> None:
    app = app_with(["shop.example"])
    assert (await ask(app, "GET", "/nothing", headers={"host": "evil.example"})).status == 400
    assert (await ask(app, "GET", "/nothing", headers={"host": "shop.example"})).status == 404


async def test_two_host_fields_are_refused() -> None:
    app = app_with(["shop.example"])
    fields = [("host", "shop.example"), ("host", "evil.example")]
    assert (await ask(app, "GET", "/", headers=fields)).status == 400


async def test_sockets_obey_it_too() -> None:
    app = app_with(["shop.example"])
    opened: list[str] = []

    @app.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        opened.append(websocket.host)
        await websocket.accept()
        await websocket.close()

    for host in ("evil.example", "shop.example"):
        scope = http_scope("GET", "/ws", {"host": host})
        scope.update(type="websocket", scheme="ws", subprotocols=[])
        del scope["method"]
        incoming = iter([{"type": "websocket.connect"}, {"type": "websocket.disconnect"}])

        async def receive(incoming: Any = incoming) -> Any:
            return next(incoming)

        async def send(message: Any) -> None: ...

        await app(scope, receive, send)
    assert opened == ["shop.example"]


async def test_a_bare_text_is_refused() -> None:
    with pytest.raises(TypeError, match="a list of names"):
        TrustedHostMiddleware("shop.example")
