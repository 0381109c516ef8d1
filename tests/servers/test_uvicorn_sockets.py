"""Sockets on the real server, through `nexios run`: what its log says, and how it stops."""

import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.support.frames import peer
from tests.support.running import running

APP = """
import anyio
from nexios import MakeConfig, NexiosApp, WebSocketDisconnect
from nexios.websockets import Channel

app = NexiosApp(config=MakeConfig())
room = Channel("room")

@app.websocket("/flood")
async def flood(websocket):
    await websocket.accept()
    while True:
        await websocket.send_text("x" * 60_000)

@app.websocket("/forever")
async def forever(websocket):
    await room.connect(websocket)
    while True:
        await room.broadcast("tick")
        await anyio.sleep(0.01)

@app.websocket("/quiet")
async def quiet(websocket):
    await room.connect(websocket)
    async for _ in websocket.iter_text(): ...
"""

STOP_S = 15
"""Less than the 20 s that requests in flight have after SIGTERM."""


def stalled(port: int, path: str) -> socket.socket:
    """Open a socket, and never read from it again."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.connect(("127.0.0.1", port))
    peer.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert b" 101 " in peer.recv(64)
    return peer


def test_a_denied_handshake_is_no_error_in_the_log(tmp_path: Path) -> None:
    with running(tmp_path, APP) as server:
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://127.0.0.1:{server.port}/nowhere")
        assert refused.value.response.status_code == 404
        assert b'"status":404' in (refused.value.response.body or b"")
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(STOP_S)
        text = server.log.read_text()
    assert "404" in text
    assert "ERROR" not in text


def test_stopping_tells_every_socket_and_waits_for_no_peer_that_does_not_read(
    tmp_path: Path,
) -> None:
    with running(tmp_path, APP) as server, ExitStack() as open_sockets:
        for path in ("/flood", "/flood", "/quiet"):
            open_sockets.enter_context(stalled(server.port, path))
        url = f"ws://127.0.0.1:{server.port}"
        quiet = open_sockets.enter_context(connect(f"{url}/quiet"))
        busy = open_sockets.enter_context(connect(f"{url}/forever"))
        busy.recv()
        server.process.send_signal(signal.SIGTERM)
        for client in (quiet, busy):
            with pytest.raises(ConnectionClosed) as end:
                while True:
                    client.recv(STOP_S)
            assert end.value.rcvd is not None
            assert end.value.rcvd.code == 1012
        server.process.wait(STOP_S)
        text = server.log.read_text()
    assert "Application shutdown complete" in text
    assert "ERROR" not in text
    assert "Traceback" not in text


def test_a_half_closed_line_is_ended_and_costs_the_others_nothing(tmp_path: Path) -> None:
    with running(tmp_path, APP) as server:
        with (
            peer(server.port, "/forever") as half,
            connect(f"ws://127.0.0.1:{server.port}/quiet") as other,
        ):
            half.receive()
            half.line.shutdown(socket.SHUT_WR)
            begun = time.monotonic()
            half.until_closed()  # no close came from us, and none is owed
            assert time.monotonic() - begun < 5
            # The handler of the half was the one that talks, and it has ended.
            with pytest.raises(TimeoutError):
                while True:
                    other.recv(timeout=1)
        text = server.log.read_text()
    assert "Traceback" not in text
    assert "ERROR" not in text
