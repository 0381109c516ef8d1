"""Makes the first admin: `python -m examples.accounts.appoint ada admin`."""

import argparse

import anyio

from examples.accounts.application.roster import Roster
from examples.accounts.main import app
from nexios import NexiosApp


async def appoint(app: NexiosApp, name: str, roles: list[str]) -> None:
    """Give a member these roles, outside of any request."""
    async with app.container, app.scope() as scope:
        member = await (await scope.get(Roster)).appoint_named(name, roles)
    print(f"{member.name}: {', '.join(member.roles) or 'no role'}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="give a member roles")
    parser.add_argument("name")
    parser.add_argument("roles", nargs="*")
    told = parser.parse_args()
    anyio.run(appoint, app, told.name, told.roles)


if __name__ == "__main__":
    main()
