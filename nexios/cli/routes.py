"""`nexios routes TARGET`: every way in, and who may pass."""

import json

import click

from nexios.app import NexiosApp
from nexios.auth.access import roles_for, table, who_may
from nexios.auth.middleware import roles_in
from nexios.cli.check import TargetRefused, build, target_of
from nexios.cli.look import NotBuilt


@click.command()
@click.argument("target", metavar="TARGET")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
)
def routes(target: str, form: str) -> None:
    """List every route and socket of TARGET, and who may pass.

    Where the application binds Roles, the roles that pass stand in brackets. A test holds the
    list to a reviewed file: nexios.testing.assert_access(app, "access.txt").
    """
    found = target_of(target, "routes")
    if not isinstance(found.root, NexiosApp):
        raise TargetRefused(f'"{target}" is no NexiosApp, so it has no routes')
    container, problems = build(found)
    if container is None:
        raise NotBuilt("\n".join(f"{n}. {one}" for n, one in enumerate(problems, 1)))
    roles, ways = roles_in(container), found.root.entrances
    if form == "text":
        click.echo(table(ways, roles), nl=False)
        return
    listed = [
        {
            "methods": list(one.methods),
            "path": one.path,
            "where": str(one.where),
            "who": who_may(one),
            "public": one.public,
            "guarded": bool(one.deciding),
            "roles": roles_for(one, roles) if roles.names else None,
        }
        for one in sorted(ways, key=lambda one: (one.path, one.methods))
    ]
    click.echo(json.dumps(listed, indent=2, ensure_ascii=False))
