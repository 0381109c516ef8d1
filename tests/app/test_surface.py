"""The public names of http.md 2.1 to 2.4, 2.8 and 2.12, and what belongs to the whole app."""

import importlib
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import nexios
from nexios import HTTPException, MakeConfig, NexiosApp, Router
from nexios.adapters.asgi.state import RouteParam, State
from nexios.adapters.asgi.url import URL, URLPath
from nexios.adapters.http.socket_router import WebsocketRoutes, WSRouter
from nexios.adapters.routing.converters import (
    CONVERTOR_TYPES,
    Convertor,
    register_url_convertor,
)
from nexios.adapters.routing.errors import RouteWarning
from nexios.application.keyring import Secret
from nexios.middleware import CORSMiddleware
from nexios.testing.client import AsyncTestClient
from nexios.testing.sockets import websocket_connect

asyncio = pytest.mark.asyncio

FACES = {
    "nexios": "NexiosApp MakeConfig Router Depend Module Request Response Context Group APIView "
    "HTTPException NotFoundException URLPath Query Header Cookie Path Body set_config get_config",
    "nexios.http": "URL URLPath Address State RouteParam Secret QueryParams MultiDict "
    "ImmutableMultiDict Headers MutableHeaders Context APIView APIHandler",
    "nexios.routing": "Router Routes Route RouteOptions Group WSRouter WebsocketRoutes Convertor "
    "register_url_convertor CONVERTOR_TYPES DuplicateRoute",
    "nexios.exceptions": "HTTPException NotFoundException AuthException AuthenticationFailed "
    "PermissionDenied ClientDisconnect InvalidHeader PaginationError InvalidPageError "
    "InvalidPageSizeError InvalidCursorError WebSocketException RequestInvalid MalformedBody "
    "UnsupportedMediaType BodyTooLarge DuplicateRoute ConfigError",
}
APP = (
    "get post put patch delete head options route add_route mount_router register include "
    "mount_ws_router add_middleware wrap_asgi middleware http_middleware add_exception_handler "
    "exception_handler on_startup on_shutdown state config router routes get_all_routes url_for "
    "events container scope override logger title version description websocket ws_route "
    "add_ws_route add_ws_middleware run templates"
)
ROUTER = (
    "get post put patch delete head options route add_route add_middleware mount_router register "
    "routes url_for websocket ws_route add_ws_route add_exception_handler prefix tags"
)


@pytest.mark.parametrize("face", sorted(FACES))
def test_every_public_name_is_at_its_face(face: str) -> None:
    module = importlib.import_module(face)
    missing = [name for name in FACES[face].split() if not hasattr(module, name)]
    assert missing == []


def test_app_and_router_have_the_names_of_the_page() -> None:
    app = NexiosApp()
    assert [name for name in APP.split() if not hasattr(app, name)] == []
    assert [name for name in ROUTER.split() if not hasattr(Router(), name)] == []


def test_no_cwd_file_is_executed(tmp_path: Path) -> None:
    (tmp_path / "nexios.config.py").write_text("raise SystemExit('executed')")
    code = "import nexios; nexios.NexiosApp().check(); print('fine')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == "fine\n"


@asyncio
async def test_redirect_forgets() -> None:
    app = NexiosApp()

    @app.get("/to/{name}")
    async def to(request, response, name):  # type: ignore[no-untyped-def]
        return response.redirect(f"/{name}") if name != "none" else {"at": name}

    async with AsyncTestClient(app, follow_redirects=False) as client:
        assert (await client.get("/to/a")).headers["location"] == "/a"
        plain = await client.get("/to/none")
        assert "location" not in plain.headers
        assert (await client.get("/to/b")).headers["location"] == "/b"


@asyncio
async def test_http_middleware_is_a_live_list() -> None:
    app, seen = NexiosApp(), []

    async def one(request: Any, response: Any, call_next: Any) -> Any:
        seen.append("one")
        return await call_next()

    async def two(request: Any, response: Any, call_next: Any) -> Any:
        seen.append("two")
        return await call_next()

    app.get("/", lambda: "x")
    app.add_middleware(one)
    app.http_middleware.append(two)
    assert app.http_middleware == [one, two]
    async with AsyncTestClient(app) as client:
        await client.get("/")
        app.http_middleware.remove(one)
        await client.get("/")
    assert seen == ["two", "one", "two"]


@asyncio
async def test_events_run_in_the_app_and_failures_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app, heard = NexiosApp(), []

    @app.events.on("user.created")
    async def mail(name: str) -> None:
        heard.append(name)

    @app.events.on("user.created")
    async def broken(name: str) -> None:
        raise ValueError("no mail today")

    @app.post("/users/{name}")
    async def create(request, response, name):  # type: ignore[no-untyped-def]
        result = await request.app.events.emit("user.created", name)
        return {"failed": result["failed"]}

    async with AsyncTestClient(app) as client:
        assert (await client.post("/users/ada")).json() == {"failed": 1}
    assert heard == ["ada"]
    assert "a listener of user.created failed" in caplog.text


@asyncio
async def test_socket_routers_and_whole_socket_routes() -> None:
    greeted: list[str] = []

    class Greeting:
        async def handshake(self, websocket: Any) -> None:
            greeted.append(websocket.path)

    async def echo(websocket):  # type: ignore[no-untyped-def]
        await websocket.accept()
        await websocket.send_text(websocket.path)

    router = WSRouter("/ws", middleware=[Greeting()], routes=[WebsocketRoutes("/a", echo)])
    router.ws_route("/b")(echo)
    app = NexiosApp()
    app.mount_ws_router(router)
    app.add_ws_route(WebsocketRoutes("/c", echo, [Greeting()], name="c"))
    app.add_ws_route(path="/d", handler=echo)
    with pytest.raises(TypeError, match="path= and handler="):
        app.add_ws_route(path="/e")
    async with AsyncTestClient(app):
        for path in ("/ws/a", "/ws/b", "/c", "/d"):
            async with websocket_connect(app, path) as socket:
                assert await socket.receive_text() == path
    assert greeted == ["/ws/a", "/ws/b", "/c"]


class EvenConvertor(Convertor[int]):
    """Even numbers alone."""

    regex = "[0-9]+"
    annotation = int

    def convert(self, value: str) -> int:
        number = int(value)
        if number % 2:
            raise ValueError("odd")
        return number

    def to_string(self, value: int) -> str:
        return str(value)


@asyncio
async def test_custom_convertors_are_served_over_http() -> None:
    register_url_convertor("even", EvenConvertor())
    try:
        app = NexiosApp()

        @app.get("/n/{n:even}", name="even")
        async def even(n: int) -> Any:
            return {"n": n}

        async with AsyncTestClient(app) as client:
            assert (await client.get("/n/4")).json() == {"n": 4}
            assert (await client.get("/n/3")).status_code == 404
            assert (await client.get("/n/x")).status_code == 404
        assert app.url_for("even", n=6) == "/n/6"
        with pytest.raises(ValueError, match=r"does not match|odd"):
            app.url_for("even", n="six")
    finally:
        del CONVERTOR_TYPES["even"]


def test_data_structures_of_the_page() -> None:
    url = URL("https://ada:secret@example.org:8443/a?x=1#top")
    parts = (url.scheme, url.hostname, url.port, url.path, url.query, url.fragment)
    assert parts == ("https", "example.org", 8443, "/a", "x=1", "top")
    assert url.is_secure
    assert "secret" not in repr(url)
    assert str(url.include_query_params(y=2)).endswith("?x=1&y=2#top")
    assert url.replace_query_params(z=3).query == "z=3"
    assert url.remove_query_params("x").query == ""
    path = URLPath("/a", "http")
    assert path.make_absolute_url("https://x.org/root/") == "https://x.org/root/a"
    assert path.include_query_params(q="a b") == "/a?q=a+b"
    params = RouteParam(a=1)
    assert (params.a, params["b"], dict(**params)) == (1, None, {"a": 1})
    state = State({"a": 1}, {"b": 2})
    assert (state.a, state.b, state.c) == (1, 2, None)
    assert "hidden" not in f"{Secret('hidden')!r} {Secret('hidden')}"


@asyncio
@pytest.mark.parametrize("old", [False, True])
async def test_compat_profile_is_narrow(old: bool) -> None:
    config: dict[str, Any] = {"cors": {"allow_origins": ["https://a.example"]}}
    app = NexiosApp(config=MakeConfig(**config, **({"compat": "2.11"} if old else {})))
    app.add_middleware(CORSMiddleware())

    @app.get("/refused")
    async def refused() -> None:
        raise HTTPException(418, {"no": "coffee"})

    @app.get("/broken")
    async def broken() -> None:
        raise ValueError("secret")

    preflight = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    async with AsyncTestClient(app) as client:
        asked = await client.options("/refused", headers=preflight)
        told = await client.get("/refused")
        failed = await client.get("/broken")
        foreign = await client.get("/refused", headers={"Origin": "https://b.example"})
    if old:
        assert (asked.status_code, asked.json()) == (201, "OK")
        assert told.json() == {"no": "coffee"}
    else:
        assert (asked.status_code, asked.content) == (204, b"")
        assert told.json()["data"] == {"no": "coffee"}
    assert told.status_code == 418
    assert failed.json()["type"] == "urn:nexios:problem:internal-error"
    assert "secret" not in failed.text
    assert "access-control-allow-origin" not in foreign.headers


def test_compat_lets_the_first_of_two_routes_answer_with_a_warning() -> None:
    app = NexiosApp(config=MakeConfig(compat="2.11"))
    app.get("/a", lambda: "first")
    app.get("/a", lambda: "second")
    with pytest.warns(RouteWarning, match="the first one answers"):
        app.check()
    new = NexiosApp(config=MakeConfig())
    new.get("/a", lambda: "first")
    new.get("/a", lambda: "second")
    with pytest.raises(Exception, match="registered twice"):
        new.check()


def test_compat_changes_three_settings_and_an_own_key_wins() -> None:
    old, new = MakeConfig(compat="2.11"), MakeConfig()
    told, plain = old.to_dict(effective=True), new.to_dict(effective=True)
    changed = {
        f"{section}.{key}" if isinstance(told[section], dict) else section
        for section in told
        for key in (told[section] if isinstance(told[section], dict) else [""])
        if (told[section][key] if key else told[section])
        != (plain[section][key] if key else plain[section])
    }
    assert changed == {
        *("compat", "cors.preflight_status"),
        *("errors.http_exception_body", "errors.duplicate_routes"),
    }
    assert MakeConfig(compat="2.11", cors={"preflight_status": 200}).cors.preflight_status == 200


def test_the_root_face_warns_of_nothing_new() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in nexios.__all__:
            getattr(nexios, name)
