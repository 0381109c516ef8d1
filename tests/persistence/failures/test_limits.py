"""Time, locks, room and rights run out under a use case: what its caller is told."""

import asyncio
import logging
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.errors import (
    DatabaseUnavailable,
    IdleTooLong,
    StatementTimedOut,
    TransactionUndone,
)
from nexios.adapters.persistence.sql import SqlUnitOfWork
from nexios.adapters.persistence.tables import create_tables
from nexios.application.errors import TimedOut, Unavailable
from nexios.testing.leaks import watched
from nexios.testing.postgres import PostgresServer, kill_backends, run_all, run_sql
from tests.support.counters import (
    COUNTERS,
    CounterId,
    SqlCounters,
    in_own_context,
    made,
    raise_by_one,
    stored,
)

pytestmark = pytest.mark.asyncio


async def test_a_lock_that_is_let_go_in_time_is_retried_into_success(
    server: PostgresServer,
) -> None:
    async with watched(server.url(), lock_timeout_s=0.1) as db:
        await create_tables(db, COUNTERS.metadata)
        id = await made(db)
        refused = asyncio.Event()
        tries = 0
        uow = SqlUnitOfWork(db)

        async def work() -> None:
            nonlocal tries
            tries += 1
            if tries > 1:
                refused.set()
            (await SqlCounters(uow).get(id)).value += 1
            await db.execute("SELECT 1 FROM counters WHERE id = ? FOR UPDATE", [id])

        async with holding_row(db, id) as let_go:
            task = in_own_context(lambda: uow.run(work, retries=20))
            await refused.wait()
            let_go.set()
            await task

        assert tries > 1
        assert await stored(db) == (1, 2)


async def test_a_lock_that_is_never_let_go_is_503(server: PostgresServer) -> None:
    async with watched(server.url(), lock_timeout_s=0.1) as db:
        await create_tables(db, COUNTERS.metadata)
        id = await made(db)

        async with holding_row(db, id) as let_go:
            with pytest.raises(TransactionUndone) as refusal:
                await in_own_context(lambda: raise_by_one(db, id, retries=1))
            let_go.set()

        assert isinstance(refusal.value, Unavailable)
        assert refusal.value.retry_after_s
        assert any("was tried 2 times" in note for note in refusal.value.__notes__)
        assert await stored(db) == (0, 1)


@asynccontextmanager
async def holding_row(db: Database, id: CounterId) -> AsyncIterator[asyncio.Event]:
    """Keep a counter's row locked by another transaction until told, or the block ends."""
    let_go, held = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with db.transaction():
            await db.execute("SELECT 1 FROM counters WHERE id = ? FOR UPDATE", [id])
            held.set()
            await let_go.wait()

    task = in_own_context(hold)
    await held.wait()
    try:
        yield let_go
    finally:
        let_go.set()
        await task


@pytest.mark.parametrize("limit", ["statement", "use case"])
async def test_a_statement_that_takes_too_long_undoes_its_use_case(
    server: PostgresServer, limit: str
) -> None:
    async with watched(
        server.url(), pool_size=1, statement_timeout_s=0.2 if limit == "statement" else 30
    ) as db:
        await create_tables(db, COUNTERS.metadata)
        id = await made(db)
        backend = await db.fetch_value("SELECT pg_backend_pid()")
        uow = SqlUnitOfWork(db)
        tries = 0

        async def work() -> None:
            nonlocal tries
            tries += 1
            (await SqlCounters(uow).get(id)).value += 1
            await db.execute("UPDATE counters SET value = 7 WHERE id = ?", [id])
            await db.fetch_value("SELECT pg_sleep(20)")

        with anyio.fail_after(10), pytest.raises(TimedOut):
            await uow.run(work, timeout_s=0.2 if limit == "use case" else None)

        assert tries == 1
        assert await stored(db) == (0, 1)
        assert await db.fetch_value("SELECT pg_backend_pid()") == backend


async def test_waiting_inside_a_use_case_is_logged_with_its_name(
    server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with watched(server.url(), idle_in_transaction_timeout_s=0.1) as db:
        await create_tables(db, COUNTERS.metadata)
        id = await made(db)
        uow = SqlUnitOfWork(db)
        tries = 0

        async def call_out_in_the_middle() -> None:
            nonlocal tries
            tries += 1
            (await SqlCounters(uow).get(id)).value += 1
            await asyncio.sleep(0.5)

        with caplog.at_level(logging.ERROR), pytest.raises(IdleTooLong) as refusal:
            await uow.run(call_out_in_the_middle)

        assert isinstance(refusal.value, Unavailable)
        # Again would be as long again.
        assert tries == 1
        (said,) = [one for one in caplog.records if one.name == "nexios.persistence"]
        assert "call_out_in_the_middle sent nothing for" in said.getMessage()
        assert "fix: wait, compute or call out before" in said.getMessage()
        assert await stored(db) == (0, 1)


async def test_waiting_too_long_in_a_block_writes_nothing(server: PostgresServer) -> None:
    async with watched(server.url(), idle_in_transaction_timeout_s=0.1) as db:
        await db.execute("CREATE TABLE t (n integer)")
        for last in (["INSERT INTO t VALUES (2)"], []):
            with pytest.raises(IdleTooLong):
                async with db.transaction():
                    await db.execute("INSERT INTO t VALUES (1)")
                    await asyncio.sleep(0.5)
                    for statement in last:
                        await db.execute(statement)

        assert await db.fetch_value("SELECT count(*) FROM t") == 0


async def test_a_connection_that_broke_before_commit_was_sent_leaves_no_doubt(
    counters: Database, server: PostgresServer
) -> None:
    with pytest.raises(DatabaseUnavailable, match="broke before COMMIT"):
        async with counters.transaction():
            await counters.execute("INSERT INTO t VALUES (1)")
            await asyncio.to_thread(kill_backends, server)
            await asyncio.sleep(0.1)

    assert await counters.fetch_value("SELECT count(*) FROM t") == 0


async def test_a_column_that_changes_its_type_is_not_seen_by_a_use_case(
    counters: Database, server: PostgresServer
) -> None:
    id = await made(counters)
    for _ in range(3):
        await raise_by_one(counters, id)
    run_sql(server.url(), "ALTER TABLE counters ALTER value TYPE bigint")

    tries = await raise_by_one(counters, id)

    assert tries <= 2
    assert await stored(counters) == (4, 5)


async def test_a_server_that_shuts_down_is_unavailable(
    counters: Database, server: PostgresServer
) -> None:
    id = await made(counters)
    leave, inside = asyncio.Event(), asyncio.Event()

    async def last_client() -> None:
        async with counters.transaction():
            inside.set()
            await leave.wait()

    task = in_own_context(last_client)
    await inside.wait()
    # Waits for those who are in, and lets nobody else in.
    stopping = asyncio.create_task(asyncio.to_thread(server.stop, "smart"))
    try:
        refused = await first_refusal(server)
        assert "shutting down" in refused or "refused" in refused
        # Not watched: nobody else gets in to look.
        late = Database(server.url())
        for _ in range(3):
            with pytest.raises(DatabaseUnavailable):
                await raise_by_one(late, id)
            assert late.status.in_use == late.status.waiting == 0
        await late.stop()
    finally:
        leave.set()
        await task
        await counters.stop()
        await stopping
        await asyncio.to_thread(server.start)
    assert await raise_by_one(counters, id) <= 3


async def first_refusal(server: PostgresServer) -> str:
    with anyio.fail_after(10):
        while True:
            try:
                await asyncio.to_thread(run_sql, server.url(), "SELECT 1")
            except Unavailable as error:
                return str(error)
            await asyncio.sleep(0.01)


@pytest.fixture
def little_room() -> Iterator[Path]:
    """A file system of 16 MB."""
    folder = Path(tempfile.mkdtemp(prefix="nexios-little-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m,mode=777", "none", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip("a small file system cannot be mounted here: " + mounted.stderr.decode())
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


async def test_a_full_disk_is_503_and_writes_nothing_partly(
    server: PostgresServer, little_room: Path
) -> None:
    run_all(
        server.url(),
        [
            f"CREATE TABLESPACE little LOCATION '{little_room}'",
            "CREATE TABLE heavy (n integer, text text) TABLESPACE little",
            "ALTER TABLE heavy ALTER text SET STORAGE EXTERNAL",
        ],
    )
    try:
        async with watched(server.url()) as db:
            await create_tables(db, COUNTERS.metadata)
            id = await made(db)
            uow = SqlUnitOfWork(db)

            async def work() -> None:
                (await SqlCounters(uow).get(id)).value += 1
                for n in range(40):
                    await db.execute("INSERT INTO heavy VALUES (?, repeat('x', 1000000))", [n])

            with pytest.raises(DatabaseUnavailable, match="53100"):
                await uow.run(work)

            assert await db.fetch_value("SELECT count(*) FROM heavy") == 0
            assert await stored(db) == (0, 1)
            # What needs no room goes on.
            assert await raise_by_one(db, id) == 1
    finally:
        run_all(server.url(), ["DROP TABLE heavy", "DROP TABLESPACE little"])


async def test_sqlite_stops_a_long_query_and_keeps_the_connection(tmp_path: Path) -> None:
    async with Database(f"sqlite:///{tmp_path / 'slow.db'}", statement_timeout_s=0.2) as db:
        with anyio.fail_after(10), pytest.raises(StatementTimedOut):
            await db.fetch_value(
                "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c)"
                " SELECT count(*) FROM c"
            )
        assert await db.fetch_value("SELECT 1") == 1
        assert db.status.replaced == db.status.in_use == 0
