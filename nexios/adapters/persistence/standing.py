"""Asks a server how far the application's login could rewrite the audit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from nexios.adapters.persistence.drivers import Row
from nexios.adapters.persistence.placeholders import Store
from nexios.adapters.persistence.tables import AUDIT, SEAL, SECURITY

_TABLES: Final = (AUDIT.name, SEAL.name, SECURITY.name)
# A member of the owning role may do what the owner may (PostgreSQL, 5.8 and 22).
_LOGIN: Final = (
    "SELECT r.rolsuper AS superuser, c.relname AS owned FROM pg_roles r"
    " LEFT JOIN pg_class c ON c.relname IN (?, ?, ?) AND c.relkind IN ('r', 'p')"
    " AND pg_table_is_visible(c.oid) AND pg_has_role(r.rolname, c.relowner, 'USAGE')"
    " WHERE r.rolname = current_user ORDER BY c.relname"
)
_VISIBLE: Final = (
    "SELECT count(*) AS tables FROM pg_class c WHERE c.relname IN (?, ?)"
    " AND c.relkind IN ('r', 'p') AND pg_table_is_visible(c.oid)"
    " AND has_table_privilege(c.oid, 'SELECT')"
)
_UNSEALED: Final = (
    f"SELECT (SELECT count(*) FROM {AUDIT.name}) AS changes,"  # noqa: S608  # our own names
    f" (SELECT count(*) FROM {SEAL.name}) AS seals"
)


class Asks(Protocol):
    """What is asked of a database."""

    @property
    def store(self) -> Store:
        """Whose SQL it speaks."""
        ...

    async def fetch_all(self, sql: str, args: Sequence[object] = ()) -> list[Row]:
        """Return all rows."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a login could rewrite the audit.

    Attributes:
        superuser: Nothing holds for it.
        owned: The tables of the audit that it owns, itself or by a role.
        unsealed: How many changes there are, where nothing was ever sealed; 0 otherwise.
    """

    superuser: bool = False
    owned: tuple[str, ...] = ()
    unsealed: int = 0


async def standing_of(database: Asks) -> Standing:
    """Return what a database's login may do to its audit; SQLite knows no logins.

    Raises:
        DatabaseUnavailable: It does not answer.
    """
    if database.store is not Store.POSTGRESQL:
        return Standing()
    login = await database.fetch_all(_LOGIN, _TABLES)
    superuser = any(bool(row["superuser"]) for row in login)
    owned = tuple(str(row["owned"]) for row in login if row["owned"] is not None)
    (visible,) = await database.fetch_all(_VISIBLE, (AUDIT.name, SEAL.name))
    unsealed = 0
    if visible["tables"] == 2:
        (counted,) = await database.fetch_all(_UNSEALED)
        unsealed = 0 if counted["seals"] else int(str(counted["changes"]))
    return Standing(superuser, owned, unsealed)
