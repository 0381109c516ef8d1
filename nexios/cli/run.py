"""`nexios run APP`: serves an application."""

import logging
import os
import sys
from contextlib import nullcontext
from typing import Any

import click

from nexios.adapters.observability.logging import chosen_format, log_config
from nexios.adapters.observability.prometheus import shared_by_workers, worker_ended
from nexios.adapters.servers import granian
from nexios.adapters.servers.engines import EngineMissing
from nexios.adapters.servers.uvicorn import ServerOptions, serve
from nexios.app import NexiosApp
from nexios.application.limits import Limits
from nexios.application.realtime import RealtimeSettings
from nexios.application.sections.serving import (
    ServerSettings,
    TelemetrySettings,
    listening_address,
)
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
    "--management",
    metavar="HOST:PORT",
    help="Second listener for health details and metrics. Default: server.management, none.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    default=None,
    help="Processes that serve. Default: server.workers, 1.",
)
@click.option(
    "--server",
    default="uvicorn",
    show_default=True,
    type=click.Choice(["uvicorn", "granian"]),
    help="granian needs nexios[granian] and says at start what it does not do.",
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
@click.option(
    "--log-format",
    type=click.Choice(["auto", "json", "text", "off"]),
    help="Default: telemetry.logging; auto is text on a terminal and JSON lines elsewhere.",
)
def run(
    app: str,
    host: str | None,
    port: int | None,
    uds: str | None,
    fd: int | None,
    management: str | None,
    workers: int | None,
    server: str,
    reload: bool,
    reload_dirs: tuple[str, ...],
    log_level: str,
    log_format: str | None,
) -> None:
    """Serve APP, an import string such as shop.main:app (":app" may be left out).

    The wiring is proven before the first request: a mistake ends the command with exit code 3
    and the list of what to mend.
    """
    if reload and management is not None:
        raise click.UsageError("--management serves nothing while --reload starts again and again")
    if management is not None:
        _hand_on(management)
    if reload:
        # The application is loaded by the process that serves it, again at every change.
        application, config = None, None
    else:
        application, config = _loaded(app)
    settings = ServerSettings() if config is None else config.server
    telemetry = TelemetrySettings() if config is None else config.telemetry
    try:
        options = ServerOptions.of(
            settings,
            Limits() if config is None else config.limits,
            host,
            port,
            1 if reload else workers,
            uds=uds,
            fd=fd,
            management=management,
            reload=reload,
            reload_dirs=reload_dirs,
            log_level=log_level,
            log_config=_log_config(log_format, telemetry, log_level),
            deflate=(RealtimeSettings() if config is None else config.realtime).deflate,
            worker_ended=worker_ended if telemetry.metrics else None,
        )
    except EngineMissing as error:
        raise StartRefused(str(error)) from error
    named = app if ":" in app else f"{app}:app"
    with shared_by_workers() if telemetry.metrics and options.workers > 1 else nullcontext():
        if server == "granian":
            try:
                granian.serve(named, options)
            except (granian.GranianMissing, granian.NotOnGranian) as error:
                raise StartRefused(str(error)) from error
        elif application is None or options.workers > 1:
            serve(named, options)
        else:
            serve(application, options)


def _hand_on(management: str) -> None:
    """Let the application know, here and in the workers: metrics are served there then."""
    try:
        listening_address(management)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--management") from error
    os.environ["NEXIOS_SERVER__MANAGEMENT"] = management


def _loaded(app: str) -> tuple[Any, MakeConfig | None]:
    try:
        application = load(app)
    except (ApplicationNotFound, ConfigError) as error:
        raise StartRefused(str(error)) from error
    if isinstance(application, NexiosApp):
        _prove(application)
    config = getattr(application, "config", None)
    return application, config if isinstance(config, MakeConfig) else None


def _prove(application: NexiosApp) -> None:
    """Refuse a start that cannot be, in words for the terminal whatever the log looks like."""
    try:
        application.check()
    except Exception as error:
        raise StartRefused(str(error)) from error


def _log_config(
    asked: str | None, telemetry: TelemetrySettings, level: str
) -> dict[str, Any] | None:
    """Return how the root logger is configured; None where that is the application's."""
    chosen: Any = asked or telemetry.logging
    own = asked is None and bool(logging.getLogger().handlers)
    if chosen == "off" or own:
        return None
    return log_config(chosen_format(chosen, sys.stdout), level)
