"""Files, streams, events and background work on asyncio and on trio."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from nexios import NexiosApp, Response, ServerSentEvent, Tasks
from nexios.testing import TestClient


def streaming_app(path: Path, log: list[str]) -> NexiosApp:
    app = NexiosApp()

    async def note(text: str) -> None:
        log.append(text)

    @app.get("/file")
    async def file(response: Response) -> Response:
        return response.file(path)

    @app.get("/stream")
    def stream(tasks: Tasks) -> Iterator[str]:
        tasks.add(note, "streamed")
        yield "a"
        yield "b"

    @app.get("/events")
    async def events() -> AsyncIterator[ServerSentEvent[int]]:
        yield ServerSentEvent(1)

    return app


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_is_sent_bit_by_bit_on_both_loops(backend: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * 200_000)
    log: list[str] = []
    with TestClient(streaming_app(path, log), backend=backend) as client:
        assert client.get("/file").content == b"x" * 200_000
        assert client.get("/file", headers={"range": "bytes=-3"}).content == b"xxx"
        assert client.get("/stream").text == "ab"
        assert client.get("/events").text == "retry: 2000\n\ndata: 1\n\n"
    assert log == ["streamed"]
