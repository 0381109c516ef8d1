"""The facade: one statement, one transaction, one stream, the same on PostgreSQL and SQLite."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from types import TracebackType
from typing import Self, TypeVar, Unpack

from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncEngine

from nexios.adapters.persistence.blocks import Block
from nexios.adapters.persistence.budget import refuse_oversize
from nexios.adapters.persistence.drivers import Row
from nexios.adapters.persistence.engines import make_schema_engine
from nexios.adapters.persistence.errors import BadParameter, TransactionOptions
from nexios.adapters.persistence.listening import Line
from nexios.adapters.persistence.placeholders import Store
from nexios.adapters.persistence.pool import Pool, PoolStatus
from nexios.adapters.persistence.statements import (
    Ask,
    Sql,
    carry,
    make_batch,
    make_statement,
    read_row,
    read_rows,
    touch,
)
from nexios.adapters.persistence.streaming import Rows, Stream
from nexios.adapters.persistence.tenancy import refuse_bypass
from nexios.adapters.persistence.told import StoreTold
from nexios.adapters.persistence.transactions import Transaction, TransactionSettings
from nexios.adapters.persistence.url import DatabaseOptions, Options, parse_options, parse_url
from nexios.application.listening import Signals

T = TypeVar("T")


class Database:
    """A PostgreSQL or SQLite database. Making one does no I/O; the first use opens it.

    Outside of `transaction` each call borrows a connection, runs in autocommit and gives it
    back. Inside, every call of the task and of its children uses the transaction's connection.

    Args:
        url: ``postgresql://user:password@host/name``, ``sqlite:///file.db`` or ``sqlite://``.
        options: See `DatabaseOptions`.

    Attributes:
        server_limit: How many connections the server has, as it was told at the start.

    Raises:
        UnknownDriver: The URL names another database.
        UnknownOption: A keyword does not exist.
    """

    def __init__(self, url: str, **options: Unpack[DatabaseOptions]) -> None:
        self.server_limit: int | None = None
        self._url = parse_url(url)
        self._pool = Pool(self._url, parse_options(options))
        self._line = Line(self._url, self._pool.options)
        self._current: ContextVar[Block | None] = ContextVar("nexios.database", default=None)

    def __repr__(self) -> str:
        return f"Database({self._url.masked!r})"

    @property
    def store(self) -> Store:
        """Which kind of database this is."""
        return self._url.store

    @property
    def options(self) -> Options:
        """What it was made with, defaults filled in."""
        return self._pool.options

    def schema_engine(self) -> AsyncEngine:
        """Return an engine beside the pool for changes of the schema; its user disposes of it."""
        return make_schema_engine(self._url, self._pool.options)

    @property
    def dialect(self) -> Dialect:
        """SQLAlchemy's dialect of this database, for who compiles statements once."""
        return self._pool.engine.dialect

    @property
    def status(self) -> PoolStatus:
        """The pool's numbers of this moment, without I/O."""
        return self._pool.status

    @property
    def told(self) -> StoreTold:
        """Whom it tells of what it does."""
        return self._pool.told

    def tell_to(self, signals: Signals) -> None:
        """Tell these of statements, waits and use cases; an application does so at its start."""
        self.told.tell_to(signals)

    @property
    def current(self) -> Block | None:
        """The block this task runs in, if any."""
        return self._current.get()

    async def start(self) -> None:
        """Open one connection, trying again while the server is down.

        Raises:
            DatabaseUnavailable: Not reached within ``start_timeout_s``; at once for a wrong
                password or database.
            PoolTooLarge: All workers together would take more connections than there are.
            TenancyBypassed: Tenants are kept apart by row security, and this login ignores it.
        """
        await self._pool.start()
        if self.store is not Store.POSTGRESQL:
            return
        options = self._pool.options
        if not options.pooler:
            self.server_limit = await refuse_oversize(self, options, self._url.masked)
        if not options.ignores_tenants:
            await refuse_bypass(self, self._url.masked)

    async def stop(self) -> None:
        """Close the connections; the next use opens new ones."""
        await self._line.stop()
        await self._pool.stop()

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def ping(self) -> None:
        """Ask the server for a sign of life, for readiness.

        Raises:
            DatabaseUnavailable: There is none.
        """
        await self.fetch_value("SELECT 1")

    async def fetch_all(self, sql: Sql, args: Sequence[object] = ()) -> list[Row]:
        """Return all rows.

        Args:
            sql: One statement with ``?`` placeholders, or a SQLAlchemy Core statement.
            args: One value for each placeholder, left to right; none for Core.

        Returns:
            Column name to value, in select order. Copies: the connection is already back.

        Raises:
            DatabaseError: A mistake in the statement or its values.
            Unavailable: No connection in time, or the database cannot be used now.
            TimedOut: It took longer than ``statement_timeout_s``.
            AlreadyExists: A unique value is taken.
            RuleViolated: A check or foreign key forbids it.
        """
        return await self._ask(read_rows, sql, args)

    async def fetch_one(self, sql: Sql, args: Sequence[object] = ()) -> Row | None:
        """Return the first row, or None when the query matched nothing; see `fetch_all`."""
        return await self._ask(read_row, sql, args)

    async def fetch_value(self, sql: Sql, args: Sequence[object] = ()) -> object:
        """Return the first column of the first row, or None without a row; see `fetch_all`."""
        row = await self._ask(read_row, sql, args)
        return next(iter(row.values()), None) if row else None

    async def execute(self, sql: Sql, args: Sequence[object] = ()) -> int:
        """Return how many rows an INSERT, UPDATE or DELETE touched; see `fetch_all`."""
        return await self._ask(touch, sql, args)

    async def execute_many(self, sql: Sql, rows: Iterable[Sequence[object]]) -> None:
        """Run one statement for each row of values, all or none; see `fetch_all`."""
        run_all, statement = make_batch(sql, rows, self.store)
        current = self._current.get()
        if current is not None:
            await current.take(run_all, statement)
            return
        async with _Transacting(self, TransactionSettings()) as block:
            await block.take(run_all, statement)

    def transaction(
        self,
        *,
        isolation: str | None = None,
        read_only: bool = False,
        timeout_s: float | None = None,
    ) -> AbstractAsyncContextManager[None]:
        """Commit at the end of the block, or roll back when it raises.

        Inside another one it is a savepoint, and the options are the outermost block's.

        Args:
            isolation: ``read committed``, ``repeatable read`` or ``serializable``.
            read_only: Refuse writes.
            timeout_s: For the whole block.

        Raises:
            TransactionFailed: At the end, when a statement failed and the error was caught.
            TransactionOptions: Options were given to a nested block.
            OutcomeUnknown: The connection broke after COMMIT was sent.
        """
        return _Silent(_Transacting(self, TransactionSettings(isolation, read_only, timeout_s)))

    def stream(
        self, sql: Sql, args: Sequence[object] = (), *, batch: int = 500
    ) -> AbstractAsyncContextManager[Rows]:
        """Yield rows in batches, inside a transaction; see `fetch_all`.

        Args:
            sql: As for `fetch_all`.
            args: As for `fetch_all`.
            batch: How many rows are in memory at a time.

        Raises:
            StreamClosed: Iterated after the block.
        """
        if batch < 1:
            raise BadParameter(f"batch={batch}: at least one row at a time")
        statement = make_statement(sql, args, self.store)
        return Stream(_Transacting(self, TransactionSettings()), statement, batch)

    def listen(
        self, channel: str, woken: Callable[[str], None]
    ) -> AbstractAsyncContextManager[None]:
        """Call ``woken`` with what others NOTIFY, over one connection beside the pool.

        Also with ``""`` each time listening begins, after a reconnect too: look once then. A
        hint that may be lost. Does nothing on SQLite and with ``pooler=True``: poll there.
        """
        return self._line.listen(channel, woken)

    def announce(self, channel: str) -> None:
        """NOTIFY the other processes soon, without waiting; many calls become one.

        Never inside the transaction it tells of: that would make commits wait for each other.
        """
        self._line.announce(channel)

    def begin(
        self,
        *,
        isolation: str | None = None,
        read_only: bool = False,
        timeout_s: float | None = None,
        idle_timeout_s: float | None = None,
        tenant: str | None = None,
    ) -> Transaction:
        """Return a transaction that its holder ends: what a unit of work drives.

        It is current in this task and its later children until `end`. Its first statement takes
        the connection and sends BEGIN, ``open()`` does so at once.

        Args:
            isolation: As for `transaction`.
            read_only: As for `transaction`.
            timeout_s: As for `transaction`.
            idle_timeout_s: How long the server waits for the next statement.
            tenant: Whose rows it may see, where row security keeps tenants apart.

        Raises:
            TransactionOptions: There is a current one; join that instead.
        """
        if self._current.get() is not None:
            raise TransactionOptions("there is a transaction in this task already; join it")
        settings = TransactionSettings(isolation, read_only, timeout_s, idle_timeout_s, tenant)
        transaction = Transaction(self._pool, settings)
        self._current.set(transaction)
        return transaction

    def end(self, transaction: Transaction) -> None:
        """Make ``transaction`` no longer the current one of this task."""
        if self._current.get() is transaction:
            self._current.set(None)

    async def _ask(self, ask: Ask[T], sql: Sql, args: Sequence[object]) -> T:
        block = self._current.get()
        if block is not None:
            return await block.ask(ask, sql, args)
        statement = make_statement(sql, args, self.store)
        pool = self._pool
        if pool.options.pooler:
            # Settings and the prepared statement hold for one transaction of the pooler only.
            async with _Transacting(self, TransactionSettings()) as short:
                return await short.take(ask, statement)
        lent = await pool.borrow(probe=True)
        try:
            return await carry(lent, ask, statement, pool.statement_limit_s)
        finally:
            await pool.give_back(lent)


class _Transacting:
    """One ``async with db.transaction()``; gives the block to who needs it."""

    def __init__(self, database: Database, settings: TransactionSettings) -> None:
        self._database = database
        self._settings = settings
        self._outer: Block | None = None
        self._block: Block | None = None

    async def __aenter__(self) -> Block:
        current = self._database._current  # noqa: SLF001 - the other half of Database
        outer = self._outer = current.get()
        if outer is None:
            transaction = Transaction(self._database._pool, self._settings)  # noqa: SLF001
            await transaction.open()
            self._block = transaction
        else:
            self._refuse_options()
            self._block = await outer.nested()
        current.set(self._block)
        return self._block

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database._current.set(self._outer)  # noqa: SLF001 - the other half of Database
        block = self._block
        if not isinstance(block, Transaction):
            if block is not None:
                await block.leave(error)
        elif error is None:
            await block.commit()
        else:
            await block.rollback()

    def _refuse_options(self) -> None:
        if self._settings != TransactionSettings():
            raise TransactionOptions(
                "isolation, read_only and timeout_s are the outermost block's; this one is nested",
                fix="move them to the outer db.transaction(), or drop them",
            )


class _Silent:
    """Hides the block: inside of ``transaction`` one goes on using the database."""

    def __init__(self, inner: _Transacting) -> None:
        self._inner = inner

    async def __aenter__(self) -> None:
        await self._inner.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._inner.__aexit__(kind, error, trace)
