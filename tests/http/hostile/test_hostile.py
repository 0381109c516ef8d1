"""Bytes no client library would send, over real sockets: each gets its answer, none a 5xx."""

import json
import logging
import threading
import time
import tracemalloc
from collections.abc import Iterator

import pytest

from tests.http.hostile.app import Unanswered, made
from tests.http.hostile.cases import MIB, TABLE, Case, chunked, get, lengthy
from tests.support.raw import Replies, posted, request, speak
from tests.support.server import serving

PARSERS = ("httptools", "h11")


@pytest.fixture(scope="module", params=PARSERS)
def served(request: pytest.FixtureRequest) -> Iterator[tuple[str, Unanswered]]:
    """Serve the application once for each parser of the server."""
    if request.param == "httptools":
        pytest.importorskip("httptools")
    errors = Unanswered()
    logger = logging.getLogger("nexios")
    logger.addHandler(errors)
    try:
        with serving(made(), http=request.param) as address:
            yield address, errors
    finally:
        logger.removeHandler(errors)


@pytest.fixture
def address(served: tuple[str, Unanswered]) -> Iterator[str]:
    """The server; afterwards it serves on, and has logged no error."""
    where, errors = served
    yield where
    assert speak(where, request()).statuses == [200]
    assert errors.texts == []


@pytest.mark.parametrize("case", TABLE.values(), ids=TABLE)
def test_each_gets_one_answer_of_the_table(address: str, case: Case) -> None:
    content, statuses = case
    replies = speak(address, content)
    assert len(replies.answers) == 1, replies
    (answer,) = replies.answers
    assert answer.status in statuses, answer
    check_headers(replies)
    assert len(answer.body) < 64 * 1024


def check_headers(replies: Replies) -> None:
    """Nothing that was sent became a header, and what the house answers carries its own."""
    for answer in replies.answers:
        assert "set-cookie" not in answer.headers
        assert "x-evil" not in answer.headers
        assert not answer.headers.get("location", "/").startswith(("//", "http", "javascript"))
        if answer.body == b"Invalid HTTP request received.":
            continue  # the server's parser said it before us
        if not answer.body.startswith(b"1e\r\n") and answer.headers.get("content-type"):
            assert answer.headers.get("x-content-type-options") == "nosniff", answer
        if answer.status >= 400 and answer.body.startswith(b"{"):
            problem = json.loads(answer.body)
            assert {"refused"} == set(problem) or problem["status"] == answer.status


def test_all_of_them_in_one_go_leave_the_server_prompt(address: str) -> None:
    quick = [case for case in TABLE.values() if 408 not in case[1] and len(case[0]) < MIB]
    wrong: list[object] = []

    def run(cases: list[Case]) -> None:
        for content, statuses in cases:
            found = speak(address, content).statuses
            if len(found) != 1 or found[0] not in statuses:
                wrong.append((content[:60], found, statuses))

    threads = [threading.Thread(target=run, args=(quick[start::8],)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


# Smuggling: what stands behind a refusal must never be taken for a request of its own.

INNER = b"GET /url HTTP/1.1\r\nHost: inner.test\r\n\r\n"


@pytest.mark.parametrize(
    "content",
    [
        request(
            b"POST /json HTTP/1.1",
            b"Content-Length: 4",
            b"Transfer-Encoding: chunked",
            body=b"0\r\n\r\n" + INNER,
        ),
        request(b"POST /json HTTP/1.1", b"Transfer-Encoding: gzip, chunked", body=INNER),
        request(b"POST /json HTTP/1.1", b"Transfer-Encoding : chunked", body=INNER),
        request(b"POST /json HTTP/1.1", b"Transfer-Encoding: \x0bchunked", body=INNER),
        lengthy(b"2", b"%d" % len(INNER), body=INNER),
        lengthy(b"0x2", body=INNER),
        b"POST /json HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + INNER,
        request(b"POST /json HTTP/1.1", b"Upgrade: h2c", b"Content-Length: 4", body=INNER),
        request(b"GET / HTTP/1.1", b"X-A: 1\nHost: b\n\n" + INNER, b"X_B: 1"),
    ],
)
def test_nothing_is_smuggled_behind_a_refusal(address: str, content: bytes) -> None:
    replies = speak(address, content, answers=2, timeout=1.0)
    assert [status for status in replies.statuses if status < 400] == []
    assert all(b"inner.test" not in answer.body for answer in replies.answers)


@pytest.mark.parametrize(
    "first",
    [
        posted(b"/unread", INNER),
        posted(b"/orders", INNER, kind=b"text/plain"),
        posted(b"/none", INNER),
        posted(b"/json", INNER, b"X_A: 1"),
        chunked(INNER, path=b"/unread"),
    ],
)
def test_a_body_nobody_read_is_no_request(address: str, first: bytes) -> None:
    replies = speak(address, first + get(b"/items/7"), answers=3, timeout=1.0)
    assert len(replies.answers) <= 2
    assert all(b"inner.test" not in answer.body for answer in replies.answers)
    if len(replies.answers) == 2:
        assert replies.answers[1].body == b"7"


def test_pipelined_requests_are_answered_in_order(address: str) -> None:
    targets = [b"/items/%d" % number for number in range(20)]
    replies = speak(address, b"".join(map(get, targets)), answers=20)
    assert [answer.body for answer in replies.answers] == [b"%d" % n for n in range(20)]


# Peers that are slow, or leave.


def test_a_head_in_single_bytes_is_read(address: str) -> None:
    content = posted(b"/orders", b'{"number":"a"}')
    assert speak(address, *(bytes([byte]) for byte in content)).statuses == [200]


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("path", [b"/orders", b"/json", b"/stream", b"/unread"])
def test_a_peer_that_breaks_off_causes_nothing(address: str, path: bytes, cut: float) -> None:
    content = posted(path, b'{"number":"' + b"a" * 500 + b'"}')
    replies = speak(address, content[: int(len(content) * cut)], finish=True, timeout=2.0)
    assert [status for status in replies.statuses if status >= 500] == []


def test_stalled_bodies_do_not_keep_others_waiting(address: str) -> None:
    stalled: list[Replies] = []

    def stall() -> None:
        stalled.append(speak(address, lengthy(b"10", body=b"{")))

    threads = [threading.Thread(target=stall) for _ in range(30)]
    for thread in threads:
        thread.start()
    started = time.monotonic()
    assert speak(address, request()).statuses == [200]
    assert time.monotonic() - started < 2.0
    for thread in threads:
        thread.join(30)
    assert [replies.statuses for replies in stalled] == [[408]] * 30


# Memory.


@pytest.mark.parametrize(
    "content",
    [
        get(b"/", b"X-A: " + b"a" * MIB),
        get(b"/" + b"a" * MIB),
        get(b"/", *[b"X-%d: a" % number for number in range(100_000)]),
    ],
    ids=["value", "target", "fields"],
)
def test_a_mebibyte_of_head_is_refused(address: str, content: bytes) -> None:
    replies = speak(address, content)
    # h11 stops reading in the middle and closes: a reset may then swallow its 400.
    assert replies.statuses in ([400], [414], [431]) or replies.reset, replies


@pytest.mark.parametrize(
    ("content", "status", "bound"),
    [
        (chunked(*[b" " * 65_536] * 200), 413, 6 * MIB),
        (chunked(*[b" " * 65_536] * 200, path=b"/stream"), 413, 6 * MIB),
        (lengthy(b"100000000000", body=b" " * 8 * MIB), 413, 6 * MIB),
        (posted(b"/json", b"[" * 2 * MIB), 400, 12 * MIB),
        (posted(b"/orders", b"[" + b"{}," * 49_000 + b"{}]"), 422, 12 * MIB),
        (posted(b"/orders", b'{"number":"a","lines":[' + b"1," * 98_000 + b"1]}"), 422, 24 * MIB),
        (get(b"/cookies", b"Cookie: " + b"a=" * 4000), 200, MIB),
        (get(b"/find?" + b"&".join([b"a"] * 4000)), 400, MIB),
    ],
    ids=["chunks", "streamed chunks", "length", "brackets", "items", "faults", "cookie", "query"],
)
def test_memory_stays_within_the_limit(
    address: str, content: bytes, status: int, bound: int
) -> None:
    speak(address, content)  # what is made once is made now
    tracemalloc.start()
    replies = speak(address, content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Over chunks the answer comes while we still send, so a reset may swallow it.
    assert replies.statuses == [status] or (replies.reset and status == 413), replies
    assert peak < bound
