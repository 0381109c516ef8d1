"""The `nexios` command: the door of click."""

from importlib import import_module
from typing import Final

import click

from nexios.cli.check import check
from nexios.cli.look import explain, graph
from nexios.cli.routes import routes
from nexios.cli.run import run

# Their homes load SQLAlchemy, which the other commands do without.
_LATER: Final = {
    "audit": "nexios.cli.audit",
    "db": "nexios.cli.db",
    "events": "nexios.cli.events",
    "outbox": "nexios.cli.outbox",
    "worker": "nexios.cli.worker",
}


class _Commands(click.Group):
    """The commands; some are imported only when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return every name, sorted."""
        return sorted({*super().list_commands(ctx), *_LATER})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name."""
        if cmd_name not in _LATER:
            return super().get_command(ctx, cmd_name)
        found: click.Command = getattr(import_module(_LATER[cmd_name]), cmd_name)
        return found


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="nexios", prog_name="nexios")
def main() -> None:
    """Nexios: applications that prove their wiring before the first request."""


for command in (run, check, graph, explain, routes):
    main.add_command(command)
