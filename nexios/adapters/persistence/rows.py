"""Rows of one aggregate by key, and what changed between two of them."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    Interval,
    Numeric,
    String,
    Table,
    Time,
    Uuid,
)

from nexios.adapters.persistence.types import ExactDecimal, IdentityType, UtcDateTime

Row = dict[str, Any]
Rows = dict[str, list[Row]]
"""Table name to rows: what a mapper dumps and loads."""

Key = tuple[Any, ...]
Index = dict[str, dict[Key, Row]]
"""Table name to primary key to row."""

_MUTABLE: Final = (list, dict, set, bytearray)
_IMMUTABLE: Final = (
    Boolean,
    Date,
    DateTime,
    Enum,
    ExactDecimal,
    Float,
    IdentityType,
    Integer,
    Interval,
    Numeric,
    String,
    Time,
    UtcDateTime,
    Uuid,
)
"""Types whose Python values nobody can change in place."""


@dataclass(frozen=True, slots=True)
class Updated:
    """One row that is there before and after, with other values.

    Attributes:
        key: Its primary key, column to value.
        before: The changed columns as they were.
        after: The changed columns as they are.
    """

    key: Row
    before: Row
    after: Row


@dataclass(frozen=True, slots=True)
class TableDiff:
    """What changed in one table."""

    inserted: tuple[Row, ...]
    updated: tuple[Updated, ...]
    deleted: tuple[Row, ...]


def index(rows: Mapping[str, Sequence[Row]], tables: Sequence[Table]) -> Index:
    """Return rows by table and primary key, as a snapshot nothing else can change.

    Raises:
        ValueError: A table the mapper does not have, a row without its key or with an unknown
            column, or two rows of one key: a mapper that dumps wrongly would lose data.
    """
    known = {table.name for table in tables}
    for name in rows:
        if name not in known:
            raise ValueError(f'dump() gave rows of "{name}", not one of {sorted(known)}')
    return {table.name: _by_key(table, rows.get(table.name, ())) for table in tables}


def diff(before: Index, after: Index, tables: Sequence[Table]) -> dict[str, TableDiff]:
    """Return what changed, by table; tables without a change are left out."""
    found = {}
    for table in tables:
        old, new = before.get(table.name, {}), after.get(table.name, {})
        if old == new:
            continue
        changed = TableDiff(
            inserted=tuple(row for key, row in new.items() if key not in old),
            updated=tuple(_updates(table, old, new)),
            deleted=tuple(row for key, row in old.items() if key not in new),
        )
        if changed.inserted or changed.updated or changed.deleted:
            found[table.name] = changed
    return found


def key_of(table: Table, row: Mapping[str, Any]) -> Row:
    """Return the primary key of a row, column to value."""
    return {column.name: row[column.name] for column in table.primary_key}


@dataclass(frozen=True, slots=True)
class _Shape:
    """What every snapshot asks of a table.

    Attributes:
        keys: The primary key's columns.
        known: All columns.
        loose: Those whose values may be changed in place.
    """

    keys: tuple[str, ...]
    known: frozenset[str]
    loose: tuple[str, ...]


# Asked for twice an aggregate and run.
@lru_cache(maxsize=1000)
def _shape(table: Table) -> _Shape:
    loose = [column.name for column in table.columns if not isinstance(column.type, _IMMUTABLE)]
    keys = tuple(column.name for column in table.primary_key)
    return _Shape(keys, frozenset(table.columns.keys()), tuple(loose))


def _by_key(table: Table, rows: Sequence[Row]) -> dict[Key, Row]:
    shape = _shape(table)
    names, known = shape.keys, shape.known
    found: dict[Key, Row] = {}
    for row in rows:
        if not known.issuperset(row):
            raise ValueError(f'"{table.name}" has no column {sorted(set(row) - known)}')
        try:
            key = tuple([row[name] for name in names])
        except KeyError as missing:
            raise ValueError(f'a row of "{table.name}" has no {missing}, its key') from None
        if key in found:
            raise ValueError(f'two rows of "{table.name}" have the key {key}')
        mine = found[key] = dict(row)
        for name in shape.loose:
            if isinstance(value := mine.get(name), _MUTABLE):
                # A list in a JSON column is the aggregate's own: changed in place, it would
                # change here too.
                mine[name] = copy.deepcopy(value)
    return found


def _updates(table: Table, old: dict[Key, Row], new: dict[Key, Row]) -> Iterator[Updated]:
    for key, row in new.items():
        was = old.get(key)
        if was is None or was == row:
            continue
        changed = [name for name in row if name not in was or was[name] != row[name]]
        if changed:
            yield Updated(
                key=key_of(table, row),
                before={name: was.get(name) for name in changed},
                after={name: row[name] for name in changed},
            )
