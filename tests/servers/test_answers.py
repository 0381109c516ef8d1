"""What the shell writes is what uvicorn's own engine writes, whatever an application sends."""

import asyncio
import itertools
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from nexios.adapters.servers.shell_httptools import HttpToolsShell

Message = dict[str, Any]

GET = b"GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n"
HEAD = GET.replace(b"GET", b"HEAD")
OLD = GET.replace(b"1.1", b"1.0")
CLOSING = GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
POST = b"POST / HTTP/1.1\r\nhost: shop.test\r\ncontent-length: 3\r\n\r\nabc"
EXPECTING = POST.replace(b"\r\n\r\nabc", b"\r\nexpect: 100-continue\r\n\r\n")
REQUESTS = (GET, HEAD, OLD, CLOSING, POST, GET + HEAD + GET)


class Wire(asyncio.Transport):
    """A connection in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.writes = 0
        self.closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: Any) -> None:
        self.writes += bool(data)
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def answering(messages: Sequence[Message], *, reads: bool) -> Any:
    """Return an application that sends the same to everybody."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if reads:
            await receive()
        for message in messages:
            await send(message)
            if message.get("later"):
                await asyncio.sleep(0)
                await asyncio.sleep(0)

    return app


def connected(engine: Any, app: Any, wire: Wire, adds: Sequence[tuple[bytes, bytes]] = ()) -> Any:
    """Return a connection that is open."""
    config = Config(app=app, log_config=None, proxy_headers=False)
    config.load()
    state = ServerState()
    state.default_headers = [(b"Date", b"today"), (b"x-served", b"here"), *adds]
    connection = engine(config=config, server_state=state, app_state={})
    connection.access_log = False
    connection.connection_made(wire)
    return connection


async def spoken(
    engine: Any,
    requests: Sequence[bytes],
    messages: Sequence[Message],
    *,
    reads: bool = False,
    adds: Sequence[tuple[bytes, bytes]] = (),
) -> Wire:
    """Return what a connection saw."""
    wire = Wire()
    connection = connected(engine, answering(messages, reads=reads), wire, adds)
    for data in requests:
        connection.data_received(data)
        for _ in range(5):
            await asyncio.sleep(0)
    connection.connection_lost(ConnectionResetError())
    for task in tuple(connection.server_state.tasks):
        task.cancel()
    await asyncio.sleep(0)
    return wire


@pytest.fixture(autouse=True)
def silent() -> Iterator[None]:
    """Let uvicorn's words about broken answers go nowhere."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def whole(
    body: bytes = b"ok", *fields: tuple[Any, Any], status: Any = 200, **more: Any
) -> list[Message]:
    """Return the usual two messages."""
    headers = [*fields, (b"content-length", b"%d" % len(body))]
    start = {"type": "http.response.start", "status": status, "headers": headers}
    return [{**start, **more}, {"type": "http.response.body", "body": body}]


START, BODY = "http.response.start", "http.response.body"
ODD: tuple[list[Message], ...] = (
    whole(),
    whole(b""),
    whole(b"x" * 70_000),
    whole(b"ok", (b"content-type", b"text/plain"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b")),
    whole(b"ok", (b"X-Upper", b"1")),
    whole(b"ok", (b"x-tab", b"a\tb")),
    whole(b"ok", (b"x-latin", b"\xe9")),
    whole(b"ok", (b"x-empty", b"")),
    whole(b"ok", (b"", b"nameless")),
    whole(b"ok", (b"x y", b"1")),
    whole(b"ok", (b"x:y", b"1")),
    whole(b"ok", (b"x-a", b"1\r\nx-b: 2")),
    whole(b"ok", (b"x-a", b"1\nx-b: 2")),
    whole(b"ok", (b"x-a", b"1\x00")),
    whole(b"ok", (b"x-a\r\nx-b", b"2")),
    whole(b"ok", (b"connection", b"close")),
    whole(b"ok", (b"connection", b"keep-alive")),
    whole(b"ok", (b"transfer-encoding", b"chunked")),
    whole(b"ok", (b"transfer-encoding", b"gzip")),
    whole(b"ok", (b"content-length", b"2")),
    whole(b"ok", (b"content-length", b"7")),
    whole(b"ok", (b"Content-Length", b"2")),
    whole(b"ok", ("x-text", "no bytes")),
    whole(b"ok", (bytearray(b"x-a"), bytearray(b"1"))),
    whole(b"ok", status=204),
    whole(b"", status=204),
    whole(b"", status=304),
    whole(b"ok", status=299),
    whole(b"ok", status=99),
    whole(b"ok", status=600),
    whole(b"ok", status="200"),
    whole(b"ok", headers=((b"content-length", b"2"),)),
    whole(b"ok", headers=iter([(b"x-once", b"1"), (b"content-length", b"2")])),
    whole(b"ok", headers=[[b"content-length", b"2"]]),
    whole(b"ok", headers=[(b"content-length", b"+2")]),
    whole(b"ok", headers=[(b"content-length", b" 2")]),
    whole(b"ok", headers=[(b"content-length", b"02")]),
    whole(b"ok", headers=[(b"content-length", b"two")]),
    whole(b"ok", headers=[(b"content-length", b"3")]),
    whole(b"ok", headers=[(b"content-length", b"1")]),
    whole(b"ok", headers=[(b"content-length", b"9" * 30)]),
    whole(b"ok", headers=[(b"x", b"y", b"z")]),
    whole(b"ok", headers=[]),
    whole(b"ok", headers=None),
    [{"type": START, "status": 200}, {"type": BODY, "body": b"ok"}],
    [{"type": START, "status": 200}, {"type": BODY}],
    [{"type": START, "headers": []}],
    [whole()[0], {"type": BODY, "body": b"o", "more_body": True}, {"type": BODY, "body": b"k"}],
    [whole()[0], {"type": BODY, "body": b"ok", "more_body": True}, {"type": BODY}],
    [whole()[0], {"type": BODY, "more_body": True}, {"type": BODY, "body": b"ok"}],
    [{**whole()[0], "later": True}, whole()[1]],
    [whole()[0]],
    [whole()[0], whole()[0]],
    [whole()[1]],
    [*whole(), whole()[1]],
    [*whole(), *whole()],
    [{"type": "http.response.trailers"}],
    [whole()[0], {"type": "http.response.pathsend"}],
)


def again(messages: Sequence[Message]) -> list[Message]:
    """Return the same messages with iterators that nobody has used up."""
    made = []
    for message in messages:
        headers = message.get("headers")
        if isinstance(headers, Iterator):
            ours, kept = itertools.tee(headers)
            message["headers"] = kept
            made.append({**message, "headers": ours})
        else:
            made.append(message)
    return made


@pytest.mark.parametrize("messages", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("data", REQUESTS, ids=range(len(REQUESTS)))
def test_every_answer_is_written_as_uvicorn_writes_it(
    data: bytes, messages: list[Message]
) -> None:
    async def both() -> None:
        for _ in range(2):  # fields are known the second time
            ours = await spoken(HttpToolsShell, [data], again(messages))
            theirs = await spoken(HttpToolsProtocol, [data], again(messages))
            assert ours.written == theirs.written
            assert ours.closed == theirs.closed

    asyncio.run(both())


FIELDS = st.tuples(
    st.one_of(
        st.sampled_from([b"content-type", b"content-length", b"connection", b"transfer-encoding"]),
        st.binary(max_size=6),
    ),
    st.one_of(
        st.sampled_from([b"1", b"2", b"close", b"keep-alive", b"chunked", b"text/plain"]),
        st.binary(max_size=6),
    ),
)
BODIES = st.lists(
    st.fixed_dictionaries(
        {"type": st.just(BODY)},
        optional={"body": st.binary(max_size=3), "more_body": st.booleans()},
    ),
    max_size=3,
)


@given(
    fields=st.lists(FIELDS, max_size=4),
    status=st.sampled_from([100, 200, 204, 304, 404, 500]),
    bodies=BODIES,
    data=st.sampled_from(REQUESTS),
)
@example(fields=[(b"content-length", b"1")], status=200, bodies=[{"type": BODY}], data=GET)
def test_random_answers_are_written_as_uvicorn_writes_them(
    fields: list[tuple[bytes, bytes]], status: int, bodies: list[Message], data: bytes
) -> None:
    start: Message = {"type": START, "status": status, "headers": fields}

    async def both() -> None:
        ours = await spoken(HttpToolsShell, [data], [start, *bodies])
        theirs = await spoken(HttpToolsProtocol, [data], [start, *bodies])
        assert ours.written == theirs.written
        assert ours.closed == theirs.closed

    asyncio.run(both())


def test_a_usual_answer_is_one_write_and_a_head_alone_does_not_wait() -> None:
    async def go() -> None:
        assert (await spoken(HttpToolsShell, [GET], whole())).writes == 1
        assert (await spoken(HttpToolsShell, [GET * 3], whole())).writes == 3
        alone = await spoken(HttpToolsShell, [GET], [{**whole()[0], "later": True}, whole()[1]])
        assert alone.writes == 2
        assert alone.written.endswith(b"\r\n\r\nok")

    asyncio.run(go())


def test_a_body_is_read_as_uvicorn_reads_it() -> None:
    async def go() -> None:
        for pieces in ([POST], [POST[:-2], POST[-2:]], [EXPECTING, b"abc"]):
            ours = await spoken(HttpToolsShell, pieces, whole(), reads=True)
            theirs = await spoken(HttpToolsProtocol, pieces, whole(), reads=True)
            assert ours.written == theirs.written
            assert ours.written.endswith(b"\r\n\r\nok")

    asyncio.run(go())


def test_many_new_fields_do_not_grow_what_is_kept() -> None:
    from nexios.adapters.servers import cycle

    async def go() -> None:
        for number in range(1500):
            field = (b"x-request-id", b"%d" % number)
            wire = await spoken(HttpToolsShell, [GET], whole(b"ok", field))
            assert b"x-request-id: %d\r\n" % number in wire.written
        assert len(cycle._known) <= 512

    asyncio.run(go())


@pytest.mark.parametrize(
    "field",
    [
        (b"connection", b"close"), (b"x-a", b"1\r\nx-b: 2"), (b"content-length", b"9"),
        (b"X-Upper", b"1"), (b"x y", b"1"), (b"transfer-encoding", b"chunked"),
    ],
)  # fmt: skip
def test_what_the_server_adds_is_looked_at_as_uvicorn_does(field: tuple[bytes, bytes]) -> None:
    async def go() -> None:
        for _ in range(2):
            ours = await spoken(HttpToolsShell, [GET], whole(), adds=[field])
            theirs = await spoken(HttpToolsProtocol, [GET], whole(), adds=[field])
            assert (ours.written, ours.closed) == (theirs.written, theirs.closed)

    asyncio.run(go())


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_body_may_come_late_and_in_any_kind_of_bytes(kind: Any) -> None:
    messages = [
        {**whole(b"hello")[0], "later": True},
        {"type": BODY, "body": kind(b""), "more_body": True, "later": True},
        {"type": BODY, "body": kind(b"hello")},
    ]

    async def go() -> None:
        ours = await spoken(HttpToolsShell, [GET], messages)
        assert ours.written.endswith(b"\r\n\r\nhello")

    asyncio.run(go())


def test_a_peer_that_left_is_written_to_by_none_of_its_requests() -> None:
    class Gone(Wire):
        gone = False

        def write(self, data: Any) -> None:
            assert not self.gone, "the handle is closed"
            super().write(data)

    served, go_on = [], asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await go_on.wait()
        for message in whole():
            await send(message)
        served.append((await receive())["type"])

    async def go() -> None:
        wire = Gone()
        connection = connected(HttpToolsShell, app, wire)
        connection.data_received(GET * 3)
        await asyncio.sleep(0)
        wire.gone = True
        connection.connection_lost(None)
        go_on.set()
        for _ in range(8):
            await asyncio.sleep(0)
        assert served == ["http.disconnect"]
        assert wire.written == b""

    asyncio.run(go())
