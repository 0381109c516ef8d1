"""A pooler in transaction mode between us and the server: no session outlives a transaction."""

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.errors import StatementTimedOut
from nexios.adapters.persistence.outbox import SqlOutbox
from nexios.adapters.persistence.tables import create_tables
from nexios.testing.postgres import PostgresServer, assert_pool_idle
from nexios.testing.skips import missing
from tests.support.counters import COUNTERS, in_own_context, made, raise_by_one, stored

pytestmark = pytest.mark.asyncio

_SETTINGS = """
[databases]
postgres = host=127.0.0.1 port={server} dbname=postgres user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
"""


@pytest.fixture
def pooler(server: PostgresServer, tmp_path: Path) -> Iterator[str]:
    """The URL of a pgbouncer with three connections to the server."""
    binary = shutil.which("pgbouncer")
    if binary is None:
        missing("pgbouncer", "no pgbouncer on PATH")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    settings = tmp_path / "pgbouncer.ini"
    settings.write_text(_SETTINGS.format(server=server.port, port=port))
    # It refuses root, as the server does.
    mapped = ["unshare", "--user", "--map-user=65534", "--map-group=65534"]
    prefix = mapped if os.geteuid() == 0 else []
    process = subprocess.Popen([*prefix, binary, "--quiet", str(settings)])
    try:
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        process.terminate()
        process.wait(10)


async def test_use_cases_run_through_a_pooler_in_transaction_mode(
    pooler: str, server: PostgresServer
) -> None:
    async with Database(pooler, pooler=True, pool_size=8, statement_timeout_s=0.5) as db:
        await create_tables(db, COUNTERS.metadata)
        id = await made(db)
        # Eight of ours on three of the server's: a prepared name would be missing or taken.
        for _ in range(5):
            await asyncio.gather(
                *(in_own_context(lambda: raise_by_one(db, id, retries=50)) for _ in range(8))
            )
        assert await stored(db) == (40, 41)
        # The limit travels with each transaction.
        with pytest.raises(StatementTimedOut):
            await db.fetch_value("SELECT pg_sleep(5)")
        assert await db.fetch_value("SHOW statement_timeout") == "500ms"
        # No LISTEN there: the outbox works by polling, and says nothing.
        async with SqlOutbox(db).hearing(lambda: None):
            assert await SqlOutbox(db).pending() == {}
        assert_pool_idle(db)
