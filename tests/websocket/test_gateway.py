"""A socket through the gateway: routes, guards, binding, scopes, errors and the end."""

from collections.abc import AsyncIterator
from typing import Annotated, NewType

import anyio
import anyio.lowlevel
import pytest
from pydantic import BaseModel

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.params import Cookie, Header, Query
from nexios.adapters.asgi.stages import Stage
from nexios.adapters.asgi.types import ASGIApp
from nexios.adapters.websocket.closing import (
    WebSocketDisconnect,
)
from nexios.adapters.websocket.compiled import (
    CompiledSockets,
    SocketSettings,
    compile_sockets,
)
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.caller import Caller
from nexios.application.limits import Limits
from nexios.container.container import Container
from nexios.container.depend import Depend
from nexios.container.module import Module
from nexios.domain.errors import (
    InvalidValue,
)
from nexios.testing.sockets import websocket_connect
from tests.support.gateway import denial, everywhere, route, serving

pytestmark = pytest.mark.anyio


RoomId = NewType("RoomId", str)


class Code:
    """An identity: read from text by ``parse``."""

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def parse(cls, text: str) -> "Code":
        if not text.isupper():
            raise InvalidValue("canary")
        return cls(text)


async def test_path_values_reach_the_handler_converted() -> None:
    async def handler(socket, room: RoomId, number: int, code: Code, text: str, raw):  # type: ignore[no-untyped-def]
        await socket.accept()
        await socket.send_json([room, number, code.text, text, raw])

    path = "/ws/{room}/{number:int}/{code}/{text:int}/{raw:int}"
    async with (
        serving(route(path, handler)) as app,
        websocket_connect(app, "/ws/tea/7/ABC/8/9") as client,
    ):
        assert await client.receive_json() == ["tea", 7, "ABC", "8", 9]


async def test_a_converter_that_does_not_match_is_404_and_a_type_is_422() -> None:
    async def handler(socket, number: int, code: Code):  # type: ignore[no-untyped-def]
        raise AssertionError("never")

    async with serving(route("/ws/{number:int}/{code}", handler)) as app:
        assert (await denial(app, "/ws/x/ABC")).status == 404
        refused = await denial(app, "/ws/7/abc")
    assert refused.status == 422
    assert "canary" not in refused.body.decode()
    assert [(e["in"], e["name"]) for e in refused.json()["errors"]] == [("path", "code")]


async def test_values_of_the_handshake_are_read_and_checked_together() -> None:
    async def handler(
        websocket: WebSocket,
        page: int,
        tags: Annotated[list[str], Query()],
        agent: str = Header(alias="user-agent"),
        x_trace: str | None = Header(None),
        theme: str = Cookie("light"),
        flag: bool = False,
    ) -> None:
        await websocket.accept()
        await websocket.send_json([page, tags, agent, x_trace, theme, flag])

    async with serving(route("/ws", handler)) as app:
        headers = {"user-agent": "test", "cookie": "theme=dark", "x-trace": "t"}
        url = "/ws?page=3&tags=a&tags=b&flag=yes"
        async with websocket_connect(app, url, headers=headers) as client:
            assert await client.receive_json() == [3, ["a", "b"], "test", "t", "dark", True]
        refused = await denial(app, "/ws?page=canary&flag=canary")
    assert refused.status == 422
    assert refused.json()["type"] == "urn:nexios:problem:request-invalid"
    assert "canary" not in refused.body.decode()
    assert [(e["in"], e["name"]) for e in refused.json()["errors"]] == [
        ("query", "page"), ("query", "tags"), ("header", "user-agent"), ("query", "flag"),
    ]  # fmt: skip


class Clock:
    def now(self) -> int:
        return 42


async def test_dependencies_are_resolved_and_closed_with_the_socket() -> None:
    order: list[str] = []

    async def session() -> AsyncIterator[str]:
        order.append("open")
        try:
            yield "session"
        finally:
            order.append("close")

    def named(websocket: WebSocket, name: str = Query("nobody")) -> str:
        return f"{name} at {websocket.path}"

    async def handler(
        ws,
        clock: Clock = Depend(),
        opened: str = Depend(session),
        who: str = Depend(named),
        caller: Caller = Depend(),
    ):  # type: ignore[no-untyped-def]
        await ws.accept()
        order.append(opened)
        await ws.send_json([clock.now(), who, caller.actor])
        await ws.receive_text()

    async with serving(route("/ws", handler)) as app:
        async with websocket_connect(app, "/ws?name=ada") as client:
            assert await client.receive_json() == [42, "ada at /ws", None]
            assert order == ["open", "session"]
        assert order == ["open", "session", "close"]


async def test_returning_closes_1000_and_without_accept_is_403() -> None:
    async def silent(websocket: WebSocket) -> None:
        pass

    async def polite(websocket: WebSocket) -> None:
        await websocket.accept()

    async with serving(route("/silent", silent), route("/polite", polite)) as app:
        assert (await denial(app, "/silent")).status == 403
        async with websocket_connect(app, "/polite") as client:
            assert (await client.closed()).code == 1000


async def test_limits_of_a_route_stand_over_the_apps() -> None:
    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_text()

    async with serving(
        route("/small", handler, limits={"message_bytes": 3}),
        route("/app", handler),
        limits=Limits(message_bytes=5),
    ) as app:
        for path, size, code in (("/small", 4, 1009), ("/app", 5, 1000), ("/app", 6, 1009)):
            async with websocket_connect(app, path) as client:
                await client.send_text("x" * size)
                assert (await client.closed()).code == code


async def test_a_gateway_that_retires_denies_sockets_and_keeps_those_it_has() -> None:
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    async with serving(route("/a", echo)) as app, websocket_connect(app, "/a") as one:
        app.gateway.retire()
        refused = await denial(app, "/a")
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["detail"] == "the service is restarting"
        await one.send_text("still here")
        assert await one.receive_text() == "still here"
        app.gateway.part()  # nothing watches, so nothing would run it
        await one.send_text("and here")
        assert await one.receive_text() == "and here"
        app.gateway.open()
        async with websocket_connect(app, "/a") as other:
            await other.send_text("again")
            assert await other.receive_text() == "again"


async def test_parting_closes_sockets_one_after_the_other() -> None:
    async def stay(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.wait_closed()

    ends: list[float] = []
    all_over = anyio.Event()
    async with serving(route("/a", stay)) as app, anyio.create_task_group() as tasks:
        tasks.start_soon(app.gateway.watch)
        await anyio.wait_all_tasks_blocked()

        async def visit() -> None:
            async with websocket_connect(app, "/a") as peer:
                assert (await peer.closed()).code == 1012
                ends.append(anyio.current_time())
                if len(ends) == 10:
                    all_over.set()

        for _ in range(10):
            tasks.start_soon(visit)
        await anyio.wait_all_tasks_blocked()
        begun = anyio.current_time()
        app.gateway.part()
        app.gateway.part()
        with anyio.fail_after(5):
            await all_over.wait()
        for number, end in enumerate(ends):
            assert end - begun >= number * 0.01 - 0.001
        tasks.cancel_scope.cancel()


async def test_closing_the_gateway_ends_every_socket_and_then_the_handlers() -> None:
    stopped: list[str] = []

    async def listening(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            await websocket.receive_text()
        except WebSocketDisconnect as end:
            stopped.append(f"told {end.code}")

    async def deaf(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            await anyio.sleep_forever()
        finally:
            stopped.append("cancelled")

    limits = Limits(message_finish_s=0.01)
    async with (
        serving(route("/a", listening), route("/b", deaf), limits=limits) as app,
        websocket_connect(app, "/a") as one,
        websocket_connect(app, "/b") as two,
    ):
        await app.gateway.close()
        assert stopped == ["told 1012", "cancelled"]
        assert (await one.closed()).code == (await two.closed()).code == 1012
        assert (await denial(app, "/a")).status == 503


class Post(BaseModel):
    text: str


async def test_a_message_scope_is_a_request_of_its_own() -> None:
    class Unit:
        pass

    closed: list[Unit] = []

    async def unit() -> AsyncIterator[Unit]:
        made = Unit()
        yield made
        closed.append(made)

    module = Module("app")
    module.bind(Unit).to(unit)
    seen: list[tuple[Unit, Caller]] = []

    async def work(unit: Unit = Depend(), caller: Caller = Depend()) -> None:
        seen.append((unit, caller))

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        async for post in websocket.iter_as(Post):
            async with websocket.message(id=post.text) as scope:
                await scope.call(work)
            assert len(closed) == len(seen)
            await websocket.send_text("done")

    async with serving(route("/ws", handler), module=module) as app:
        async with websocket_connect(app, "/ws") as client:
            for text in ("a", "b"):
                await client.send_json({"text": text})
                await client.receive_text()
        assert app.faults == []
    assert [caller.idempotency_key for _, caller in seen] == ["a", "b"]
    assert seen[0][0] is not seen[1][0]


async def test_concurrent_sockets_never_share_a_caller() -> None:
    class Callers:
        stage = Stage.AUTHENTICATION

        async def handshake(self, websocket: WebSocket) -> None:
            await anyio.lowlevel.checkpoint()
            websocket.scope["caller"] = Caller(actor=websocket.query_params.get("who"))

    async def guard(connection: Connection) -> None:
        await anyio.lowlevel.checkpoint()
        assert connection.caller.actor == connection.query_params.get("who")

    async def actor(caller: Caller = Depend()) -> str | None:
        await anyio.lowlevel.checkpoint()
        return caller.actor

    async def handler(websocket: WebSocket, who: str, mine: str = Depend(actor)) -> None:
        await websocket.accept()
        await websocket.send_json([who, mine])

    got: list[list[str]] = []

    async def one(app: ASGIApp, who: str) -> None:
        async with websocket_connect(app, f"/ws?who={who}") as client:
            got.append(await client.receive_json())

    routes = (route("/ws", handler, guards=[guard]),)
    async with serving(*routes, middleware=(Callers(),)) as app:
        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(one, app, f"u{number}")
        assert app.faults == []
    assert sorted(got) == sorted([f"u{n}", f"u{n}"] for n in range(50))


async def test_everything_wrong_with_routes_is_told_at_once() -> None:
    async def handler(websocket: WebSocket) -> None: ...

    compiled: CompiledSockets = compile_sockets(
        [
            route("/a/{", handler),
            route("/b", handler, gaurds=[]),
            route("/c", handler, limits={"mesage_bytes": 1}),
            route("/d/{x}", handler),
            route("/d/{y}", handler),
        ],
        SocketSettings(),
    )
    texts = [str(problem) for problem in compiled.problems]
    assert len(texts) == 4
    assert "'guards'" in texts[1]
    assert "'message_bytes'" in texts[2]
    assert all("tests/app.py:1" in text for text in texts)


async def test_a_body_cannot_be_asked_of_a_handshake() -> None:
    async def handler(websocket: WebSocket, post: Post) -> None: ...

    sockets = compile_sockets([route("/ws", handler)], SocketSettings())
    container = Container(Module("app"), entries=sockets.points, everywhere=everywhere())
    with pytest.raises(Exception, match="post") as problem:
        container.validate()
    assert "NX211" in str(problem.value)
