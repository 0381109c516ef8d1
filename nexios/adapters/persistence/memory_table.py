"""One table in memory: rows by primary key, with the checks its definition asks for."""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, ForeignKeyConstraint, Index, Table, UniqueConstraint
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.schema import DefaultClause

from nexios.adapters.persistence.columns import check_of
from nexios.adapters.persistence.errors import BadParameter
from nexios.adapters.persistence.mapper import unique_name
from nexios.adapters.persistence.rows import Key, Row
from nexios.adapters.persistence.types import IdentityType
from nexios.domain.values import Identity


class _MemoryDialect(DefaultDialect):
    """Keeps Decimal and UUID as they are; the rest goes through the types' own processors."""

    name = "memory"
    supports_native_decimal = True
    supports_native_uuid = True
    supports_native_boolean = True


_DIALECT: Final = _MemoryDialect()


@dataclass(frozen=True, slots=True)
class _Unique:
    name: str
    columns: tuple[str, ...]
    taken: dict[Key, Key] = field(default_factory=dict)

    def key(self, row: Row) -> Key | None:
        key = tuple([row[name] for name in self.columns])
        # NULLs are distinct, as in PostgreSQL.
        return None if None in key else key


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key of this table.

    Attributes:
        name: The constraint's name, given or the one PostgreSQL makes.
        columns: Here.
        table: Where it refers to.
        referred: There.
    """

    name: str
    columns: tuple[str, ...]
    table: str
    referred: tuple[str, ...]


class Taken(Exception):  # never leaves the memory store
    """A unique value is there already."""

    def __init__(self, constraint: str) -> None:
        self.constraint = constraint
        super().__init__(constraint)


class MemoryTable:
    """Rows in their stored form."""

    def __init__(self, table: Table) -> None:
        """Read the definition once."""
        self.table = table
        self.rows: dict[Key, Row] = {}
        self._key = tuple(column.name for column in table.primary_key)
        self._columns = {column.name: _Column(column) for column in table.columns}
        self._uniques = [
            _Unique(unique_name(table, columns), columns) for columns in _unique_columns(table)
        ]
        self._lookups: dict[tuple[str, ...], dict[Key, dict[Key, None]]] = {}
        self.references = tuple(_references(table))

    def stored(self, values: Mapping[str, Any], *, whole: bool) -> Row:
        """Return values as they are stored.

        Args:
            values: Column to Python value.
            whole: This is a whole row: defaults fill what is missing.

        Raises:
            BadParameter: A value the column cannot hold.
            InvalidValue: A value its column type refuses.
        """
        if not whole:
            return {name: self._columns[name].stored(value) for name, value in values.items()}
        return {
            name: column.stored(values[name] if name in values else column.default())
            for name, column in self._columns.items()
        }

    def loaded(self, row: Row) -> Row:
        """Return a stored row as Python values nobody else holds."""
        return {name: self._columns[name].loaded(value) for name, value in row.items()}

    def key(self, values: Mapping[str, Any]) -> Key:
        """Return the primary key of Python values, in stored form."""
        return tuple(self._columns[name].stored(values[name]) for name in self._key)

    def put(self, row: Row) -> None:
        """Insert or replace a row in stored form.

        Raises:
            Taken: A unique value belongs to another row; nothing was changed.
        """
        key = tuple([row[name] for name in self._key])
        for unique in self._uniques:
            value = unique.key(row)
            if value is not None and unique.taken.get(value, key) != key:
                raise Taken(unique.name)
        if key in self.rows:
            self.drop(key)
        self.rows[key] = row
        for unique in self._uniques:
            value = unique.key(row)
            if value is not None:
                unique.taken[value] = key
        for columns, lookup in self._lookups.items():
            lookup.setdefault(tuple([row[name] for name in columns]), {})[key] = None

    def drop(self, key: Key) -> None:
        """Remove the row of a key."""
        row = self.rows.pop(key)
        for unique in self._uniques:
            value = unique.key(row)
            if value is not None:
                del unique.taken[value]
        for columns, lookup in self._lookups.items():
            value = tuple([row[name] for name in columns])
            del lookup[value][key]
            if not lookup[value]:
                del lookup[value]

    def having(self, columns: tuple[str, ...], values: Key) -> Iterator[Row]:
        """Give the rows whose ``columns`` have these stored values."""
        if columns == self._key:
            row = self.rows.get(values)
            if row is not None:
                yield row
            return
        lookup = self._lookups.get(columns)
        if lookup is None:
            lookup = self._lookups[columns] = {}
            for key, row in self.rows.items():
                lookup.setdefault(tuple([row[name] for name in columns]), {})[key] = None
        for key in list(lookup.get(values, ())):
            yield self.rows[key]

    def taken_key(self) -> str:
        """Return the name of the primary key."""
        return unique_name(self.table, self._key)


class _Column:
    def __init__(self, column: Column[Any]) -> None:
        self._column = column
        self._title = f"{column.table.name}.{column.name}"
        self._bind: Callable[[Any], Any] | None = column.type.bind_processor(_DIALECT)
        self._result: Callable[[Any], Any] | None = column.type.result_processor(_DIALECT, None)
        self._check = check_of(column, _DIALECT.name)
        self._own_identity = isinstance(column.type, IdentityType)

    def stored(self, value: Any) -> Any:
        if value is not None and self._check is not None and (says := self._check(value)):
            raise BadParameter(f"{self._title}: {says}")
        if self._bind is not None:
            value = self._bind(value)
        if value is None:
            if not self._column.nullable:
                raise BadParameter(f"{self._title} must not be NULL")
            return None
        if isinstance(value, Identity) and not self._own_identity:
            # A plain UUID column gives back a plain UUID.
            return UUID(int=value.int)
        return copy.deepcopy(value) if isinstance(value, list | dict) else value

    def loaded(self, value: Any) -> Any:
        if self._result is not None:
            value = self._result(value)
        return copy.deepcopy(value) if isinstance(value, list | dict) else value

    def default(self) -> Any:
        made: Any = self._column.default
        if made is not None and made.is_scalar:
            return made.arg
        if made is not None and made.is_callable:
            return made.arg(None)
        server = self._column.server_default
        if isinstance(server, DefaultClause):
            return self._constant(str(getattr(server.arg, "text", server.arg)))
        return None

    def _constant(self, text: str) -> Any:
        kind = self._column.type.python_type
        if kind is bool:
            return text.strip().lower() in ("1", "true")
        return kind(text.strip("'"))


def _unique_columns(table: Table) -> list[tuple[str, ...]]:
    found = [tuple(column.name for column in table.primary_key)]
    found += [
        tuple(column.name for column in constraint.columns)
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint)
    ]
    found += [
        tuple(column.name for column in index.columns)
        for index in table.indexes
        if index.unique and not _is_partial(index)
    ]
    return found


def _is_partial(index: Index) -> bool:
    options: Any = index.dialect_options
    return any(options[name].get("where") is not None for name in ("postgresql", "sqlite"))


def _references(table: Table) -> Iterator[Reference]:
    for constraint in table.constraints:
        if isinstance(constraint, ForeignKeyConstraint):
            columns = tuple(constraint.column_keys)
            referred = tuple(element.column.name for element in constraint.elements)
            name = constraint.name if isinstance(constraint.name, str) else None
            yield Reference(
                str(name or f"{table.name}_{'_'.join(columns)}_fkey"),
                columns,
                constraint.referred_table.name,
                referred,
            )
