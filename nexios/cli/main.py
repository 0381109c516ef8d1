"""The `nexios` command: the door of click."""

import click

from nexios.cli.check import check
from nexios.cli.look import explain, graph
from nexios.cli.run import run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="nexios", prog_name="nexios")
def main() -> None:
    """Nexios: applications that prove their wiring before the first request."""


for command in (run, check, graph, explain):
    main.add_command(command)
