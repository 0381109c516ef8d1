"""The backplane over PostgreSQL: the contract against a real server."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from nexios.adapters.messaging.postgres_backplane import PostgresBackplane
from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.tables import create_tables
from nexios.application.backplane import Backplane, Keep
from tests.contracts.backplane import ALL, TEA, BackplaneContract, Heard

pytestmark = pytest.mark.asyncio


class TestPostgresBackplane(BackplaneContract):
    window_s = 2.0
    age_s = 2.0

    @pytest.fixture(autouse=True)
    def server(self, nexios_database_url: str) -> None:
        self.url = nexios_database_url

    @asynccontextmanager
    async def make(self) -> AsyncIterator[Backplane]:
        self.namespace = f"t{secrets.token_hex(6)}"
        async with Database(self.url) as self.database, Database(self.url) as self.other:
            await create_tables(self.database)
            yield self._made(self.database)

    def second(self, first: Backplane) -> Backplane:
        return self._made(self.other)

    async def moved(self, backplane: Backplane, seconds: float) -> None:
        await anyio.sleep(seconds)  # the server's own clock

    def _made(self, database: Database) -> PostgresBackplane:
        return PostgresBackplane(
            database, namespace=self.namespace, duplicate_window_s=self.window_s
        )


@asynccontextmanager
async def made(
    database: Database, *, namespace: str = "t", poll_s: float = 60.0
) -> AsyncIterator[PostgresBackplane]:
    await create_tables(database)
    backplane = PostgresBackplane(database, namespace=namespace, poll_s=poll_s)
    await backplane.start()
    try:
        yield backplane
    finally:
        await backplane.close()


async def test_a_publish_is_no_part_of_the_transaction_around_it(
    nexios_database: Database,
) -> None:
    async with made(nexios_database) as backplane:
        with pytest.raises(LookupError):
            async with nexios_database.transaction():
                await nexios_database.execute("DELETE FROM nx_present")
                await backplane.publish(TEA, b"1", id="1", key=None, keep=ALL)
                raise LookupError("undo")
        kept = await backplane.read(TEA, None, 9)
    assert [item.payload for item in kept.messages] == [b"1"]


async def test_a_wake_up_needs_no_poll_and_carries_no_payload(
    nexios_database: Database, nexios_database_url: str
) -> None:
    seen = Heard()
    async with (
        Database(nexios_database_url) as other,
        made(nexios_database) as one,
        made(other) as two,
        two.follow(TEA, seen),
    ):
        big = b"x" * 100_000
        await one.publish(TEA, big, id="1", key=None, keep=ALL)
        await seen.until(1)
        for number in range(200):
            await one.publish(TEA, b"x", id=f"n{number}", key=None, keep=ALL)
        await seen.until(201)
    assert seen[0].payload == big


async def test_a_lost_wake_up_is_caught_by_the_poll(
    nexios_database: Database, nexios_database_url: str
) -> None:
    # A pooler has no LISTEN: the poll alone brings the message.
    seen = Heard()
    async with (
        Database(nexios_database_url, pooler=True) as deaf,
        made(nexios_database) as one,
        made(deaf, poll_s=0.2) as two,
        two.follow(TEA, seen),
    ):
        await one.publish(TEA, b"1", id="1", key=None, keep=ALL)
        await seen.until(1)


async def test_what_is_beyond_all_bounds_is_deleted(nexios_database: Database) -> None:
    await create_tables(nexios_database)
    backplane = PostgresBackplane(nexios_database, namespace="t", duplicate_window_s=0.0)
    await backplane.start()
    keep = Keep(3, 2**20, 300.0)
    for number in range(64):
        await backplane.publish(TEA, b"x", id=str(number), key=None, keep=keep)
    with anyio.fail_after(20):
        while await nexios_database.fetch_value("SELECT count(*) FROM nx_message") != 3:  # noqa: ASYNC110
            await anyio.sleep(0.05)
    await backplane.close()


async def test_an_emptied_table_is_another_epoch(nexios_database: Database) -> None:
    seen = Heard()
    async with made(nexios_database) as backplane, backplane.follow(TEA, seen):
        before = await backplane.publish(TEA, b"1", id="1", key=None, keep=ALL)
        await seen.until(1)
        await nexios_database.execute("DELETE FROM nx_topic")
        after = await backplane.publish(TEA, b"1", id="1", key=None, keep=ALL)
        backplane._wake_poll()
        await seen.until(2)
        lost = await backplane.read(TEA, before.position, 9)
    assert after.position.epoch != before.position.epoch
    assert (seen[1].position, lost.complete) == (after.position, False)
