"""Runs an application on uvicorn: the door of that library."""

import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any, Final, Literal, Self, TypedDict

import uvicorn
from uvicorn.config import LOGGING_CONFIG

from nexios.adapters.asgi.types import ASGIApp
from nexios.adapters.servers.engines import http_protocol, insist_on_loop
from nexios.adapters.servers.listening import bind, shown
from nexios.adapters.servers.management import bind_management
from nexios.adapters.servers.server import START_FAILED, Server
from nexios.adapters.servers.shell import Shell
from nexios.adapters.servers.uvicorn_sockets import EngineBounds, engine
from nexios.adapters.servers.workers import Workers
from nexios.application.limits import Limits
from nexios.application.sections.serving import ServerSettings, listening_address

_log: Final = logging.getLogger("uvicorn.error")


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Where and how to serve.

    Attributes:
        host: Address to listen on; loopback unless told.
        port: TCP port, 0 takes a free one.
        uds: Path of a Unix socket instead of host and port.
        fd: Number of an open socket instead, as a supervisor hands it over.
        management: Host and port of a second listener for operators; None for none.
        http: uvicorn's protocol class inside our shell.
        sockets: Serve WebSockets.
        loop: uvicorn's name of the event loop.
        worker_ended: Told the process id of a worker that is gone while others serve.
        workers: Processes that serve; above one the application must be an import string.
        reload: Start again when a file changes; the application must be an import string.
        reload_dirs: Folders to watch, the working directory unless told.
        log_level: uvicorn's own, one of critical, error, warning, info, debug, trace.
        message_bytes: Largest WebSocket message, after inflation; None for no limit.
        bounds: Of the frames of sockets.
        deflate: Offer to compress the messages of sockets.
        stop_s: Seconds that requests in flight have after SIGTERM.
        log_config: For `logging.config.dictConfig`, in each process; uvicorn's own unless told.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    uds: str | None = None
    fd: int | None = None
    management: tuple[str, int] | None = None
    http: type[Shell] = field(default_factory=http_protocol)
    sockets: bool = True
    loop: Literal["auto", "asyncio", "uvloop"] = "auto"
    worker_ended: Callable[[int], None] | None = None
    workers: int = 1
    reload: bool = False
    reload_dirs: Sequence[str] = ()
    log_level: str = "info"
    message_bytes: int | None = Limits().message_bytes
    bounds: EngineBounds = field(default_factory=EngineBounds)
    deflate: bool = False
    stop_s: float = 20.0
    log_config: Mapping[str, Any] | None = None

    @classmethod
    def of(
        cls,
        settings: ServerSettings,
        limits: Limits,
        host: str | None,
        port: int | None,
        workers: int | None = None,
        **others: Any,
    ) -> Self:
        """Return what the configuration says; ``host`` and kin overrule it where given.

        Raises:
            EngineMissing: ``server.http`` or ``server.loop`` names what is not installed.
        """
        # A path that was written down gives way to an address that was asked for now.
        uds = others.pop("uds", None) or (
            settings.uds if host is None and port is None and others.get("fd") is None else None
        )
        managed = others.pop("management", None) or settings.management
        insist_on_loop(settings.loop)
        return cls(
            uds=uds,
            management=None if managed is None else listening_address(managed),
            http=http_protocol(settings.http),
            sockets=settings.ws != "none",
            loop=settings.loop,
            host=settings.host if host is None else host,
            port=settings.port if port is None else port,
            workers=settings.workers if workers is None else workers,
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


class WorkersNeedImportString(ValueError):
    """Each worker is a new process, which cannot be given an object of this one."""

    def __str__(self) -> str:
        return (
            "workers need the application as an import string, because each is a new process"
            "\n  fix: nexios run shop.main:app --workers 4"
        )


class _Settings(TypedDict):
    host: str
    port: int
    uds: str | None
    fd: int | None
    log_level: str
    loop: Literal["auto", "asyncio", "uvloop"]
    http: Any  # uvicorn's type for it is an alias of its own
    ws: Any  # called for each socket
    ws_max_size: int
    ws_per_message_deflate: bool
    lifespan: Literal["on"]
    proxy_headers: bool
    server_header: bool
    timeout_graceful_shutdown: int
    log_config: dict[str, Any]
    access_log: bool


def serve(app: ASGIApp | str, options: ServerOptions) -> None:
    """Serve until SIGINT or SIGTERM, then stop gracefully.

    Args:
        app: The application, or ``"package.module:attribute"``.
        options: Where and how.

    Raises:
        ReloadNeedsImportString: ``options.reload`` with an application object.
        WorkersNeedImportString: More than one worker with an application object.
        SystemExit: The start failed (code 3): wiring, configuration, a dependency, the port.
    """
    if not isinstance(app, str):
        if options.reload:
            raise ReloadNeedsImportString
        if options.workers > 1:
            raise WorkersNeedImportString
    if options.reload:
        uvicorn.run(
            app,
            app_dir=str(Path.cwd()),  # the new process looks where this one was started
            reload=True,
            reload_dirs=list(options.reload_dirs) or None,
            **_settings(options),
        )
        return
    config = uvicorn.Config(app, workers=options.workers, **_settings(options))
    try:
        managed = _managed(options)
    except OSError as error:
        _log.error("%s", error)
        raise SystemExit(START_FAILED) from error
    if options.workers > 1:
        started = _served_by_workers(config, managed, options.worker_ended)
    else:
        started = _served(config, managed)
    if options.uds is not None:
        Path(options.uds).unlink(missing_ok=True)
    if not started:
        raise SystemExit(START_FAILED)


def _managed(options: ServerOptions) -> Sequence[socket.socket]:
    if options.management is None:
        return ()
    elsewhere = options.uds is not None or options.fd is not None
    main = ("", 0) if elsewhere else (options.host, options.port)
    return bind_management(options.management, main)


def _served(config: uvicorn.Config, managed: Sequence[socket.socket]) -> bool:
    running = Server(config, management=managed)
    with contextlib.suppress(KeyboardInterrupt):
        running.run()
    return running.started


def _served_by_workers(
    config: uvicorn.Config,
    managed: Sequence[socket.socket],
    ended: Callable[[int], None] | None,
) -> bool:
    try:
        sockets = bind(config.host, config.port, uds=config.uds, fd=config.fd)
    except OSError as error:
        _log.error("%s", error)
        return False
    for one in (*sockets, *managed):
        one.set_inheritable(True)
    for one in sockets:
        one.listen(config.backlog)  # who comes while the first worker starts waits for it
    _log.info("Uvicorn running on %s (Press CTRL+C to quit)", shown(sockets))
    # Each of them asks how many share what there is: pools, rates, sessions.
    os.environ["WEB_CONCURRENCY"] = str(config.workers)
    workers = Workers(config, sockets, managed, ended)
    workers.run()
    return not workers.failed


def server(app: ASGIApp, options: ServerOptions) -> uvicorn.Server:
    """Return a server that the caller runs in its own event loop (tests, embedding)."""
    config = uvicorn.Config(app, **_settings(options))
    return Server(config, management=_managed(options))


def _settings(options: ServerOptions) -> _Settings:
    # Whom to believe about the client's address is decided by `trusted_proxies` alone, so
    # uvicorn's own proxy handling is off. The lifespan must run: it proves the wiring.
    return _Settings(
        host=options.host,
        port=options.port,
        uds=options.uds,
        fd=options.fd,
        log_level=options.log_level,
        http=options.http,
        ws=engine(options.bounds) if options.sockets else "none",
        loop=options.loop,
        ws_max_size=sys.maxsize if options.message_bytes is None else options.message_bytes,
        ws_per_message_deflate=options.deflate,
        lifespan="on",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=ceil(options.stop_s),
        log_config=dict(LOGGING_CONFIG if options.log_config is None else options.log_config),
        # Ours names the template, not the path alone.
        access_log=options.log_config is None,
    )
