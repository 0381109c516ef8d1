"""A socket through the gateway: routes, guards, binding, scopes, errors and the end."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, NewType

import anyio
import anyio.lowlevel
import pytest
from pydantic import BaseModel

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.errors import CookiesTooLarge, TooManyQueryFields
from nexios.adapters.asgi.origins import OriginSet
from nexios.adapters.asgi.params import Cookie, Header, Query
from nexios.adapters.asgi.stages import Stage
from nexios.adapters.asgi.types import ASGIApp
from nexios.adapters.http.errors import HTTPException
from nexios.adapters.http.problems import ROWS
from nexios.adapters.websocket.closing import (
    MEANINGS,
    HandshakeInvalid,
    WebSocketDisconnect,
    WebSocketException,
)
from nexios.adapters.websocket.gateway import (
    CompiledSockets,
    SocketSettings,
    compile_sockets,
)
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.caller import Caller
from nexios.application.errors import (
    Forbidden,
    OutcomeUnknown,
    Overloaded,
    RateLimited,
    TimedOut,
    Unauthenticated,
    Unavailable,
)
from nexios.application.limits import Limits
from nexios.container.container import Container
from nexios.container.depend import Depend
from nexios.container.module import Module
from nexios.domain.errors import (
    AlreadyExists,
    Conflict,
    DomainError,
    InvalidValue,
    NotAllowed,
    NotFound,
    RuleViolated,
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


async def test_unknown_socket_path_is_a_404_denial() -> None:
    async with serving() as app:
        refused = await denial(app, "/nowhere")
        assert refused.status == 404
        assert refused.json()["instance"] == "/nowhere"
        assert (await denial(app, "/nowhere", denial=False)).status == 403


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


DOMAIN = [
    (InvalidValue, 422, 1008),
    (NotFound, 404, 1008),
    (RuleViolated, 409, 1008),
    (AlreadyExists, 409, 1008),
    (Conflict, 409, 1008),
    (TimedOut, 504, 1008),
    (NotAllowed, 403, 4403),
    (Forbidden, 403, 4403),
    (RateLimited, 429, 4429),
    (Unauthenticated, 401, 4401),
    (Overloaded, 503, 1013),
    (Unavailable, 503, 1013),
    (OutcomeUnknown, 503, 1013),
]
SILENT = (Unauthenticated, Overloaded, Unavailable, OutcomeUnknown)


@pytest.mark.parametrize(("kind", "status", "code"), DOMAIN)
async def test_domain_errors_become_the_tabled_answers(
    kind: type[Exception], status: int, code: int
) -> None:
    class Special(kind):  # type: ignore[misc,valid-type]
        pass

    async def before(websocket: WebSocket) -> None:
        raise Special("words")

    async def after(websocket: WebSocket) -> None:
        await websocket.accept()
        raise Special("words")

    async with serving(route("/before", before), route("/after", after)) as app:
        refused = await denial(app, "/before")
        assert (refused.status, refused.json()["detail"]) == (status, "words")
        assert refused.json()["type"] == "urn:nexios:problem:special"
        async with websocket_connect(app, "/after") as client:
            if kind not in SILENT:
                frame = await client.receive_json()
                assert (frame["status"], frame["code"], frame["detail"]) == (
                    status, "special", "words",
                )  # fmt: skip
            end = await client.closed()
        assert (end.code, end.reason) == (code, "words")
        assert app.faults == []


_WIRE: dict[type[Exception], Exception] = {
    TooManyQueryFields: TooManyQueryFields(1),
    CookiesTooLarge: CookiesTooLarge(1, "bytes"),
}


def test_statuses_are_those_of_http() -> None:
    scope: dict[str, Any] = {"type": "http", "path": "/", "headers": []}
    shared = {kind: row for kind, row in MEANINGS.items() if kind is not HandshakeInvalid}
    assert {kind for kind in ROWS if issubclass(kind, DomainError)} <= set(shared)
    for kind, meaning in shared.items():
        error = _WIRE[kind] if kind in _WIRE else kind()
        assert ROWS[kind](error, scope).status == meaning.status, kind


async def test_challenges_and_retry_advice_reach_the_client() -> None:
    async def anonymous(websocket: WebSocket) -> None:
        websocket.scope["nexios.challenges"] = ("Bearer", 'Basic realm="x"')
        raise Unauthenticated

    async def busy(websocket: WebSocket) -> None:
        raise Unavailable(retry_after_s=1.5)

    async with serving(route("/a", anonymous), route("/b", busy)) as app:
        assert "Basic" in (await denial(app, "/a")).headers["www-authenticate"]
        assert (await denial(app, "/b")).headers["retry-after"] == "2"


async def test_http_exceptions_refuse_with_their_own_status() -> None:
    async def handler(websocket: WebSocket) -> None:
        raise HTTPException(418, "short and stout", headers={"x-pot": "1"})

    async with serving(route("/ws", handler)) as app:
        refused = await denial(app, "/ws")
        assert (refused.status, refused.headers["x-pot"]) == (418, "1")
        assert refused.json()["detail"] == "short and stout"
        assert app.faults == []


async def test_unknown_error_closes_1011_with_an_id() -> None:
    async def before(websocket: WebSocket) -> None:
        raise LookupError("canary")

    async def after(websocket: WebSocket) -> None:
        await websocket.accept()
        raise LookupError("canary")

    async with serving(route("/before", before), route("/after", after)) as app:
        refused = await denial(app, "/before")
        assert refused.status == 500
        assert "canary" not in refused.body.decode()
        async with websocket_connect(app, "/after") as client:
            end = await client.closed()
        assert end.code == 1011
        ids = [refused.json()["error_id"], str(end.reason).removeprefix("error ")]
        assert [error_id for _, error_id in app.faults] == ids
        assert [str(error) for error, _ in app.faults] == ["canary", "canary"]


async def test_groups_are_answered_by_what_is_in_them() -> None:
    async def one(websocket: WebSocket) -> None:
        raise ExceptionGroup("tasks", [ExceptionGroup("inner", [NotFound("words")])])

    async def leaving(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close(4000)
        raise ExceptionGroup("tasks", [WebSocketDisconnect(), WebSocketDisconnect()])

    async def mixed(websocket: WebSocket) -> None:
        raise ExceptionGroup("tasks", [NotFound("words"), KeyError("canary")])

    async with serving(
        route("/one", one), route("/leaving", leaving), route("/mixed", mixed)
    ) as app:
        assert (await denial(app, "/one")).status == 404
        async with websocket_connect(app, "/leaving") as client:
            assert (await client.closed()).code == 4000
        assert app.faults == []
        assert (await denial(app, "/mixed")).status == 500
        assert len(app.faults) == 1


async def test_a_handler_may_choose_its_close_code() -> None:
    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        raise WebSocketException(4100, "enough")

    async with serving(route("/ws", handler)) as app:
        async with websocket_connect(app, "/ws") as client:
            end = await client.closed()
        assert (end.code, end.reason) == (4100, "enough")
        assert app.faults == []


async def test_returning_closes_1000_and_without_accept_is_403() -> None:
    async def silent(websocket: WebSocket) -> None:
        pass

    async def polite(websocket: WebSocket) -> None:
        await websocket.accept()

    async with serving(route("/silent", silent), route("/polite", polite)) as app:
        assert (await denial(app, "/silent")).status == 403
        async with websocket_connect(app, "/polite") as client:
            assert (await client.closed()).code == 1000


async def test_a_disconnect_left_uncaught_is_no_fault() -> None:
    ended: list[str] = []

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        websocket.when_gone(lambda: ended.append("gone"))
        await websocket.receive_text()

    async with serving(route("/ws", handler)) as app:
        async with websocket_connect(app, "/ws"):
            pass
        assert (app.faults, ended) == ([], ["gone"])


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
            websocket.scope["auth"] = websocket.headers.get("x-scheme", "no-auth")

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()

    own = ("origin", "http://testserver")
    async with serving(route("/ws", handler), middleware=(Session(),)) as app:
        assert (await denial(app, "/ws", headers=[own, own])).status == 403
        assert (await denial(app, "/ws", headers={"x-scheme": "session"})).status == 403
        for headers in ([], [("x-scheme", "jwt")], [("x-scheme", "session"), own]):
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
    go = anyio.Event()

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        await go.wait()
        await websocket.send_text("late")

    async with (
        serving(route("/ws", handler, limits={"handshake_s": 0.01})) as app,
        websocket_connect(app, "/ws") as client,
    ):
        await anyio.sleep(0.05)  # longer than the handshake may take: that is what is shown
        go.set()
        assert await client.receive_text() == "late"


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


async def test_payloads_never_reach_a_log(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_text()
        await websocket.receive_bytes()
        await websocket.receive_json()
        await websocket.close(4000, "canary")

    caplog.set_level(0)
    async with (
        serving(route("/ws", handler)) as app,
        websocket_connect(app, "/ws?token=canary") as client,
    ):
        await client.send_text("canary")
        await client.send_bytes(b"canary")
        await client.send_text("canary")
        await client.send_text('"canary"')
        await client.closed()
    assert "canary" not in caplog.text
