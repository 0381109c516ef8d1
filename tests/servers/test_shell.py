"""Bytes at the shell: what no request may be gets one answer, and the connection ends."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest
from websockets.sync.client import connect

from tests.servers.shelled import ENGINES, shelled
from tests.support.raw import request, speak

KIB = 1024
AFTER = b"GET /after HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(scope="module", params=ENGINES)
def address(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    with shelled(request.param, tmp_path_factory.mktemp("shell")) as where:
        yield where
        assert speak(where, AFTER).statuses == [200]


def post(*fields: bytes, body: bytes = b"", line: bytes = b"POST / HTTP/1.1") -> bytes:
    return request(line, *fields, body=body)


CHUNKED = b"Transfer-Encoding: chunked"

FRAMING = {
    "length and coding": (400, post(b"Content-Length: 3", CHUNKED, body=b"0\r\n\r\n")),
    "coding and length": (400, post(CHUNKED, b"Content-Length: 3", body=b"0\r\n\r\n")),
    "two equal lengths": (400, post(b"Content-Length: 3", b"Content-Length: 3", body=b"abc")),
    "two lengths": (400, post(b"Content-Length: 3", b"Content-Length: 4", body=b"abcd")),
    "two equal lengths in one": (400, post(b"Content-Length: 3, 3", body=b"abc")),
    "fragment in the target": (400, request(b"GET /#a HTTP/1.1")),
    "another host than its target": (400, request(b"GET http://other.test/ HTTP/1.1")),
    "length with a sign": (400, post(b"Content-Length: +3", body=b"abc")),
    "another coding": (400, post(b"Transfer-Encoding: gzip", body=b"abc")),
    "two codings": (400, post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n")),
    "chunked twice": (400, post(CHUNKED, CHUNKED, body=b"0\r\n\r\n")),
    "chunked in 1.0": (400, post(CHUNKED, line=b"POST / HTTP/1.0", body=b"0\r\n\r\n")),
    "folded field": (400, request(b"GET / HTTP/1.1", b"X-A: b\r\n c")),
    "folded by a tab": (400, request(b"GET / HTTP/1.1", b"X-A: b\r\n\tc")),
    "folded first field": (400, b"GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    "bare LF after the line": (None, b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
    "bare LF after a field": (400, b"GET / HTTP/1.1\r\nHost: a\nX-B: c\r\n\r\n"),
    "bare LF at the end": (400, b"GET / HTTP/1.1\r\nHost: a\r\n\n"),
    "bare LF alone": (None, b"GET / HTTP/1.1\nHost: a\n\n"),
    "bare CR": (400, b"GET / HTTP/1.1\r\nHost: a\r\nX-B: c\rd\r\n\r\n"),
    "space before the colon": (400, b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    "field without a name": (400, b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"),
    "LF after a chunk size": (400, post(CHUNKED, body=b"3\nabc\r\n0\r\n\r\n")),
    "LF in a chunk extension": (400, post(CHUNKED, body=b"3;a\nabc\r\n0\r\n\r\n")),
    "negative chunk": (400, post(CHUNKED, body=b"-3\r\nabc\r\n0\r\n\r\n")),
    "chunk longer than it says": (400, post(CHUNKED, body=b"3\r\nabcd\r\n0\r\n\r\n")),
    "HTTP/0.9": (505, b"GET /\r\n\r\n"),
    "HTTP/0.9 by name": (505, request(b"GET / HTTP/0.9")),
    "HTTP/1.2": (505, request(b"GET / HTTP/1.2")),
    "HTTP/2.0": (505, request(b"GET / HTTP/2.0")),
    "HTTP/2.0 that would stay": (505, request(b"GET / HTTP/2.0", b"Connection: keep-alive")),
    "no version": (None, request(b"GET / HTTP/x")),
    "upgrade with a length": (
        400,
        request(
            b"GET /ws HTTP/1.1",
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Content-Length: 3",
            body=b"abc",
        ),
    ),
    "upgrade with chunks": (
        400,
        request(
            b"GET /ws HTTP/1.1",
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            CHUNKED,
            body=b"0\r\n\r\n",
        ),
    ),
    "upgrade to h2c with a body": (
        400,
        request(
            b"POST / HTTP/1.1",
            b"Upgrade: h2c",
            b"Connection: Upgrade",
            b"Content-Length: 3",
            body=b"abc",
        ),
    ),
    "no protocol at all": (None, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
}


@pytest.mark.parametrize(("status", "content"), FRAMING.values(), ids=FRAMING)
def test_ambiguous_framing_gets_one_answer(
    address: str, status: int | None, content: bytes
) -> None:
    replies = speak(address, content + AFTER, answers=2)
    assert len(replies.answers) == 1, replies
    (answer,) = replies.answers
    assert answer.status in ((400, 505) if status is None else (status,))
    assert replies.closed
    assert not replies.reset
    assert answer.headers["connection"] == "close"
    assert answer.headers["content-type"] == "application/problem+json"
    assert json.loads(answer.body)["status"] == answer.status


def test_earlier_requests_are_answered_before_the_refusal(address: str) -> None:
    slow = request(b"GET /slow HTTP/1.1")
    replies = speak(address, slow + slow + b"GET / HTTP/1.1\r\nX : y\r\n\r\n", answers=4)
    assert replies.statuses == [200, 200, 400]
    assert [answer.body for answer in replies.answers[:2]] == [b"slow", b"slow"]
    assert replies.closed


# Bounds: one below, at, one above.

END = b" HTTP/1.1\r\nHost: a\r\n\r\n"


def heads(count: int, size: int) -> list[bytes]:
    """Return so many fields of so many bytes, name and value together."""
    return [b"x-%03d: " % number + b"v" * (size - 5) for number in range(count)]


BOUNDS = {
    "target": (414, 8 * KIB, lambda size: b"GET /" + b"a" * (size - 1) + END),
    "target with a query": (414, 8 * KIB, lambda size: b"GET /?" + b"q" * (size - 2) + END),
    "headers": (431, 100, lambda count: request(b"GET / HTTP/1.1", *heads(count - 1, 10))),
    "header_bytes": (
        431,
        8 * KIB,
        lambda size: request(b"GET / HTTP/1.1", b"x-a: " + b"v" * size),
    ),
    "headers_bytes": (
        431,
        32 * KIB,
        lambda size: request(
            b"GET / HTTP/1.1", *heads(4, 8000), *heads(1, size - 32_000 - 4 - 1), host=b"a"
        ),
    ),
    "trailers": (
        431,
        100,
        lambda count: (
            post(CHUNKED, body=b"1\r\na\r\n0\r\n")
            + b"".join(field + b"\r\n" for field in heads(count, 10))
            + b"\r\n"
        ),
    ),
    "trailers_bytes": (
        431,
        32 * KIB,
        lambda size: (
            post(CHUNKED, body=b"1\r\na\r\n0\r\n")
            + b"".join(field + b"\r\n" for field in [*heads(4, 8000), *heads(1, size - 32_000)])
            + b"\r\n"
        ),
    ),
}


@pytest.mark.parametrize(("status", "bound", "content"), BOUNDS.values(), ids=BOUNDS)
def test_each_bound_one_below_at_and_one_above(
    address: str, status: int, bound: int, content: Callable[[int], bytes]
) -> None:
    good = 200
    assert speak(address, content(bound - 1)).statuses == [good]
    assert speak(address, content(bound)).statuses == [good]
    assert speak(address, content(bound + 1)).statuses == [status]


@pytest.mark.parametrize(
    ("status", "fields", "path"),
    [
        (414, [], b"/ws?" + b"q" * 9 * KIB),
        (431, heads(98, 10), b"/ws"),
        (431, [b"x-a: " + b"v" * 9 * KIB], b"/ws"),
    ],
)
def test_sockets_have_the_same_bounds(
    address: str, status: int, fields: list[bytes], path: bytes
) -> None:
    with connect(f"ws://{address}/ws") as ws:
        assert ws.recv() == "hello"
    upgrade = request(
        b"GET " + path + b" HTTP/1.1",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        b"Sec-WebSocket-Version: 13",
        *fields,
    )
    replies = speak(address, upgrade)
    assert replies.statuses == [status]
    assert replies.answers[0].headers["connection"] == "close"


@pytest.mark.parametrize(("more", "status"), [(-1, 200), (0, 200), (1, 400)])
def test_chunk_overhead_one_below_at_and_one_above(address: str, more: int, status: int) -> None:
    host, _, port = address.partition(":")
    # Three bytes and a payload of one for each chunk; the first size is made longer.
    chunk, last = b"1\r\na\r\n", b"0\r\n\r\n"
    spare = 64 * KIB + more - len(last)
    count = spare // 5
    padding = spare - 5 * count
    body = b"0" * padding + chunk * count
    with socket.create_connection((host, int(port)), timeout=10) as line:
        line.sendall(post(CHUNKED, b"Expect: 100-continue"))
        assert line.recv(64).startswith(b"HTTP/1.1 100")
        line.sendall(body)
        line.sendall(last)
        assert line.recv(65536).split(b" ")[1] == b"%d" % status


@pytest.mark.parametrize(
    "content",
    [
        b"GET /" + b"a" * 20 * KIB,
        request(b"GET / HTTP/1.1", b"X-A: " + b"a" * 100 * KIB)[:-4],
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 20_000,
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-LONG-NAME" * 20_000,
    ],
    ids=["target", "value", "fields", "name"],
)
def test_a_head_that_never_ends_is_refused_before_it_does(address: str, content: bytes) -> None:
    replies = speak(address, *(content[i : i + 4000] for i in range(0, len(content), 4000)))
    assert replies.statuses in ([414], [431])
    assert replies.closed or replies.answers[0].headers["connection"] == "close"


def test_trailers_without_end_are_refused(address: str) -> None:
    fields = b"".join(b"X-%05d: a\r\n" % number for number in range(10_000))
    replies = speak(address, post(CHUNKED, body=b"1\r\na\r\n0\r\n"), fields)
    assert replies.statuses in ([400], [431])


def test_trailers_are_no_headers(address: str) -> None:
    content = post(CHUNKED, body=b"3\r\nabc\r\n0\r\nAuthorization: x\r\nX-T: 1\r\n\r\n")
    (answer,) = speak(address, content).answers
    assert json.loads(answer.body) == {"size": 3, "fields": ["host", "transfer-encoding"]}
    (answer,) = speak(address, content + content, answers=2).answers[1:]
    assert json.loads(answer.body) == {"size": 3, "fields": ["host", "transfer-encoding"]}


# What an answer needs to be read.


@pytest.mark.parametrize("path", [b"/", b"/unread"])
def test_a_refusal_can_be_read_before_the_close(address: str, path: bytes) -> None:
    body = b"x" * 3 * 2**20
    host, _, port = address.partition(":")
    for _ in range(5):
        with closing(socket.create_connection((host, int(port)), timeout=5)) as line:
            line.sendall(
                request(b"POST " + path + b" HTTP/1.1", b"Content-Length: %d" % len(body))
            )
            with suppress(OSError):  # it may stop to listen; what it said is what counts
                line.sendall(body)
            answer = line.recv(65536)
            assert answer.split(b" ")[1] in ((b"413",) if path == b"/" else (b"200",))


def test_pipelined_requests_after_an_unread_upgrade_do_not_hang(address: str) -> None:
    upgrade = request(b"GET / HTTP/1.1", b"Upgrade: h2c", b"Connection: Upgrade")
    replies = speak(address, upgrade + AFTER, answers=2)
    assert replies.statuses == [200, 200] or (replies.statuses == [200] and replies.closed)


def test_many_pipelined_requests_are_no_long_head(address: str) -> None:
    content = AFTER * 3000 + AFTER[:-2]
    replies = speak(address, content, AFTER[-2:], answers=3001, timeout=30)
    assert replies.statuses == [200] * 3001
