"""aiosqlite's side of a connection: one thread, one hop for each statement."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, cast

import aiosqlite
from typing_extensions import override

from nexios.adapters.persistence.drivers import Begin, Cursor, Row, Wire, named_twice
from nexios.adapters.persistence.errors import ConnectionLost, DuplicateColumn, from_sqlite

_INTERRUPT_AGAIN_S: Final = 0.02


class _Answer(list[Row]):
    """Rows, and how many a write touched."""

    touched = 0


class _AnsweringCursor(sqlite3.Cursor):
    """Makes dicts in the driver's thread, so one hop brings everything."""

    changes_before = 0

    def fetchall(self) -> list[Row]:
        answer = _Answer(self._dicts(super().fetchall()))
        answer.touched = self._touched()
        self.close()
        return answer

    def fetchmany(self, size: int | None = 1) -> list[Row]:
        return self._dicts(super().fetchmany(size))

    def _dicts(self, rows: list[Any]) -> list[Row]:
        names = [column[0] for column in self.description or ()]
        if len(set(names)) != len(names):
            raise DuplicateColumn(named_twice(names), fix="AS for one of them")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def _touched(self) -> int:
        if self.rowcount >= 0:
            return self.rowcount
        # sqlite3 counts nothing for a write that starts with WITH.
        return self.connection.total_changes - self.changes_before


class AnsweringConnection(sqlite3.Connection):
    """``execute`` answers in dicts; ``cursor()``, which SQLAlchemy uses, is left as it is."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        cursor = self.cursor(_AnsweringCursor)
        cursor.changes_before = self.total_changes
        return cursor.execute(sql, parameters)


class SqliteWire(Wire):
    """aiosqlite, one thread for each connection."""

    queues = True

    def __init__(self, connection: aiosqlite.Connection, native: sqlite3.Connection) -> None:
        super().__init__()
        self._connection = connection
        self._native = native
        self._cut = False

    @property
    @override
    def closed(self) -> bool:
        return self._cut

    @property
    @override
    def in_transaction(self) -> bool:
        return self._native.in_transaction

    @override
    async def rows(self, text: str, args: Sequence[object], timeout_s: float | None) -> list[Row]:
        return await self._answer(text, args)

    @override
    async def row(self, text: str, args: Sequence[object], timeout_s: float | None) -> Row | None:
        answer = await self._answer(text, args)
        return answer[0] if answer else None

    @override
    async def count(self, text: str, args: Sequence[object], timeout_s: float | None) -> int:
        return (await self._answer(text, args)).touched

    @override
    async def many(
        self, text: str, rows: Sequence[Sequence[object]], timeout_s: float | None
    ) -> None:
        await self._connection.executemany(text, rows)

    @override
    async def cursor(self, text: str, args: Sequence[object]) -> Cursor:
        return _SqliteCursor(await self._connection.execute(text, args))

    @override
    async def command(self, text: str) -> str:
        await self._answer(text, ())
        return text

    @override
    async def begin(self, how: Begin) -> None:
        if how.read_only:
            self.read_only = True
            await self.command("PRAGMA query_only=ON")
        # A deferred writer fails half-way, when it finds another one; this kind waits here.
        await self.command("BEGIN" if how.read_only else "BEGIN IMMEDIATE")

    @override
    async def commit(self) -> bool:
        if not self.in_transaction:
            return False
        await self.command("COMMIT")
        await self._allow_writes()
        return True

    @override
    async def rollback(self) -> None:
        # SQLite undoes a transaction by itself after some errors, an interrupted write for one.
        if self.in_transaction:
            await self.command("ROLLBACK")
        await self._allow_writes()

    @override
    async def undo_to(self, savepoint: str) -> None:
        await self.command(f"ROLLBACK TO SAVEPOINT {savepoint}")
        await self.command(f"RELEASE SAVEPOINT {savepoint}")

    async def _allow_writes(self) -> None:
        if self.read_only:
            await self.command("PRAGMA query_only=OFF")
            self.read_only = False

    @override
    def explain(self, error: Exception, sql: str, args: Sequence[object]) -> Exception:
        if self.closed:
            return ConnectionLost(f"the connection was closed: {error}")
        return from_sqlite(error, sql, read_only=self.read_only) or error

    @override
    def cut(self) -> None:
        self._cut = True
        with suppress(sqlite3.ProgrammingError):  # closed already
            self._native.interrupt()

    @override
    async def close(self) -> None:
        # Awaited: the thread reports to this loop when it is done.
        await self._connection.close()
        self._cut = True

    @override
    async def settle(self) -> None:
        """Stop what the thread still runs; it works off its queue in order."""
        rest = asyncio.ensure_future(self._connection.execute_fetchall("SELECT 1"))
        while not rest.done():
            with suppress(sqlite3.Error):
                self._native.interrupt()
            await asyncio.wait((rest,), timeout=_INTERRUPT_AGAIN_S)
        rest.exception()

    @override
    def alarm(self, timeout_s: float | None) -> asyncio.TimerHandle | None:
        if not timeout_s:
            return None
        return asyncio.get_running_loop().call_later(timeout_s, self._native.interrupt)

    async def _answer(self, text: str, args: Sequence[object]) -> _Answer:
        # AnsweringConnection made the cursor, so its fetchall answers so.
        answer: object = cast("object", await self._connection.execute_fetchall(text, args))
        return cast("_Answer", answer)


class _SqliteCursor:
    """A statement that is stepped through ``fetchmany``."""

    def __init__(self, cursor: aiosqlite.Cursor) -> None:
        self._cursor = cursor

    async def fetch(self, count: int) -> list[Row]:
        rows: list[Row] = await self._cursor.fetchmany(count)  # type: ignore[assignment]  # dicts
        return rows

    async def close(self) -> None:
        await self._cursor.close()
