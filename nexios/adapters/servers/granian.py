"""Runs an application on granian: the door of that library."""

from pathlib import Path
from typing import Any

from nexios.adapters.servers.uvicorn import ServerOptions


class GranianMissing(ImportError):
    """``--server granian`` without the library."""

    def __str__(self) -> str:
        return "--server granian needs granian\n  fix: pip install 'nexios[granian]'"


class NotOnGranian(ValueError):
    """An option that granian has no counterpart of."""

    def __init__(self, option: str) -> None:
        self.option = option
        super().__init__(option)

    def __str__(self) -> str:
        return f"granian has no {self.option}\n  fix: leave --server granian out"


def serve(app: str, options: ServerOptions) -> None:
    """Serve until SIGINT or SIGTERM; granian supervises its workers by itself.

    The application says at start which rules of `nexios run` granian does not keep. A request
    with Content-Length beside Transfer-Encoding is one of them: granian takes the chunks (RFC
    9112, 6.3), ends the connection after it, and shows us one of the two fields only.

    Args:
        app: ``"package.module:attribute"``; each worker imports it.
        options: Where and how; ``message_bytes`` and ``stop_s`` are granian's own there.

    Raises:
        GranianMissing: The extra is not installed.
        NotOnGranian: ``options.fd`` or ``options.management`` is set, or ``options.port`` is 0.
        SystemExit: A worker could not start, or died.
    """
    try:
        from granian.constants import Interfaces
        from granian.log import LogLevels
        from granian.server import Server
    except ImportError as error:
        raise GranianMissing from error
    if options.fd is not None:
        raise NotOnGranian("--fd")
    if options.management is not None:
        raise NotOnGranian("management port")
    if options.port == 0 and options.uds is None:
        raise NotOnGranian("--port 0")
    level = "debug" if options.log_level == "trace" else options.log_level
    reloading: dict[str, Any] = {}
    if options.reload:
        folders = options.reload_dirs or [str(Path.cwd())]
        reloading = {"reload": True, "reload_paths": [Path(folder) for folder in folders]}
    running: Any = Server(
        app,
        address=options.host,
        port=options.port,
        uds=None if options.uds is None else Path(options.uds),
        interface=Interfaces.ASGI,
        workers=options.workers,
        log_level=LogLevels(level),
        workers_kill_timeout=max(1, round(options.stop_s)),
        working_dir=Path.cwd(),
        **reloading,
    )
    running.serve()
