"""Compiles a mapper's statements once for each dialect, to run on the driver itself."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from sqlalchemy import (
    ARRAY,
    Column,
    Float,
    Numeric,
    Table,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import BindParameter, ClauseElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from nexios.adapters.persistence.columns import Check, check_of
from nexios.adapters.persistence.drivers import Row
from nexios.adapters.persistence.errors import BadParameter
from nexios.adapters.persistence.outcome import MARK
from nexios.adapters.persistence.statements import DriverSql

Convert = Callable[[Any], Any]

XID: Final = "nexios_xid"
_VERSION_WAS: Final = "nexios_version_was"
_KEY: Final = "nexios_key_"
# SQLAlchemy keeps the columns' own names for parameters it makes itself.
_SET: Final = "nexios_set_"
# PostgreSQL's pg_type: SQLAlchemy's number types want to know what the driver brings.
_NUMERIC_OID: Final = 1700
_FLOAT8_OID: Final = 701


class Compiled:
    """A statement's text, and how its values go in and come out."""

    __slots__ = ("_binds", "_results", "_table", "sql")

    def __init__(
        self, statement: ClauseElement, table: Table, dialect: Dialect, *, tail: str = ""
    ) -> None:
        compiled = cast("SQLCompiler", statement.compile(dialect=dialect))
        self.sql = DriverSql(f"{compiled}{tail}")
        names = compiled.positiontup or []
        self._binds = tuple(
            (
                name.removeprefix(_SET),
                _check(table, name, dialect),
                _bind_processor(compiled.binds[name].type, dialect),
            )
            for name in names
        )
        self._table = table.name
        self._results = tuple(
            (column.name, convert)
            for column in table.columns
            if (convert := _result_processor(column, dialect)) is not None
        )

    def values(self, given: Mapping[str, Any]) -> list[object]:
        """Return the values in the text's order, in the driver's types.

        Raises:
            BadParameter: A value that its column cannot hold as it is.
        """
        values: list[object] = []
        for name, check, convert in self._binds:
            value = given[name]
            if check is not None and value is not None and (says := check(value)):
                raise BadParameter(f"{self._table}.{name}: {says}")
            values.append(value if convert is None else self._converted(name, convert, value))
        return values

    def _converted(self, name: str, convert: Convert, value: Any) -> object:
        try:
            return convert(value)
        except (TypeError, ValueError, AttributeError, LookupError) as error:
            raise BadParameter(f"{self._table}.{name}: {error}") from error

    def rows(self, found: Sequence[Row]) -> list[Row]:
        """Turn the driver's values of ``found`` into Python's, in place."""
        for name, convert in self._results:
            for row in found:
                row[name] = convert(row[name])
        return list(found)


class MapperStatements:
    """Every statement mappers need of one database, each compiled when first asked for."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._known: dict[tuple[object, ...], Compiled] = {}
        # The transaction's number comes with the root's row, so it costs no trip of its own.
        self._tail = ""
        if dialect.name == "postgresql":
            self._tail = f" RETURNING {MARK} AS {XID}"

    def select(self, table: Table, column: Column[Any]) -> Compiled:
        """SELECT every column WHERE ``column`` is the value named ``key``."""
        return self._once(
            ("select", table, column.name),
            lambda: Compiled(
                select(table).where(column == bindparam("key", type_=column.type)),
                table,
                self._dialect,
            ),
        )

    def insert(self, table: Table, names: tuple[str, ...], *, root: bool) -> Compiled:
        """INSERT one row of the columns ``names``."""

        def make() -> Compiled:
            values = _values(table, names)
            statement = insert(table).values(values).inline()
            return Compiled(statement, table, self._dialect, tail=self._tail if root else "")

        return self._once(("insert", table, names, root), make)

    def update_root(self, table: Table, names: tuple[str, ...]) -> Compiled:
        """UPDATE ``names`` and ``version`` WHERE id and the version are what was read."""

        def make() -> Compiled:
            values = _values(table, (*names, "version"))
            statement = (
                update(table)
                .values(values)
                .where(table.c.id == bindparam(_key("id"), type_=table.c.id.type))
                .where(table.c.version == bindparam(_VERSION_WAS, type_=table.c.version.type))
            )
            return Compiled(statement, table, self._dialect, tail=self._tail)

        return self._once(("update root", table, names), make)

    def update(self, table: Table, names: tuple[str, ...]) -> Compiled:
        """UPDATE ``names`` WHERE the primary key is what ``keyed`` names."""

        def make() -> Compiled:
            values = _values(table, names)
            statement = update(table).values(values)
            for column in table.primary_key:
                statement = statement.where(
                    column == bindparam(_key(column.name), type_=column.type)
                )
            return Compiled(statement, table, self._dialect)

        return self._once(("update", table, names), make)

    def delete(self, table: Table) -> Compiled:
        """DELETE WHERE the primary key is what ``keyed`` names."""

        def make() -> Compiled:
            statement = delete(table)
            for column in table.primary_key:
                statement = statement.where(
                    column == bindparam(_key(column.name), type_=column.type)
                )
            return Compiled(statement, table, self._dialect)

        return self._once(("delete", table), make)

    def _once(self, key: tuple[object, ...], make: Callable[[], Compiled]) -> Compiled:
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = make()
        return known


def keyed(key: Mapping[str, Any]) -> Row:
    """Return a primary key under the names that do not meet those of values."""
    return {_key(name): value for name, value in key.items()}


def guarded(id: Any, version: int) -> Row:
    """Return the values of ``update_root`` that are not columns to set."""
    return {_key("id"): id, _VERSION_WAS: version, "version": version + 1}


def _values(table: Table, names: tuple[str, ...]) -> dict[str, BindParameter[Any]]:
    return {name: bindparam(f"{_SET}{name}", type_=table.c[name].type) for name in names}


def _key(name: str) -> str:
    return f"{_KEY}{name}"


def _check(table: Table, name: str, dialect: Dialect) -> Check | None:
    # Only what is written: a key that is looked for was read before.
    if not name.startswith(_SET):
        return None
    return check_of(table.c[name.removeprefix(_SET)], dialect.name)


def _bind_processor(kind: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _result_processor(column: Column[Any], dialect: Dialect) -> Convert | None:
    impl = column.type.dialect_impl(dialect)
    below = impl.impl_instance if isinstance(impl, TypeDecorator) else impl
    if isinstance(below, ARRAY):
        below = below.item_type
    code = None
    if dialect.name == "postgresql":
        # Both are siblings below one base in SQLAlchemy 2.1, parent and child before.
        if isinstance(below, Float):
            code = _FLOAT8_OID
        elif isinstance(below, Numeric):
            code = _NUMERIC_OID
    return impl.result_processor(dialect, code)
