"""What benchmarks/realtime.py measures: a channel and an echo, ours and by hand, as processes."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import uvloop
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from nexios import MakeConfig, NexiosApp
from nexios.adapters.servers.uvicorn import ServerOptions, server
from nexios.websockets import Channel

FREE: Final = {
    "messages_per_s": None,
    "sockets_per_address": None,
    "sockets_per_caller": None,
    "control_frames_per_s": None,
}


def nexios_app() -> NexiosApp:
    """Return an application with a channel."""
    app = NexiosApp(config=MakeConfig(limits=FREE, health={"enabled": False}))
    chat: Channel[str] = Channel("chat")

    @app.websocket("/ws")
    async def echo(websocket) -> None:  # type: ignore[no-untyped-def]  # as users write it
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    @app.websocket("/chat")
    async def room(websocket) -> None:  # type: ignore[no-untyped-def]
        await chat.connect(websocket)
        async for text in websocket.iter_text():
            await chat.broadcast(text)

    return app


async def raw_app(scope: Any, receive: Any, send: Any) -> None:
    """Serve the same by hand."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await receive()
    await send({"type": "websocket.accept"})
    together = scope["path"] == "/chat"
    if together:
        _ROOM.add(send)
    try:
        while (message := await receive())["type"] == "websocket.receive":
            if not together:
                await send({"type": "websocket.send", "text": message["text"]})
                continue
            for one in tuple(_ROOM):
                with contextlib.suppress(OSError):
                    await one({"type": "websocket.send", "text": message["text"]})
    finally:
        _ROOM.discard(send)


_ROOM: Final[set[Any]] = set()


def serve(kind: str) -> None:
    """Serve ``nexios`` or ``raw`` on ``ours`` or ``stock`` until stopped; print the port.

    With ``-deflate`` at its end messages are compressed for those who offer it.
    """
    what, engine, *squeezed = kind.split("-")
    app: Any = nexios_app() if what == "nexios" else raw_app
    running = server(app, ServerOptions(port=0, log_level="critical", deflate=bool(squeezed)))
    running.config.backlog = 8192
    if engine == "stock":
        running.config.ws = WebSocketsSansIOProtocol
    listening = socket.create_server(("127.0.0.1", 0), backlog=8192)

    async def main() -> None:
        print(listening.getsockname()[1], flush=True)
        await running.serve(sockets=[listening])

    uvloop.run(main())


class Process:
    """A server in a process of its own."""

    def __init__(self, kind: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, kind], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self._proc = Path("/proc") / str(self._process.pid)
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return

    def cpu_s(self) -> float:
        """Return the CPU seconds its loop has used."""
        return int((self._proc / "schedstat").read_text().split()[0]) / 1e9

    def memory(self) -> int:
        """Return the bytes of memory it holds."""
        text = (self._proc / "status").read_text()
        return int(text.partition("VmRSS:")[2].split()[0]) * 1024

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def serving(*kinds: str) -> Iterator[dict[str, Process]]:
    """Start servers, and stop them in the end."""
    servers: dict[str, Process] = {}
    try:
        for kind in kinds:
            servers[kind] = Process(kind)
        yield servers
    finally:
        for one in servers.values():
            one.stop()


if __name__ == "__main__":
    serve(sys.argv[1])
