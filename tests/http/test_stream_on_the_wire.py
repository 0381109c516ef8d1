"""Streams over a real server: peers that leave, slow ones, and bodies that break off."""

import http.client
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from typing import Literal

import anyio
import pytest

from nexios import Depend, NexiosApp
from tests.support.server import serving
from tests.support.sessions import Session, sessions


def reading(address: str, path: str) -> socket.socket:
    client = socket.create_connection(address.split(":"), timeout=10)  # type: ignore[arg-type]
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return client


def within(seconds: float, test: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if test():
            return True
        time.sleep(0.01)
    return test()


def streaming_app(log: list[str]) -> NexiosApp:
    app = NexiosApp(sessions(log))

    @app.get("/silent")
    async def silent(session: Session = Depend()) -> AsyncIterator[str]:
        try:
            yield "a"
            await anyio.sleep_forever()
        finally:
            log.append("generator")

    @app.get("/busy")
    async def busy(session: Session = Depend()) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 1000
                await anyio.sleep(0.001)
        finally:
            log.append("generator")

    @app.get("/error")
    async def error() -> AsyncIterator[str]:
        yield "a"
        raise ValueError

    return app


def test_peer_leaves_stream() -> None:
    log: list[str] = []
    with serving(streaming_app(log)) as address:
        for path in ("/silent", "/busy"):
            log.clear()
            client = reading(address, path)
            assert client.recv(4096)
            client.close()
            assert within(1, lambda: log[-1:] == ["close"]), path
            assert log[0] == "open"
            assert sorted(log[1:]) == ["ClientDisconnect", "close", "generator"]
            assert log.index("generator") < log.index("close")


def test_a_part_never_passes_for_the_whole(caplog: pytest.LogCaptureFixture) -> None:
    with serving(streaming_app([])) as address:
        client = http.client.HTTPConnection(address)
        client.request("GET", "/error")
        answer = client.getresponse()
        assert answer.status == 200
        with pytest.raises(http.client.IncompleteRead):
            answer.read()
        client.close()
    errors = [one for one in caplog.records if one.levelno >= logging.ERROR]
    assert len([one for one in errors if one.name == "nexios"]) == 1


def test_slow_reader_bounds_memory() -> None:
    made = 0
    app = NexiosApp()

    @app.get("/")
    async def endless() -> AsyncIterator[bytes]:
        nonlocal made
        chunk = b"x" * 2**16
        for _ in range(2**14):  # 1 GiB
            made += len(chunk)
            yield chunk

    with serving(app) as address:
        client = reading(address, "/")
        assert client.recv(1024)
        time.sleep(1)
        # What was made is in the buffers of two sockets and of the server, and nowhere else.
        stopped = made
        assert stopped < 2**24
        time.sleep(0.3)
        assert made == stopped
        client.close()


@pytest.mark.parametrize("parser", ["h11", "httptools"])
def test_a_stream_that_never_waits_does_not_stop_the_server(
    parser: Literal["h11", "httptools"],
) -> None:
    made, closed = 0, False
    app = NexiosApp()

    @app.get("/")
    async def endless() -> AsyncIterator[bytes]:
        nonlocal made, closed
        end = time.monotonic() + 20
        try:
            while time.monotonic() < end:
                made += 1
                yield b"x" * 2**16
        finally:
            closed = True

    @app.get("/other")
    async def other() -> str:
        return "here"

    with serving(app, http=parser) as address:
        client = reading(address, "/")
        assert client.recv(1024)
        client.close()
        assert within(2, lambda: closed)
        stopped = made
        connection = http.client.HTTPConnection(address, timeout=5)
        connection.request("GET", "/other")
        assert connection.getresponse().read() == b"here"
        connection.close()
        assert made == stopped
