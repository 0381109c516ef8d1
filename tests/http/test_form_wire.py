"""Forms over a real server: uploads, peers that leave, uploads at once."""

import asyncio
import logging
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from nexios import Depend, Form, MakeConfig, NexiosApp, Request, UploadedFile
from nexios.adapters.asgi.errors import ClientDisconnect
from tests.support.forms import open_below
from tests.support.server import serving


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def waited(condition: Callable[[], object]) -> bool:
    """Return whether this comes true within ten seconds: the server goes on behind an answer."""
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_uploads_arrive_whole_and_are_gone_after_the_answer(temporary: Path) -> None:
    app = NexiosApp(config=MakeConfig(limits={"spool": 1000}))

    @app.post("/")
    async def take(f: list[UploadedFile], title: str = Form()) -> list[object]:
        sizes = [len(await file.read()) for file in f]
        return [title, [file.filename for file in f], sizes, len(open_below(temporary))]

    with serving(app) as address:
        files = [("f", ("a.bin", b"x" * 2_000_000)), ("f", ("b.bin", b"y" * 10))]
        answer = httpx2.post(f"http://{address}/", data={"title": "café"}, files=files)
        assert answer.json() == ["café", ["a.bin", "b.bin"], [2_000_000, 10], 1]
        assert waited(lambda: not open_below(temporary))


def test_uploads_at_once_never_mix() -> None:
    app = NexiosApp(config=MakeConfig(limits={"spool": 100}))

    @app.post("/{n:int}")
    async def take(n: int, f: UploadedFile, title: str = Form()) -> list[object]:
        await asyncio.sleep(0)
        return [n, title, f.filename, (await f.read()).decode()]

    async def ask_all(address: str) -> list[httpx2.Response]:
        async with httpx2.AsyncClient(base_url=f"http://{address}") as client:
            return await asyncio.gather(
                *[
                    client.post(
                        f"/{n}",
                        data={"title": f"t{n}"},
                        files={"f": (f"f{n}", str(n).encode() * 500)},
                    )
                    for n in range(20)
                ]
            )

    with serving(app) as address:
        answers = asyncio.run(ask_all(address))
    assert [answer.json() for answer in answers] == [
        [n, f"t{n}", f"f{n}", str(n) * 500] for n in range(20)
    ]


def test_an_upload_cut_by_the_peer_leaves_no_file_and_no_error_line(
    temporary: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = NexiosApp(config=MakeConfig(limits={"spool": 1}))
    begun, over = threading.Event(), threading.Event()
    told: list[str] = []

    async def session():  # type: ignore[no-untyped-def]
        try:
            yield "open"
            told.append("kept")
        except ClientDisconnect:
            told.append("undone")
            raise
        finally:
            over.set()

    @app.post("/")
    async def take(request: Request, held: str = Depend(session)) -> None:
        begun.set()
        await request.form
        told.append("read")

    caplog.set_level(logging.WARNING)
    with serving(app) as address:
        host, _, port = address.partition(":")
        with socket.create_connection((host, int(port))) as peer:
            peer.sendall(
                b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n"
                b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
                b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
                + b"x"
                * 4000
            )
            assert begun.wait(10)
            assert waited(lambda: open_below(temporary)), "the file never went to disk"
        assert over.wait(10)
        assert waited(lambda: not open_below(temporary))
    assert told == ["undone"]
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("limit", [1000, 3_000_000])
def test_the_refusal_of_too_large_an_upload_can_be_read(limit: int) -> None:
    app = NexiosApp(config=MakeConfig(limits={"multipart": limit}))

    @app.post("/")
    async def take(f: UploadedFile) -> None: ...

    with serving(app) as address:
        answer = httpx2.post(f"http://{address}/", files={"f": ("f", b"x" * (limit + 1))})
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:nexios:problem:body-too-large"
