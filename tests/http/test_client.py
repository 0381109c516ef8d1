"""The test clients play a server that is strict about ASGI and kind about errors."""

import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest

from nexios import NexiosApp
from nexios.adapters.asgi.errors import tell_client
from nexios.adapters.asgi.types import ASGIApp, Message, Receive, Scope, Send
from nexios.testclient import AsyncTestClient, TestClient, create_async_client, create_client
from nexios.testing import Client
from nexios.testing.conformance import AsgiViolation
from nexios.testing.server import LifespanFailed
from nexios.testing.sockets import SocketDenied


def answering(*messages: Message) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError("no lifespan here")
        for message in messages:
            await send(message)

    return app


def start(status: Any = 200, headers: Any = ()) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(content: Any = b"", **more: Any) -> Message:
    return {"type": "http.response.body", "body": content, **more}


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    parts = []
    while True:
        message = await receive()
        parts.append(message["body"])
        if not message["more_body"]:
            break
    length = str(sum(map(len, parts))).encode()
    await send(start(200, [(b"content-length", length), (b"x-chunks", b"%d" % len(parts))]))
    await send(body(b"".join(parts)))


def test_a_body_arrives_in_its_chunks_and_comes_back() -> None:
    client = TestClient(echo)

    answer = client.post("/", content=iter([b"one", b"two"]))

    assert (answer.status_code, answer.content) == (200, b"onetwo")
    assert answer.headers["x-chunks"] == "2"
    client.close()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_scope_says_what_a_server_would_say(backend: str) -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await send(start())
        await send(body())

    client = TestClient(
        app, root_path="/api", backend=backend, headers={"X-One": "1"}, cookies={"c": "v"}
    )
    client.get("/a%2Fb/%C3%A9?x=1&x=2")
    client.close()

    scope = seen[0]
    assert scope["path"] == "/a/b/é"
    assert scope["raw_path"] == b"/a%2Fb/%C3%A9"
    assert scope["query_string"] == b"x=1&x=2"
    assert scope["root_path"] == "/api"
    assert scope["client"] == ("testclient", 50000)
    assert (b"x-one", b"1") in scope["headers"]
    assert (b"host", b"testserver") in scope["headers"]
    assert (b"cookie", b"c=v") in scope["headers"]
    assert "state" not in scope


def test_cookies_and_redirects_are_kept_like_in_a_browser() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/set":
            await send(start(302, [(b"location", b"/read"), (b"set-cookie", b"a=1; Path=/")]))
            await send(body())
        else:
            sent = dict(scope["headers"]).get(b"cookie", b"-")
            await send(start())
            await send(body(sent))

    client = TestClient(app)
    assert client.get("/set").text == "a=1"
    client.close()


VIOLATIONS: list[tuple[str, list[Message], str]] = [
    ("body first", [body(b"x")], "waiting"),
    ("two heads", [start(), start()], "started"),
    ("more after the end", [start(), body(), body()], "over"),
    ("no end", [start()], "started"),
    ("nothing at all", [], "waiting"),
    ("status of text", [start("200")], "status"),
    ("status out of range", [start(99)], "status"),
    ("header of text", [start(200, [("a", "b")])], "bytes"),
    ("name in capitals", [start(200, [(b"A", b"b")])], "lower-case"),
    ("line break in a value", [start(200, [(b"a", b"b\r\nc: d")])], "CR, LF"),
    ("two lengths", [start(200, [(b"content-length", b"1")] * 2)], "one content-length"),
    ("too short", [start(200, [(b"content-length", b"9")]), body(b"x")], "1 bytes"),
    ("too long", [start(200, [(b"content-length", b"1")]), body(b"xy")], "longer"),
    ("body of text", [start(), body("x")], "bytes"),
    ("body under 204", [start(204), body(b"x")], "no body"),
    ("unknown message", [{"type": "http.request"}], "http.request"),
]


@pytest.mark.parametrize(
    ("messages", "says"), [row[1:] for row in VIOLATIONS], ids=[row[0] for row in VIOLATIONS]
)
def test_an_app_that_breaks_asgi_fails_the_test(messages: list[Message], says: str) -> None:
    client = TestClient(answering(*messages))
    with pytest.raises(AsgiViolation, match=says):
        client.get("/")
    client.close()


def test_conformance_can_be_switched_off() -> None:
    client = TestClient(answering(start(), body(b"x"), body(b"y")), check_asgi_conformance=False)
    assert client.get("/").content == b"xy"
    client.close()


def test_a_body_for_head_is_a_violation() -> None:
    client = TestClient(answering(start(), body(b"x")))
    with pytest.raises(AsgiViolation, match="HEAD"):
        client.head("/")
    client.close()


def test_what_leaves_the_app_is_raised_or_a_500() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError("out of the app")

    loud = TestClient(app)
    with pytest.raises(LookupError, match="out of the app"):
        loud.get("/")
    loud.close()

    quiet = TestClient(app, raise_server_exceptions=False)
    assert quiet.get("/").status_code == 500
    assert isinstance(quiet.last_error, LookupError)
    quiet.close()


def test_what_the_app_answered_itself_is_last_error_until_the_next_request() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/bad":
            tell_client(scope, KeyError("inside"))
            await send(start(500))
        else:
            await send(start(200))
        await send(body())

    client = TestClient(app)
    assert client.get("/bad").status_code == 500
    assert isinstance(client.last_error, KeyError)
    assert client.get("/good").status_code == 200
    assert client.last_error is None
    client.close()


class Lived:
    """An app with a lifespan that notes what happened to it."""

    def __init__(self, *, fail: str = "") -> None:
        self.events: list[str] = []
        self.threads: set[int] = set()
        self._fail = fail

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.threads.add(threading.get_ident())
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        self.events.append("request")
        await send(start())
        await send(body(str(scope.get("state", {}).get("db")).encode()))

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        for step in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{step}"
            self.events.append(step)
            if self._fail == step:
                await send({"type": f"lifespan.{step}.failed", "message": f"no {step}"})
                return
            scope["state"]["db"] = "open"
            await send({"type": f"lifespan.{step}.complete"})


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_with_runs_the_lifespan_around_the_requests_in_one_loop(backend: str) -> None:
    app = Lived()

    with TestClient(app, backend=backend) as client:
        assert client.get("/").text == "open"
        assert client.get("/").text == "open"

    assert app.events == ["startup", "request", "request", "shutdown"]
    assert len(app.threads) == 1


def test_without_with_the_requests_share_one_loop_and_no_lifespan_runs() -> None:
    app = Lived()
    client = TestClient(app)

    assert client.get("/").text == "None"
    client.get("/")
    client.close()

    assert app.events == ["request", "request"]
    assert len(app.threads) == 1


@pytest.mark.parametrize("step", ["startup", "shutdown"])
def test_a_failed_step_raises_its_text(step: str) -> None:
    def run() -> None:
        with TestClient(Lived(fail=step)):
            pass

    with pytest.raises(LifespanFailed, match=f"no {step}"):
        run()


def test_an_app_without_lifespan_is_served_all_the_same() -> None:
    with TestClient(answering(start(), body(b"here"))) as client:
        assert client.get("/").content == b"here"


def test_a_forgotten_client_ends_its_thread() -> None:
    client = TestClient(answering(start(), body()))
    client.get("/")
    thread = client._thread._thread
    assert thread is not None
    assert thread.is_alive()

    del client
    gc.collect()

    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.asyncio
async def test_the_async_client_runs_in_the_callers_loop() -> None:
    app = Lived()

    async with AsyncTestClient(app) as client:
        assert (await client.get("/")).text == "open"

    assert app.events == ["startup", "request", "shutdown"]
    assert app.threads == {threading.get_ident()}


@pytest.mark.parametrize("make", [create_client, create_async_client])
def test_the_factories_take_the_options_of_the_classes(make: Callable[..., Any]) -> None:
    client = make(echo, base_url="https://shop.test")
    assert str(client.base_url) == "https://shop.test"


async def greeter(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "websocket":
        raise RuntimeError("sockets only")
    assert (await receive())["type"] == "websocket.connect"
    if scope["path"] == "/no":
        await send({"type": "websocket.close", "code": 1008})
        return
    await send(
        {"type": "websocket.accept", "subprotocol": next(iter(scope["subprotocols"]), None)}
    )
    headers = dict(scope["headers"])
    told = (
        f"{scope['path']} {scope['query_string'].decode()} {headers.get(b'cookie', b'').decode()}"
    )
    await send({"type": "websocket.send", "text": told})
    message = await receive()
    await send({"type": "websocket.send", "text": f"echo {message['text']}"})
    await receive()


@pytest.mark.parametrize("url", ["/ws/a%20b?x=1", "ws://testserver/ws/a%20b?x=1"])
def test_a_socket_gets_the_cookies_of_the_client_and_the_whole_address(url: str) -> None:
    client = TestClient(greeter, cookies={"sid": "7"})
    with client.websocket_connect(url, subprotocols=["v1"]) as socket:
        assert socket.subprotocol == "v1"
        assert socket.receive_text() == "/ws/a b x=1 sid=7"
        socket.send_text("hello")
        assert socket.receive_text() == "echo hello"
    client.close()


def test_a_refused_handshake_is_told() -> None:
    client = TestClient(greeter)
    with pytest.raises(SocketDenied) as refusal, client.websocket_connect("/no"):
        raise AssertionError("must not be reached")
    assert refusal.value.status == 403
    client.close()


@pytest.mark.asyncio
async def test_the_async_client_connects_too() -> None:
    client = AsyncTestClient(greeter)
    async with client.websocket_connect("/ws") as socket:
        assert (await socket.receive_text()).startswith("/ws")
        await socket.send_text("hello")
        assert await socket.receive_text() == "echo hello"
    await client.aclose()


@pytest.mark.asyncio
async def test_the_client_of_2_11_is_the_async_one() -> None:
    app = NexiosApp()

    @app.get("/")
    async def index() -> str:
        return "here"

    async with Client(app, log_requests=True) as client:
        assert isinstance(client, AsyncTestClient)
        assert (await client.get("/")).text == "here"
