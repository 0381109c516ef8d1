"""What a server is said to lack at start is what it does not do when it is put to it."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

from nexios.adapters.asgi.serving import RULES
from nexios.testing.skips import missing
from tests.servers.test_other_servers import ended_by, started
from tests.support.raw import request, speak

TIMED, UNREAD, BOUNDED, TRAILERS, FRAMING, LINGERS, TURNS, DRAIN = RULES
APP = """
from nexios import NexiosApp, MakeConfig

app = NexiosApp(config=MakeConfig(server={"drain_s": 3.0}))

@app.get("/")
async def root() -> str:
    return "ok"

@app.get("/big")
async def big() -> bytes:
    return b"x" * 2**25

@app.post("/")
async def post(request) -> dict[str, object]:
    return {"size": len(await request.body), "headers": sorted(request.headers)}

@app.websocket("/ws")
async def sock(socket) -> None:
    await socket.accept()
"""
POST = b"POST / HTTP/1.1\r\nHost: shop.test\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
DOUBTFUL = (
    b"GET / HTTP/1.1\nHost: shop.test\n\n",
    b"GET / HTTP/1.1\r\nHost: shop.test\r\nX: 1\r\n 2\r\n\r\n",
    POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
    POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    UPGRADE + b"Content-Length: 5\r\n\r\nabcde",
)
HEAD_S = 16.0  # `limits.header_s` and what a loaded machine adds
WAIT_S = 34.0  # four seconds above the longest limit


def still_open(where: str, *, sends: bytes, reads: bool, wait_s: float = WAIT_S) -> bool:
    """Send something that is not whole, or read nothing, and see after a while who gave up."""
    host, _, port = where.partition(":")
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect((host, int(port)))
        line.sendall(sends)
        if not reads:
            time.sleep(wait_s)
        line.settimeout(wait_s if reads else 5.0)
        try:
            size = len(line.recv(65536))
            while not reads and size < 2**25:
                piece = line.recv(2**20)
                if not piece:
                    return False
                size += len(piece)
        except TimeoutError:
            return True
        except ConnectionResetError:
            return False
        return not reads


def is_timed(where: str) -> bool:
    head = b"GET / HTTP/1.1\r\nHost: shop.test\r\nX"
    body = POST + b"Content-Length: 5\r\n\r\na"
    with ThreadPoolExecutor() as pool:
        silent = (
            pool.submit(still_open, where, sends=head, reads=True, wait_s=HEAD_S),
            pool.submit(still_open, where, sends=body, reads=True),
        )
        dripping = pool.submit(drips, where)
        return not any(one.result() for one in (*silent, dripping))


def drips(where: str) -> bool:
    """Send a byte of a body now and then; return whether that is borne."""
    host, _, port = where.partition(":")
    with socket.create_connection((host, int(port))) as line:
        line.sendall(POST + b"Content-Length: 1000\r\n\r\n")
        line.settimeout(0.5)
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until:
            try:
                line.sendall(b"a")
                line.recv(1)
            except TimeoutError:
                continue
            except OSError:
                return False
            return False  # it was answered, or the end came
        return True


def cuts_unread(where: str) -> bool:
    sent = b"GET /big HTTP/1.1\r\nHost: shop.test\r\n\r\n"
    return not still_open(where, sends=sent, reads=False)


def is_bounded(where: str) -> bool:
    head = b"GET / HTTP/1.1\r\nHost: shop.test\r\nX: " + b"a" * 900_000
    trailers = CHUNKED + b"1\r\na\r\n0\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(20_000))
    for sent in (head, trailers):
        replies = speak(where, sent, timeout=3.0)
        if not replies.closed and not any(status >= 400 for status in replies.statuses):
            return False
    return True


def trailers_are_apart(where: str) -> bool:
    sent = CHUNKED + b"1\r\na\r\n0\r\nX-Late: 1\r\n\r\n"
    return all(b"x-late" not in one.body for one in speak(where, sent).answers)


def frames(where: str) -> bool:
    return all(speak(where, sent, timeout=3.0).statuses in ([400], [505]) for sent in DOUBTFUL)


def lingers(where: str) -> bool:
    """Go on sending after the refusal, and only then read it."""
    host, _, port = where.partition(":")
    with socket.create_connection((host, int(port)), timeout=5.0) as line:
        try:
            line.sendall(b"GET / HTTP/1.1\r\nHost: shop.test\r\nX : 1\r\n\r\n")
            line.recv(1, socket.MSG_PEEK)  # it has been refused
            for _ in range(4):
                time.sleep(0.1)
                line.sendall(b"a" * 1000)
            return line.recv(65536).startswith(b"HTTP/1.1 400")
        except (ConnectionResetError, BrokenPipeError):
            return False


PROBES: dict[str, Callable[[str], bool]] = {
    TIMED: is_timed,
    UNREAD: cuts_unread,
    BOUNDED: is_bounded,
    TRAILERS: trailers_are_apart,
    FRAMING: frames,
    LINGERS: lingers,
}


def announces_drain(where: str, process: "subprocess.Popen[bytes]") -> bool:
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    try:
        return speak(where, request(b"GET /health/ready HTTP/1.1")).statuses == [503]
    except OSError:
        return False


def truth(folder: Path, *command: str) -> tuple[set[str], set[str], str]:
    """Return what a server lacks, what is said of that, and its log."""
    folder.mkdir()
    process, where, log = started(folder, APP, *command)
    try:
        with ThreadPoolExecutor() as pool:
            asked = {rule: pool.submit(probe, where) for rule, probe in PROBES.items()}
            lacks = {rule for rule, answer in asked.items() if not answer.result()}
        if not announces_drain(where, process):
            lacks.add(DRAIN)
    finally:
        ended_by(process)
    text = log.read_text()
    return lacks, {rule for rule in RULES if f"- {rule}" in text}, text


def test_what_is_said_at_start_is_so(tmp_path: Path) -> None:
    for library in ("granian", "httptools", "uvloop"):
        if find_spec(library) is None:
            missing(library, "the extra is not installed")
    uvicorn = ("uvicorn", "main:app", "--http", "httptools", "--loop")
    with ThreadPoolExecutor() as pool:
        ours = pool.submit(truth, tmp_path / "ours", "nexios", "run", "main:app")
        plain = pool.submit(truth, tmp_path / "plain", *uvicorn, "asyncio")
        looped = pool.submit(truth, tmp_path / "looped", *uvicorn, "uvloop")
        granian = pool.submit(
            truth, tmp_path / "granian", "nexios", "run", "main:app", "--server", "granian"
        )
    lacks, said, _ = ours.result()
    assert (lacks, said) == (set(), set())
    lacks, said, text = plain.result()
    assert said == lacks, text
    assert TURNS not in said
    lacks, said, text = looped.result()
    assert said == lacks | {TURNS}, text  # one a turn, which no client sees from outside
    lacks, said, text = granian.result()
    assert said == lacks, text
    assert FRAMING in said
    assert TRAILERS not in said


@pytest.mark.parametrize("http", ["h11"])
def test_nothing_is_kept_back_with_another_parser(tmp_path: Path, http: str) -> None:
    lacks, said, text = truth(
        tmp_path / http, "uvicorn", "main:app", "--http", http, "--loop", "asyncio"
    )
    assert lacks <= said, text
