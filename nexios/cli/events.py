"""`nexios events`: look at messages a broker has set aside, and deliver them again."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar
from uuid import UUID

import click

from nexios.adapters.messaging.memory_broker import MemoryBroker
from nexios.app import NexiosApp
from nexios.application.broker import Buried, EventBroker
from nexios.cli.check import target_of
from nexios.cli.loading import Target
from nexios.cli.opening import CommandFailed, container_of, with_port
from nexios.consuming import receiver_points

T = TypeVar("T")

_SHOWN_CHARACTERS: Final = 100


@click.group()
def events() -> None:
    """Messages of the broker of APP that were given up: ten deliveries, or unreadable."""


@events.command()
@click.argument("app", metavar="APP")
@click.option("--consumer", help="Only this one's; also one that APP has no more.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(min=1))
def buried(app: str, consumer: str | None, limit: int) -> None:
    """Print what was set aside for the consumers of APP, the oldest first."""
    names = _consumers(app, "buried", consumer)

    async def look(broker: EventBroker) -> list[tuple[str, Sequence[Buried]]]:
        return [(name, await broker.buried(name, limit=limit)) for name in names]

    found = _with(app, "buried", look)
    for name, letters in found:
        for one in letters:
            event = one.event
            said = " ".join(one.reason.split())[:_SHOWN_CHARACTERS]
            click.echo(
                f"{event.id}  {name}  {event.name} v{event.version}  {event.key}"
                f"  {event.at:%Y-%m-%d %H:%M:%S}\n    {said}"
            )
    if not any(letters for _, letters in found):
        click.echo("no buried messages")


@events.command()
@click.argument("app", metavar="APP")
@click.option("--consumer", help="Only this one's.")
@click.option("--id", "only", type=click.UUID, help="Only the message with this id.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
def redrive(app: str, consumer: str | None, only: UUID | None, everything: bool) -> None:
    """Deliver what was set aside again, to the consumer it was set aside for."""
    if not (everything or consumer or only):
        raise click.UsageError("say which: --consumer NAME, --id ID or --all")
    names = _consumers(app, "redrive", consumer)

    async def again(broker: EventBroker) -> int:
        return sum([await broker.redrive(name, id=only) for name in names])

    click.echo(f"redriven  {_with(app, 'redrive', again)}")


def _consumers(app: str, command: str, given: str | None) -> list[str]:
    """Return the name that was given, else those of all handlers of the application."""
    if given is not None:
        return [given]
    target = target_of(app, f"events {command}")
    modules = container_of(target).assembly.registry.modules
    found = [one.consumer for one in receiver_points(modules, _profile(target))]
    if not found:
        raise CommandFailed(
            f"{app} handles no events of other services\n  fix: name a consumer: --consumer NAME"
        )
    return found


def _profile(target: Target) -> str | None:
    return target.root.config.env if isinstance(target.root, NexiosApp) else None


def _with(app: str, command: str, work: Callable[[EventBroker], Awaitable[T]]) -> T:
    async def checked(broker: EventBroker) -> T:
        if isinstance(broker, MemoryBroker):
            raise CommandFailed(
                f"the broker of {app} is in memory: its messages are in the process that serves,"
                " and end with it\n  fix: bind EventBroker to a RedisBroker or NatsBroker"
            )
        return await work(broker)

    return with_port(app, f"events {command}", EventBroker, checked)  # type: ignore[type-abstract]
