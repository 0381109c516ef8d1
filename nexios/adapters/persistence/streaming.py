"""Rows in batches through a cursor, for results that do not fit into memory."""

from collections import deque
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Executable
from sqlalchemy.engine import CursorResult
from sqlalchemy.util.concurrency import greenlet_spawn

from nexios.adapters.persistence.blocks import Block
from nexios.adapters.persistence.drivers import Cursor, Row
from nexios.adapters.persistence.errors import StreamClosed
from nexios.adapters.persistence.lending import Lent
from nexios.adapters.persistence.statements import Statement


class Rows:
    """The rows of a ``stream`` block, once, in order.

    A class and not a generator: a closed generator would look like an empty result.
    """

    def __init__(self, block: Block, cursor: Cursor, batch: int) -> None:
        self._block = block
        self._cursor = cursor
        self._batch = batch
        self._ready: deque[Row] = deque()
        self._exhausted = False
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Row:
        if self._closed:
            raise StreamClosed(
                "rows were asked for after their stream block",
                fix="async for row in rows: ... inside of async with db.stream(...) as rows:",
            )
        if not self._ready and not self._exhausted:
            self._ready.extend(await self._block.take(self._fetch, Statement("FETCH")))
        if not self._ready:
            raise StopAsyncIteration
        return self._ready.popleft()

    def close(self) -> None:
        """Refuse what is asked from now on."""
        self._closed = True
        self._ready.clear()

    async def _fetch(self, _lent: Lent, _: Statement, _timeout_s: float | None) -> list[Row]:
        rows = await self._cursor.fetch(self._batch)
        self._exhausted = len(rows) < self._batch
        return rows


class Stream:
    """``async with db.stream(...)``: a transaction, or a savepoint inside one, and its cursor."""

    def __init__(
        self,
        block: AbstractAsyncContextManager[Block],
        statement: Statement,
        batch: int,
    ) -> None:
        self._context = block
        self._statement = statement
        self._batch = batch
        self._rows: Rows | None = None
        self._cursor: Cursor | None = None
        self._block: Block | None = None

    async def __aenter__(self) -> Rows:
        self._block = await self._context.__aenter__()
        try:
            self._cursor = await self._block.take(self._open, self._statement)
        except BaseException as error:
            await self._context.__aexit__(type(error), error, error.__traceback__)
            raise
        self._rows = Rows(self._block, self._cursor, self._batch)
        return self._rows

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._rows is not None:
            self._rows.close()
        try:
            if error is None and self._block is not None and self._block.failed is None:
                await self._block.take(self._close, Statement("CLOSE"))
        except BaseException as closing:
            await self._context.__aexit__(type(closing), closing, closing.__traceback__)
            raise
        await self._context.__aexit__(kind, error, trace)

    async def _open(self, lent: Lent, statement: Statement, _timeout_s: float | None) -> Cursor:
        if statement.core is None:
            return await lent.wire.cursor(statement.text, statement.args)
        return await _CoreCursor.open(lent, statement.core)

    async def _close(self, _lent: Lent, _: Statement, _timeout_s: float | None) -> None:
        if self._cursor is not None:
            await self._cursor.close()


class _CoreCursor:
    """SQLAlchemy's server-side result."""

    def __init__(self, result: CursorResult[Any]) -> None:
        self._result = result
        self._names = list(result.keys())

    @classmethod
    async def open(cls, lent: Lent, statement: Executable) -> Self:
        streamed = statement.execution_options(stream_results=True)
        return cls(await greenlet_spawn(lent.core.execute, streamed))

    async def fetch(self, count: int) -> list[Row]:
        rows = await greenlet_spawn(self._result.fetchmany, count)
        return [dict(zip(self._names, row, strict=True)) for row in rows]

    async def close(self) -> None:
        await greenlet_spawn(self._result.close)
