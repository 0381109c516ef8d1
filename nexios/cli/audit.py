"""`nexios audit`: seal the trail of changes, prove that nobody rewrote it, and print it."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import click

from nexios.application.audit import AuditTrail, Change, Seal, Verdict
from nexios.cli.opening import CommandFailed, with_port

T = TypeVar("T")

_AT_ONCE: Final = 1000
_FIELDS: Final = (
    "id", "stream", "version", "use_case", "actor", "tenant", "correlation", "causation", "diff"
)  # fmt: skip


class _Digest(click.ParamType[bytes]):
    """Hexadecimal SHA-256, as ``seal`` prints it."""

    name = "digest"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> bytes:
        try:
            digest = bytes.fromhex(value)
        except ValueError:
            digest = b""
        if len(digest) != len(bytes(32)):
            self.fail(
                "a digest is 64 hexadecimal digits, as nexios audit seal prints it", param, ctx
            )
        return digest


@click.group()
def audit() -> None:
    """The audit trail of APP: every committed change, and the seals over them."""


@audit.command()
@click.argument("app", metavar="APP")
def seal(app: str) -> None:
    """Seal what was committed since the last seal; run it from time to time.

    Keep the last digest outside of the store: only verify --known shows seals that were cut off.
    """

    async def all_of_it(trail: AuditTrail) -> list[Seal]:
        made: list[Seal] = []
        while (one := await trail.seal()) is not None:
            made.append(one)
        return made

    seals = _with(app, "seal", all_of_it)
    for one in seals:
        click.echo(f"seal {one.number}  {_changes(one.rows)}  {one.digest.hex()}")
    if not seals:
        click.echo("nothing to seal")


@audit.command()
@click.argument("app", metavar="APP")
@click.option("--known", type=_Digest(), metavar="DIGEST", help="Of a seal, kept elsewhere.")
def verify(app: str, known: bytes | None) -> None:
    """Compare every seal with the changes it covers; exit code 1 when one does not hold."""

    async def look(trail: AuditTrail) -> Verdict:
        return await trail.verify(known=known)

    found = _with(app, "verify", look)
    good = f"{found.seals} {'seal' if found.seals == 1 else 'seals'} over {_changes(found.rows)}"
    if not found.intact:
        at = ""
        if found.broken is not None:
            one = found.broken
            at = f"\n  covered: marks {one.first} to {one.last}"
        raise CommandFailed(
            f"the trail of {app} was changed\n  {found.reason}{at}\n  good: {good}"
        )
    click.echo(f"ok: {good}")


@audit.command()
@click.argument("app", metavar="APP")
@click.option("--stream", metavar="TABLE:ID", help="Of one aggregate only.")
@click.option("--after", default=0, show_default=True, help="Only changes with a higher id.")
def export(app: str, stream: str | None, after: int) -> None:
    """Print the changes in order, one JSON object a line."""

    async def tell(trail: AuditTrail) -> None:
        last = after
        while changes := await trail.history(stream, after=last, limit=_AT_ONCE):
            for one in changes:
                click.echo(_line(one))
            last = changes[-1].id

    _with(app, "export", tell)


def _line(change: Change) -> str:
    told = {name: getattr(change, name) for name in _FIELDS}
    # ASCII: nothing in a value ends a line or moves a terminal's cursor.
    return json.dumps({**told, "at": change.at.isoformat()}, ensure_ascii=True)


def _changes(count: int) -> str:
    return "1 change" if count == 1 else f"{count} changes"


def _with(app: str, command: str, work: Callable[[AuditTrail], Awaitable[T]]) -> T:
    return with_port(app, f"audit {command}", AuditTrail, work)  # type: ignore[type-abstract]
