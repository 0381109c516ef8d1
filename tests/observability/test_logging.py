"""Lines of the log: whole, in order, and forged by nobody."""

import io
import json
import logging
import math
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import anyio
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nexios import NexiosApp, WebSocket
from nexios.adapters.observability.lines import JsonLines, TextLines
from nexios.adapters.observability.logging import (
    QueuedLines,
    RequestLog,
    chosen_format,
    handler,
    is_configured,
    request_fields,
)
from nexios.adapters.websocket.closing import WebSocketDisconnect
from nexios.application.caller import Caller
from nexios.application.scrub import may_hold_secret, scrubbed_line
from nexios.middleware import RequestIdMiddleware
from nexios.testing.sockets import websocket_connect
from tests.support.asgi import ask
from tests.support.running import running

LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
NAUGHTY = [
    "",
    '"}\n{"level":"critical","message":"forged"}',
    LINE_ENDS,
    "\x00\x1b[2J\x7f\x9b31m",
    "\ud800 alone",
    "\u202e\u2066right to left",
    "%s %d %(x)s {0} {x}",
    "\\u0022 \\n",
    "Ω≈ç√∫˜µ 🎉 \U0010ffff",
    "x" * 100_000,
]


class Unshowable:
    def __str__(self) -> str:
        raise LookupError

    __repr__ = __str__


class Endless(dict[Any, Any]):
    def items(self) -> Any:
        raise LookupError


def cyclic() -> list[Any]:
    made: list[Any] = [1]
    made.append(made)
    return made


ODD: list[Any] = [
    math.nan,
    -math.inf,
    10**10_000,
    b"\xff\n",
    {1: 2, ("a", "b"): {"deep": [{"er": {"and": {"deeper": {"still": 1}}}}]}},
    {"x", "y"},
    Unshowable(),
    Endless(a=1),
    cyclic(),
    True,
    None,
]


def record(message: Any, *args: Any, **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord("nexios.test", logging.WARNING, "f.py", 1, message, args, None)
    vars(made).update(extra)
    return made


def one_object(line: str) -> dict[str, Any]:
    assert line.isascii()
    assert line.splitlines() == [line]
    assert line.isprintable()

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    found = json.loads(line, parse_constant=refuse)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("text", NAUGHTY)
def test_every_log_line_is_one_json_object(text: str) -> None:
    lines = JsonLines(lambda: {"request_id": text, "actor": text})
    for made in (
        record(text),
        record("said %s", text),
        record("x", error_id=text, **{"a key": text}),
        record(text, 1, 2, 3),
    ):
        found = one_object(lines.format(made))
        assert found["level"] == "warning"
        assert found["logger"] == "nexios.test"
    try:
        raise LookupError(text)
    except LookupError as error:
        made = record("broken")
        made.exc_info = (LookupError, error, error.__traceback__)
    assert "LookupError" in one_object(lines.format(made))["exception"]


@pytest.mark.parametrize("value", ODD, ids=[type(one).__name__ for one in ODD])
def test_no_value_breaks_a_line(value: Any) -> None:
    for made in (record("x", told=value), record("%s", value), record(value), record("%d", value)):
        one_object(JsonLines().format(made))
        TextLines().format(made)


@settings(max_examples=200, deadline=None)
@given(st.text(), st.dictionaries(st.text(), st.text() | st.floats() | st.integers()))
def test_whatever_is_said_a_line_is_one_object(text: str, extra: dict[str, Any]) -> None:
    assume(scrubbed_line(text) == text)
    made = record(text, told=extra)
    found = one_object(JsonLines().format(made))
    assert (
        found["message"]
        == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")[:8000]
        or found["message"] == text[:8000]
    )


@pytest.mark.parametrize("text", NAUGHTY)
def test_on_a_terminal_no_value_begins_a_line_or_moves_the_cursor(text: str) -> None:
    made = record("said %s", text, told=text)
    try:
        raise LookupError(text)
    except LookupError as error:
        made.exc_info = (LookupError, error, error.__traceback__)
    shown = TextLines(lambda: {"actor": text}).format(made)
    first, *below = shown.split("\n")
    assert "WARNING" in first
    assert all(line.startswith("    ") for line in below)
    assert not set(shown) & (set(LINE_ENDS) - {"\n"})
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    shown.encode()


SECRETS: list[tuple[str, str]] = [
    ("password=hunter2 for ada", "hunter2"),
    ("opens postgresql://ada:hunter2@db/shop", "hunter2"),
    ("got Authorization: Bearer abcdefghijkl", "abcdefghijkl"),
    ("sent Cookie: session=abcdef; theme=dark", "abcdef"),
    ("api_key='k-123 456'", "k-123 456"),
    ("paid with sk_live_abcdefgh1234", "sk_live_abcdefgh1234"),
    ("-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----", "MIIabc"),
]


@pytest.mark.parametrize("lines", [JsonLines(), TextLines()], ids=["json", "text"])
@pytest.mark.parametrize(("text", "secret"), SECRETS, ids=[one for _, one in SECRETS])
def test_no_line_shows_what_says_that_it_is_a_secret(
    lines: logging.Formatter, text: str, secret: str
) -> None:
    broken = record("broken")
    try:
        raise LookupError(text)
    except LookupError as error:
        broken.exc_info = (LookupError, error, error.__traceback__)
    for made in (
        record(text),
        record("said %s", text),
        record(text, 1, 2),
        record("x", told=text),
        record("x", told=[text, {"below": text}]),
        record("x", password=secret),
        record("x", told={"api_key": secret, "deeper": {"Set-Cookie": secret}}),
        broken,
    ):
        if isinstance(lines, TextLines) and isinstance(vars(made).get("told"), dict):
            continue  # shown as the text it makes of itself
        shown = lines.format(made)
        assert secret not in shown
        assert "***" in shown


def test_ids_and_numbers_stay_in_a_line() -> None:
    trace, order = "4bf92f3577b34da6a3ce929d0e0e4736", "0192f0c1-2345-7abc-8def-0123456789ab"
    made = record("order %s of %s", order, trace, tokens=7, key_count=3, trace_id=trace)
    found = one_object(JsonLines().format(made))
    assert found["message"] == f"order {order} of {trace}"
    assert found["trace_id"] == trace
    assert found["extra"] == {"tokens": 7, "key_count": 3}


def test_fields_stand_at_the_top_and_all_else_below_extra() -> None:
    made = record("x", status=200, duration_ms=1.5, order=7, error_id="e")
    found = one_object(JsonLines(lambda: {"request_id": "r", "trace_id": None}).format(made))
    assert found["time"].endswith("+00:00")
    assert {name: found[name] for name in ("request_id", "status", "duration_ms", "error_id")} == {
        "request_id": "r",
        "status": 200,
        "duration_ms": 1.5,
        "error_id": "e",
    }
    assert found["extra"] == {"order": 7}
    assert "trace_id" not in found


@pytest.mark.parametrize(
    ("asked", "terminal", "chosen"),
    [
        ("auto", True, "text"),
        ("auto", False, "json"),
        ("json", True, "json"),
        ("text", False, "text"),
    ],
)
def test_auto_is_text_on_a_terminal(asked: Any, terminal: bool, chosen: str) -> None:
    stream = io.StringIO()
    stream.isatty = lambda: terminal  # type: ignore[method-assign]  # a terminal, for this test
    assert chosen_format(asked, stream) == chosen


class Blocked(io.StringIO):
    """A pipe nobody reads, until they do."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.tried = threading.Event()

    def write(self, text: str) -> int:
        self.tried.set()
        self.open.wait()
        return super().write(text)


def test_a_blocked_pipe_drops_lines_and_counts_them() -> None:
    pipe = Blocked()
    lines = QueuedLines(pipe, size=10)
    lines.setFormatter(JsonLines())
    lines.handle(record("first"))
    assert pipe.tried.wait(10)
    for number in range(100):
        lines.handle(record("%s", number))
    assert lines.dropped == 90
    pipe.open.set()
    lines.close()
    said = [one_object(line)["message"] for line in pipe.getvalue().splitlines()]
    assert said == ["first", *map(str, range(10)), "90 log lines were dropped"]


def test_a_pipe_that_stays_blocked_does_not_keep_the_process() -> None:
    pipe = Blocked()
    lines = QueuedLines(pipe, size=2)
    lines.setFormatter(JsonLines())
    lines.handle(record("first"))
    assert pipe.tried.wait(10)
    for number in range(4):
        lines.handle(record("%s", number))
    lines.close()  # gives up after a while
    lines.close()
    assert lines.dropped == 4
    pipe.open.set()


def test_a_broken_pipe_is_counted() -> None:
    pipe = io.StringIO()
    pipe.close()
    lines = QueuedLines(pipe)
    lines.setFormatter(JsonLines())
    lines.handle(record("x"))
    lines.close()
    assert lines.dropped == 1


def test_many_threads_share_whole_lines() -> None:
    pipe = io.StringIO()
    lines = handler("json", pipe)
    threads = [
        threading.Thread(
            target=lambda name=name: [lines.handle(record("%s", name)) for _ in range(200)]
        )
        for name in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines.close()
    assert len([one_object(line) for line in pipe.getvalue().splitlines()]) == 1600


@pytest.fixture
def written() -> Iterator[Any]:
    """Return what was written so far, as objects."""
    pipe = io.StringIO()
    lines = handler("json", pipe)
    logger = logging.getLogger("nexios")
    before = logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.INFO)

    def read() -> list[dict[str, Any]]:
        lines.close()
        return [one_object(line) for line in pipe.getvalue().splitlines()]

    yield read
    logger.removeHandler(lines)
    logger.setLevel(before)


def shop() -> NexiosApp:
    app = NexiosApp()
    app.signals.on(RequestLog())

    @app.get("/users/{name}")
    async def user(name: str) -> str:
        logging.getLogger("nexios.shop").info("asked for %s", name)
        return name

    @app.get("/broken")
    async def broken() -> None:
        raise LookupError("gone")

    @app.get("/metrics")
    async def metrics() -> str:
        return ""

    return app


@pytest.mark.asyncio
async def test_records_of_a_request_carry_its_id_and_trace(written: Any) -> None:
    app = shop()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"x-request-id": "mine", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    await ask(app, "GET", "/users/ada", headers=headers)
    await ask(app, "GET", "/users/bob", headers={"x-request-id": "no good"})
    await ask(app, "GET", "/health/live")
    await ask(app, "GET", "/metrics")
    assert request_fields() == {}
    mine, access, other, _ = written()
    assert mine["message"] == "asked for ada"
    assert mine["request_id"] == access["request_id"] == "mine"
    assert mine["trace_id"] == access["trace_id"] == trace
    assert mine["route"] == "/users/{name}"
    assert other["request_id"] != "no good"
    assert len(other["request_id"]) == 32
    assert access["logger"] == "nexios.access"
    assert access["status"] == 200
    assert access["duration_ms"] > 0
    assert access["extra"] == {"method": "GET", "path": "/users/ada"}


@pytest.mark.asyncio
async def test_log_injection_is_impossible(written: Any) -> None:
    app = shop()
    bad = '\r\n{"message":"forged"}\u2028\x1b[31m'
    await ask(app, "GET", f"/users/{quote(bad, safe='')}", headers={"x-request-id": "a\tb"})
    await ask(app, "GET", f"/nothing/{quote(bad, safe='')}?q=secret")
    lines = written()
    assert [line.get("status") for line in lines] == [400, 400]
    assert all(line["logger"].startswith("nexios.") for line in lines)
    assert "secret" not in json.dumps(lines)


@pytest.mark.asyncio
async def test_an_error_is_found_by_the_id_the_client_was_told(written: Any) -> None:
    answer = await ask(shop(), "GET", "/broken")
    error, access = written()
    assert error["error_id"] == answer.json()["error_id"]
    assert error["request_id"] == answer.json()["request_id"] == access["request_id"]
    assert "LookupError: gone" in error["exception"]
    assert access["status"] == 500


@pytest.mark.asyncio
async def test_the_id_is_the_one_that_the_middleware_tells(written: Any) -> None:
    app = shop()
    app.add_middleware(RequestIdMiddleware("X-Trace"))
    answer = await ask(app, "GET", "/users/ada")
    told = await ask(app, "GET", "/users/ada", headers={"x-trace": "theirs"})
    lines = written()
    assert lines[0]["request_id"] == answer.header("x-trace")
    assert lines[-1]["request_id"] == told.header("x-trace") == "theirs"


@pytest.mark.asyncio
async def test_requests_at_once_are_not_mixed_up(written: Any) -> None:
    app = shop()
    entered, at = anyio.Event(), []

    @app.get("/wait/{name}")
    async def wait(name: str) -> str:
        at.append(name)
        if len(at) == 20:
            entered.set()
        await entered.wait()
        logging.getLogger("nexios.shop").info("%s", name)
        return name

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            told = {"x-request-id": str(number)}
            tasks.start_soon(lambda n=number, t=told: ask(app, "GET", f"/wait/{n}", headers=t))
    own = [line for line in written() if line["logger"] == "nexios.shop"]
    assert len(own) == 20
    assert all(line["message"] == line["request_id"] for line in own)


@pytest.mark.asyncio
async def test_the_actor_is_told_once_it_is_known(written: Any) -> None:
    app = shop()

    @app.middleware
    async def proven(request: Any, response: Any, call_next: Any) -> Any:
        request.scope["caller"] = Caller(actor="user-7")
        return await call_next()

    await ask(app, "GET", "/users/ada")
    assert {line["actor"] for line in written()} == {"user-7"}


@pytest.mark.asyncio
async def test_sockets_have_a_line_and_an_id(written: Any) -> None:
    app = shop()

    @app.websocket("/ws")
    async def ws(socket: WebSocket) -> None:
        await socket.accept()
        logging.getLogger("nexios.shop").info("open")
        await socket.close(4000)

    async with websocket_connect(app, "/ws") as socket:
        with pytest.raises(WebSocketDisconnect):
            await socket.receive_text()
    opened, closed = written()
    assert opened["request_id"] == closed["request_id"]
    assert closed["message"] == "socket /ws 4000"


TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from([*NAUGHTY[:-1], "/a?token=abc", "Bearer abcdefghij", "/pa\u017f\u017fwd=1"]),
)


@given(
    path=TEXTS,
    route=st.one_of(st.none(), TEXTS),
    status=st.integers(100, 599),
    took=st.floats(0, 1e6),
    request_id=st.one_of(st.none(), TEXTS),
    trace_id=st.one_of(st.none(), TEXTS),
    actor=st.one_of(st.none(), TEXTS, st.integers()),
)
def test_a_line_without_a_record_is_the_line_of_the_record(
    path: str,
    route: str | None,
    status: int,
    took: float,
    request_id: str | None,
    trace_id: str | None,
    actor: Any,
) -> None:
    known = {"request_id": request_id, "trace_id": trace_id, "route": route, "actor": actor}
    lines, texts = JsonLines(lambda: known), TextLines(lambda: known)
    made = logging.LogRecord(
        "nexios.access", logging.INFO, "f.py", 1, "%s %s %s", ("GET", route or "-", status), None
    )
    vars(made).update(route=route, duration_ms=took, status=status, method="GET", path=path)
    expected = one_object(lines.format(made))
    for _ in range(2):  # what repeats is known the second time
        line = lines.of_request(
            "nexios.access", method="GET", route=route, status=status, path=path, took_ms=took
        )
        text = texts.of_request(
            "nexios.access", method="GET", route=route, status=status, path=path, took_ms=took
        )
        if text is not None:
            assert text[8:] == texts.format(made)[8:]
        if line is None:  # left to the record
            assert isinstance(actor, int) or may_hold(request_id, trace_id, actor, path)
            assert text is None
            continue
        found = one_object(line)
        assert {**found, "time": ""} == {**expected, "time": ""}
        assert list(found) == list(expected)
        assert len(found["time"]) == len(expected["time"])


def test_the_text_of_a_request_is_one_line_and_a_doubtful_one_is_left_to_the_record() -> None:
    lines = TextLines(lambda: {"request_id": "r-1", "trace_id": None, "actor": "ada"})

    def line(path: str) -> str | None:
        return lines.of_request(
            "nexios.access", method="GET", route="/a/{b}", status=200, path=path, took_ms=0.25
        )

    told = line("/a/1")
    assert told is not None
    assert told[8:] == (
        " INFO     nexios.access: GET /a/{b} 200 request_id=r-1 actor=ada"
        " duration_ms=0.25 status=200 method=GET path=/a/1"
    )
    assert [line(path) for path in ("/a/\x1b[2J", "/a/\n", "/token=x", "/" * 9000)] == [None] * 4


def may_hold(*texts: object) -> bool:
    return any(isinstance(text, str) and may_hold_secret(text) for text in texts)


def test_lines_after_a_close_are_written_too() -> None:
    pipe = io.StringIO()
    lines = handler("json", pipe)
    for number in range(3):
        lines.handle(record("%s", number))
        lines.close()  # as logging.config does with all there are
    assert [one_object(line)["message"] for line in pipe.getvalue().splitlines()] == [
        "0",
        "1",
        "2",
    ]
    assert lines.dropped == 0


def test_a_line_that_cannot_be_written_takes_no_other_with_it() -> None:
    class Refusing(io.StringIO):
        def write(self, text: str) -> int:
            if "bad" in text:
                raise UnicodeEncodeError("ascii", text, 0, 1, "refused")
            return super().write(text)

    pipe = Refusing()
    lines = handler("json", pipe)
    for number in range(100):
        lines.handle(record("bad" if number == 50 else "%s", *([] if number == 50 else [number])))
    lines.close()
    assert len(pipe.getvalue().splitlines()) == 99
    assert lines.dropped == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_process_that_was_forked_off_writes_its_own_lines(tmp_path: Path) -> None:
    said = tmp_path / "said"
    program = """
import logging, os, sys
from nexios.adapters.observability.logging import handler
lines = handler("json", open(sys.argv[1], "a"))
logging.getLogger().addHandler(lines)
logging.warning("parent")
child = os.fork()
if not child:
    logging.warning("child")
    lines.close()
    os._exit(0)
os.waitpid(child, 0)
logging.warning("again")
lines.close()
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program, said], check=True, timeout=60)
    found = [one_object(line)["message"] for line in said.read_text().splitlines()]
    assert sorted(found) == ["again", "child", "parent"]


def test_a_pipe_that_need_not_wait_is_waited_for() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with os.fdopen(writing, "w") as stream, os.fdopen(reading) as pipe:
        lines = handler("json", stream)
        for number in range(2000):
            lines.handle(record("%s %s", number, "x" * 100))
        closing = threading.Thread(target=lambda: (lines.close(), stream.close()))
        closing.start()
        found = [one_object(line.rstrip("\n"))["message"].split()[0] for line in pipe]
        closing.join()
    assert found == [str(number) for number in range(2000)]
    assert lines.dropped == 0


@pytest.fixture
def alone() -> Iterator[tuple[QueuedLines, io.StringIO]]:
    """Return the only handler that lines of requests have, and what it writes to."""
    pipe = io.StringIO()
    lines = handler("json", pipe)
    logger = logging.getLogger("nexios.access")
    before = logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield lines, pipe
    logger.propagate = True
    logger.setLevel(before)
    logger.removeHandler(lines)


@pytest.mark.asyncio
@pytest.mark.parametrize("wants", ["nobody", "handler", "filter", "factory", "level"])
async def test_whoever_wants_the_record_of_a_request_gets_it(
    wants: str, alone: tuple[QueuedLines, io.StringIO]
) -> None:
    lines, pipe = alone
    seen: list[logging.LogRecord] = []
    logger, other = logging.getLogger("nexios.access"), logging.Handler()
    other.emit = seen.append  # type: ignore[method-assign]  # a handler, for this test
    factory = logging.getLogRecordFactory()

    def making(*args: Any, **named: Any) -> logging.LogRecord:
        seen.append(factory(*args, **named))
        return seen[-1]

    def passing(record: logging.LogRecord) -> bool:
        seen.append(record)
        return True

    if wants == "handler":
        logger.addHandler(other)
    elif wants == "filter":
        lines.addFilter(passing)
    elif wants == "factory":
        logging.setLogRecordFactory(making)
    elif wants == "level":
        lines.setLevel(logging.WARNING)
    try:
        await ask(shop(), "GET", "/users/ada", headers={"x-request-id": "mine"})
        await ask(shop(), "GET", "/users/token=abc", headers={"x-request-id": "mine"})
    finally:
        logging.setLogRecordFactory(factory)
        logger.removeHandler(other)
        lines.removeFilter(passing)
    lines.close()
    found = [one_object(line) for line in pipe.getvalue().splitlines()]
    assert len(seen) == (2 if wants in ("handler", "filter", "factory") else 0)
    if wants == "level":
        assert found == []
        return
    assert [line["extra"]["path"] for line in found] == ["/users/ada", "/users/token=***"]
    for line in found:
        assert line["message"] == "GET /users/{name} 200"
        assert line["request_id"] == "mine"
        assert line["route"] == "/users/{name}"


def test_lines_that_come_close_together_are_one_write() -> None:
    class Counted(io.StringIO):
        writes = 0

        def write(self, text: str) -> int:
            self.writes += 1
            return super().write(text)

    pipe = Counted()
    lines = handler("json", pipe)
    for number in range(1000):
        lines.handle(record("%s", number))
    lines.close()
    said = [one_object(line)["message"] for line in pipe.getvalue().splitlines()]
    assert said == [str(number) for number in range(1000)]
    assert pipe.writes < 100


def test_nothing_is_configured_on_import() -> None:
    assert not is_configured()


APP = """
import logging
from nexios import NexiosApp
app = NexiosApp()
@app.get("/users/{name}")
async def user(name: str) -> str:
    logging.getLogger("shop").warning("asked for %s", name)
    return name
"""


def test_nexios_run_writes_json_lines_with_ids(tmp_path: Path) -> None:
    with running(tmp_path, APP) as server:
        bad = quote('\u2028{"forged": "1"}', safe="")
        url = f"http://127.0.0.1:{server.port}/users/{bad}"
        with urlopen(url) as answer:
            assert answer.status == 200
        server.said("nexios.access")
        lines = [one_object(line) for line in server.log.read_text().splitlines()]
    shop, access = lines[-2:]
    assert shop["logger"] == "shop"
    assert access["message"] == "GET /users/{name} 200"
    assert shop["request_id"] == access["request_id"]
