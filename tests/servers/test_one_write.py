"""Head and body in one write on uvicorn as it comes, and the same bytes as in two."""

import asyncio
import functools
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from nexios import NexiosApp
from nexios.adapters.asgi.one_write import knows, send_both
from nexios.adapters.servers.shell_h11 import H11Shell
from nexios.adapters.servers.shell_httptools import HttpToolsShell
from nexios.testing.client import AsyncTestClient
from tests.servers.test_answers import BODY, GET, HEAD, POST, REQUESTS, START, Wire, whole

ENGINES = (HttpToolsProtocol, H11Protocol)
BAD = b"GET / HTTP/1.1\r\nX : y\r\n\r\n"
LINES = (*REQUESTS, GET + BAD, HEAD + BAD, GET * 2 + HEAD + POST + BAD)
ANSWERS = (
    whole(),
    whole(b""),
    whole(b"x" * 200_000),
    whole(b"ok", (b"connection", b"close")),
    whole(b"ok", (b"x-a", b"1\r\nx-b: 2")),
    whole(b"", status=204),
    whole(b"ok", headers=[(b"content-length", b"3")]),
    whole(b"ok", headers=[(b"content-length", b"1")]),
    [{"type": START, "status": 200, "headers": []}, {"type": BODY, "body": b"ok"}],
    [{"type": BODY, "body": b"ok"}, {"type": BODY, "body": b"ok"}],
)


@pytest.fixture(autouse=True)
def silent() -> Iterator[None]:
    """Let uvicorn's words about broken answers go nowhere."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def served(engine: Any, app: Any, wire: Wire) -> Any:
    """Return a connection that is open."""
    config = Config(app=app, log_config=None, proxy_headers=True)
    config.load()
    state = ServerState()
    state.default_headers = [(b"date", b"today")]
    connection = engine(config=config, server_state=state, app_state={})
    connection.access_log = False
    connection.connection_made(wire)
    return connection


async def spoken(engine: Any, app: Any, data: bytes) -> Wire:
    """Return what a connection saw."""
    wire = Wire()
    connection = served(engine, app, wire)
    connection.data_received(data)
    for _ in range(8):
        await asyncio.sleep(0)
    connection.connection_lost(ConnectionResetError())
    return wire


def sending(messages: Any, way: Any) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await way(send, *messages)

    return app


async def one_by_one(send: Any, start: Any, body: Any) -> None:
    await send(start)
    await send(body)


@pytest.mark.asyncio
@pytest.mark.parametrize("answer", ANSWERS, ids=range(len(ANSWERS)))
@pytest.mark.parametrize("data", LINES, ids=range(len(LINES)))
@pytest.mark.parametrize("engine", ENGINES)
async def test_the_bytes_are_those_of_two_writes(engine: Any, data: bytes, answer: Any) -> None:
    both = await spoken(engine, sending(answer, send_both), data)
    apart = await spoken(engine, sending(answer, one_by_one), data)
    assert (both.written, both.closed) == (apart.written, apart.closed)


@pytest.mark.asyncio
@pytest.mark.parametrize("engine", ENGINES)
async def test_an_application_answers_in_one_write(engine: Any) -> None:
    app = NexiosApp()

    @app.get("/")
    async def hello() -> dict[str, int]:
        return {"a": 1}

    @app.post("/")
    async def refused() -> None:
        raise LookupError

    @app.head("/big")
    async def big() -> bytes:
        return b"x" * 100

    missing, head = GET.replace(b"/ ", b"/nothing "), GET.replace(b"GET", b"HEAD")
    async with AsyncTestClient(app):
        for data in (GET, POST, missing, head, GET):
            wire = await spoken(engine, app, data)
            assert wire.written.startswith(b"HTTP/1.1 ")
            assert wire.writes == 1
    (status, *_), body = wire.written.partition(b"\r\n")[0], wire.written[-7:]
    assert (status, body) == (b"HTTP/1.1 200 OK"[0], b'{"a":1}')


@pytest.mark.asyncio
@pytest.mark.parametrize("engine", ENGINES)
async def test_a_peer_that_does_not_read_is_waited_for(engine: Any) -> None:
    wire, done = Wire(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert knows(send)
        await send_both(send, *whole())
        done.set()

    connection = served(engine, app, wire)
    connection.pause_writing()
    connection.data_received(GET)
    for _ in range(8):
        await asyncio.sleep(0)
    assert (wire.written, done.is_set()) == (b"", False)
    connection.resume_writing()
    await done.wait()
    assert wire.written.endswith(b"\r\n\r\nok")
    connection.connection_lost(None)


@pytest.mark.asyncio
@pytest.mark.parametrize("engine", ENGINES)
async def test_nothing_is_written_for_a_peer_that_has_left(engine: Any) -> None:
    wire, leave = Wire(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await leave.wait()
        await send_both(send, *whole())

    connection = served(engine, app, wire)
    connection.data_received(GET)
    await asyncio.sleep(0)
    connection.connection_lost(ConnectionResetError())
    leave.set()
    for _ in range(8):
        await asyncio.sleep(0)
    assert wire.written == b""


@pytest.mark.asyncio
@pytest.mark.parametrize("engine", [HttpToolsShell, H11Shell])
async def test_under_our_own_server_it_is_one_write_too(engine: Any) -> None:
    wire = await spoken(engine, sending(whole(), send_both), GET * 2)
    assert (wire.writes, wire.written.count(b"\r\n\r\nok")) == (2, 2)


@pytest.mark.asyncio
@pytest.mark.parametrize("engine", [H11Protocol, H11Shell])
async def test_what_follows_an_answer_is_written_behind_it(engine: Any) -> None:
    wire = await spoken(engine, sending(whole(), send_both), GET + GET + BAD)
    assert re.findall(rb"HTTP/1.1 (\d+)", wire.written) == [b"200", b"200", b"400"]


@pytest.mark.asyncio
async def test_a_send_of_somebody_else_is_called_twice() -> None:
    seen: list[Any] = []

    class Other:
        transport = response_started = flow = None

        async def send(self, message: Any) -> None:
            seen.append(message)

    async def send(message: Any) -> None:
        seen.append(message)

    for other in (send, Other().send, functools.partial(send), seen.append):
        assert not knows(other)
    await send_both(send, *whole())
    await send_both(Other().send, *whole())
    assert seen == [*whole(), *whole()]


@pytest.mark.asyncio
async def test_an_application_that_met_a_test_client_first_answers_as_ever() -> None:
    app = NexiosApp()

    @app.get("/")
    async def hello() -> str:
        return "ok"

    async with AsyncTestClient(app) as client:
        assert [(await client.get("/")).text for _ in range(3)] == ["ok"] * 3
        wire = await spoken(HttpToolsProtocol, app, GET)
    assert wire.written.endswith(b"\r\n\r\nok")
