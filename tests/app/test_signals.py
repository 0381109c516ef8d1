"""What an application tells those who watch it."""

import gc
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from nexios import Depend, MakeConfig, Module, NexiosApp, Scope, WebSocket
from nexios.adapters.asgi.types import ASGIApp, Message, Receive, Send
from nexios.adapters.asgi.types import Scope as WireScope
from nexios.adapters.http.stream import StreamingResponse
from nexios.adapters.messaging.memory_backplane import MemoryBackplane
from nexios.application.backplane import Backplane
from nexios.application.errors import Unavailable
from nexios.application.health import HealthCheck
from nexios.application.listening import Signals
from nexios.application.signals import (
    AccessDenied,
    ChannelPublished,
    DependencyDown,
    DependencyUp,
    DrainStarted,
    LoopBlocked,
    MessageIn,
    MessageOut,
    RequestCancelled,
    RequestFailed,
    RequestFinished,
    RequestLimited,
    RequestStarted,
    SocketClosed,
    SocketOpened,
)
from nexios.auth.backends.apikey import APIKeyAuthBackend
from nexios.auth.decorator import auth
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.middleware import RateLimitMiddleware, TimeoutMiddleware
from nexios.testing.client import AsyncTestClient
from nexios.testing.sockets import SocketDenied, websocket_connect
from nexios.websockets import Channel
from tests.support.asgi import Peer, ask, http_scope

pytestmark = pytest.mark.asyncio

REQUESTS = (RequestStarted, RequestFinished, RequestCancelled, RequestFailed)


def shop() -> NexiosApp:
    app = NexiosApp(MakeConfig(trusted_proxies=()))

    @app.get("/")
    async def index() -> str:
        return "here"

    @app.get("/users/{id:int}")
    async def user(id: int) -> dict[str, int]:
        return {"id": id}

    @app.get("/files/{rest:path}")
    async def files(rest: str) -> str:
        return rest

    @app.get("/broken")
    async def broken() -> None:
        raise LookupError("gone")

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"a"
            raise LookupError("gone")

        return StreamingResponse(parts())

    @app.get("/waits")
    async def waits() -> None:
        await anyio.sleep_forever()

    return app


def listening(app: NexiosApp, *kinds: type) -> list[Any]:
    heard: list[Any] = []
    for kind in kinds:
        app.signals.on(kind, heard.append)
    return heard


@pytest.mark.parametrize("middleware", [False, True])
@pytest.mark.parametrize(
    ("method", "path", "label", "route", "status"),
    [
        ("GET", "/", "GET", "/", 200),
        ("HEAD", "/users/7", "HEAD", "/users/{id:int}", 200),
        ("GET", "/users/7", "GET", "/users/{id:int}", 200),
        ("GET", "/files/a/b/c", "GET", "/files/{rest:path}", 200),
        ("GET", "/users/x", "GET", None, 404),
        ("POST", "/users/7", "POST", None, 405),
        ("BREW", "/users/7", "_OTHER", None, 405),
        ("GET", "/health/live", "GET", "/health/live", 200),
    ],
)
async def test_a_request_is_told_with_its_template(
    middleware: bool, method: str, path: str, label: str, route: str | None, status: int
) -> None:
    app = shop()
    if middleware:
        app.add_middleware(TimeoutMiddleware(60))
    heard = listening(app, *REQUESTS)
    answer = await ask(app, method, path)
    started, finished = heard
    assert answer.status == finished.status == status
    assert started[:3] == (label, route, "http")
    assert finished[:3] == (label, route, "http")
    assert finished.whole
    assert finished.duration_s > 0
    assert finished.about is started.about


async def test_an_error_nobody_expected_is_told_and_answered() -> None:
    app = shop()
    heard = listening(app, *REQUESTS)
    answer = await ask(app, "GET", "/broken")
    started, failed, finished = heard
    assert isinstance(failed, RequestFailed)
    assert isinstance(failed.error, LookupError)
    assert failed.error_id == answer.json()["error_id"]
    assert failed.route == "/broken"
    assert failed.about is started.about
    assert finished.status == 500


@pytest.mark.parametrize("others", [0, 1])
async def test_a_listener_that_fails_harms_no_request(
    others: int, caplog: pytest.LogCaptureFixture
) -> None:
    app = shop()

    def failing(event: RequestFinished) -> None:
        raise LookupError("gone")

    app.signals.on(RequestFinished, failing)
    heard = [listening(app, RequestFinished) for _ in range(others)]
    for _ in range(2):
        answer = await ask(app, "GET", "/users/7")
        assert (answer.status, answer.json()) == (200, {"id": 7})

    assert app.signals.failures == 2
    assert len([one for one in caplog.records if one.name == "nexios.signals"]) == 1
    assert [len(one) for one in heard] == [2] * others


@pytest.mark.parametrize("others", [0, 1])
async def test_a_listener_of_requests_may_take_itself_off(others: int) -> None:
    app, seen = shop(), []

    def once(event: RequestFinished) -> None:
        seen.append(event)
        app.signals.off(RequestFinished, once)

    app.signals.on(RequestFinished, once)
    heard = [listening(app, RequestFinished) for _ in range(others)]
    for _ in range(2):
        assert (await ask(app, "GET", "/")).status == 200

    assert len(seen) == 1
    assert [len(one) for one in heard] == [2] * others


async def test_an_answer_that_breaks_off_is_not_whole() -> None:
    app = shop()
    heard = listening(app, RequestFinished, RequestCancelled)
    with pytest.raises(LookupError):
        await ask(app, "GET", "/stream", peer=Peer(stays=True))
    (finished,) = heard
    assert finished.status == 200
    assert not finished.whole


async def test_a_request_that_is_cancelled_is_499() -> None:
    app = shop()
    heard = listening(app, *REQUESTS)
    peer = Peer()
    with anyio.CancelScope() as scope:
        app.signals.on(RequestStarted, lambda _: scope.cancel())
        await app(http_scope("GET", "/waits"), peer.receive, peer.send)
    _, cancelled = heard
    assert isinstance(cancelled, RequestCancelled)
    assert cancelled[:4] == ("GET", "/waits", "http", 499)


async def test_a_client_that_left_is_499() -> None:
    app = shop()

    @app.post("/take")
    async def take(body: dict[str, int]) -> None: ...

    heard = listening(app, RequestFinished, RequestCancelled)
    peer = Peer((b'{"a"',), leaves=True)
    headers = {"content-type": "application/json", "content-length": "8"}
    await app(http_scope("POST", "/take", headers), peer.receive, peer.send)
    (cancelled,) = heard
    assert isinstance(cancelled, RequestCancelled)


@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_listener_that_goes_takes_nothing_from_the_next(wrapped: bool) -> None:
    app = shop()
    if wrapped:
        app.wrap_asgi(Rewriting)
    heard: list[str] = []

    def once(event: RequestFinished) -> None:
        heard.append("once")
        app.signals.off(RequestFinished, once)
        raise LookupError(event.route)

    app.signals.on(RequestFinished, once)
    app.signals.on(RequestFinished, lambda _: heard.append("always"))
    await ask(app, "GET", "/")
    await ask(app, "GET", "/")
    assert heard == ["once", "always", "always"]
    assert app.signals.failures == 1


@pytest.mark.parametrize("path", ["/", "/parts"])
@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_client_that_leaves_before_the_end_of_its_answer_is_499(
    wrapped: bool, path: str
) -> None:
    app = shop()
    if wrapped:
        app.wrap_asgi(Rewriting)

    @app.get("/parts")
    async def parts() -> StreamingResponse:
        async def made() -> AsyncIterator[bytes]:
            yield b"a"

        return StreamingResponse(made())

    heard = listening(app, *REQUESTS)
    peer = Peer(stays=True)

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            raise OSError("the peer has left")

    await app(http_scope("GET", path), peer.receive, send)
    assert [type(one) for one in heard] == [RequestStarted, RequestCancelled]
    assert heard[1][:4] == ("GET", path, "http", 499)


async def test_listening_begins_and_ends_while_the_application_runs() -> None:
    app = shop()
    await ask(app, "GET", "/")
    heard: list[RequestFinished] = []
    app.signals.on(RequestFinished, heard.append)
    await ask(app, "GET", "/")
    app.signals.off(RequestFinished, heard.append)
    await ask(app, "GET", "/")
    assert len(heard) == 1


class Rewriting:
    """ASGI middleware that takes a prefix off."""

    def __init__(self, inner: ASGIApp) -> None:
        self.inner = inner

    async def __call__(self, scope: WireScope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "path": scope["path"].removeprefix("/v1")}
        await self.inner(scope, receive, send)


async def test_wrappers_are_inside_and_may_change_the_path() -> None:
    app = shop()
    heard = listening(app, RequestFinished)
    app.wrap_asgi(Rewriting)
    assert (await ask(app, "GET", "/v1/users/7")).status == 200
    assert (await ask(app, "GET", "/users/7")).status == 200
    assert [one.route for one in heard] == ["/users/{id:int}", "/users/{id:int}"]


async def test_mounted_applications_tell_their_own() -> None:
    outer, inner = shop(), shop()
    outer.register(inner, "/inner")
    above, below = listening(outer, RequestFinished), listening(inner, RequestFinished)
    async with running(outer):
        assert (await ask(outer, "GET", "/inner/users/7")).status == 200
    assert [one.route for one in above] == ["/inner"]
    assert [one.route for one in below] == ["/users/{id:int}"]


def running(app: NexiosApp) -> Any:
    return AsyncTestClient(app)


async def test_sockets_and_their_messages_are_told_where_somebody_listens() -> None:
    app = shop()

    @app.websocket("/rooms/{name}")
    async def room(socket: WebSocket, name: str) -> None:
        await socket.accept()
        await socket.send_text((await socket.receive_text()).upper())
        await socket.close(4000)

    heard = listening(app, SocketOpened, SocketClosed, MessageIn, MessageOut)
    async with websocket_connect(app, "/rooms/x") as socket:
        await socket.send_text("hello")
        assert await socket.receive_text() == "HELLO"
    with pytest.raises(SocketDenied):
        async with websocket_connect(app, "/nowhere"):
            pass
    kinds = [type(one) for one in heard]
    assert kinds == [SocketOpened, MessageIn, MessageOut, SocketClosed]
    assert {one.route for one in heard} == {"/rooms/{name}"}
    assert heard[1].size == heard[2].size == 5
    assert heard[3].code == 4000


@pytest.mark.parametrize(("kinds", "prepared"), [((SocketClosed,), 2), ((MessageOut,), 0)])
async def test_who_hears_of_no_message_keeps_prepared_frames(
    kinds: tuple[type, ...], prepared: int
) -> None:
    app, room = shop(), Channel[str]("room")

    @app.websocket("/room")
    async def stay(websocket: WebSocket) -> None:
        await room.connect(websocket)
        async for text in websocket.iter_text():
            await room.broadcast(text)

    heard = listening(app, *kinds)
    async with (
        AsyncTestClient(app),
        websocket_connect(app, "/room", frames=True) as one,
        websocket_connect(app, "/room", frames=True) as other,
    ):
        await anyio.wait_all_tasks_blocked()
        await one.send_text("hello")
        assert await one.receive_json() == await other.receive_json() == "hello"
        assert one.writes + other.writes == prepared
    assert len(heard) == 2


async def nobody(key: str) -> None:
    return None


async def test_refusals_are_told() -> None:
    app = shop()
    app.add_middleware(AuthenticationMiddleware(backend=APIKeyAuthBackend(nobody)))
    app.add_middleware(RateLimitMiddleware("2/minute", name="all"))

    @app.get("/secret")
    @auth()
    async def secret() -> None: ...

    heard = listening(app, AccessDenied, RequestLimited)
    assert (await ask(app, "GET", "/secret")).status == 401
    assert (await ask(app, "GET", "/")).status == 200
    assert (await ask(app, "GET", "/")).status == 429
    limited = [one for one in heard if isinstance(one, RequestLimited)]
    assert [one.rule for one in limited] == ["all"]


class Watcher:
    listens_to = (RequestFinished,)

    def __init__(self) -> None:
        self.heard: list[object] = []

    def __call__(self, event: object) -> None:
        self.heard.append(event)


async def test_any_bound_listener_is_attached_while_the_application_runs() -> None:
    module = Module("watching")
    module.bind(Watcher, scope=Scope.SINGLETON).to(Watcher)
    module.export(Watcher)
    app = NexiosApp(module)

    @app.get("/")
    async def index() -> str:
        return "here"

    async with running(app) as client:
        await client.get("/")
        watcher = await app.container.get(Watcher)
        assert len(watcher.heard) == 1
    assert not app.signals.hears(RequestFinished)


class Store:
    name = "store"
    critical = True
    timeout_s = 1.0
    broken = False

    async def check(self) -> None:
        if self.broken:
            raise ConnectionError("postgresql://me:hunter2@db/x refused")


async def test_dependencies_the_loop_and_the_drain_are_told() -> None:
    store = Store()
    module = Module("stores")
    module.bind(HealthCheck).value(store)
    app = NexiosApp(module)
    heard = listening(app, DependencyDown, DependencyUp, DrainStarted, LoopBlocked)
    async with running(app):
        house: Any = app._house
        await house._probing.board.report()
        store.broken = True
        for at in (2.0, 4.0, 6.0):
            house._probing.board._clock = lambda at=at: 1e9 + at
            await house._probing.board.report()
        store.broken = False
        house._probing.board._clock = lambda: 1e9 + 8.0
        await house._probing.board.report()
        house._probing._watch.note(0.1)
        house._probing._watch.note(0.3)
        app.drain()
        app.drain()
    down, up, blocked, drained = heard
    assert isinstance(down, DependencyDown)
    assert down.check == "store"
    assert "hunter2" not in down.says
    assert up == DependencyUp("store")
    assert blocked == LoopBlocked(0.3)
    assert drained == DrainStarted()


async def test_events_with_nobody_listening_are_not_made() -> None:
    app = shop()
    app.signals.on(LoopBlocked, lambda _: None)  # it is not about requests
    await ask(app, "GET", "/")
    house: Any = app._house
    assert app._straight == house._http
    assert house.gateway.watch is None  # one truth test, and nothing else
    gc.collect()
    gc.disable()
    try:
        for path in ("/", "/users/7", "/broken", "/nowhere"):
            await ask(app, "GET", path)
        made = [one for one in gc.get_objects() if type(one) in REQUESTS]
    finally:
        gc.enable()
    assert made == []


async def test_signals_may_be_asked_for() -> None:
    app = NexiosApp()

    @app.get("/given")
    async def given(signals: Signals = Depend()) -> str:
        return str(signals is app.signals)

    assert (await ask(app, "GET", "/given")).text == "True"


async def test_broadcasts_are_told_of_with_what_became_of_them() -> None:
    class Down(MemoryBackplane):
        async def publish(self, *_: Any, **__: Any) -> Any:
            raise Unavailable("the store is full")

    news: Channel[str] = Channel("news", when_degraded="refuse")
    for backplane, failure in ((MemoryBackplane(), None), (Down(), "Unavailable")):
        module = Module("carrier")
        module.bind(Backplane).value(backplane)
        app = NexiosApp(module.export(Backplane))
        heard = listening(app, ChannelPublished)
        async with AsyncTestClient(app):
            if failure is None:
                await news.of(app).broadcast("hello")
            else:
                with pytest.raises(Unavailable):
                    await news.of(app).broadcast("hello")
        (told,) = heard
        assert (told.channel, told.failure) == ("news", failure)
        assert told.size > 0
        assert 0 <= told.duration_s < 5
