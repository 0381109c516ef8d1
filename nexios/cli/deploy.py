"""`nexios check --deploy`: what is unfit for production about an application."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

import anyio
import click

from nexios.app import NexiosApp
from nexios.application.deploy import Finding, findings
from nexios.cli.loading import Target
from nexios.deploying import facts_asked, served_by


def check_deploy(target: Target, form: str, workers: int | None, server: str) -> bool:
    """Print what is unfit, in one of three forms; return whether nothing of it is an error.

    The databases are asked too; one that does not answer is said on stderr.

    Args:
        target: What to look at.
        form: ``text``, ``json`` or ``github``.
        workers: How many processes will serve.
        server: What will serve: ``nexios``, or a server by its name.

    Raises:
        UsageError: The target is no application.
    """
    app = target.root
    if not isinstance(app, NexiosApp):
        raise click.UsageError(f"--deploy looks at a NexiosApp, and {target.text} is none")
    facts, silent = anyio.run(facts_asked, app, workers)
    for one in silent:
        click.echo(f"a database was not asked: {one}", err=True)
    found = findings(replace(facts, **served_by(server)))
    passed = not any(one.level == "error" for one in found)
    if form == "json":
        click.echo(_as_json(target.text, found, passed=passed))
    else:
        lines = _as_github(found) if form == "github" else _as_text(found)
        click.echo("\n".join(lines))
    return passed


def _as_text(found: Sequence[Finding]) -> Iterator[str]:
    wrong = sum(one.level == "error" for one in found)
    yield from map(str, found)
    yield f"deploy   {wrong} errors, {len(found) - wrong} warnings" if found else "deploy   ok"


def _as_json(target: str, found: Sequence[Finding], *, passed: bool) -> str:
    told = [
        {
            "code": one.code,
            "level": one.level,
            "says": one.says,
            "places": list(one.places),
            "fix": one.fix,
        }
        for one in found
    ]
    document = {"target": target, "passed": passed, "findings": told}
    return json.dumps(document, indent=2, ensure_ascii=False)


def _as_github(found: Sequence[Finding]) -> Iterator[str]:
    """Yield workflow commands, which GitHub shows beside the change."""
    for one in found:
        text = "\n".join([one.says, *one.places, f"fix: {one.fix}"])
        # The data of a workflow command is escaped so, and nothing else of it.
        text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
        yield f"::{one.level} title={one.code}::{text}"
