"""`nexios db`: the migrations of all tables of an application."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.metadata import metadata_of
from nexios.adapters.persistence.migrations import Migrations
from nexios.cli.check import target_of
from nexios.cli.loading import Target
from nexios.cli.opening import CommandFailed, container_of, opened, run
from nexios.container.container import Container

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

_FOLDER: Final = "migrations"


class NoDatabase(CommandFailed):
    """The application binds no Database that its root sees."""

    def __init__(self, target: Target) -> None:
        super().__init__(
            f"{target.text} has no Database that NexiosApp sees"
            "\n  fix: include the module that exports Database in NexiosApp(...), or give --url"
        )


def _on_application(command: F) -> F:
    """Give a command the argument APP and the options all of them have."""
    for decorate in (
        click.option(
            "--url", help="Another URL for the same database, of a role that may do DDL."
        ),
        click.option(
            "--folder",
            type=click.Path(file_okay=False, path_type=Path),
            help="Default: the folder migrations beside the module of APP.",
        ),
        click.argument("app", metavar="APP"),
    ):
        command = decorate(command)
    return command


@click.group()
def db() -> None:
    """Migrate the tables of APP: those of its repositories, of bound MetaData, and Nexios' own.

    APP is an import string such as shop.main:app. Needs the extra "migrations".
    """


@db.command()
@_on_application
def init(app: str, folder: Path | None, url: str | None) -> None:  # noqa: ARG001  # as all
    """Write the folder of migrations."""
    target = target_of(app, "db init")
    place = _folder_of(target, folder)

    async def write() -> list[Path]:
        # Nothing of the database is needed, so nothing is opened.
        return Migrations(Database("sqlite://"), folder=place).init()

    for path in run(write, app):
        click.echo(f"wrote  {_shown(path)}")
    click.echo(f'next   nexios db revision {app} -m "first tables"')


@db.command()
@_on_application
@click.option("-m", "--message", required=True, help="What it does; part of the file's name.")
@click.option("--empty", is_flag=True, help="Write one without steps, for data.")
def revision(app: str, folder: Path | None, url: str | None, message: str, empty: bool) -> None:
    """Write a migration from the database's tables to the application's. Read it before use."""
    path = _with(app, "revision", folder, url, lambda m: m.revision(message, empty=empty))
    click.echo(f"wrote  {_shown(path)}" if path else "nothing to change: no file was written")


@db.command()
@_on_application
@click.argument("revision", default="head")
def upgrade(app: str, folder: Path | None, url: str | None, revision: str) -> None:
    """Apply migrations up to REVISION (head; +1 is the next). Each is one transaction."""
    _tell(_with(app, "upgrade", folder, url, lambda m: m.upgrade(revision)))


@db.command(context_settings={"ignore_unknown_options": True})
@_on_application
@click.argument("revision")
def downgrade(app: str, folder: Path | None, url: str | None, revision: str) -> None:
    """Take migrations back down to REVISION; -1 is the last one, base is all."""
    _tell(_with(app, "downgrade", folder, url, lambda m: m.downgrade(revision)))


@db.command()
@_on_application
@click.argument("revision", default="head")
def stamp(app: str, folder: Path | None, url: str | None, revision: str) -> None:
    """Note that the tables are as after REVISION, where something else has made them."""
    _with(app, "stamp", folder, url, lambda m: m.stamp(revision))
    click.echo(f"noted  {revision}")


@db.command()
@_on_application
def current(app: str, folder: Path | None, url: str | None) -> None:
    """Print the revision of the database, and what the folder has beyond it."""
    state = _with(app, "current", folder, url, lambda m: m.state())
    click.echo(f"database  {', '.join(state.applied) or 'no migrations applied'}")
    click.echo(f"folder    {', '.join(state.heads) or 'no migrations'}")
    if state.unknown:
        click.echo("a newer version of the application has migrated this database")


@db.command()
@_on_application
def check(app: str, folder: Path | None, url: str | None) -> None:
    """End with 1 where migrations wait or the tables differ from the application's."""

    differences = _with(app, "check", folder, url, lambda m: m.drift())
    for line in differences:
        click.echo(line)
    if differences:
        count = "1 difference" if len(differences) == 1 else f"{len(differences)} differences"
        raise CommandFailed(
            f'{count} to the tables of {app}\n  fix: nexios db revision {app} -m "..."'
        )
    click.echo("ok: no migration waits, and the tables are the application's")


def _with(
    app: str,
    command: str,
    folder: Path | None,
    url: str | None,
    work: Callable[[Migrations], Awaitable[T]],
) -> T:
    target = target_of(app, f"db {command}")

    async def do() -> T:
        async with _database_of(target, url) as (container, database):
            tables = metadata_of(_bound(container))
            place = _folder_of(target, folder)
            return await work(Migrations(database, *tables, folder=place))

    return run(do, app)


@asynccontextmanager
async def _database_of(
    target: Target, url: str | None
) -> AsyncIterator[tuple[Container, Database]]:
    if url is not None:
        async with Database(url) as database:
            yield container_of(target), database
        return
    async with opened(target) as container:
        if Database not in container:
            raise NoDatabase(target)
        yield container, await container.get(Database)


def _bound(container: Container) -> Iterable[object]:
    # In every profile: the history of a database must not depend on who looks.
    for module in container.assembly.registry.modules:
        for declaration in module.declarations:
            yield declaration.settle().source


def _folder_of(target: Target, folder: Path | None) -> Path:
    if folder is not None:
        return folder
    return Path(target.module.__file__ or ".").parent / _FOLDER


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _tell(done: list[str]) -> None:
    for line in done:
        click.echo(f"done   {line}")
    if not done:
        click.echo("nothing to do")
