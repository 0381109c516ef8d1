"""The backplane over PostgreSQL when its server crashes, stands still, or cuts the line."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import anyio
import pytest

from nexios.adapters.messaging.postgres_backplane import PostgresBackplane
from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.tables import create_tables
from nexios.application.backplane import LinkState
from nexios.application.errors import OutcomeUnknown, Unavailable
from nexios.testing.postgres import NoPostgres, PostgresServer, kill_backends
from nexios.testing.skips import missing
from tests.contracts.backplane import ALL, TEA, Heard
from tests.support.links import Links, healed

pytestmark = pytest.mark.asyncio


@pytest.fixture
def private() -> Iterator[PostgresServer]:
    try:
        server = PostgresServer(durable=True)
    except NoPostgres as reason:
        missing("postgres", str(reason))
    with server:
        yield server


@asynccontextmanager
async def linked(
    url: str, *, statement_timeout_s: float = 20.0, poll_s: float = 0.5
) -> AsyncIterator[tuple[PostgresBackplane, Links]]:
    async with Database(url, statement_timeout_s=statement_timeout_s) as database:
        await create_tables(database)
        backplane, links = PostgresBackplane(database, namespace="t", poll_s=poll_s), Links()
        backplane.on_link(links)
        await backplane.start()
        try:
            yield backplane, links
        finally:
            await backplane.close()


async def test_a_crashed_server_is_healed_from_and_nothing_is_lost(
    private: PostgresServer,
) -> None:
    seen = Heard()
    async with linked(private.url()) as (backplane, links), backplane.follow(TEA, seen):
        before = await backplane.publish(TEA, b"1", id="1", key=None, keep=ALL)
        await seen.until(1)
        private.stop("immediate")
        await links.until(LinkState.DEGRADED)
        with pytest.raises((Unavailable, OutcomeUnknown)):
            await backplane.publish(TEA, b"2", id="2", key=None, keep=ALL)
        private.start()
        await links.until(LinkState.UP)
        await healed(lambda: backplane.publish(TEA, b"3", id="3", key=None, keep=ALL))
        await seen.until(2)
        rest = await healed(lambda: backplane.read(TEA, before.position, 9))
    assert (rest.complete, [item.payload for item in rest.messages]) == (True, [b"3"])
    assert [item.payload for item in seen] == [b"1", b"3"]


async def test_a_database_that_stands_still_stalls_nobody(private: PostgresServer) -> None:
    async with (
        Database(private.url()) as other,
        linked(private.url(), statement_timeout_s=1.0) as (backplane, links),
    ):
        await healed(lambda: backplane.publish(TEA, b"1", id="1", key=None, keep=ALL))
        async with other.transaction():
            await other.execute("LOCK TABLE nx_topic IN ACCESS EXCLUSIVE MODE")
            with anyio.fail_after(30), pytest.raises((Unavailable, OutcomeUnknown)):
                await backplane.publish(TEA, b"2", id="2", key=None, keep=ALL)
            await links.until(LinkState.DEGRADED)
        await links.until(LinkState.UP)
        stored = await healed(lambda: backplane.publish(TEA, b"2", id="2", key=None, keep=ALL))
        kept = await healed(lambda: backplane.read(TEA, None, 9))
    assert [item.payload for item in kept.messages] == [b"1", b"2"]
    assert stored.position.offset == 2


async def test_a_line_that_is_cut_is_listened_on_again(private: PostgresServer) -> None:
    seen = Heard()
    async with (
        Database(private.url(), application_name="other") as other,
        linked(private.url(), poll_s=60.0) as (backplane, _),
        backplane.follow(TEA, seen),
    ):
        speaker = PostgresBackplane(other, namespace="t")
        await speaker.start()
        await speaker.publish(TEA, b"1", id="1", key=None, keep=ALL)
        await seen.until(1)
        assert kill_backends(private) > 0
        await speaker.publish(TEA, b"2", id="2", key=None, keep=ALL)
        await seen.until(2)  # found when listening begins again: the poll is a minute away
        await speaker.close()


async def test_nobody_there_is_unavailable() -> None:
    database = Database("postgresql://127.0.0.1:1/x", pool_size=1, start_timeout_s=0.1)
    with pytest.raises(Unavailable):
        await PostgresBackplane(database).start()
    await database.stop()
