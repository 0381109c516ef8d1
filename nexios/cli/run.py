"""`nexios run APP`: serves an application."""

import click

from nexios.adapters.servers.uvicorn import ServerOptions, serve
from nexios.application.limits import Limits
from nexios.application.realtime import RealtimeSettings
from nexios.application.sections import ServerSettings
from nexios.cli.loading import ApplicationNotFound, load
from nexios.config import ConfigError, MakeConfig


class StartRefused(click.ClickException):
    """The application cannot be started; the text says why. No traceback: nothing broke."""

    exit_code = 3


@click.command()
@click.argument("app", metavar="APP")
@click.option("--host", help="Address to listen on. Default: server.host, 127.0.0.1.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Default: server.port, 8000; 0 takes a free one."
)
@click.option("--uds", default=None, help="Path of a Unix socket, instead of host and port.")
@click.option(
    "--fd", type=click.IntRange(0), default=None, help="Number of a socket that is open already."
)
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    default=None,
    help="Processes that serve. Default: server.workers, 1.",
)
@click.option("--reload", is_flag=True, help="Start again when a Python file changes.")
@click.option(
    "--reload-dir",
    "reload_dirs",
    multiple=True,
    type=click.Path(exists=True, file_okay=False),
    help="Folder to watch; may be given several times. Default: the working directory.",
)
@click.option(
    "--log-level",
    default="info",
    show_default=True,
    type=click.Choice(["critical", "error", "warning", "info", "debug", "trace"]),
)
def run(
    app: str,
    host: str | None,
    port: int | None,
    uds: str | None,
    fd: int | None,
    workers: int | None,
    reload: bool,
    reload_dirs: tuple[str, ...],
    log_level: str,
) -> None:
    """Serve APP, an import string such as shop.main:app (":app" may be left out).

    The wiring is proven before the first request: a mistake ends the command with exit code 3
    and the list of what to mend.
    """
    if reload:
        # The application is loaded by the process that serves it, again at every change.
        settings, limits, realtime = ServerSettings(), Limits(), RealtimeSettings()
    else:
        try:
            application = load(app)
        except (ApplicationNotFound, ConfigError) as error:
            raise StartRefused(str(error)) from error
        config = getattr(application, "config", None)
        if isinstance(config, MakeConfig):
            settings, limits, realtime = config.server, config.limits, config.realtime
        else:
            settings, limits, realtime = ServerSettings(), Limits(), RealtimeSettings()
    options = ServerOptions.of(
        settings,
        limits,
        host,
        port,
        1 if reload else workers,
        uds=uds,
        fd=fd,
        reload=reload,
        reload_dirs=reload_dirs,
        log_level=log_level,
        deflate=realtime.deflate,
    )
    if reload or options.workers > 1:
        serve(app if ":" in app else f"{app}:app", options)
    else:
        serve(application, options)
