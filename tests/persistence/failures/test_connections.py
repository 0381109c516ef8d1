"""Connections that die, and a server that goes away and comes back."""

import asyncio
import threading
from contextlib import aclosing

import pytest

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.errors import (
    ConnectionLost,
    DatabaseRefused,
    DatabaseUnavailable,
    TransactionFailed,
)
from nexios.application.errors import OutcomeUnknown, Unavailable
from nexios.testing.leaks import watched
from nexios.testing.postgres import PostgresServer, assert_pool_idle, kill_backends, run_sql
from tests.support.counters import in_own_context

pytestmark = pytest.mark.asyncio

INSERT = "INSERT INTO t (n) VALUES (?)"


async def fill(db: Database) -> None:
    """Open every connection of the pool."""
    size = db.status.size
    inside = asyncio.Barrier(size)

    async def hold() -> None:
        async with db.transaction():
            await inside.wait()

    await asyncio.gather(*(in_own_context(hold) for _ in range(size)))


async def test_idle_connections_that_were_killed_are_replaced_unseen(
    db: Database, server: PostgresServer
) -> None:
    await fill(db)
    assert await asyncio.to_thread(kill_backends, server) == db.status.size

    await fill(db)

    assert db.status.replaced >= 1


async def test_a_begin_finds_a_dead_backend_and_goes_on(
    db: Database, server: PostgresServer
) -> None:
    await fill(db)
    # Killed from this very thread: the loop has not heard of it when BEGIN is sent.
    kill_backends(server)

    async with db.transaction():
        await db.execute(INSERT, [1])

    assert await db.fetch_value("SELECT count(*) FROM t") == 1


async def test_a_single_statement_after_an_idle_time_asks_first(server: PostgresServer) -> None:
    async with watched(server.url(), pool_size=1, probe_after_s=0.000001) as db:
        await db.fetch_value("SELECT 1")
        kill_backends(server)
        assert await db.fetch_value("SELECT 1") == 1
        assert db.status.replaced == 1


async def test_a_backend_killed_inside_a_transaction_loses_all_of_it(
    db: Database, server: PostgresServer
) -> None:
    with pytest.raises(ConnectionLost):
        async with db.transaction():
            await db.execute(INSERT, [1])
            await asyncio.to_thread(kill_backends, server)
            await db.execute(INSERT, [2])

    assert await db.fetch_value("SELECT count(*) FROM t") == 0


async def test_a_backend_killed_inside_a_nested_block_spends_the_outer(
    db: Database, server: PostgresServer
) -> None:
    with pytest.raises(TransactionFailed):
        async with db.transaction():
            with pytest.raises(ConnectionLost):
                async with db.transaction():
                    await db.execute(INSERT, [1])
                    await asyncio.to_thread(kill_backends, server)
                    await db.execute(INSERT, [2])
            await db.execute(INSERT, [3])

    assert await db.fetch_value("SELECT count(*) FROM t") == 0


async def test_a_server_that_is_away_gives_503_and_is_back_without_a_restart(
    db: Database, server: PostgresServer
) -> None:
    acknowledged: list[int] = []
    refused: list[int] = []
    stop = asyncio.Event()
    went_wrong = asyncio.Event()
    came_back = asyncio.Event()
    busy = asyncio.Event()

    async def writer(first: int) -> None:
        number = first
        while not stop.is_set():
            number += 10
            try:
                async with db.transaction():
                    await db.execute(INSERT, [number])
            except OutcomeUnknown:
                went_wrong.set()
            except Unavailable:
                refused.append(number)
                went_wrong.set()
            else:
                acknowledged.append(number)
                if len(acknowledged) > 20:
                    busy.set()
                if went_wrong.is_set():
                    came_back.set()
            await asyncio.sleep(0.001)

    writers = [in_own_context(lambda first=first: writer(first)) for first in range(3)]
    async with asyncio.timeout(20):
        await busy.wait()
    await asyncio.to_thread(server.stop, "immediate")
    async with asyncio.timeout(20):
        await went_wrong.wait()
    came_back.clear()
    await asyncio.to_thread(server.start)
    async with asyncio.timeout(20):
        await came_back.wait()
    stop.set()
    await asyncio.gather(*writers)

    stored = {row["n"] for row in await db.fetch_all("SELECT n FROM t")}
    assert set(acknowledged) <= stored
    assert not set(refused) & stored
    assert refused


async def test_start_waits_for_a_server_that_is_late(server: PostgresServer) -> None:
    server.stop()
    late = threading.Timer(0.3, server.start)
    late.start()
    try:
        async with watched(server.url(), start_timeout_s=20) as db:
            assert await db.fetch_value("SELECT 1") == 1
    finally:
        await asyncio.to_thread(late.join)


async def test_start_gives_up_with_a_text_that_helps(server: PostgresServer) -> None:
    url = f"postgresql://app:s3cret@127.0.0.1:{_closed_port()}/shop"
    with pytest.raises(DatabaseUnavailable) as refusal:
        await Database(url, start_timeout_s=0.2).start()

    text = str(refusal.value)
    assert "cannot reach postgresql://app:***@127.0.0.1" in text
    assert "connection refused, tried " in text
    assert "s3cret" not in text


@pytest.mark.parametrize("who", ["postgres@127.0.0.1:{}/nosuch", "nobody@127.0.0.1:{}/postgres"])
async def test_a_wrong_name_fails_at_once(server: PostgresServer, who: str) -> None:
    url = f"postgresql://{who.format(server.port)}"
    with pytest.raises(DatabaseRefused, match="does not exist"):
        await Database(url, start_timeout_s=600).start()


class Crowd:
    """A database that is stopped in the end."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def aclose(self) -> None:
        await self.database.stop()


async def test_a_server_that_is_full_is_unavailable(server: PostgresServer) -> None:
    limit = int(str(run_sql(server.url(), "SHOW max_connections")[0]["max_connections"]))
    # Not watched: while it is open, nobody else gets in to look.
    # Not started either: a start would refuse such a pool.
    async with aclosing(Crowd(Database(server.url(), pool_size=limit + 2))) as opened:
        crowd = opened.database
        full, leave = asyncio.Event(), asyncio.Event()
        refused: list[DatabaseUnavailable] = []

        async def hold() -> None:
            try:
                async with crowd.transaction():
                    await leave.wait()
            except DatabaseUnavailable as error:
                refused.append(error)
                full.set()

        holders = [in_own_context(hold) for _ in range(limit + 2)]
        async with asyncio.timeout(60):
            await full.wait()
        leave.set()
        await asyncio.gather(*holders)

        assert all("too many" in str(error) for error in refused)
        assert await crowd.fetch_value("SELECT 1") == 1
        assert_pool_idle(crowd)


async def test_an_exhausted_pool_refuses_in_time_and_recovers(server: PostgresServer) -> None:
    options = {"pool_size": 2, "pool_timeout_s": 0.3, "max_waiting": 60}
    async with watched(server.url(), **options) as db:
        release = asyncio.Event()
        inside = asyncio.Barrier(3)

        async def stalled() -> None:
            async with db.transaction():
                await inside.wait()
                await release.wait()

        holders = [in_own_context(stalled) for _ in range(2)]
        await inside.wait()
        answers = await asyncio.gather(
            *(db.fetch_value("SELECT 1") for _ in range(50)), return_exceptions=True
        )
        assert all(isinstance(answer, DatabaseUnavailable) for answer in answers)
        release.set()
        await asyncio.gather(*holders)
        assert await asyncio.gather(*(db.fetch_value("SELECT 1") for _ in range(50))) == [1] * 50
        assert db.status.in_use == db.status.waiting == 0


async def test_a_read_only_server_is_unavailable_and_its_connection_is_let_go(
    db: Database,
) -> None:
    await db.execute("SET default_transaction_read_only = on")
    with pytest.raises(DatabaseUnavailable):
        await db.execute(INSERT, [1])

    assert db.status.replaced == 1
    await db.execute(INSERT, [1])


def _closed_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
