"""A real server on a free port, in a thread of its own."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import uvicorn

from nexios.adapters.asgi.types import ASGIApp
from nexios.adapters.servers.uvicorn import ServerOptions, server

Engine = Literal["auto", "h11", "httptools"] | type[asyncio.Protocol]


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config, settled: threading.Event) -> None:
        super().__init__(config)
        self._settled = settled

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._settled.set()


class NotStarted(RuntimeError):
    """The application refused to start."""


@contextmanager
def serving(app: ASGIApp, *, http: Engine = "auto") -> Iterator[str]:
    """Serve ``app`` with its lifespan and yield ``host:port``; stopped and joined at the end.

    Args:
        http: What reads the requests: one of uvicorn's parsers in a bare engine of its own, or
            an engine.

    Raises:
        NotStarted: The start failed.
    """
    settled = threading.Event()
    config = server(app, ServerOptions(log_level="critical")).config
    if http != "auto":
        config.http = http
    running = _Server(config, settled)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def run() -> None:
            try:
                running.run(sockets=[listening])
            except SystemExit:
                running.started = False
            finally:
                settled.set()

        thread = threading.Thread(target=run, name="uvicorn of a test", daemon=True)
        thread.start()
        settled.wait(timeout=30)
        try:
            if not running.started:
                raise NotStarted("the application refused to start")
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            running.should_exit = True
            thread.join(timeout=30)
            assert not thread.is_alive(), "the server did not stop"
