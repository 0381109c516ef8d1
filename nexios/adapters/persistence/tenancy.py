"""Row security for tables that hold several tenants' rows (PostgreSQL)."""

import re
from collections.abc import Sequence
from typing import Any, Final, Protocol

from nexios.adapters.persistence.drivers import Row
from nexios.adapters.persistence.errors import BadParameter, DatabaseError

SETTING: Final = "app.tenant"
"""What a use case's transaction is told: `Caller.tenant`."""
POLICY: Final = "nx_tenant"

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?")
_BYPASSES: Final = (
    "SELECT current_user AS login, (SELECT rolsuper OR rolbypassrls FROM pg_roles"
    " WHERE rolname = current_user) AS bypasses, (SELECT CAST(min(CAST(CAST(polrelid AS regclass)"
    " AS text)) AS text) FROM pg_policy WHERE polname = ?) AS secured"
)


class TenancyBypassed(DatabaseError):
    """The login ignores row security, so every tenant would see all rows."""


class Asks(Protocol):
    """What is needed of a Database."""

    async def fetch_one(self, sql: str, args: Sequence[object] = ()) -> Row | None: ...


class Operations(Protocol):
    """What is needed of alembic's ``op``."""

    def execute(self, sqltext: Any) -> Any: ...

    def get_context(self) -> Any: ...


def tenant_statements(name: str, column: str = "tenant", *, kind: str = "text") -> tuple[str, ...]:
    """Return the SQL that hides other tenants' rows of a table, from its owner too.

    Without a tenant no row is seen and none can be written.

    Args:
        name: The table, ``schema.table`` where it is not in the search path.
        column: Says whose a row is.
        kind: The column's type.

    Raises:
        ValueError: One of them is not a plain name.
    """
    for one in (name, column, kind):
        if not _NAME.fullmatch(one):
            raise ValueError(f"{one!r} is not a plain name of SQL")
    table = ".".join(f'"{part}"' for part in name.split("."))
    # After a transaction that had a tenant the setting is empty, no longer missing.
    mine = f"\"{column}\" = CAST(nullif(current_setting('{SETTING}', true), '') AS {kind})"
    return (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY {POLICY} ON {table} USING ({mine}) WITH CHECK ({mine})",
    )


def tenant_table(op: Operations, name: str, column: str = "tenant", *, kind: str = "text") -> None:
    """Put a table under row security, in a migration; see `tenant_statements`.

    Nothing on SQLite, which has no such thing: it serves one tenant, or the application filters.

    Args:
        op: Alembic's ``op``.
        name: As for `tenant_statements`.
        column: As for `tenant_statements`.
        kind: As for `tenant_statements`.
    """
    if op.get_context().dialect.name != "postgresql":
        return
    for statement in tenant_statements(name, column, kind=kind):
        op.execute(statement)


def quoted(tenant: str) -> str:
    """Return a tenant as a literal of PostgreSQL, whatever the server makes of backslashes.

    Raises:
        BadParameter: It holds U+0000, which no text of PostgreSQL does.
    """
    if "\0" in tenant:
        raise BadParameter("the tenant holds U+0000")
    return "E'" + tenant.replace("\\", "\\\\").replace("'", "''") + "'"


async def refuse_bypass(database: Asks, masked: str) -> None:
    """Refuse a login that tenants cannot rely on, where there are tables of tenants.

    Args:
        database: A PostgreSQL one.
        masked: Its URL, for the error.

    Raises:
        TenancyBypassed: It is a superuser or has BYPASSRLS.
    """
    found = await database.fetch_one(_BYPASSES, [POLICY])
    if found and found["bypasses"] and found["secured"]:
        raise TenancyBypassed(
            f'login "{found["login"]}" of {masked} ignores row security, '
            f'and table "{found["secured"]}" keeps tenants apart by it',
            fix="a login of its own for the application: CREATE ROLE ... LOGIN NOSUPERUSER "
            "NOBYPASSRLS; for migrations and administration Database(..., ignores_tenants=True)",
        )
