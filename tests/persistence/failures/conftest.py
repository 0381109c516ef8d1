"""A private durable server that tests may kill; never the one others share."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.tables import create_tables
from nexios.testing.leaks import assert_nothing_left, watched
from nexios.testing.postgres import NoPostgres, PostgresServer, empty
from nexios.testing.skips import missing
from tests.support.counters import COUNTERS


@pytest.fixture(scope="session")
def durable_server() -> Iterator[PostgresServer]:
    try:
        server = PostgresServer(durable=True)
    except NoPostgres as reason:
        missing("postgres", str(reason))
    with server:
        yield server


@pytest.fixture
def server(durable_server: PostgresServer) -> Iterator[PostgresServer]:
    """The server, empty; after the test nothing may run on it or be locked."""
    empty(durable_server.url())
    yield durable_server
    assert_nothing_left(durable_server.url())


@pytest_asyncio.fixture
async def db(server: PostgresServer) -> AsyncIterator[Database]:
    async with watched(server.url(), pool_size=4) as database:
        await database.execute("CREATE TABLE t (n integer PRIMARY KEY, v integer DEFAULT 0)")
        yield database


@pytest_asyncio.fixture
async def counters(db: Database) -> Database:
    """The same database, with the tables of ``tests.support.counters``."""
    await create_tables(db, COUNTERS.metadata)
    return db
