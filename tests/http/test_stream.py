"""Streams: chunk by chunk, the scope open to the last, and ends of every kind."""

import io
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from nexios import (
    Depend,
    HTTPException,
    MakeConfig,
    Module,
    NexiosApp,
    Provider,
    Request,
    Response,
    StreamingResponse,
)
from nexios.adapters.asgi.types import Message
from nexios.adapters.http.errors import Unencodable
from nexios.adapters.http.router import Router
from tests.support.asgi import Peer, Served, ask
from tests.support.sessions import Session, sessions

pytestmark = pytest.mark.asyncio


def staying() -> Peer:
    return Peer(stays=True)


@pytest.mark.parametrize("compiled", [True, False])
async def test_stream_keeps_scope_open(compiled: bool) -> None:
    log: list[str] = []
    config = MakeConfig(container="compiled" if compiled else "interpreted")
    app = NexiosApp(sessions(log), config=config)

    @app.get("/generator")
    async def generator(session: Session = Depend()) -> AsyncIterator[str]:
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
            yield str(session.open)

    @app.get("/returned")
    async def returned(response, session: Session = Depend()):  # type: ignore[no-untyped-def]
        return response.stream(str(session.open) for _ in range(3))

    @app.get("/touched")
    async def touched(response, session: Session = Depend()):  # type: ignore[no-untyped-def]
        response.stream(str(session.open) for _ in range(3))

    @app.get("/final")
    async def final(session: Session = Depend()):  # type: ignore[no-untyped-def]
        return StreamingResponse(str(session.open) for _ in range(3))

    @app.get("/later")
    async def later(make: Provider[Session] = Depend()) -> AsyncIterator[str]:
        session = await make.get()
        for _ in range(3):
            yield str(session.open)

    class Watching(Peer):
        async def send(self, message: Message) -> None:
            await super().send(message)
            if message["type"] == "http.response.body":
                log.append("last" if not message.get("more_body") else "chunk")

    for path in ("/generator", "/returned", "/touched", "/final", "/later"):
        log.clear()
        answer = await ask(app, "GET", path, peer=Watching(stays=True))
        assert (answer.status, answer.body) == (200, b"TrueTrueTrue"), path
        # Closed before the last message: a commit that fails cuts the connection.
        assert log == ["open", "chunk", "chunk", "chunk", "close", "last"], path


async def test_nothing_is_held_open_for_what_is_no_stream() -> None:
    log: list[str] = []
    router = Router()

    @router.get("/none")
    async def none(response: Response, session: Session = Depend()) -> None:
        response.text("x")

    @router.get("/nothing")
    async def nothing(session: Session = Depend()) -> None: ...

    class Watching(Peer):
        async def send(self, message: Message) -> None:
            log.append("sent")
            await super().send(message)

    async with Served(router, modules=[sessions(log)]) as served:
        for path, status in (("/none", 200), ("/nothing", 204)):
            log.clear()
            assert (await served.get(path, peer=Watching())).status == status
            assert log == ["open", "close", "sent", "sent"]


@pytest.mark.parametrize(
    ("content", "body"),
    [
        ([b"a", "ä", bytearray(b"c"), memoryview(b"d")], "aäcd".encode()),
        ((part for part in ("x", b"", "y")), b"xy"),
        ("whole", b"whole"),
        (io.BytesIO(b"1\n2\n"), b"1\n2\n"),
        ([], b""),
    ],
)
async def test_every_kind_of_content(content: Any, body: bytes) -> None:
    peer = staying()
    await StreamingResponse(content)({"type": "http", "method": "GET"}, peer.receive, peer.send)
    answer = peer.answer()
    assert answer.body == body
    assert answer.header("content-type") == "text/plain; charset=utf-8"
    assert answer.header("content-length") is None


async def test_generators_are_streamed_with_the_type_they_say() -> None:
    router = Router()

    @router.get("/text", status=203)
    async def text() -> AsyncIterator[str]:
        yield "a"

    @router.get("/bytes")
    def octets() -> Iterator[bytes]:
        yield threading.current_thread().name.encode()

    @router.get("/tuple")
    async def pair() -> Any:
        return (part for part in "ab"), 202, {"x-a": "1"}

    @router.get("/builder")
    async def own(response: Response) -> AsyncIterator[str]:
        response.status(207).set_header("x-a", "2").set_cookie("c", "1")
        return text()

    async with Served(router) as served:
        one = await served.get("/text", peer=staying())
        assert (one.status, one.body) == (203, b"a")
        assert one.header("content-type") == "text/plain; charset=utf-8"
        two = await served.get("/bytes", peer=staying())
        assert two.header("content-type") == "application/octet-stream"
        assert two.text != threading.current_thread().name
        three = await served.get("/tuple", peer=staying())
        assert (three.status, three.body, three.header("x-a")) == (202, b"ab", "1")
        four = await served.get("/builder", peer=staying())
        assert (four.status, four.body, four.header("x-a")) == (207, b"a", "2")
        assert four.header("set-cookie") is not None


async def test_head_never_starts_a_stream() -> None:
    log: list[str] = []
    router = Router()

    @router.get("/")
    async def show(session: Session = Depend()) -> AsyncIterator[str]:
        log.append("started")
        yield "a"

    async with Served(router, modules=[sessions(log)]) as served:
        answer = await served.call("HEAD", "/")
    assert (answer.status, answer.body) == (200, b"")
    assert log == ["open", "close"]


async def test_streams_pass_unbuffered() -> None:
    router = Router()
    heard: list[bytes] = []

    @router.get("/")
    async def show() -> AsyncIterator[str]:
        for part in "abc":
            yield f"{part}{len(heard)}"

    async def layer(request: Request, response: Response, call_next: Any) -> Any:
        return await call_next()

    class Hearing(Peer):
        async def send(self, message: Message) -> None:
            await super().send(message)
            if message.get("body"):
                heard.append(message["body"])

    async with Served(router, middleware=[layer] * 5) as served:
        await served.get("/", peer=Hearing(stays=True))
    assert heard == [b"a0", b"b1", b"c2"]


async def test_an_error_before_the_first_chunk_is_an_answer() -> None:
    log: list[str] = []
    router = Router()

    @router.get("/refused")
    async def refused(session: Session = Depend()) -> AsyncIterator[str]:
        raise HTTPException(404, "none of these")
        yield ""

    @router.get("/broken")
    def broken() -> Iterator[str]:
        yield str(1 // 0)

    async with Served(router, modules=[sessions(log)]) as served:
        answer = await served.get("/refused", peer=staying())
        assert (answer.status, answer.json()["detail"]) == (404, "none of these")
        assert log == ["open", "HTTPException", "close"]
        assert (await served.get("/broken", peer=staying())).status == 500
        assert len(served.reports) == 1


async def test_error_mid_stream() -> None:
    log: list[str] = []
    router = Router()

    @router.get("/")
    async def show(session: Session = Depend()) -> AsyncIterator[str]:
        yield "a"
        raise OSError("disk")

    peer = staying()
    async with Served(router, modules=[sessions(log)]) as served:
        with pytest.raises(OSError, match="disk"):
            await served.get("/", peer=peer)
        assert [(type(error), where) for error, _, where in served.reports] == [(OSError, "/")]
    kinds = [message["type"] for message in peer.sent]
    assert kinds == ["http.response.start", "http.response.body"]
    assert peer.sent[-1]["more_body"] is True
    assert log == ["open", "OSError", "close"]


async def test_a_clean_up_that_fails_at_the_end_cuts_the_connection() -> None:
    router = Router()
    module = Module("sessions")

    @module.provides()
    async def session() -> AsyncIterator[Session]:
        yield Session()
        raise OSError("commit failed")

    module.export(Session)

    @router.get("/")
    async def show(session: Session = Depend()) -> AsyncIterator[str]:
        yield "a"

    peer = staying()
    async with Served(router, modules=[module]) as served:
        with pytest.raises(OSError, match="commit failed"):
            await served.get("/", peer=peer)
        assert len(served.reports) == 1
    assert peer.sent[-1]["more_body"] is True


async def test_what_is_no_chunk_is_told() -> None:
    router = Router()

    @router.get("/")
    async def show() -> AsyncIterator[Any]:
        yield {"a": 1}

    async with Served(router) as served:
        assert (await served.get("/", peer=staying())).status == 500
        ((error, _, _),) = served.reports
    assert isinstance(error, Unencodable)
    assert "str or bytes" in str(error)


async def test_middleware_that_answers_instead_closes_the_scope() -> None:
    log: list[str] = []
    router = Router()

    @router.get("/")
    async def show(session: Session = Depend()) -> AsyncIterator[str]:
        yield "a"

    async def instead(request: Request, response: Response, call_next: Any) -> Any:
        await call_next()
        return {"mine": True}

    async def breaks(request: Request, response: Response, call_next: Any) -> Any:
        await call_next()
        raise LookupError

    async with Served(router, modules=[sessions(log)], middleware=[instead]) as served:
        assert (await served.get("/")).json() == {"mine": True}
    assert log == ["open", "close"]
    log.clear()
    async with Served(router, modules=[sessions(log)], middleware=[breaks]) as served:
        assert (await served.get("/")).status == 500
    assert log == ["open", "LookupError", "close"]


async def test_a_server_that_says_so_at_send() -> None:
    log: list[str] = []
    router = Router()

    @router.get("/")
    async def show(session: Session = Depend()) -> AsyncIterator[str]:
        try:
            while True:
                yield "a"
        finally:
            log.append("generator")

    class Gone(Peer):
        async def send(self, message: Message) -> None:
            await super().send(message)
            if len(self.sent) > 3:
                raise OSError("broken pipe")

    async with Served(router, modules=[sessions(log)]) as served:
        await served.get("/", peer=Gone(stays=True))
        assert served.reports == []
    assert log == ["open", "generator", "PeerGone", "close"]


async def test_a_stream_may_read_the_body_it_answers() -> None:
    router = Router()

    @router.post("/")
    async def echo(request: Request) -> AsyncIterator[bytes]:
        async for chunk in request.stream():
            yield chunk.upper()

    async with Served(router) as served:
        peer = Peer(chunks=(b"a", b"b", b"c"), stays=True)
        assert (await served.post("/", peer=peer)).body == b"ABC"


async def test_a_body_over_its_limit_is_still_refused_while_the_peer_is_watched() -> None:
    router = Router()

    @router.post("/", limit_body=2)
    async def echo(request: Request) -> AsyncIterator[bytes]:
        await anyio.sleep(0.05)
        yield await request.body

    async with Served(router) as served:
        peer = Peer(chunks=(b"ab", b"c"), stays=True)
        with anyio.fail_after(5):
            assert (await served.post("/", peer=peer)).status == 413
