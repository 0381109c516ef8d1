"""What the port ``Revocations`` owes, on every store."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nexios.adapters.persistence import Database, create_tables
from nexios.adapters.persistence.tokens import SqlRevocations
from nexios.adapters.security.memory_tokens import MemoryRevocations
from nexios.adapters.security.redis import RedisLink
from nexios.adapters.security.redis_tokens import RedisRevocations
from nexios.application.revocations import SUBJECT_KEPT, Kind, Revocations, Revoked

pytestmark = pytest.mark.asyncio

Open = Callable[[], AbstractAsyncContextManager[Revocations]]

NOW = datetime.now(UTC).replace(microsecond=0)
LATER = NOW + timedelta(hours=1)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return "sqlite://"
    found: str = request.getfixturevalue("nexios_database_url")
    return found


@pytest.fixture(params=["memory", "sqlite", "sqlite-file", "postgres", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    if request.param == "memory":

        @asynccontextmanager
        async def memory() -> AsyncIterator[Revocations]:
            yield MemoryRevocations()

        return memory
    if request.param == "redis":
        server = request.getfixturevalue("nexios_redis")
        prefix = f"nexios-tests-{secrets.token_hex(6)}"
        return lambda: RedisRevocations(server, prefix=prefix)
    url = "sqlite://" if request.param == "sqlite" else f"sqlite:///{tmp_path / 'tokens.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("nexios_database_url")

    @asynccontextmanager
    async def sql() -> AsyncIterator[Revocations]:
        async with Database(url) as database:
            await create_tables(database)
            yield SqlRevocations(database)

    return sql


async def test_everything_noted_comes_back_once_asked_from_the_beginning(place: Open) -> None:
    async with place() as store:
        assert (await store.since(0)).entries == []
        await store.token("t1", LATER)
        await store.session("s1", LATER)
        await store.subject("ada", NOW)
        await store.subject("bob", NOW, until=LATER)
        found = (await store.since(0)).entries
        assert sorted(found, key=lambda one: (one.kind.value, one.key)) == [
            Revoked(Kind.SESSION, "s1", LATER),
            Revoked(Kind.SUBJECT, "ada", NOW + SUBJECT_KEPT, NOW),
            Revoked(Kind.SUBJECT, "bob", LATER, NOW),
            Revoked(Kind.TOKEN, "t1", LATER),
        ]


async def test_deltas_hold_what_is_new_and_not_what_was_told(
    place: Open, request: pytest.FixtureRequest
) -> None:
    async with place() as store:
        await store.token("t1", LATER)
        first = await store.since(0)
        await store.token("t2", LATER)
        second = await store.since(first.sequence)
        assert "t2" in [one.key for one in second.entries]
        await store.token("t3", LATER)
        third = await store.since(second.sequence)
        told = [one.key for one in third.entries]
        # Transactions of others in the cluster may hold the horizon of PostgreSQL back.
        postgres = request.node.callspec.params["place"] == "postgres"
        assert "t3" in told if postgres else told == ["t3"]
        assert first.sequence <= second.sequence <= third.sequence


async def test_what_has_ended_is_not_told(place: Open) -> None:
    async with place() as store:
        await store.token("old", datetime.now(UTC) - timedelta(seconds=1))
        await store.token("new", LATER)
        assert [one.key for one in (await store.since(0)).entries] == ["new"]


async def test_a_subject_may_be_revoked_again_and_the_later_moment_is_told(place: Open) -> None:
    async with place() as store:
        await store.subject("ada", NOW)
        await store.subject("ada", LATER)
        await store.subject("ada", NOW)
        told = [one.before for one in (await store.since(0)).entries]
        assert max(one for one in told if one is not None) == LATER


async def test_of_many_writers_none_is_left_out(place: Open) -> None:
    async with place() as store:
        seen: set[str] = set()
        sequence = 0

        async def write(n: int) -> None:
            await asyncio.sleep(n / 1000)
            await store.token(f"t{n}", LATER)

        writers = [asyncio.ensure_future(write(n)) for n in range(40)]
        while not all(one.done() for one in writers):
            deltas = await store.since(sequence)
            seen |= {one.key for one in deltas.entries}
            sequence = deltas.sequence
            await asyncio.sleep(0.001)
        await asyncio.gather(*writers)
        deltas = await store.since(sequence)
        seen |= {one.key for one in deltas.entries}
        assert seen == {f"t{n}" for n in range(40)}


async def test_sql_forgets_what_has_ended_once_a_minute(database_url: str) -> None:
    passed = [0.0]
    async with Database(database_url) as database:
        await create_tables(database)
        store = SqlRevocations(database, clock=lambda: passed[0])
        await store.token("old", datetime.now(UTC) - timedelta(seconds=1))
        await store.token("t1", LATER)
        passed[0] = 61.0
        await store.token("t2", LATER)
        kept = await database.fetch_all("SELECT key FROM nx_revocation ORDER BY key")
        assert [row["key"] for row in kept] == ["t1", "t2"]


async def test_redis_forgets_what_has_ended_with_the_next_entry(nexios_redis: str) -> None:
    prefix = f"nexios-tests-{secrets.token_hex(6)}"
    link = RedisLink(nexios_redis, what="the store of tests", needed_by="tests")
    count = link.script("return redis.call('ZCARD', KEYS[1])")
    async with RedisRevocations(nexios_redis, prefix=prefix) as store:
        await store.token("old", datetime.now(UTC) - timedelta(seconds=1))
        await store.token("t1", LATER)
        for part in ("log", "ends"):
            assert await count([f"{{{prefix}}}:{part}"]) == 1
    await link.close()


async def test_a_slow_transaction_is_not_passed_over(nexios_database_url: str) -> None:
    async with Database(nexios_database_url) as database, Database(nexios_database_url) as other:
        await create_tables(database)
        slow, quick = SqlRevocations(database), SqlRevocations(other)
        async with database.transaction():
            await slow.token("slow", LATER)
            await quick.token("quick", LATER)
            before = await quick.since(0)
            assert [one.key for one in before.entries] == ["quick"]
        after = await quick.since(before.sequence)
        assert "slow" in [one.key for one in after.entries]
