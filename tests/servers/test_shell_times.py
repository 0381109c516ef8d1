"""Peers that are slow, against a real `nexios run`: they are let go while others are served."""

import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.servers.shelled import ENGINES, shelled
from tests.support.raw import request, speak

SECONDS = {"header_s": 2.0, "keep_alive_s": 1.5, "body_idle_s": 2.0, "answer_idle_s": 2.0}
LATE_S = 8.0
"""What a shared machine may take longer than the bounds."""


@pytest.fixture(scope="module", params=ENGINES)
def address(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("slow")
    with shelled(request.param, folder, **SECONDS, body_total_s=6.0) as where:
        yield where


def dialled(address: str, content: bytes = b"") -> socket.socket:
    host, _, port = address.partition(":")
    line = socket.create_connection((host, int(port)), timeout=20)
    line.sendall(content)
    return line


def everything(line: socket.socket) -> tuple[bytes, float]:
    """Read to the end and return it with the seconds it took."""
    begun, got = time.monotonic(), b""
    while chunk := line.recv(65536):
        got += chunk
    return got, time.monotonic() - begun


@pytest.mark.parametrize(
    ("content", "bound_s", "status"),
    [
        (b"", 2.0, b""),
        (b"GET / HT", 2.0, None),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", 2.0, b"408"),
        (request(b"POST / HTTP/1.1", b"Content-Length: 9", body=b"ab"), 2.0, b"408"),
        (request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", body=b"5\r\n"), 2.0, b"408"),
        (request(b"POST /unread HTTP/1.1", b"Content-Length: 9"), 0.0, b"200"),
    ],
    ids=["nothing", "half a line", "half a head", "half a body", "half a chunk", "unread"],
)
def test_half_a_request_is_waited_for_so_long(
    address: str, content: bytes, bound_s: float, status: bytes | None
) -> None:
    with dialled(address, content) as line:
        got, took = everything(line)
    if status is not None:
        assert got.split(b" ")[1:2] == ([status] if status else [])
    assert bound_s * 0.9 <= took <= bound_s + LATE_S


def test_an_idle_connection_is_closed_without_a_word(address: str) -> None:
    with dialled(address, request()) as line:
        assert line.recv(65536).startswith(b"HTTP/1.1 200")
        time.sleep(0.5)
        line.sendall(request())
        assert line.recv(65536).startswith(b"HTTP/1.1 200")
        got, took = everything(line)
    assert got == b""
    assert 1.3 <= took <= 1.5 + LATE_S


def test_the_time_of_a_handler_is_not_the_peers(address: str) -> None:
    with dialled(address, request(b"GET /long HTTP/1.1")) as line:
        answer = line.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"long")


def test_bytes_of_a_body_do_not_prolong_it_for_ever(address: str) -> None:
    content = request(b"POST / HTTP/1.1", b"Content-Length: 1000000")
    with dialled(address, content) as line:
        line.settimeout(0.25)
        begun, answer = time.monotonic(), b""
        while not answer and time.monotonic() - begun < 6 + LATE_S:
            line.sendall(b"x" * 200)  # 800 bytes a second, above the least rate
            try:
                answer = line.recv(65536)
            except TimeoutError:
                continue
    assert answer.split(b" ")[1] == b"408"


def test_a_body_below_the_least_rate_is_let_go(address: str) -> None:
    with dialled(address, request(b"POST / HTTP/1.1", b"Content-Length: 90000")) as line:
        line.settimeout(0.5)
        begun, answer = time.monotonic(), b""
        while not answer and time.monotonic() - begun < 6 + LATE_S:
            line.sendall(b"xx")
            try:
                answer = line.recv(65536)
            except TimeoutError:
                continue
        took = time.monotonic() - begun
    assert answer.split(b" ")[1] == b"408"
    assert took >= 4.5


def test_a_client_that_does_not_read_is_cut(address: str) -> None:
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, _, port = address.partition(":")
        line.connect((host, int(port)))
        line.sendall(request(b"GET /big HTTP/1.1"))
        line.settimeout(20)
        time.sleep(2 + LATE_S / 2)
        size = 0
        with pytest.raises(ConnectionError):
            while chunk := line.recv(65536):
                size += len(chunk)
            raise ConnectionError("ended before all of it was read")
    assert size < 32 * 2**20


def test_a_client_that_reads_slowly_but_reads_is_served(address: str) -> None:
    with socket.socket() as line:
        host, _, port = address.partition(":")
        line.connect((host, int(port)))
        line.settimeout(20)
        line.sendall(request(b"GET /big HTTP/1.1"))
        size, until = 0, time.monotonic() + 4
        while time.monotonic() < until:
            size += len(line.recv(300_000))
            time.sleep(0.1)
        while size < 32 * 2**20:
            size += len(line.recv(2**20))
    assert size >= 32 * 2**20


def test_slow_heads_and_bodies_are_closed_while_others_are_served(address: str) -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "
    body = request(b"POST / HTTP/1.1", b"Content-Length: 1000000")
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        lines = set()
        for first in (head, body):
            for _ in range(300):
                line = stack.enter_context(dialled(address, first))
                selector.register(line, selectors.EVENT_READ)
                lines.add(line)
        waits: list[float] = []
        until = time.monotonic() + 30
        while lines and time.monotonic() < until:
            for key, _ in selector.select(0):
                line = key.fileobj  # type: ignore[assignment]  # what was registered
                if not _heard(line):
                    selector.unregister(line)
                    lines.discard(line)
            begun = time.monotonic()
            assert speak(address, request()).statuses == [200]
            waits.append(time.monotonic() - begun)
            for line in tuple(lines):
                try:
                    line.sendall(b"x")
                except OSError:
                    selector.unregister(line)
                    lines.discard(line)
            time.sleep(0.5)
    assert lines == set()
    assert sorted(waits)[len(waits) // 2] < 1.0


def _heard(line: socket.socket) -> bool:
    try:
        return bool(line.recv(65536))
    except ConnectionError:
        return False
