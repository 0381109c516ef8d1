"""The `nexios` command: the door of click."""

import click

from nexios.cli.run import run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="nexios", prog_name="nexios")
def main() -> None:
    """Nexios: applications that prove their wiring before the first request."""


main.add_command(run)
