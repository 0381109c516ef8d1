"""Which constraint a broken write met, by the name its table gives it."""

import re
from collections.abc import Iterable
from typing import Final

from sqlalchemy import Table

from nexios.adapters.persistence.mapper import unique_name

# sqlite3/src/build.c and insert.c word them so.
_COLUMNS: Final = re.compile(r"UNIQUE constraint failed: (\w+\.\w+(?:, \w+\.\w+)*)$")
_NAMED: Final = re.compile(r"(?:CHECK constraint failed: |constraint failed: index ')(\w+)")


def broken_constraint(error: BaseException, tables: Iterable[Table]) -> str | None:
    """Return the name of the constraint ``error`` was translated from, or None.

    PostgreSQL says it. SQLite says the columns of a unique one, which ``tables`` know by name.
    """
    cause = error.__cause__
    name = getattr(cause, "constraint_name", None)
    if isinstance(name, str):
        return name
    text = str(cause)
    if (named := _NAMED.search(text)) is not None:
        return named[1]
    if (found := _COLUMNS.search(text)) is None:
        return None
    pairs = [pair.split(".") for pair in found[1].split(", ")]
    columns = tuple(column for _, column in pairs)
    for table in tables:
        if table.name == pairs[0][0]:
            return unique_name(table, columns)
    return None
