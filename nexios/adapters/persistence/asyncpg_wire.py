"""asyncpg's side of a connection."""

import re
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

import asyncpg
from typing_extensions import override

from nexios.adapters.persistence.drivers import Begin, Cursor, Row, Wire, named_twice
from nexios.adapters.persistence.errors import (
    BadParameter,
    ConnectionLost,
    DuplicateColumn,
    StatementTimedOut,
    TransactionUndone,
    from_postgres,
    shortened,
)

_CACHED_STATEMENTS: Final = 100
_CACHED_CHARACTERS: Final = 15_000
_READ_ONLY_SERVER: Final = "25006"
_TOUCHED: Final = re.compile(r"(?:INSERT \d+|UPDATE|DELETE|MERGE) (\d+)")
_ARGUMENT: Final = re.compile(r"query argument \$(\d+): (.*)", re.DOTALL)


class _Prepared:
    """A statement the server knows on this connection."""

    __slots__ = ("names", "statement", "twice")

    def __init__(self, statement: Any) -> None:  # asyncpg has no types
        self.statement = statement
        self.names = tuple(attribute.name for attribute in statement.get_attributes())
        self.twice = len(set(self.names)) != len(self.names)


class PostgresWire(Wire):
    """asyncpg. Statements are prepared once for each connection and text."""

    def __init__(self, connection: Any, *, caching: bool) -> None:  # asyncpg has no types
        super().__init__()
        self._connection = connection
        self._cached = _CACHED_STATEMENTS if caching else 0
        self._known: OrderedDict[str, _Prepared] = OrderedDict()

    @property
    @override
    def closed(self) -> bool:
        return bool(self._connection.is_closed())

    @property
    @override
    def in_transaction(self) -> bool:
        return bool(self._connection.is_in_transaction())

    @property
    def pid(self) -> int:
        return int(self._connection.get_server_pid())

    @override
    async def rows(self, text: str, args: Sequence[object], timeout_s: float | None) -> list[Row]:
        prepared = await self._named(text)
        try:
            records = await prepared.statement.fetch(*args, timeout=timeout_s)
        except asyncpg.exceptions.InvalidCachedStatementError as error:
            prepared = await self._prepare_again(text, error)
            records = await prepared.statement.fetch(*args, timeout=timeout_s)
        return [dict(record.items()) for record in records]

    @override
    async def row(self, text: str, args: Sequence[object], timeout_s: float | None) -> Row | None:
        prepared = await self._named(text)
        try:
            record = await prepared.statement.fetchrow(*args, timeout=timeout_s)
        except asyncpg.exceptions.InvalidCachedStatementError as error:
            prepared = await self._prepare_again(text, error)
            record = await prepared.statement.fetchrow(*args, timeout=timeout_s)
        return None if record is None else dict(record.items())

    @override
    async def count(self, text: str, args: Sequence[object], timeout_s: float | None) -> int:
        prepared = self._known.get(text) or await self._prepare(text)
        try:
            await prepared.statement.fetch(*args, timeout=timeout_s)
        except asyncpg.exceptions.InvalidCachedStatementError as error:
            prepared = await self._prepare_again(text, error)
            await prepared.statement.fetch(*args, timeout=timeout_s)
        touched = _TOUCHED.fullmatch(prepared.statement.get_statusmsg() or "")
        return int(touched[1]) if touched else 0

    @override
    async def many(
        self, text: str, rows: Sequence[Sequence[object]], timeout_s: float | None
    ) -> None:
        prepared = self._known.get(text) or await self._prepare(text)
        await prepared.statement.executemany(rows, timeout=timeout_s)

    @override
    async def cursor(self, text: str, args: Sequence[object]) -> Cursor:
        prepared = await self._named(text)
        return _PostgresCursor(await prepared.statement.cursor(*args))

    @override
    async def command(self, text: str) -> str:
        return str(await self._connection.execute(text))

    @override
    async def begin(self, how: Begin) -> None:
        self.read_only = how.read_only
        isolation = f" ISOLATION LEVEL {how.isolation.upper()}" if how.isolation else ""
        settings = "".join(f"; SET LOCAL {name} = {value}" for name, value in how.settings.items())
        await self.command(f"BEGIN{isolation}{' READ ONLY' * how.read_only}{settings}")

    @override
    async def commit(self) -> bool:
        self.read_only = False
        # Outside of a transaction COMMIT would be answered with a warning only.
        return self.in_transaction and await self.command("COMMIT") == "COMMIT"

    @override
    async def undo_to(self, savepoint: str) -> None:
        await self.command(f"ROLLBACK TO SAVEPOINT {savepoint}; RELEASE SAVEPOINT {savepoint}")

    @override
    async def rollback(self) -> None:
        self.read_only = False
        await self.command("ROLLBACK" if self.in_transaction else "SELECT 1")

    @override
    def explain(self, error: Exception, sql: str, args: Sequence[object]) -> Exception:
        wrong = _ARGUMENT.search(str(error))
        if isinstance(error, asyncpg.DataError | asyncpg.InterfaceError) and wrong:
            return BadParameter(_wrong_value(int(wrong[1]), wrong[2], args), sql)
        if isinstance(error, asyncpg.exceptions.OutdatedSchemaCacheError):
            return TransactionUndone(f"a type in this statement changed: {error}", "0A000")
        if isinstance(error, asyncpg.exceptions.InvalidCachedStatementError):
            return TransactionUndone(f"a table in this statement changed: {error}", "0A000")
        if self.closed:
            return ConnectionLost(f"the connection broke: {error}")
        if isinstance(error, TimeoutError):
            return StatementTimedOut(f"no answer in time: {shortened(sql)}")
        if getattr(error, "sqlstate", None) == _READ_ONLY_SERVER and not self.read_only:
            # A standby, after a failover: another connection may reach the new primary.
            self.unfit = True
        return from_postgres(error, sql, read_only=self.read_only) or error

    @override
    def cut(self) -> None:
        self._connection.terminate()

    async def _named(self, text: str) -> _Prepared:
        """Return a statement whose rows can be dicts."""
        prepared = self._known.get(text)
        if prepared is None:
            prepared = await self._prepare(text)
        else:
            self._known.move_to_end(text)
        if prepared.twice:
            raise DuplicateColumn(named_twice(prepared.names), text, fix="AS for one of them")
        return prepared

    async def _prepare(self, text: str) -> _Prepared:
        prepared = _Prepared(await self._connection.prepare(text))
        if len(text) <= _CACHED_CHARACTERS and self._cached:
            self._known[text] = prepared
            if len(self._known) > self._cached:
                self._known.popitem(last=False)
        return prepared

    async def _prepare_again(self, text: str, error: Exception) -> _Prepared:
        """Prepare a statement whose table changed; inside a transaction it is too late."""
        self._known.pop(text, None)
        if self.in_transaction:
            raise error
        return await self._prepare(text)


class _PostgresCursor:
    """An open portal."""

    def __init__(self, cursor: Any) -> None:  # asyncpg has no types
        self._cursor = cursor

    async def fetch(self, count: int) -> list[Row]:
        return [dict(record.items()) for record in await self._cursor.fetch(count)]

    async def close(self) -> None:
        """Leave the portal to the end of its savepoint, which costs no trip."""


def _wrong_value(number: int, says: str, args: Sequence[object]) -> str:
    if number > len(args):
        return f"value {number} of {len(args)}: {says}"
    value = args[number - 1]
    # The driver shows the value too, and its reason in brackets behind.
    says = says.removeprefix(f"{value!r} ").strip("()") or says
    return (
        f"value {number} of {len(args)}: {shortened(repr(value))} ({type(value).__name__}): {says}"
    )
