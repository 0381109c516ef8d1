"""Makes SQLAlchemy's engine for a URL and opens driver connections set up as we need them."""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any, Final

import aiosqlite
import asyncpg
from sqlalchemy import Connection, NullPool, event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from nexios.adapters.persistence.asyncpg_wire import PostgresWire
from nexios.adapters.persistence.drivers import Wire
from nexios.adapters.persistence.errors import DatabaseUnavailable, MigrationError
from nexios.adapters.persistence.placeholders import Store
from nexios.adapters.persistence.sqlite_wire import AnsweringConnection, SqliteWire
from nexios.adapters.persistence.url import DatabaseUrl, Options

# The server stops a statement first; the driver only when the server does not answer any more.
NETWORK_GRACE_S: Final = 2.0
OLDEST_POSTGRES: Final = 14
OLDEST_SQLITE: Final = (3, 35)

_log: Final = logging.getLogger("nexios.persistence")
_CLIENT_CHECK: Final = "client_connection_check_interval"


class NexiosAsyncpgDialect(PGDialect_asyncpg):
    """SQLAlchemy's dialect, with JSON that raw SQL can use too: dict and list go in and out."""

    supports_statement_cache = True

    async def setup_asyncpg_json_codec(self, conn: Any) -> None:  # SQLAlchemy has no type here
        await self._set_json_codec(conn, "json", b"")

    async def setup_asyncpg_jsonb_codec(self, conn: Any) -> None:  # SQLAlchemy has no type here
        # The binary form of jsonb starts with its version, 1.
        await self._set_json_codec(conn, "jsonb", b"\x01")

    async def _set_json_codec(self, conn: Any, name: str, prefix: bytes) -> None:
        def encode(value: object) -> bytes:
            # Text is JSON already: SQLAlchemy has dumped it, and so has who writes portable SQL.
            return prefix + (value if isinstance(value, str) else json.dumps(value)).encode()

        def decode(value: bytes) -> object:
            return json.loads(value[len(prefix) :])

        await conn.driver_connection.set_type_codec(
            name, encoder=encode, decoder=decode, schema="pg_catalog", format="binary"
        )


registry.register("postgresql.nexios_asyncpg", __name__, NexiosAsyncpgDialect.__name__)


def make_engine(url: DatabaseUrl, options: Options) -> AsyncEngine:
    """Return an engine in autocommit that never resets a connection: we end what we begin."""
    postgres = url.store is Store.POSTGRESQL
    return create_async_engine(
        "postgresql+nexios_asyncpg://" if postgres else "sqlite+aiosqlite://",
        async_creator=postgres_opener(url, options) if postgres else _sqlite_opener(url, options),
        poolclass=AsyncAdaptedQueuePool,
        pool_size=1 if url.in_memory else options.pool_size,
        max_overflow=0,
        pool_reset_on_return=None,
        isolation_level="AUTOCOMMIT",
    )


def make_schema_engine(url: DatabaseUrl, options: Options) -> AsyncEngine:
    """Return an engine with real transactions and no hurry, for changes of the schema.

    The lock timeout stays: a change that waits for a lock makes everybody else wait behind it.

    Raises:
        MigrationError: The database has no connection that is ours alone.
    """
    if url.in_memory:
        raise MigrationError(
            "a database in memory is gone with its connection, so it has no migrations",
            fix='await create_tables(database, metadata), or a file: "sqlite:///app.db"',
        )
    if options.pooler:
        raise MigrationError(
            f"migrations cannot go through a pooler, as {url.masked} does",
            fix="nexios db upgrade APP --url postgresql://... with the server's own address",
        )
    patient = replace(options, statement_timeout_s=0.0, idle_in_transaction_timeout_s=0.0)
    postgres = url.store is Store.POSTGRESQL
    opener = postgres_opener(url, patient) if postgres else _sqlite_opener(url, patient)
    engine = create_async_engine(
        "postgresql+nexios_asyncpg://" if postgres else "sqlite+aiosqlite://",
        async_creator=opener,
        poolclass=NullPool,
    )
    if not postgres:
        event.listen(engine.sync_engine, "connect", _suspend_foreign_keys)
        # The driver begins nothing by itself, and only so the schema is part of a transaction.
        event.listen(engine.sync_engine, "begin", _begin_immediate)
    return engine


def _suspend_foreign_keys(connection: Any, _: Any) -> None:
    # A table that is rebuilt is dropped first; with its foreign keys on, that empties others.
    connection.cursor().execute("PRAGMA foreign_keys=OFF")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def make_wire(driver_connection: Any, options: Options) -> Wire:
    """Return our side of a connection one of the openers below opened."""
    if isinstance(driver_connection, NativeSqlite):
        return SqliteWire(driver_connection, driver_connection.native)
    return PostgresWire(driver_connection, caching=not options.pooler)


def start_parameters(options: Options) -> dict[str, str]:
    """Return the server settings every connection starts with, times in milliseconds."""
    times = {
        "statement_timeout": options.statement_timeout_s,
        "lock_timeout": options.lock_timeout_s,
        "idle_in_transaction_session_timeout": options.idle_in_transaction_timeout_s,
        _CLIENT_CHECK: options.client_check_interval_s,
    }
    return {name: str(round(seconds * 1000)) for name, seconds in times.items()}


def postgres_opener(url: DatabaseUrl, options: Options) -> Callable[..., Awaitable[Any]]:
    """Return what opens one of asyncpg's connections, with the settings all of ours have."""
    settings = {"application_name": options.application_name}
    if not options.pooler:
        settings |= start_parameters(options)

    async def connect() -> Any:
        return await asyncpg.connect(
            url.driver_url,
            timeout=options.connect_timeout_s or None,
            command_timeout=_network_limit(options),
            server_settings=settings,
            **({"statement_cache_size": 0} if options.pooler else {}),
        )

    async def open_postgres(*_: Any, **__: Any) -> Any:
        try:
            connection = await connect()
        except asyncpg.InvalidParameterValueError as error:
            if _CLIENT_CHECK not in str(error) or _CLIENT_CHECK not in settings:
                raise
            _log.warning("this server has no %s: %s", _CLIENT_CHECK, error)
            del settings[_CLIENT_CHECK]
            connection = await connect()
        version = connection.get_server_version()
        if version.major < OLDEST_POSTGRES:
            await connection.close()
            raise DatabaseUnavailable(
                f"PostgreSQL {version.major} at {url.masked}: Nexios needs {OLDEST_POSTGRES}"
            )
        return connection

    return open_postgres


def _network_limit(options: Options) -> float | None:
    return options.statement_timeout_s + NETWORK_GRACE_S if options.statement_timeout_s else None


class NativeSqlite(aiosqlite.Connection):
    """aiosqlite's connection that shows the one of the standard library below it."""

    def __init__(self, url: DatabaseUrl, options: Options) -> None:
        self.native: sqlite3.Connection
        self.stopped: asyncio.Future[Any] | None = None
        self._url = url
        self._options = options
        super().__init__(self._open, iter_chunk_size=64)
        # A thread that a failed shutdown left behind must not keep the process.
        self._thread.daemon = True

    def _open(self) -> sqlite3.Connection:
        self.native = sqlite3.connect(
            self._url.path or ":memory:",
            timeout=self._options.lock_timeout_s,
            isolation_level=None,
            check_same_thread=False,
            factory=AnsweringConnection,
        )
        try:
            self.native.execute("PRAGMA foreign_keys=ON").close()
            if self._url.path is not None:
                self._write_ahead()
        except BaseException:
            self.native.close()
            raise
        return self.native

    def stop(self) -> asyncio.Future[Any] | None:
        """Stop the thread; ``stopped`` tells its last word to the loop."""
        self.stopped = super().stop()
        return self.stopped

    def _write_ahead(self) -> None:
        mode: Iterable[Any] = self.native.cursor().execute("PRAGMA journal_mode").fetchone()
        if tuple(mode) != ("wal",):
            self.native.execute("PRAGMA journal_mode=WAL").close()


def _sqlite_opener(url: DatabaseUrl, options: Options) -> Callable[..., Awaitable[Any]]:
    async def open_sqlite(*_: Any, **__: Any) -> Any:
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise DatabaseUnavailable(f"SQLite {sqlite3.sqlite_version}: Nexios needs 3.35")
        connection = NativeSqlite(url, options)
        try:
            return await connection
        except BaseException:
            # The thread reports its end to this loop, which may be closed a moment later.
            if connection.stopped is not None:
                await connection.stopped
            raise

    return open_sqlite
