"""`nexios run APP`: serves an application."""

import click

from nexios.adapters.servers.uvicorn import ServerOptions, serve
from nexios.cli.loading import ApplicationNotFound, load


@click.command()
@click.argument("app", metavar="APP")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option("--uds", default=None, help="Path of a Unix socket, instead of host and port.")
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
    host: str,
    port: int,
    uds: str | None,
    reload: bool,
    reload_dirs: tuple[str, ...],
    log_level: str,
) -> None:
    """Serve APP, an import string such as shop.main:app (":app" may be left out).

    The wiring is proven before the first request: a mistake ends the command with exit code 3
    and the list of what to mend.
    """
    options = ServerOptions(
        host=host,
        port=port,
        uds=uds,
        reload=reload,
        reload_dirs=reload_dirs,
        log_level=log_level,
    )
    if reload:
        serve(app if ":" in app else f"{app}:app", options)
        return
    try:
        application = load(app)
    except ApplicationNotFound as error:
        raise click.ClickException(str(error)) from error
    serve(application, options)
