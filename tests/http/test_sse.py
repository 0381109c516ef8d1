"""Server-sent events: their format, silence, ends and returns."""

import re
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from nexios import Depend, EventStream, Module, NexiosApp, Request, Response, ServerSentEvent
from nexios.adapters.http.errors import Unencodable
from nexios.adapters.http.router import Router
from nexios.adapters.http.sse import OpenStreams, event_bytes
from tests.support.asgi import Peer, Served, http_scope
from tests.support.server import serving


class Step(BaseModel):
    number: int


class Secretive(Step):
    secret: str = "hidden"


def staying() -> Peer:
    return Peer(stays=True)


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ("a", "data: a\n\n"),
        ("a\nb\r\nc\rd", "data: a\ndata: b\ndata: c\ndata: d\n\n"),
        ("a\x0bb\u2028c", "data: a\x0bb\u2028c\n\n"),
        ("", "data: \n\n"),
        ({"a": 1}, 'data: {"a":1}\n\n'),
        (Step(number=1), 'data: {"number":1}\n\n'),
        (None, "data: null\n\n"),
        (
            ServerSentEvent("x", event="step", id="7", retry=100),
            "event: step\nid: 7\nretry: 100\ndata: x\n\n",
        ),
        (ServerSentEvent([1], id=""), "id: \ndata: [1]\n\n"),
    ],
)
def test_sse_format(item: object, text: str) -> None:
    assert event_bytes(item).decode() == text


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\0b", "x\r\ndata: forged"])
def test_an_event_cannot_break_out_of_its_line(bad: str) -> None:
    for field in ("event", "id"):
        with pytest.raises(ValueError, match=f"the {field} of an event"):
            ServerSentEvent("x", **{field: bad})
    assert event_bytes(bad).count(b"\n\n") == 1


def test_numbers_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="retry"):
        ServerSentEvent("x", retry=-1)
    with pytest.raises(ValueError, match="ping_s"):
        EventStream([], ping_s=0)


@pytest.mark.asyncio
async def test_the_head_says_what_a_browser_and_a_proxy_need() -> None:
    router = Router()

    @router.get("/")
    async def events(response: Response) -> Response:
        return response.sse(["a", {"b": 1}], retry_ms=500)

    async with Served(router) as served:
        answer = await served.get("/", peer=staying())
    assert answer.status == 200
    assert answer.headers("content-type") == ["text/event-stream"]
    assert answer.header("cache-control") == "no-store"
    assert answer.header("x-accel-buffering") == "no"
    assert answer.header("content-length") is None
    assert answer.text == 'retry: 500\n\ndata: a\n\ndata: {"b":1}\n\n'


@pytest.mark.asyncio
async def test_the_annotation_of_a_generator_makes_it_events_and_filters_fields() -> None:
    router = Router()

    @router.get("/typed")
    async def typed() -> AsyncIterator[ServerSentEvent[Step]]:
        yield ServerSentEvent(Secretive(number=1), event="step")

    @router.get("/plain")
    async def plain() -> AsyncIterator[ServerSentEvent]:  # type: ignore[type-arg]
        yield ServerSentEvent({"a": 1})

    @router.get("/mixed")
    async def mixed() -> AsyncIterator[ServerSentEvent[Step] | str]:
        yield "hello"

    async with Served(router) as served:
        one = await served.get("/typed", peer=staying())
        assert one.header("content-type") == "text/event-stream"
        assert one.text.endswith('event: step\ndata: {"number":1}\n\n')
        assert "hidden" not in one.text
        assert (await served.get("/plain", peer=staying())).text.endswith('data: {"a":1}\n\n')
        assert (await served.get("/mixed", peer=staying())).text.endswith("data: hello\n\n")


@pytest.mark.asyncio
async def test_first_bytes_go_out_at_once_and_comments_in_silence() -> None:
    peer = staying()

    async def events() -> AsyncIterator[str]:
        assert peer.sent[1]["body"] == b"retry: 2000\n\n"
        await anyio.sleep(0.35)
        yield "late"

    stream = EventStream(events(), ping_s=0.1)
    await stream(http_scope("GET", "/"), peer.receive, peer.send)
    body = peer.answer().body
    assert body.startswith(b"retry: 2000\n\n:\n\n:\n\n")
    assert body.endswith(b":\n\ndata: late\n\n")
    assert body.count(b":\n\n") == 3


@pytest.mark.asyncio
async def test_an_error_in_the_events_is_never_a_clean_end() -> None:
    router = Router()

    @router.get("/")
    async def broken() -> AsyncIterator[ServerSentEvent[Any]]:
        yield ServerSentEvent("a")
        yield ServerSentEvent(object())

    peer = staying()
    async with Served(router) as served:
        with pytest.raises(Unencodable):
            await served.get("/", peer=peer)
        assert len(served.reports) == 1
    assert peer.sent[-1]["more_body"] is True


@pytest.mark.asyncio
async def test_head_starts_nothing() -> None:
    log: list[str] = []

    async def events() -> AsyncIterator[str]:
        log.append("started")
        yield "a"

    peer = staying()
    await EventStream(events())(http_scope("HEAD", "/"), peer.receive, peer.send)
    assert peer.answer().body == b""
    assert log == []


@pytest.mark.asyncio
async def test_streams_end_with_a_time_to_come_back() -> None:
    streams = OpenStreams()
    peer = staying()
    log: list[str] = []

    async def events() -> AsyncIterator[str]:
        try:
            yield "a"
            streams.end()
            streams.end()
            await anyio.sleep_forever()
        finally:
            log.append("closed")

    with anyio.fail_after(5):
        stream = EventStream(events())
        await stream.send_until(streams, http_scope("GET", "/"), peer.receive, peer.send)
        late = EventStream(["never"])
        again = staying()
        await late.send_until(streams, http_scope("GET", "/"), again.receive, again.send)
    assert log == ["closed"]
    *_, data, back, end = [message["body"] for message in peer.sent[1:]]
    assert (data, end) == (b"data: a\n\n", b"")
    match = re.fullmatch(rb"retry: (\d+)\n\n", back)
    assert match is not None
    assert 1000 <= int(match[1]) <= 5000
    assert peer.sent[-1]["more_body"] is False
    assert b"never" not in again.answer().body
    streams.begin()
    fresh = staying()
    await EventStream(["x"]).send_until(streams, http_scope("GET", "/"), fresh.receive, fresh.send)
    assert b"data: x" in fresh.answer().body


def hear(client: socket.socket, until: bytes) -> bytes:
    heard = b""
    while until not in heard:
        part = client.recv(4096)
        if not part:
            break
        heard += part
    return heard


def test_events_end_when_the_server_stops_and_the_scope_closes() -> None:
    log: list[str] = []
    module = Module("sessions")

    class Session: ...

    @module.provides()
    async def session() -> AsyncIterator[Session]:
        yield Session()
        log.append("scope closed")

    app = NexiosApp(module.export(Session))

    @app.get("/")
    async def events(
        request: Request, session: Session = Depend()
    ) -> AsyncIterator[ServerSentEvent[str]]:
        yield ServerSentEvent(f"after {request.last_event_id}", id="8")
        await anyio.sleep_forever()

    with serving(app) as address:
        host, port = address.split(":")
        client = socket.create_connection((host, int(port)), timeout=10)
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 7\r\n\r\n")
        assert b"data: after 7" in hear(client, b"after 7")
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 5
    rest = hear(client, b"\r\n0\r\n\r\n")
    assert re.search(rb"retry: \d{4}\n\n\r\n0\r\n\r\n$", rest)
    client.close()
    assert log == ["scope closed"]


def test_events_of_a_mounted_application_end_when_the_server_stops() -> None:
    app, inner = NexiosApp(), NexiosApp()

    @inner.get("/")
    async def events() -> AsyncIterator[ServerSentEvent[str]]:
        yield ServerSentEvent("one")
        await anyio.sleep_forever()

    app.register(inner, "/inner")
    with serving(app) as address:
        host, port = address.split(":")
        client = socket.create_connection((host, int(port)), timeout=10)
        client.sendall(b"GET /inner/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"data: one" in hear(client, b"one")
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 5
    assert hear(client, b"\r\n0\r\n\r\n").endswith(b"\r\n0\r\n\r\n")
    client.close()
