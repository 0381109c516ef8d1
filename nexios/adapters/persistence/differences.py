"""Says in words how a database's tables differ from the application's."""

from collections.abc import Iterator
from typing import Any


def described(diff: Any) -> Iterator[str]:
    """Yield a line for each difference of one entry of alembic's comparison.

    Args:
        diff: A tuple, or for the columns of one table a list of tuples.
    """
    if isinstance(diff, list):
        for one in diff:
            yield from described(one)
        return
    verb, *rest = diff
    kind = verb.partition("_")[2]
    if verb.startswith("modify_"):
        _, table, column, _, old, new = rest
        yield f"{table}.{column}: {kind} is {old!r}, should be {new!r}"
    elif kind == "column":
        _, table, column = rest
        yield f"{table}.{column.name}: {_state(verb)}"
    elif kind == "table":
        yield f"{rest[0].name}: the table {_state(verb)}"
    else:
        part = rest[0]
        columns = ", ".join(column.name for column in getattr(part, "columns", ()))
        named = f" {part.name}" if getattr(part, "name", None) else ""
        yield f"{part.table.name}: {_WORDS.get(kind, kind)}{named} ({columns}) {_state(verb)}"


_WORDS = {"fk": "foreign key", "constraint": "constraint", "index": "index"}


def _state(verb: str) -> str:
    return "is missing" if verb.startswith("add_") else "is not the application's"
