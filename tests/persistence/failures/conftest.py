"""A private durable server that tests may kill; never the one others share."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from nexios.adapters.persistence.database import Database
from nexios.testing.postgres import NoPostgres, PostgresServer, assert_pool_idle, empty, run_sql
from nexios.testing.skips import missing


@pytest.fixture(scope="session")
def durable_server() -> Iterator[PostgresServer]:
    try:
        server = PostgresServer(durable=True)
    except NoPostgres as reason:
        missing("postgres", str(reason))
    with server:
        yield server


@pytest.fixture
def server(durable_server: PostgresServer) -> PostgresServer:
    empty(durable_server.url())
    return durable_server


@pytest_asyncio.fixture
async def db(server: PostgresServer) -> AsyncIterator[Database]:
    async with Database(server.url(), pool_size=4) as database:
        await database.execute("CREATE TABLE t (n integer PRIMARY KEY, v integer DEFAULT 0)")
        yield database
        assert_pool_idle(database)
    busy = run_sql(
        server.url(),
        "SELECT pid, state, query FROM pg_stat_activity"
        " WHERE application_name = 'nexios' AND state <> 'idle'",
    )
    assert busy == []
