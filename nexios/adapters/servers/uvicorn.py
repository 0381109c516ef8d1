"""Runs an application on uvicorn: the door of that library."""

import contextlib
import gc
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any, Final, Literal, Self, TypedDict

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from nexios.adapters.asgi.types import ASGIApp
from nexios.adapters.servers.corking import CorkedTransport
from nexios.adapters.servers.uvicorn_sockets import EngineBounds, engine
from nexios.application.limits import Limits
from nexios.application.sections import ServerSettings

_START_FAILED: Final = 3

# httptools where it is installed, else h11: a class, though its type is that of a variable.
_Http: Final[Any] = AutoHTTPProtocol


class HttpProtocol(_Http):  # type: ignore[misc]  # see above
    """uvicorn's own engine for requests, with two things changed.

    * An app is told to end what would never end: the server waits for every connection before it
      stops an app, and event streams go on for ever.
    * Head and body of an answer leave in one write, 1.1 times as many requests a second.
    """

    transport: Any  # uvicorn's type is asyncio's, which ours only looks like

    def connection_made(self, transport: Any) -> None:
        """Take a connection."""
        super().connection_made(CorkedTransport(transport, self.loop))

    def handle_websocket_upgrade(self, *event: Any) -> None:
        """Hand the connection to the engine for sockets, as it is."""
        self.transport = self.transport.raw
        super().handle_websocket_upgrade(*event)

    def shutdown(self) -> None:
        """Close when the request under way is answered, because the server stops."""
        drain = getattr(self.app, "drain", None)
        if drain is not None:
            drain()
        super().shutdown()


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Where and how to serve.

    Attributes:
        host: Address to listen on; loopback unless told.
        port: TCP port, 0 takes a free one.
        uds: Path of a Unix socket instead of host and port.
        reload: Start again when a file changes; the application must be an import string.
        reload_dirs: Folders to watch, the working directory unless told.
        log_level: uvicorn's own, one of critical, error, warning, info, debug, trace.
        message_bytes: Largest WebSocket message, after inflation; None for no limit.
        bounds: Of the frames of sockets.
        deflate: Offer to compress the messages of sockets.
        stop_s: Seconds that requests in flight have after SIGTERM.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    uds: str | None = None
    reload: bool = False
    reload_dirs: Sequence[str] = ()
    log_level: str = "info"
    message_bytes: int | None = Limits().message_bytes
    bounds: EngineBounds = field(default_factory=EngineBounds)
    deflate: bool = False
    stop_s: float = 20.0

    @classmethod
    def of(
        cls,
        settings: ServerSettings,
        limits: Limits,
        host: str | None,
        port: int | None,
        **others: Any,
    ) -> Self:
        """Return what the configuration says; ``host`` and ``port`` overrule it where given."""
        return cls(
            host=settings.host if host is None else host,
            port=settings.port if port is None else port,
            message_bytes=limits.message_bytes,
            bounds=EngineBounds(
                limits.fragments, limits.control_frames_per_s, limits.control_frames_burst
            ),
            stop_s=settings.grace_s,
            **others,
        )


class ReloadNeedsImportString(ValueError):
    """``reload`` starts a new process, which cannot be given an object of this one."""

    def __str__(self) -> str:
        return (
            "reload needs the application as an import string, because every change starts a "
            "new process\n  fix: nexios run shop.main:app --reload"
        )


class _Settings(TypedDict):
    host: str
    port: int
    uds: str | None
    log_level: str
    http: Any  # uvicorn's type for it is an alias of its own
    ws: Any  # called for each socket
    ws_max_size: int
    ws_per_message_deflate: bool
    lifespan: Literal["on"]
    proxy_headers: bool
    server_header: bool
    timeout_graceful_shutdown: int


def serve(app: ASGIApp | str, options: ServerOptions) -> None:
    """Serve until SIGINT or SIGTERM, then stop gracefully.

    Args:
        app: The application, or ``"package.module:attribute"``.
        options: Where and how.

    Raises:
        ReloadNeedsImportString: ``options.reload`` with an application object.
        SystemExit: The start failed (code 3): wiring, configuration, a dependency, the port.
    """
    if options.reload and not isinstance(app, str):
        raise ReloadNeedsImportString
    if options.reload:
        uvicorn.run(
            app,
            app_dir=str(Path.cwd()),  # the new process looks where this one was started
            reload=True,
            reload_dirs=list(options.reload_dirs) or None,
            **_settings(options),
        )
        return
    running = _Server(uvicorn.Config(app, **_settings(options)))
    with contextlib.suppress(KeyboardInterrupt):
        running.run()
    if options.uds is not None:
        Path(options.uds).unlink(missing_ok=True)
    if not running.started:
        raise SystemExit(_START_FAILED)


class _Server(uvicorn.Server):
    """A server of a process that does nothing else."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then spare the collector what stays until the end."""
        await super().startup(sockets)
        # Modules, routes and plans are never garbage; each full collection would walk them.
        gc.collect()
        gc.freeze()


def server(app: ASGIApp, options: ServerOptions) -> uvicorn.Server:
    """Return a server that the caller runs in its own event loop (tests, embedding)."""
    return uvicorn.Server(uvicorn.Config(app, **_settings(options)))


def _settings(options: ServerOptions) -> _Settings:
    # Whom to believe about the client's address is decided by `trusted_proxies` alone, so
    # uvicorn's own proxy handling is off. The lifespan must run: it proves the wiring.
    return _Settings(
        host=options.host,
        port=options.port,
        uds=options.uds,
        log_level=options.log_level,
        http=HttpProtocol,
        ws=engine(options.bounds),
        ws_max_size=sys.maxsize if options.message_bytes is None else options.message_bytes,
        ws_per_message_deflate=options.deflate,
        lifespan="on",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=ceil(options.stop_s),
    )
