"""What stands below an application: groups, routers, foreign apps with lives of their own."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from nexios import NexiosApp, Request, Router
from nexios.adapters.asgi.sublife import SubLifeFailed
from nexios.adapters.asgi.types import ASGIApp, Receive, Scope, Send
from nexios.adapters.http.group import Group
from nexios.adapters.http.routes import Routes
from nexios.middleware import CORSMiddleware, SecurityMiddleware
from nexios.routing import WSRouter
from nexios.testing.client import AsyncTestClient
from nexios.testing.server import LifespanFailed
from nexios.testing.sockets import websocket_connect
from tests.support.asgi import Peer, ask
from tests.support.server import serving

pytestmark = pytest.mark.asyncio


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what the scope says; this app knows no lifespan."""
    assert scope["type"] == "http"
    told = f"{scope['root_path']}|{scope['path']}|{dict(scope.get('path_params', {}))}"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": told.encode()})


def living(log: list[str], name: str, fails: str = "") -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            body = scope["state"]["made by"].encode()
            await send({"type": "http.response.body", "body": body})
            return
        await receive()
        if fails == "startup":
            await send({"type": "lifespan.startup.failed", "message": "no disk"})
            return
        log.append(f"{name} starts")
        scope["state"]["made by"] = name
        await send({"type": "lifespan.startup.complete"})
        await receive()
        log.append(f"{name} stops")
        if fails == "shutdown":
            await send({"type": "lifespan.shutdown.failed", "message": "still busy"})
            return
        await send({"type": "lifespan.shutdown.complete"})

    return app


async def show(request, response):  # type: ignore[no-untyped-def]
    return {"at": request.path}


def hooked(log: list[str]) -> NexiosApp:
    app = NexiosApp()
    app.on_startup(lambda: log.append("app starts"))
    app.on_shutdown(lambda: log.append("app stops"))
    return app


async def test_subapp_lifespan_runs() -> None:
    log: list[str] = []
    app = hooked(log)
    inner = NexiosApp()

    @inner.get("/")
    async def which(request: Any) -> Any:
        return {"app": request.app is inner, "base": request.base_app is app}

    inner.on_startup(lambda: log.append("inner starts"))
    inner.on_shutdown(lambda: log.append("inner stops"))
    app.register(inner, "/inner")
    app.register(living(log, "first"), "/first")
    app.register(plain, "/plain")
    async with AsyncTestClient(app) as client:
        assert (await client.get("/first")).text == "first"
        assert (await client.get("/inner/")).json() == {"app": True, "base": True}
        assert (await client.get("/plain/x")).text == "/plain|/plain/x|{}"
        log.append("serving")
    assert log == [
        *("app starts", "inner starts", "first starts", "serving"),
        *("first stops", "inner stops", "app stops"),
    ]


async def test_a_subapp_that_cannot_start_aborts_the_start_and_stops_the_others() -> None:
    log: list[str] = []
    app = hooked(log)
    app.register(living(log, "good"), "/good")
    app.register(living(log, "bad", fails="startup"), "/bad")
    with pytest.raises(LifespanFailed, match="failed at its start: no disk"):
        async with AsyncTestClient(app):
            raise AssertionError("it must not start")
    assert log == ["app starts", "good starts", "good stops", "app stops"]


async def test_a_subapp_that_cannot_stop_is_told_and_the_others_stop() -> None:
    log: list[str] = []
    app = hooked(log)
    app.register(living(log, "good"), "/good")
    app.register(living(log, "bad", fails="shutdown"), "/bad")
    with pytest.raises(LifespanFailed, match="still busy"):
        async with AsyncTestClient(app):
            log.append("serving")
    assert log[3:] == ["serving", "bad stops", "good stops", "app stops"]
    assert "the mounted application app" in str(SubLifeFailed(plain, "end", "")).replace(
        "plain", "app"
    )


async def test_a_subapp_mounted_late_is_started_before_its_first_request() -> None:
    log: list[str] = []
    app = hooked(log)
    async with AsyncTestClient(app) as client:
        late = living(log, "late")
        app.register(late, "/late")
        app.register(living(log, "broken", fails="startup"), "/broken")
        for _ in range(2):  # the first one waits for the start
            assert (await client.get("/late")).text == "late"
    assert log == ["app starts", "late starts", "late stops", "app stops"]


async def test_lives_of_subapps_over_a_real_server() -> None:
    log: list[str] = []
    app = NexiosApp()
    app.register(living(log, "sub"), "/sub")
    with serving(app) as address:
        assert httpx2.get(f"http://{address}/sub").text == "sub"
    assert log == ["sub starts", "sub stops"]


async def test_group_prefix_with_parameters_and_function_middleware() -> None:
    seen: list[str] = []

    async def noted(request: Any, response: Any, call_next: Any) -> Any:
        seen.append(request.path)
        return await call_next()

    async def of(request: Any, response: Any, org: int, user: str) -> Any:
        return {"org": org, "user": user}

    app = NexiosApp()
    group = Group(
        "/orgs/{org:int}",
        routes=[Routes("/users/{user}", of, ["GET"], name="show"), Routes("/", show, ["GET"])],
        name="orgs",
        middleware=[noted],
    )
    app.add_route(group)
    assert (await ask_started(app, "/orgs/7/users/ada")).json() == {"org": 7, "user": "ada"}
    assert (await ask_started(app, "/orgs/x/users/ada")).status == 404
    assert (await ask_started(app, "/orgs/7")).status == 200
    assert (await ask_started(app, "/orgs/7/")).status == 200
    assert app.url_for("orgs.show", org=7, user="ada") == "/orgs/7/users/ada"
    assert seen == ["/orgs/7/users/ada", "/orgs/7", "/orgs/7/"]
    assert group.path == group.raw_path == "/orgs/{org:int}"


async def test_a_group_holds_a_router_or_any_asgi_app() -> None:
    router = Router(prefix="/users")
    router.get("/me", show)
    app = NexiosApp(routes=[Group("/v1", router), Group("/ext/{tenant}", plain)])
    assert (await ask_started(app, "/v1/users/me")).json() == {"at": "/v1/users/me"}
    got = await ask_started(app, "/ext/acme/x")
    assert got.text == "/ext/acme|/ext/acme/x|{'tenant': 'acme'}"
    assert (await ask_started(app, "/extra")).status == 404
    outer = NexiosApp()
    outer.register(Group("/v2", routes=[Routes("/me", show)]), "/api")
    assert (await ask_started(outer, "/api/v2/me")).json() == {"at": "/api/v2/me"}
    with pytest.raises(TypeError, match="Group\\(path\\) holds nothing"):
        Group("/empty")


async def test_a_group_is_an_asgi_app_itself() -> None:
    group = Group("/v1", routes=[Routes("/me", show)])
    for _ in range(2):
        assert (await ask(group, "GET", "/v1/me")).json() == {"at": "/v1/me"}
    assert (await ask(group, "GET", "/v1/other")).status == 404
    with pytest.raises(NotImplementedError, match="serves HTTP alone, not lifespan"):
        await group({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    twice = Group("/", routes=[Routes("/a", show), Routes("/a", show)])
    with pytest.raises(ExceptionGroup, match="cannot be served"):
        await ask(twice, "GET", "/a")


class Stamp:
    """ASGI middleware as the field writes it; appends to the header list in place."""

    def __init__(self, app: ASGIApp, name: str = "stamp") -> None:
        self.app = app
        self.name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.name in scope["path"]:
            raise ValueError(f"secret of {self.name}")

        async def stamped(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"x-stamp", self.name.encode()))
            await send(message)

        await self.app(scope, receive, stamped)


async def test_wrapper_appends_to_headers() -> None:
    app = NexiosApp()
    app.get("/", show)
    app.wrap_asgi(Stamp, name="inner")
    async with AsyncTestClient(app) as client:
        app.wrap_asgi(Stamp, name="outer")  # late: from the next request on
        for path, status in (("/", 200), ("/", 200), ("/none", 404)):
            answer = await client.get(path)
            assert answer.status_code == status
            assert answer.headers.get_list("x-stamp") == ["inner", "outer"]


async def test_an_error_of_a_wrapper_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    app = NexiosApp()
    app.wrap_asgi(Stamp, name="boom")
    with serving(app) as address:
        answer = httpx2.get(f"http://{address}/boom")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert "secret of boom" in caplog.text


async def test_a_wrapper_sees_the_bodies_of_errors() -> None:
    app, seen = NexiosApp(), {}

    class Reading:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            async def read(message: Any) -> None:
                if message["type"] == "http.response.body":
                    seen[scope["path"]] = json.loads(message["body"])["status"]
                await send(message)

            await self.app(scope, receive, read)

    @app.get("/broken")
    async def broken() -> None:
        raise LookupError

    app.wrap_asgi(Reading)
    for path in ("/nothing", "/broken"):
        await ask(app, "GET", path)
    assert seen == {"/nothing": 404, "/broken": 500}


async def test_an_error_of_a_wrapper_carries_what_every_answer_does() -> None:
    app = NexiosApp()
    app.add_middleware(CORSMiddleware(allow_origins=["https://page.test"]))
    app.add_middleware(SecurityMiddleware())
    app.wrap_asgi(Stamp, name="boom")
    answer = await ask(app, "GET", "/boom", headers={"origin": "https://page.test"})
    assert answer.status == 500
    assert answer.headers("access-control-allow-origin") == ["https://page.test"]
    assert answer.headers("x-content-type-options") == ["nosniff"]
    assert answer.headers("vary") == ["Origin"]


async def test_a_mounted_app_that_sends_a_constant_head_keeps_it() -> None:
    head = {"type": "http.response.start", "status": 200, "headers": []}

    async def frugal(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await send(head)
        await send({"type": "http.response.body", "body": b""})

    app = NexiosApp()
    app.add_middleware(CORSMiddleware(allow_origins=["https://page.test"]))

    @app.middleware
    async def stamp(request, response, call_next):  # type: ignore[no-untyped-def]
        await call_next()
        response.set_header("x-for", request.headers.get("origin", "nobody"))

    app.register(frugal, "/frugal")
    app.wrap_asgi(Stamp)
    first = await ask(app, "GET", "/frugal", headers={"origin": "https://page.test"})
    assert first.headers("access-control-allow-origin") == ["https://page.test"]
    second = await ask(app, "GET", "/frugal")
    assert second.headers("access-control-allow-origin") == []
    assert second.headers("x-for") == ["nobody"]
    assert head["headers"] == []


@pytest.mark.parametrize("body", [b"", b"all of it"])
async def test_a_mounted_app_gets_the_body_that_middleware_has_read(body: bytes) -> None:
    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        got, more = b"", True
        while more:
            message = await receive()
            got, more = got + message["body"], message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": got})

    app = NexiosApp()

    @app.middleware
    async def look(request, response, call_next):  # type: ignore[no-untyped-def]
        if request.query_params.get("begin"):
            async for _ in request.stream():
                break
        else:
            await request.body
        return await call_next()

    app.register(echo, "/echo")
    chunks = (body[:3], body[3:]) if body else (b"",)
    for target in ("/echo", "/echo?begin=1"):
        answer = await ask(app, "POST", target, peer=Peer(chunks))
        assert answer.body == body, target


@pytest.mark.parametrize(
    ("root", "path"),
    [
        *(("", "/in/at/7"), ("/s", "/s/in/at/7"), ("/in", "/in/in/at/7"), ("/s/", "/s/in/at/7")),
        # Servers behind a proxy that has cut the path, and uvicorn with a slash behind the root.
        *(("/s", "/in/at/7"), ("/i", "/in/at/7"), ("/s/", "/s//in/at/7"), ("/", "//in/at/7")),
    ],
)
async def test_a_mounted_app_is_reached_whatever_the_server_makes_of_its_root(
    root: str, path: str
) -> None:
    app, inner = NexiosApp(), NexiosApp()

    @inner.get("/at/{n:int}", name="at")
    async def at(request: Any, n: int) -> Any:
        return {"n": n, "next": request.url_for("at", n=n + 1), "path": request.path}

    app.register(inner, "/in")

    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        scope |= {"root_path": root, "path": path, "raw_path": path.encode()}
        await app(scope, receive, send)

    answer = await ask(server, "GET", "/")
    home = root.rstrip("/")
    assert answer.json() == {"n": 7, "next": f"{home}/in/at/8", "path": f"{home}/in/at/7"}


async def test_wrappers_see_sockets_and_socket_wrappers_only_them() -> None:
    app, seen = NexiosApp(), []

    class Spy:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(scope["type"])
            if scope["path"] == "/broken":
                raise ValueError("broken")
            await self.app(scope, receive, send)

    @app.websocket("/ws")
    async def echo(websocket):  # type: ignore[no-untyped-def]
        await websocket.accept()
        await websocket.send_text("hello")

    app.get("/", show)
    app.add_ws_middleware(Spy)
    async with AsyncTestClient(app) as client:
        await client.get("/")
        async with websocket_connect(app, "/ws") as socket:
            assert await socket.receive_text() == "hello"
        with pytest.raises(Exception, match=r"1011|403|closed"):
            async with websocket_connect(app, "/broken"):
                raise AssertionError("refused")
    assert seen == ["websocket", "websocket"]


async def ask_started(app: NexiosApp, path: str) -> Any:
    @asynccontextmanager
    async def started() -> AsyncIterator[None]:
        async with AsyncTestClient(app):
            yield

    async with started():
        return await ask(app, "GET", path)


async def test_values_of_the_place_stand_beside_those_of_the_route() -> None:
    inner, outer = NexiosApp(), NexiosApp()

    @inner.get("/orders/{order:int}")
    async def show(request: Request, order: int) -> dict[str, Any]:
        return {"order": order, "all": dict(request.path_params)}

    @inner.get("/light/{order:int}")
    async def light(order: int) -> int:
        return order

    outer.register(inner, "/tenants/{tenant}")
    async with AsyncTestClient(outer) as client:
        got = (await client.get("/tenants/acme/orders/7")).json()
        assert got == {"order": 7, "all": {"tenant": "acme", "order": 7}}
        assert (await client.get("/tenants/acme/light/7")).json() == 7


async def test_asgi_middleware_of_a_socket_router_stands_around_its_sockets_alone() -> None:
    seen: list[str] = []

    class Spy:
        def __init__(self, app: ASGIApp, name: str) -> None:
            self.app = app
            self.name = name

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(f"{self.name} {scope['path']}")
            if scope["query_string"] == b"broken":
                raise ValueError("broken")
            await self.app(scope, receive, send)

    async def echo(websocket):  # type: ignore[no-untyped-def]
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())

    rooms = WSRouter(prefix="/rooms")
    rooms.add_ws_route(path="/{room}", handler=echo)
    rooms.add_ws_middleware(Spy, name="inner")
    rooms.add_ws_middleware(Spy, name="outer")
    app = NexiosApp()
    app.mount_ws_router(rooms)
    app.add_ws_route(path="/plain", handler=echo)
    async with AsyncTestClient(app):
        for path in ("/rooms/tea", "/plain"):
            async with websocket_connect(app, path) as socket:
                await socket.send_text("hello")
                assert await socket.receive_text() == "hello"
        assert seen == ["outer /rooms/tea", "inner /rooms/tea"]
        with pytest.raises(Exception, match=r"1011|500|closed"):
            async with websocket_connect(app, "/rooms/tea?broken"):
                raise AssertionError("refused")
