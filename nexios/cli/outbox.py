"""`nexios outbox`: look at deliveries that were given up, try them again, or let them go."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import click

from nexios.application.outbox import DeadLetter, OutboxStore
from nexios.cli.opening import CommandFailed, with_port

T = TypeVar("T")

_SHOWN_CHARACTERS = 100


@click.group()
def outbox() -> None:
    """Dead letters of APP: deliveries whose attempts are used up."""


@outbox.command("list")
@click.argument("app", metavar="APP")
@click.option("--consumer", help="Only this one's.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(min=1))
def list_(app: str, consumer: str | None, limit: int) -> None:
    """Print dead letters, the oldest first, and how many deliveries wait."""

    async def look(store: OutboxStore) -> tuple[Sequence[DeadLetter], dict[str, int]]:
        return await store.dead(consumer, limit=limit), dict(await store.pending())

    letters, pending = _with(app, "list", look)
    for one in letters:
        state = "blocked" if one.blocked else "dead"
        said = " ".join(one.error.split())[:_SHOWN_CHARACTERS]
        click.echo(
            f"{one.seq}  {one.consumer}  {state} after {one.attempts}  {one.event}"
            f"  {one.stream}  {one.at:%Y-%m-%d %H:%M:%S}\n    {said}"
        )
    if not letters:
        click.echo("no dead letters")
    for name, count in pending.items():
        if consumer in (None, name):
            click.echo(f"pending  {name}  {count}")


@outbox.command()
@click.argument("app", metavar="APP")
@click.option("--consumer", help="Only this one's.")
@click.option("--seq", type=click.IntRange(min=1), help="Only those of this event.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
def redrive(app: str, consumer: str | None, seq: int | None, everything: bool) -> None:
    """Try dead letters again, from the first attempt."""
    if not (everything or consumer or seq):
        raise click.UsageError("say which: --consumer NAME, --seq NUMBER or --all")

    async def again(store: OutboxStore) -> tuple[Sequence[DeadLetter], int]:
        letters = await store.dead(consumer, limit=1000)
        return letters, await store.redrive(consumer, seq=seq)

    letters, count = _with(app, "redrive", again)
    for one in letters:
        if one.overtaken and seq in (None, one.seq):
            click.echo(
                f"warning: later events of {one.stream} have run before {one.seq}  {one.consumer}",
                err=True,
            )
    click.echo(f"redriven  {count}")


@outbox.command()
@click.argument("app", metavar="APP")
@click.option("--consumer", required=True, help="Whose lane stands.")
@click.option("--seq", required=True, type=click.IntRange(min=1), help="The event it stands at.")
def skip(app: str, consumer: str, seq: int) -> None:
    """Let the lane of a blocked delivery go on without it."""
    if not _with(app, "skip", lambda store: store.skip(consumer, seq=seq)):
        raise CommandFailed(
            f"delivery {seq} to {consumer} is not blocked\n  fix: nexios outbox list {app}"
        )
    click.echo(f"skipped  {seq}  {consumer}")


def _with(app: str, command: str, work: Callable[[OutboxStore], Awaitable[T]]) -> T:
    return with_port(app, f"outbox {command}", OutboxStore, work)  # type: ignore[type-abstract]
