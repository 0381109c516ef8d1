"""From the diff of rows to the record of a change, and from all records back to the rows."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Table

from nexios.adapters.persistence.exact import from_json, to_json
from nexios.adapters.persistence.memory_table import MemoryTable
from nexios.adapters.persistence.operations import Tracked
from nexios.adapters.persistence.rows import Key, Row, TableDiff
from nexios.application.audit import Change
from nexios.application.caller import Caller


def changes_of(
    tracked: Iterable[Tracked], caller: Caller, use_case: str, at: datetime
) -> list[Change]:
    """Return what a run changes, one record for each aggregate whose mapper is audited."""
    return [
        Change(
            stream=f"{one.mapper.root.name}:{one.aggregate.id}",
            version=one.written,
            use_case=use_case,
            at=at,
            diff={
                table.name: _dumped(table, one.diffs[table.name])
                for table in one.mapper.tables
                if table.name in one.diffs
            },
            actor=caller.actor,
            tenant=caller.tenant,
            correlation=caller.correlation,
            causation=caller.causation,
        )
        for one in tracked
        if one.written is not None and one.mapper.audit
    ]


def replay(changes: Iterable[Change], tables: Sequence[Table]) -> dict[str, list[Row]]:
    """Return the rows that ``changes`` lead to, from nothing.

    Args:
        changes: In order, from the first one on.
        tables: Which ones; others are passed over.

    Returns:
        Table name to rows in the order of their keys, as the tables have them; columns that are
        kept out of the audit, and those a mapper does not dump, are missing.
    """
    built = {table.name: _Rebuilt(table) for table in tables}
    for change in changes:
        for name, diff in change.diff.items():
            if name in built:
                built[name].apply(diff)
        root, _, key = change.stream.partition(":")
        if root in built:
            built[root].raise_version(key, change.version)
    return {name: one.rows() for name, one in built.items()}


class _Rebuilt:
    """One table while it is replayed."""

    def __init__(self, table: Table) -> None:
        self._columns = {column.name: column for column in table.columns}
        # Its types say what a value is once it was stored.
        self._types = MemoryTable(table)
        self._rows: dict[Key, Row] = {}
        self._by_id: dict[str, Key] = {}

    def apply(self, diff: Mapping[str, Sequence[Any]]) -> None:
        for data in diff["deleted"]:
            row = self._loaded(data)
            del self._rows[self._types.key(row)]
            self._by_id.pop(str(row.get("id")), None)
        for data in diff["updated"]:
            key = self._types.key(self._loaded(data["key"]))
            self._rows[key] = {**self._rows[key], **self._loaded(data["after"])}
        for data in diff["inserted"]:
            row = self._loaded(data)
            key = self._types.key(row)
            self._rows[key] = row
            self._by_id[str(row.get("id"))] = key

    def raise_version(self, id: str, version: int) -> None:
        key = self._by_id.get(id)
        if key is not None:
            self._rows[key] = {**self._rows[key], "version": version}

    def rows(self) -> list[Row]:
        rows = [self._rows[key] for key in sorted(self._rows, key=_sortable)]
        return [{name: row[name] for name in self._columns if name in row} for row in rows]

    def _loaded(self, data: Mapping[str, Any]) -> Row:
        row = {
            name: from_json(value, self._columns[name])
            for name, value in data.items()
            if name in self._columns
        }
        return self._types.loaded(self._types.stored(row, whole=False))


def _sortable(key: Key) -> list[Any]:
    # As PostgreSQL orders: a UUID by its number.
    return [getattr(part, "int", part) for part in key]


def _dumped(table: Table, diff: TableDiff) -> dict[str, Any]:
    columns = _audited(table)
    return {
        "inserted": [_row(columns, row) for row in diff.inserted],
        "updated": [
            {
                "key": _row(columns, row.key),
                "before": _row(columns, row.before),
                "after": _row(columns, row.after),
            }
            for row in diff.updated
        ],
        "deleted": [_row(columns, row) for row in diff.deleted],
    }


def _row(columns: Mapping[str, Column[Any]], row: Row) -> Row:
    return {name: to_json(value, columns[name]) for name, value in row.items() if name in columns}


@functools.cache
def _audited(table: Table) -> Mapping[str, Column[Any]]:
    """Return the columns whose values are kept; a key always is, or nothing could be replayed."""
    return {
        column.name: column
        for column in table.columns
        if column.primary_key or column.info.get("nx_audit", True)
    }
