"""Compression: what is compressed, what is left alone, and what caches are told."""

import gzip
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from nexios import NexiosApp, Response, ServerSentEvent
from nexios.adapters.asgi.types import ASGIApp, Message, Receive, Scope, Send
from nexios.http import BaseResponse, PlainTextResponse
from nexios.middleware import GZipMiddleware
from tests.support.asgi import Answer, Peer, ask, http_scope
from tests.support.server import serving

pytestmark = pytest.mark.asyncio

TEXT = "the same words again and again, " * 100


async def get(app: ASGIApp, accepted: str | None = "gzip", method: str = "GET") -> Answer:
    headers = {} if accepted is None else {"accept-encoding": accepted}
    return await ask(GZipMiddleware(app), method, "/", headers=headers, peer=Peer(stays=True))


def text(**headers: str) -> BaseResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return PlainTextResponse(TEXT, headers=named)


@pytest.mark.parametrize("accepted", ["gzip", "br, GZIP", "gzip;q=0.1", "*", "x-gzip", "a,gzip"])
async def test_who_takes_gzip_gets_it(accepted: str) -> None:
    answer = await get(text(), accepted)
    assert answer.header("content-encoding") == "gzip"
    assert answer.header("vary") == "Accept-Encoding"
    assert gzip.decompress(answer.body).decode() == TEXT
    assert answer.header("content-length") is None
    assert len(answer.body) < len(TEXT) / 5


@pytest.mark.parametrize(
    "accepted",
    [None, "", "gzip;q=0", "gzip;q=0.000", "gzip ; q=0", "*;q=0", "*, gzip;q=0", "gzipped", "br"],
)
async def test_who_does_not_take_it_is_left_alone(accepted: str | None) -> None:
    answer = await get(text(), accepted)
    assert answer.text == TEXT
    assert answer.header("content-encoding") is None
    assert answer.header("content-length") == str(len(TEXT))
    # A cache in between must not hand one client the other's answer.
    assert answer.header("vary") == "Accept-Encoding"


@pytest.mark.parametrize(
    "answer",
    [
        text(content_encoding="br"),
        text(content_type="text/event-stream"),
        text(content_type="image/png"),
        text(cache_control="private, no-transform"),
        BaseResponse(TEXT, 206, {"content-range": f"bytes 0-{len(TEXT) - 1}/{len(TEXT)}"}),
        BaseResponse("", 204),
        BaseResponse("", 304, {"etag": '"a"'}),
    ],
)
async def test_gzip_rules(answer: BaseResponse) -> None:
    plain = await ask(answer, "GET", "/")
    through = await get(answer)
    assert (through.body, sorted(through.raw)) == (plain.body, sorted(plain.raw))


async def test_small_answers_stay_as_they_are() -> None:
    small, large = PlainTextResponse("x" * 499), PlainTextResponse("x" * 500)
    assert (await get(small)).header("content-encoding") is None
    assert (await get(large)).header("content-encoding") == "gzip"


@pytest.mark.parametrize(("tag", "told"), [('"a"', 'W/"a"'), ('W/"a"', 'W/"a"')])
async def test_strong_tags_become_weak(tag: str, told: str) -> None:
    assert (await get(text(etag=tag))).header("etag") == told
    assert (await get(text(etag=tag), None)).header("etag") == tag


async def test_a_constant_head_of_an_application_is_not_changed() -> None:
    fields = [(b"content-type", b"text/plain")]
    head = {"type": "http.response.start", "status": 200, "headers": fields}

    async def frugal(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(head)
        await send({"type": "http.response.body", "body": TEXT.encode()})

    assert (await get(frugal)).header("content-encoding") == "gzip"
    plain = await get(frugal, None)
    assert (plain.header("content-encoding"), plain.text) == (None, TEXT)


async def test_head_gets_the_plain_head() -> None:
    answer = await get(text(), method="HEAD")
    assert answer.header("content-length") == str(len(TEXT))
    assert answer.body == b""


async def test_streams_are_compressed_chunk_by_chunk() -> None:
    app = NexiosApp()
    heard: list[bytes] = []

    @app.get("/")
    async def show() -> AsyncIterator[str]:
        for number in range(3):
            assert len(heard) == number
            yield f"chunk {number};" * 20

    class Hearing(Peer):
        async def send(self, message: Message) -> None:
            await super().send(message)
            if message.get("more_body"):
                heard.append(message["body"])

    peer = Hearing(stays=True)
    headers = {"accept-encoding": "gzip"}
    answer = await ask(GZipMiddleware(app), "GET", "/", headers=headers, peer=peer)
    assert gzip.decompress(answer.body).count(b"chunk") == 60


async def test_events_pass_untouched() -> None:
    app = NexiosApp()

    @app.get("/")
    async def events() -> AsyncIterator[ServerSentEvent[str]]:
        yield ServerSentEvent(TEXT)

    answer = await get(app)
    assert answer.header("content-encoding") is None
    assert TEXT in answer.text


async def test_files_whole_and_in_parts(tmp_path: Path) -> None:
    # Over the size at which a chunk is compressed in a worker thread.
    words = random.Random(1).choices(["one", "two", "three"], k=60_000)
    content = " ".join(words).encode()
    (tmp_path / "a.txt").write_bytes(content)
    app = NexiosApp()

    @app.get("/")
    async def show(response: Response) -> Response:
        return response.file(tmp_path / "a.txt")

    whole = await get(app)
    assert gzip.decompress(whole.body) == content
    assert (whole.header("etag") or "").startswith('W/"')
    headers = {"accept-encoding": "gzip", "range": "bytes=0-999"}
    part = await ask(GZipMiddleware(app), "GET", "/", headers=headers, peer=Peer(stays=True))
    assert (part.status, part.body) == (206, content[:1000])
    tag = whole.header("etag") or ""
    headers = {"accept-encoding": "gzip", "if-none-match": tag}
    assert (await ask(GZipMiddleware(app), "GET", "/", headers=headers)).status == 304


async def test_a_server_that_sends_files_itself_is_not_asked_to(tmp_path: Path) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["extensions"])
        await text()(scope, receive, send)

    scope = http_scope("GET", "/", {"accept-encoding": "gzip"})
    scope["extensions"] = {"http.response.pathsend": {}, "other": {}}
    peer = Peer()
    await GZipMiddleware(app)(scope, peer.receive, peer.send)
    assert seen == [{"other": {}}]
    assert "http.response.pathsend" in scope["extensions"]


async def test_levels_are_one_to_nine() -> None:
    with pytest.raises(ValueError, match="1 to 9"):
        GZipMiddleware(text(), compresslevel=0)


async def test_over_a_real_server() -> None:
    app = NexiosApp()

    @app.get("/")
    async def show() -> dict[str, str]:
        return {"text": TEXT}

    def call() -> httpx2.Response:
        with serving(GZipMiddleware(app)) as address:
            return httpx2.get(f"http://{address}/", headers={"accept-encoding": "gzip"})

    answer = await anyio.to_thread.run_sync(call)
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.json() == {"text": TEXT}
