"""The same bytes to the shell over either parser: no handler is given two different requests."""

import json
import random
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from nexios import NexiosApp, Request, Response
from nexios.adapters.servers.shell_h11 import H11Shell
from nexios.adapters.servers.shell_httptools import HttpToolsShell
from tests.support.raw import request, speak
from tests.support.server import serving

SHELLS = (H11Shell, HttpToolsShell)
MIB = 2**20

INNER = b"GET /inner HTTP/1.1\r\nHost: inner.test\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n"

HOST = [["host", "shop.test"]]
LINES = (
    b"GET / HTTP/1.1",
    b"POST /a?b=c%20d&b HTTP/1.1",
    b"PUT /a%2fb;c HTTP/1.1",
    b"PATCH //two HTTP/1.1",
    b"OPTIONS * HTTP/1.1",
    b"POST http://shop.test/whole?a HTTP/1.1",
    b"POST http://other.test/whole HTTP/1.1",
    b"get / HTTP/1.1",
    b"POST / HTTP/1.0",
    b"GET  / HTTP/1.1",
    b"GET /a b HTTP/1.1",
    b"GET\t/ HTTP/1.1",
    b"GET /\xc3\xbc HTTP/1.1",
    b"GET /a#b HTTP/1.1",
    b"GET / http/1.1",
    b"POST / HTTP/1.1 ",
)
FIELDS = (
    b"X-A: 1",
    b"x-a:2",
    b"X-A:  spaced  ",
    b"X-A:\ttab\t",
    b"X-A:",
    b"X-A: \xe9",
    b"X-A: a,b",
    b"X-B: a\x0bb",
    b"X-B: a\x00b",
    b"X-B: 1\r\n folded",
    b"X_A: 1",
    b"X\xe9: 1",
    b"X-\x00: 1",
    b"X B: 1",
    b"X-B : 1",
    b"Host: other.test",
    b"Cookie: a=1; a=2",
    b"Cookie: b=2",
    b"Connection: close",
    b"Connection: keep-alive, x-a",
    b"Expect: 100-continue",
    b"Upgrade: h2c",
    b"Content-Encoding: gzip",
)
FRAMING = (
    b"Content-Length: 0",
    b"Content-Length: 3",
    b"Content-Length: 03",
    b"Content-Length: 3 ",
    b"Content-Length: 3, 3",
    b"Content-Length: +3",
    b"Content-Length: 0x3",
    b"Content-Length:",
    b"Transfer-Encoding: chunked",
    b"transfer-encoding: Chunked",
    b"Transfer-Encoding:\tchunked",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding : chunked",
)
BODIES = (
    b"",
    b"abc",
    INNER,
    b"3\r\nabc\r\n0\r\n\r\n",
    b"03\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n",
    b'3;a="b"\r\nabc\r\n0\r\n\r\n',
    b"3 \r\nabc\r\n0\r\n\r\n",
    b"3;\r\nabc\r\n0\r\n\r\n",
    b"3\nabc\n0\n\n",
    b"0x3\r\nabc\r\n0\r\n\r\n",
    b"3\r\nabc0\r\n\r\n",
    b"0\r\n\r\n" + INNER,
    b"ffffffffffffffff3\r\nabc\r\n0\r\n\r\n",
)


def normal(field: tuple[str, str]) -> tuple[str, str]:
    """Return a field without what case says nothing in; h11 lowers the name of a coding."""
    name, value = field[0].lower(), field[1]
    return name, value.lower() if name == "transfer-encoding" else value


def told() -> NexiosApp:
    """Return an application that answers with the request as its handler was given it."""
    app = NexiosApp()

    @app.route("/{rest:path}", methods=["GET", "POST", "PUT", "PATCH", "OPTIONS", "DELETE"])
    async def tell(request: Request, response: Response) -> Response:
        body = await request.body
        return response.json(
            {
                "method": request.method,
                "target": [request.path, str(request.url.query)],
                "fields": sorted(map(list, map(normal, request.headers.items()))),
                "body": body.decode("latin-1"),
            }
        )

    return app


@pytest.fixture(scope="module")
def both() -> Iterator[list[str]]:
    with ExitStack() as stack:
        yield [stack.enter_context(serving(told(), http=shell)) for shell in SHELLS]


def variants(seed: int, count: int) -> list[bytes]:
    """Return requests put together by chance, most of them with one oddity or two."""
    dice = random.Random(seed)
    made = []
    for _ in range(count):
        line = dice.choice(LINES) if dice.random() < 0.4 else dice.choice(LINES[:3])
        fields = dice.sample(FIELDS, dice.choice((0, 1, 1, 2)))
        framing = dice.sample(FRAMING, dice.choice((0, 1, 1, 1, 2)))
        dice.shuffle(framing)
        body = dice.choice(BODIES) if framing else b""
        made.append(request(line, *fields, *framing, body=body))
    return made


def handled(address: str, content: bytes) -> list[object]:
    """Return the requests as the handler was given them; None for one that was refused."""
    replies = speak(address, content + LAST, answers=4, timeout=1.0)
    return [json.loads(one.body) if one.status == 200 else None for one in replies.answers]


@pytest.mark.parametrize("seed", range(4))
def test_same_bytes_same_meaning(both: list[str], seed: int) -> None:
    cases = variants(seed, 250)
    with ThreadPoolExecutor(16) as pool:
        first, second = (
            list(pool.map(handled, [address] * len(cases), cases)) for address in both
        )
    agreed = refused = 0
    for content, one, other in zip(cases, first, second, strict=True):
        for ours, theirs in zip(one, other, strict=False):
            # Either may refuse what the other takes; what both hand on is the same.
            assert ours == theirs or None in (ours, theirs), content
        agreed += one[:1] == other[:1] != [None]
        refused += one[:1] == other[:1] == [None]
    assert agreed > len(cases) / 10
    assert refused > len(cases) / 10


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"http://shop.test/whole?a=b", "/whole", "a=b"),
        (b"http://shop.test:80/", "/", ""),
        (b"HTTP://SHOP.test/a%20b", "/a b", ""),
    ],
)
def test_an_absolute_target_is_its_path(
    both: list[str], target: bytes, path: str, query: str
) -> None:
    for address in both:
        given, last = handled(address, request(b"GET " + target + b" HTTP/1.1"))
        assert given == {"method": "GET", "target": [path, query], "fields": HOST, "body": ""}
        assert last is not None


@pytest.mark.parametrize("more", [b"X-%05d: a\r\n", b"X-%05d: " + b"a" * 4000 + b"\r\n"])
def test_a_bomb_of_trailers_costs_bounded_memory(both: list[str], more: bytes) -> None:
    size = len(more % 0)
    bomb = b"".join(more % number for number in range(8 * MIB // size))
    chunked = request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", body=b"1\r\na\r\n0\r\n")
    for address in both:
        speak(address, chunked + b"\r\n")  # what is made once is made now
        tracemalloc.start()
        replies = speak(address, chunked, bomb)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        # It comes while we still send, so that a reset may swallow it.
        assert replies.statuses == [431] or replies.reset, replies
        assert peak < 4 * MIB
