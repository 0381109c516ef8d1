"""`nexios worker APP`: delivers events in a process of its own, until it is told to stop."""

import logging
import signal
from functools import partial

import anyio
import click

from nexios.adapters.asgi.lifespan import background
from nexios.app import NexiosApp
from nexios.cli.check import target_of
from nexios.cli.loading import Target
from nexios.cli.opening import CommandFailed, container_of, run
from nexios.cli.run import StartRefused
from nexios.delivering import NothingToDeliver

_FORMAT = "%(levelname)s:  %(name)s  %(message)s"


@click.command()
@click.argument("app", metavar="APP")
@click.option(
    "--workers", type=click.IntRange(min=1), help="Deliveries at a time. Default: outbox.workers."
)
@click.option(
    "--log-level",
    default="info",
    show_default=True,
    type=click.Choice(["critical", "error", "warning", "info", "debug"]),
)
def worker(app: str, workers: int | None, log_level: str) -> None:
    """Deliver the events of APP after their commits, and serve nobody.

    Start and stop hooks run as under a server; outbox.in_process=False keeps the servers from
    doing the same. SIGTERM or Ctrl-C: deliveries at hand are finished, server.grace_s at most,
    the exit code is 0. After that, or a second signal, they are given back: exit code 1.
    """
    logging.basicConfig(level=log_level.upper(), format=_FORMAT)
    target = target_of(app, "worker")
    application = _application(target)
    container_of(target)
    try:
        finished = run(partial(_deliver, application, workers), app)
    except (CommandFailed, NothingToDeliver) as error:
        raise StartRefused(str(error)) from error
    if not finished:
        raise CommandFailed("stopped before all deliveries were done; they are given back")
    click.echo("stopped")


def _application(target: Target) -> NexiosApp:
    if not isinstance(target.root, NexiosApp):
        raise StartRefused(
            f"{target.text} is no NexiosApp, and only an application has event handlers"
            "\n  fix: name the NexiosApp object: nexios worker shop.main:app"
        )
    return target.root


async def _deliver(app: NexiosApp, workers: int | None) -> bool:
    """Deliver until a signal comes; False when deliveries at hand had to be given back."""
    told = anyio.Event()
    finished = False
    grace_s = app.config.server.grace_s
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        # A plain task group would wrap the reason of a start that failed.
        async with background() as group:

            async def listen() -> None:
                async for _ in signals:
                    if told.is_set():
                        group.cancel_scope.cancel()
                    told.set()

            async def limit() -> None:
                await told.wait()
                await anyio.sleep(grace_s)
                group.cancel_scope.cancel()

            group.start_soon(listen)
            group.start_soon(limit)
            async with app.working(workers):
                click.echo("delivering; SIGTERM or Ctrl-C stops")
                await told.wait()
            finished = True
    return finished
