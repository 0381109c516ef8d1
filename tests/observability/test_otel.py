"""Spans, as OpenTelemetry's own SDK sees them."""

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from opentelemetry.trace import SpanKind, StatusCode, get_current_span

from nexios import Depend, Module, NexiosApp, Scope, WebSocket
from nexios.adapters.observability.otel import Tracing, outgoing_headers
from nexios.adapters.persistence.database import Database
from nexios.application.listening import Signals
from nexios.application.signals import (
    DeliveryDone,
    DeliveryFailed,
    DeliveryStarted,
    RequestFinished,
    StatementRan,
    UseCaseFinished,
    UseCaseStarted,
)
from nexios.testing.client import AsyncTestClient
from nexios.testing.sockets import websocket_connect
from nexios.websockets import Channel
from tests.support.asgi import ask

pytestmark = pytest.mark.asyncio

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


class Recorded:
    """A provider that keeps what is recorded."""

    def __init__(self, sampler: Any = ALWAYS_ON) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=ParentBased(sampler))
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()


def traced(recorded: Recorded, **options: Any) -> NexiosApp:
    app = NexiosApp()
    app.signals.on(Tracing(recorded.provider, **options))

    @app.get("/users/{id:int}")
    async def user(id: int) -> dict[str, str]:
        return outgoing_headers()

    @app.get("/broken")
    async def broken() -> None:
        raise LookupError("password hunter2")

    return app


async def test_a_request_is_a_server_span_with_its_template() -> None:
    recorded = Recorded()
    app = traced(recorded)
    answer = await ask(app, "GET", "/users/7")
    (span,) = recorded.spans
    assert span.name == "GET /users/{id}"
    assert span.kind is SpanKind.SERVER
    assert span.parent is None
    assert span.attributes == {
        "http.request.method": "GET",
        "http.route": "/users/{id}",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "url.path": "/users/7",
        "network.protocol.version": "1.1",
        "network.peer.address": "127.0.0.1",
        "server.address": "testserver",
        "server.port": 80,
    }
    assert span.status.status_code is StatusCode.UNSET
    trace, _, parent = answer.json()["traceparent"][3:].partition("-")
    assert (trace, parent[:16]) == (
        f"{span.context.trace_id:032x}",
        f"{span.context.span_id:016x}",
    )
    assert not get_current_span().get_span_context().is_valid


async def test_misses_and_odd_methods_name_no_path() -> None:
    recorded = Recorded()
    app = traced(recorded)
    await ask(app, "GET", "/secret/7")
    await ask(app, "BREW", "/users/7")
    miss, odd = recorded.spans
    assert miss.name == "GET"
    assert odd.name == "HTTP"
    assert (odd.attributes or {})["http.request.method_original"] == "BREW"


async def test_an_unexpected_error_is_on_the_span_without_its_text() -> None:
    recorded = Recorded()
    answer = await ask(traced(recorded), "GET", "/broken")
    (span,) = recorded.spans
    assert span.status.status_code is StatusCode.ERROR
    (event,) = span.events
    assert event.attributes == {
        "exception.type": "LookupError",
        "nexios.error_id": answer.json()["error_id"],
    }
    assert "hunter2" not in span.to_json()


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("flags", ["01", "00"])
async def test_sampling_needs_a_trusted_peer(trusted: bool, flags: str) -> None:
    recorded = Recorded(ALWAYS_OFF if flags == "01" else ALWAYS_ON)
    app = traced(recorded, trusts=lambda peer: trusted and peer == "127.0.0.1")
    told = {"traceparent": f"00-{TRACE}-{SPAN}-{flags}", "tracestate": "vendor=1"}
    await ask(app, "GET", "/users/7", headers=told)
    # A trusted one decides; of anybody else our own sampler does.
    assert len(recorded.spans) == ((flags == "01") if trusted else (flags == "00"))
    if recorded.spans and trusted:
        (span,) = recorded.spans
        assert span.parent is not None
        assert f"{span.context.trace_id:032x}" == TRACE
        assert f"{span.parent.span_id:016x}" == SPAN
        assert span.context.trace_state.get("vendor") == "1"
    elif recorded.spans:
        (span,) = recorded.spans
        assert span.parent is None
        (link,) = span.links
        assert f"{link.context.trace_id:032x}" == TRACE
        assert f"{span.context.trace_id:032x}" != TRACE


async def test_a_bad_header_begins_a_new_trace() -> None:
    recorded = Recorded()
    app = traced(recorded, trusts=lambda _: True)
    await ask(app, "GET", "/users/7", headers={"traceparent": f"00-{TRACE}-{SPAN}-01-more"})
    (span,) = recorded.spans
    assert span.parent is None
    assert not span.links


_PING = {"db.system.name": "sqlite", "db.operation.name": "SELECT", "db.query.text": "SELECT ?"}


async def opened() -> AsyncIterator[Database]:
    async with Database("sqlite://") as database:
        yield database


async def test_statements_are_children_of_their_request() -> None:
    recorded = Recorded()
    app = traced(recorded)
    module = Module("store")
    module.bind(Database, scope=Scope.SINGLETON).to(opened)
    module.export(Database)
    app.include(module)

    @app.get("/rows")
    async def rows(database: Database = Depend()) -> int:
        return len(await database.fetch_all("SELECT ? WHERE 'hunter2' <> 'x'", [7]))

    async with AsyncTestClient(app) as client:
        recorded.exporter.clear()
        await client.get("/rows")
    # The health board asks the database too, in no request.
    mine = [one for one in recorded.spans if one.attributes != _PING]
    spans = {span.name: span for span in mine}
    statement, request = spans["SELECT"], spans["GET /rows"]
    assert statement.parent is not None
    assert statement.parent.span_id == request.context.span_id
    assert statement.kind is SpanKind.CLIENT
    attributes = statement.attributes or {}
    assert attributes["db.query.text"] == "SELECT ? WHERE ? <> ?"
    assert attributes["db.system.name"] == "sqlite"


async def test_requests_at_once_have_traces_of_their_own() -> None:
    recorded = Recorded()
    app = traced(recorded)
    entered, inside = anyio.Event(), []

    @app.get("/wait")
    async def wait() -> dict[str, str]:
        inside.append(1)
        if len(inside) == 10:
            entered.set()
        await entered.wait()
        return outgoing_headers()

    told: list[str] = []

    async def one() -> None:
        told.append((await ask(app, "GET", "/wait")).json()["traceparent"])

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(one)
    assert len(set(told)) == 10
    assert len({span.context.trace_id for span in recorded.spans}) == 10


async def test_use_cases_and_deliveries_hold_what_runs_in_them() -> None:
    recorded, signals = Recorded(), Signals()
    signals.on(Tracing(recorded.provider))
    signals.tell(DeliveryStarted("mail", "order.placed", 2))
    signals.tell(UseCaseStarted("Shop.send"))
    signals.tell(StatementRan("postgresql", "INSERT INTO x VALUES (?)", 0.01, "AlreadyExists"))
    signals.tell(UseCaseFinished("Shop.send", 0.01, "AlreadyExists"))
    signals.tell(DeliveryFailed("mail", "order.placed", 0.01, "AlreadyExists"))
    signals.tell(DeliveryStarted("mail", "order.placed", 3))
    signals.tell(DeliveryDone("mail", "order.placed", 0.01))
    statement, case, delivery, again = recorded.spans
    assert [one.name for one in recorded.spans[:3]] == [
        "INSERT",
        "Shop.send",
        "process order.placed",
    ]
    assert statement.parent is not None
    assert case.parent is not None
    assert statement.parent.span_id == case.context.span_id
    assert case.parent.span_id == delivery.context.span_id
    assert delivery.kind is SpanKind.CONSUMER
    assert delivery.status.status_code is StatusCode.ERROR
    assert again.status.status_code is StatusCode.UNSET
    assert signals.failures == 0


async def test_a_listener_that_comes_late_does_no_harm() -> None:
    recorded, signals = Recorded(), Signals()
    signals.on(Tracing(recorded.provider))
    signals.tell(RequestFinished("GET", "/", "http", 200, 0.1, True, {}))
    signals.tell(UseCaseFinished("x", 0.1, None))
    assert recorded.spans == ()
    assert signals.failures == 0


async def test_a_socket_is_a_span_and_its_messages_are_within() -> None:
    recorded = Recorded()
    app = traced(recorded)

    @app.websocket("/ws/{room}")
    async def ws(socket: WebSocket, room: str) -> None:
        await socket.accept()
        await socket.send_text(await socket.receive_text())

    async with websocket_connect(app, "/ws/x") as socket:
        await socket.send_text("hello")
        assert await socket.receive_text() == "hello"
    spans = {span.name: span for span in recorded.spans}
    around = spans["WEBSOCKET /ws/{room}"]
    for name in ("websocket receive", "websocket send"):
        parent = spans[name].parent
        assert parent is not None
        assert parent.span_id == around.context.span_id


async def test_without_a_span_nothing_is_told_to_others() -> None:
    assert outgoing_headers() == {}


async def test_a_broadcast_is_a_span_within_the_request_that_makes_it() -> None:
    recorded = Recorded()
    app = traced(recorded)
    news: Channel[str] = Channel("news")

    @app.post("/news")
    async def tell() -> None:
        await news.of(app).broadcast("hello")

    async with AsyncTestClient(app) as client:
        assert (await client.post("/news")).status_code == 204
    spans = {span.name: span for span in recorded.spans}
    around, sent = spans["POST /news"], spans["send news"]
    assert sent.parent is not None
    assert sent.parent.span_id == around.context.span_id
    assert dict(sent.attributes or {})["messaging.destination.name"] == "news"
    assert sent.start_time is not None
    assert around.start_time is not None
    assert sent.start_time >= around.start_time - 1_000_000


async def test_what_the_container_opens_is_a_span_within_its_request() -> None:
    recorded = Recorded()
    module = Module("data")

    class Session: ...

    @module.provides()
    async def session() -> AsyncIterator[Session]:
        yield Session()

    app = NexiosApp(module.export(Session))
    app.signals.on(Tracing(recorded.provider))

    @app.get("/orders")
    async def orders(session: Session = Depend()) -> str:
        return type(session).__name__

    assert (await ask(app, "GET", "/orders")).text == "Session"
    spans = {span.name: span for span in recorded.spans}
    around, made = spans["GET /orders"], spans["make Session"]
    assert made.parent is not None
    assert made.parent.span_id == around.context.span_id
    assert dict(made.attributes or {})["nexios.dependency.scope"] == "request"
