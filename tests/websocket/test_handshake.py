"""What stands before a handler: guards, origins, middleware by stage, time."""

import math

import anyio
import anyio.lowlevel
import pytest

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.origins import OriginSet
from nexios.adapters.asgi.stages import Stage
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.errors import (
    Forbidden,
)
from nexios.container.depend import Depend
from nexios.testing.sockets import websocket_connect
from tests.support.gateway import denial, route, serving

pytestmark = pytest.mark.anyio


async def test_unknown_socket_path_is_a_404_denial() -> None:
    async with serving() as app:
        refused = await denial(app, "/nowhere")
        assert refused.status == 404
        assert refused.json()["instance"] == "/nowhere"
        assert (await denial(app, "/nowhere", denial=False)).status == 403


async def test_guards_run_before_accept_in_order_and_open_nothing_else() -> None:
    order: list[str] = []

    async def first(connection: Connection) -> None:
        order.append(f"first {connection.path}")

    class Second:
        async def check(self, connection: Connection) -> None:
            order.append("second")
            if connection.query_params.get("who") != "ada":
                raise Forbidden("members only")

    def dependency() -> None:
        order.append("dependency")

    def service() -> str:
        order.append("service")
        return "x"

    async def handler(websocket: WebSocket, got: str = Depend(service)) -> None:
        await websocket.accept()
        order.append("handler")

    options = {"guards": [first, Second()], "dependencies": [dependency]}
    async with serving(route("/ws", handler, **options)) as app:
        refused = await denial(app, "/ws")
        assert refused.status == 403
        assert refused.json()["detail"] == "members only"
        assert order == ["first /ws", "second"]
        order.clear()
        async with websocket_connect(app, "/ws?who=ada") as client:
            await client.closed()
        assert order == ["first /ws", "second", "dependency", "service", "handler"]


FOREIGN = [
    "https://evil.test",
    "null",
    "http://testserver.evil.test",
    "http://eviltestserver",
    "http://testserver:81",
    "https://testserver",
    "http://testserver/",
    "http://a.b.shop.test",
    "http://shop.test",
    "http://user@testserver",
    "",
]
OWN = ["http://testserver", "HTTP://TESTSERVER:80", "https://friend.test", "https://a.shop.test"]


@pytest.mark.parametrize("origin", FOREIGN)
async def test_foreign_origin_is_403_before_the_handler(origin: str) -> None:
    async def handler(websocket: WebSocket) -> None:
        raise AssertionError("never")

    allowed = OriginSet(["https://friend.test", "https://*.shop.test"])
    async with serving(route("/ws", handler), allowed_origins=allowed) as app:
        refused = await denial(app, "/ws", headers={"origin": origin})
    assert refused.status == 403
    assert refused.json()["type"] == "urn:nexios:problem:cross-site-request"


@pytest.mark.parametrize("origin", OWN)
async def test_own_and_listed_origins_pass(origin: str) -> None:
    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()

    allowed = OriginSet(["https://friend.test", "https://*.shop.test"])
    async with (
        serving(route("/ws", handler), allowed_origins=allowed) as app,
        websocket_connect(app, "/ws", headers={"origin": origin}) as client,
    ):
        assert (await client.closed()).code == 1000


async def test_two_origins_are_foreign_and_none_passes_unless_a_cookie_proved() -> None:
    class Session:
        stage = Stage.SESSION

        async def handshake(self, websocket: WebSocket) -> None:
            websocket.scope["nexios.cookie_proof"] = websocket.headers.get("x-proof") == "cookie"

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()

    own = ("origin", "http://testserver")
    async with serving(route("/ws", handler), middleware=(Session(),)) as app:
        assert (await denial(app, "/ws", headers=[own, own])).status == 403
        assert (await denial(app, "/ws", headers={"x-proof": "cookie"})).status == 403
        for headers in ([], [("x-proof", "token")], [("x-proof", "cookie"), own]):
            async with websocket_connect(app, "/ws", headers=headers) as client:
                assert (await client.closed()).code == 1000


async def test_the_origins_of_a_route_stand_instead_of_the_apps() -> None:
    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()

    allowed = OriginSet(["https://friend.test"])
    routes = (route("/ws", handler, origins=["https://route.test"]),)
    async with serving(*routes, allowed_origins=allowed) as app:
        assert (await denial(app, "/ws", headers={"origin": "https://friend.test"})).status == 403
        async with websocket_connect(
            app, "/ws", headers={"origin": "https://route.test"}
        ) as client:
            assert (await client.closed()).code == 1000


async def test_handshakes_stand_around_the_origin_rule_by_stage() -> None:
    order: list[str] = []

    class Noted:
        def __init__(self, stage: Stage) -> None:
            self.stage = stage

        async def handshake(self, websocket: WebSocket) -> None:
            order.append(self.stage.name)

    class NoSocket:
        stage = Stage.USER

    middleware = (Noted(Stage.USER), NoSocket(), Noted(Stage.AUTHENTICATION), Noted(Stage.HOSTS))
    async with serving(middleware=middleware) as app:
        await denial(app, "/unknown", headers={"origin": "https://evil.test"})
        assert order == ["HOSTS"]
        order.clear()
        assert (await denial(app, "/unknown")).status == 404
        assert order == ["HOSTS", "AUTHENTICATION", "USER"]


async def test_handshake_over_its_time_is_408_and_what_hung_is_cancelled() -> None:
    cancelled: list[bool] = []

    async def guard(connection: Connection) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.append(True)

    async def handler(websocket: WebSocket) -> None:
        raise AssertionError("never")

    options = {"guards": [guard], "limits": {"handshake_s": 0.01}}
    async with serving(route("/ws", handler, **options)) as app:
        assert (await denial(app, "/ws")).status == 408
    assert cancelled == [True]


async def test_accepting_ends_the_time_of_the_handshake() -> None:
    deadlines: list[float] = []

    async def handler(websocket: WebSocket) -> None:
        deadlines.append(anyio.current_effective_deadline())
        await websocket.accept()
        deadlines.append(anyio.current_effective_deadline())

    async with (
        serving(route("/ws", handler)) as app,
        websocket_connect(app, "/ws") as client,
    ):
        await client.ended()
    assert deadlines[0] < math.inf
    assert deadlines[1] == math.inf
