"""Start and stop: order, failures, servers without lifespan, late registrations."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from nexios import (
    Depend,
    MakeConfig,
    Module,
    NexiosApp,
    Scope,
    WebSocketDisconnect,
    config,
    set_config,
)
from nexios.adapters.http.ordering import MiddlewareOrderError
from nexios.application.errors import Forbidden
from nexios.testing.client import AsyncTestClient
from nexios.testing.server import LifespanFailed
from nexios.testing.sockets import SocketDenied, websocket_connect
from tests.support.asgi import ask

pytestmark = pytest.mark.asyncio


class Pool:
    pass


def recorded(log: list[str]) -> Module:
    module = Module("pool")

    @module.provides(scope=Scope.SINGLETON)
    async def pool() -> AsyncIterator[Pool]:
        log.append("pool opens")
        try:
            yield Pool()
        finally:
            log.append("pool closes")

    module.export(Pool)
    return module


async def test_singletons_open_before_hooks_and_close_after_them() -> None:
    log: list[str] = []
    app = NexiosApp(recorded(log))
    app.on_startup(lambda: log.append("start hook"))

    @app.on_shutdown()
    async def stop() -> None:
        log.append("stop hook")

    async with AsyncTestClient(app):
        log.append("serving")

    assert log == ["pool opens", "start hook", "serving", "stop hook", "pool closes"]


async def test_failing_start_hook_aborts_and_closes_what_had_started() -> None:
    log: list[str] = []
    app = NexiosApp(recorded(log))

    @app.on_startup
    async def start() -> None:
        raise ValueError("no licence")

    with pytest.raises(LifespanFailed, match=r"^ValueError: no licence$"):
        async with AsyncTestClient(app):
            pass
    assert log == ["pool opens", "pool closes"]


async def test_every_stop_hook_runs_and_failures_are_grouped() -> None:
    app = NexiosApp()
    log: list[str] = []

    @app.on_shutdown
    async def first() -> None:
        raise ValueError("first")

    app.on_shutdown(lambda: log.append("second"))

    @app.on_shutdown
    async def third() -> None:
        raise KeyError("third")

    with pytest.raises(LifespanFailed) as failure:
        async with AsyncTestClient(app):
            pass
    assert log == ["second"]
    assert str(failure.value).splitlines() == [
        "ExceptionGroup: stop hooks failed",
        "  ValueError: first",
        "  KeyError: 'third'",
    ]


async def test_lifespan_manager_feeds_the_state_and_hooks_beside_it_warn() -> None:
    log: list[str] = []

    @asynccontextmanager
    async def life(app: NexiosApp) -> AsyncIterator[dict[str, int]]:
        log.append("opened")
        yield {"answer": 42}
        log.append("closed")

    app = NexiosApp(lifespan=life)
    app.on_startup(lambda: log.append("never"))

    @app.get("/")
    async def show(request) -> int:
        return request.scope["app"].state["answer"]

    with pytest.warns(UserWarning, match="these hooks do not run"):
        async with AsyncTestClient(app) as client:
            assert (await client.get("/")).json() == 42
    assert log == ["opened", "closed"]


async def test_server_without_lifespan_starts_the_app_once_for_ten_first_requests() -> None:
    log: list[str] = []
    app = NexiosApp(recorded(log))

    @app.get("/")
    async def show(pool: Pool = Depend()) -> str:
        return type(pool).__name__

    client = AsyncTestClient(app)
    answers: list[str] = []

    async def ask() -> None:
        answers.append((await client.get("/")).text)

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(ask)

    assert answers == ["Pool"] * 10
    assert log == ["pool opens"]
    await app._keeper.end()  # type: ignore[attr-defined]  # no server tells it


async def test_late_route_is_served_and_a_late_mistake_leaves_the_table() -> None:
    app = NexiosApp()

    @app.get("/early")
    async def early() -> str:
        return "early"

    async with AsyncTestClient(app) as client:
        assert (await client.get("/late")).status_code == 404

        @app.get("/late")
        async def late() -> str:
            return "late"

        assert (await client.get("/late")).text == "late"

        class Wants:
            def __init__(self, what: int) -> None: ...

        with pytest.raises(Exception, match="what"):

            @app.get("/wrong")
            async def wrong(wants: Wants = Depend()) -> str:
                return "never"

        assert (await client.get("/wrong")).status_code == 404
        assert (await client.get("/early")).text == "early"


async def test_two_apps_in_one_process_share_nothing() -> None:
    one = NexiosApp(config=MakeConfig(debug=True, mine="one"))
    two = NexiosApp(config=MakeConfig(mine="two"))

    @one.get("/")
    async def of_one(request) -> str:
        return request.scope["app"].config.mine

    @two.get("/")
    async def of_two(request) -> str:
        return request.scope["app"].config.mine

    async with AsyncTestClient(one) as first, AsyncTestClient(two) as second:
        assert (await first.get("/")).text == "one"
        assert (await second.get("/")).text == "two"
        assert (await second.get("/other")).status_code == 404


async def test_global_state_is_the_apps_state() -> None:
    app = NexiosApp()

    @app.get("/")
    async def count(request) -> int:
        state = request.scope["global_state"]
        state["count"] = state.get("count", 0) + 1
        return state["count"]

    async with AsyncTestClient(app) as client:
        await client.get("/")
        assert (await client.get("/")).json() == 2
    assert app.state == {"count": 2}


async def test_two_configurations_are_refused() -> None:
    with pytest.raises(TypeError, match="two configurations"):
        NexiosApp(MakeConfig(), config=MakeConfig())


async def test_unknown_route_option_is_refused_with_the_near_name() -> None:
    app = NexiosApp()
    with pytest.raises(TypeError, match="summary"):
        app.get("/x", sumary="")  # type: ignore[call-overload]  # the mistake under test


async def test_stopped_app_may_be_started_again_with_fresh_objects() -> None:
    log: list[str] = []
    app = NexiosApp(recorded(log))

    @app.get("/")
    async def show(pool: Pool = Depend()) -> int:
        return id(pool)

    @app.websocket("/ws")
    async def greet(websocket) -> None:
        await websocket.accept()
        await websocket.send_text("hello")

    for _ in range(2):
        async with AsyncTestClient(app) as client:
            assert (await client.get("/")).status_code == 200
            async with client.websocket_connect("/ws") as socket:
                assert await socket.receive_text() == "hello"

    assert log == ["pool opens", "pool closes"] * 2


async def test_app_without_config_takes_the_deprecated_default_and_warns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(config, "_default", None)  # put back after the test
    with pytest.warns(DeprecationWarning, match="set_config"):
        set_config(mine="default")

    with pytest.warns(DeprecationWarning, match="config="):
        assert NexiosApp().config.mine == "default"
    assert NexiosApp(config=MakeConfig(mine="own")).config.mine == "own"


async def test_stop_lets_sockets_go_before_hooks_and_singletons() -> None:
    log: list[str] = []
    app = NexiosApp(recorded(log))

    @app.websocket("/ws")
    async def wait(websocket) -> None:
        await websocket.accept()
        try:
            await websocket.receive_text()
        finally:
            log.append("socket ends")

    app.on_shutdown(lambda: log.append("stop hook"))

    client = AsyncTestClient(app)
    await client.__aenter__()
    async with client.websocket_connect("/ws") as socket, anyio.create_task_group() as group:
        group.start_soon(client.__aexit__, None, None, None)
        with pytest.raises(WebSocketDisconnect) as gone:
            await socket.receive_text()

    assert gone.value.code == 1012
    assert log == ["pool opens", "socket ends", "stop hook", "pool closes"]


async def test_stopped_app_starts_again_at_a_request_without_lifespan() -> None:
    log: list[str] = []
    app = NexiosApp(recorded(log))

    @app.get("/")
    async def show(pool: Pool = Depend()) -> str:
        return type(pool).__name__

    async with AsyncTestClient(app) as client:
        await client.get("/")
    assert (await AsyncTestClient(app).get("/")).text == "Pool"
    await app._keeper.end()

    assert log == ["pool opens", "pool closes"] * 2


async def test_late_middleware_that_is_refused_leaves_no_trace() -> None:
    app = NexiosApp()

    @app.get("/")
    async def show() -> str:
        return "shown"

    async with AsyncTestClient(app) as client:
        with pytest.raises(MiddlewareOrderError):
            app.add_middleware(passing, before=Pool)
        assert app.http_middleware == []
        app.add_middleware(passing)
        assert (await client.get("/")).text == "shown"


async def passing(request, response, call_next) -> object:
    return await call_next()


class Guarding:
    """A middleware that wants the container and the app, and guards sockets too."""

    def __init__(self) -> None:
        self.given: list[str] = []

    def wire(self, container) -> None:
        self.given.append("container")

    def bind(self, app) -> None:
        self.given.append("app")

    async def __call__(self, request, response, call_next) -> object:
        return await call_next()

    async def handshake(self, websocket) -> None: ...


async def test_late_middleware_is_wired_and_bound_like_an_early_one() -> None:
    app = NexiosApp()
    app.check()
    late = Guarding()

    app.add_middleware(late)

    assert late.given == ["container", "app"]


async def test_late_middleware_guards_the_next_handshake() -> None:
    app = NexiosApp()

    @app.websocket("/ws")
    async def greet(websocket) -> None:
        await websocket.accept()

    class Refusing(Guarding):
        async def handshake(self, websocket) -> None:
            raise Forbidden("not you")

    async with websocket_connect(app, "/ws"):
        pass
    app.add_middleware(Refusing())
    with pytest.raises(SocketDenied) as denied:
        async with websocket_connect(app, "/ws"):
            pass
    assert denied.value.status == 403


async def test_an_application_without_lifespan_starts_again_on_the_next_loop() -> None:
    app = NexiosApp()

    @app.get("/")
    async def hello() -> str:
        return "hello"

    async def once() -> int:
        return (await ask(app, "GET", "/")).status

    def on_a_loop_of_its_own() -> int:
        return asyncio.run(once())

    for _ in range(3):
        assert await anyio.to_thread.run_sync(on_a_loop_of_its_own) == 200
