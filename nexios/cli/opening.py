"""Opens an application's objects for a command, without serving anybody."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import click

from nexios.adapters.persistence.errors import DatabaseError
from nexios.application.errors import ApplicationError, Unavailable
from nexios.cli.check import build, target_of
from nexios.cli.loading import Target
from nexios.cli.look import NotBuilt
from nexios.container.container import Container

T = TypeVar("T")
P = TypeVar("P")


class CommandFailed(click.ClickException):
    """What was asked for could not be done; the text says why. No traceback: nothing broke."""


class NotReachable(CommandFailed):
    """Something the command needs does not answer."""

    exit_code = 3


def container_of(target: Target) -> Container:
    """Return the container of a target, built and proven.

    Raises:
        NotBuilt: The wiring is wrong.
    """
    container, problems = build(target)
    if container is None:
        raise NotBuilt("\n".join(f"{n}. {one}" for n, one in enumerate(problems, 1)))
    return container


@asynccontextmanager
async def opened(target: Target) -> AsyncIterator[Container]:
    """Start a target's container and stop it: its singletons open, no hook runs."""
    async with container_of(target) as container:
        yield container


def run(work: Callable[[], Coroutine[Any, Any, T]], app: str) -> T:
    """Run a command's coroutine to its end.

    Args:
        work: Makes it.
        app: What stands for APP in the lines that mend.

    Raises:
        CommandFailed: It raised an error that says what to mend.
    """
    try:
        return asyncio.run(work())
    except Unavailable as error:
        raise NotReachable(str(error)) from error
    except (DatabaseError, ApplicationError) as error:
        raise CommandFailed(str(error).replace(" APP", f" {app}")) from error


def with_port(app: str, command: str, port: type[P], work: Callable[[P], Awaitable[T]]) -> T:
    """Run a command on what an application binds for a port.

    Args:
        app: What stands for APP.
        command: As it is typed after ``nexios``.
        port: An exported port, as in ``OutboxStore``.
        work: Is given the object.

    Raises:
        CommandFailed: The application binds no such port, or the work says what to mend.
    """
    target = target_of(app, command)

    async def do() -> T:
        async with opened(target) as container:
            if port not in container:
                name = port.__name__
                raise CommandFailed(
                    f"{app} binds no {name} that NexiosApp sees"
                    f"\n  fix: include the module that exports {name} in NexiosApp(...)"
                )
            return await work(await container.get(port))

    return run(do, app)
