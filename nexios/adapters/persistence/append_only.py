"""Tables that take new rows and keep the old ones as they are."""

from typing import Final

from nexios.adapters.persistence.placeholders import Store
from nexios.adapters.persistence.tables import AUDIT, SEAL
from nexios.adapters.persistence.tenancy import Operations

_STORES: Final = {"postgresql": Store.POSTGRESQL, "sqlite": Store.SQLITE}
_REFUSE: Final = (
    "CREATE OR REPLACE FUNCTION nx_refuse() RETURNS trigger LANGUAGE plpgsql AS $$"
    " BEGIN RAISE EXCEPTION 'table % only takes new rows', TG_TABLE_NAME"
    " USING ERRCODE = '42501'; END $$"
)


def append_only_statements(store: Store, *names: str) -> tuple[str, ...]:
    """Return the SQL that makes UPDATE, DELETE and TRUNCATE of tables fail.

    It stops mistakes and the application's own login; who owns the tables can drop the triggers,
    and then the seals show what was done.

    Args:
        store: Whose SQL.
        names: Of the tables; those of the audit unless told.
    """
    tables = names or (AUDIT.name, SEAL.name)
    if store is Store.POSTGRESQL:
        triggers = tuple(
            f"CREATE TRIGGER nx_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION nx_refuse()"
            for table in tables
        )
        return (_REFUSE, *triggers)
    return tuple(
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table}"
        f" BEGIN SELECT RAISE(ABORT, 'table {table} only takes new rows'); END"
        for table in tables
        for verb in ("UPDATE", "DELETE")
    )


def append_only(op: Operations, *names: str) -> None:
    """Make tables append-only, in the migration that makes them or a later one.

    Args:
        op: Alembic's ``op``.
        names: As for `append_only_statements`; ``nx_security`` is made so by its name.
    """
    for statement in append_only_statements(_STORES[op.get_context().dialect.name], *names):
        op.execute(statement)
