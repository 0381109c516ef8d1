"""What the port ``RefreshTokens`` owes, on every store."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nexios.adapters.persistence import Database, create_tables
from nexios.adapters.persistence.errors import InsideTransaction
from nexios.adapters.persistence.tokens import SqlRefreshTokens
from nexios.adapters.security.memory_tokens import MemoryRefreshTokens
from nexios.adapters.security.redis_tokens import RedisRefreshTokens
from nexios.application.refresh_tokens import (
    Outcome,
    RefreshFamily,
    RefreshTokens,
    Turn,
    Turned,
)

pytestmark = pytest.mark.asyncio

Open = Callable[[], AbstractAsyncContextManager[RefreshTokens]]

NOW = datetime.now(UTC).replace(microsecond=0)
IDLE = timedelta(days=14)
ID = b"f" * 32


def family(**changes: object) -> RefreshFamily:
    made = RefreshFamily(
        id=ID,
        digest=b"1" * 32,
        actor="ada",
        client="phone",
        opened_at=NOW,
        idle_ends_at=NOW + IDLE,
        ends_at=NOW + timedelta(days=30),
        scopes=("orders:read", "ü"),
        claims={"tenant": {"id": 7}},
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # fields by name


def turn(spent: bytes, fresh: bytes, after: timedelta = timedelta(0), **more: object) -> Turn:
    now = NOW + after
    made = Turn(ID, spent * 32, fresh * 32, now, now + IDLE)
    return replace(made, **more)  # type: ignore[arg-type]  # fields by name


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
        async def memory() -> AsyncIterator[RefreshTokens]:
            yield MemoryRefreshTokens()

        return memory
    if request.param == "redis":
        server = request.getfixturevalue("nexios_redis")
        prefix = f"nexios-tests-{secrets.token_hex(6)}"
        return lambda: RedisRefreshTokens(server, prefix=prefix)
    url = "sqlite://" if request.param == "sqlite" else f"sqlite:///{tmp_path / 'tokens.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("nexios_database_url")

    @asynccontextmanager
    async def sql() -> AsyncIterator[RefreshTokens]:
        async with Database(url) as database:
            await create_tables(database)
            yield SqlRefreshTokens(database)

    return sql


async def test_a_family_comes_back_with_its_next_token(place: Open) -> None:
    async with place() as store:
        await store.open(family())
        later = timedelta(days=3)
        turned = await store.rotate(turn(b"1", b"2", later))
        assert turned == Turned(
            Outcome.ROTATED, family(digest=b"2" * 32, idle_ends_at=NOW + later + IDLE)
        )


async def test_a_token_works_once_and_its_second_use_closes_the_family(place: Open) -> None:
    async with place() as store:
        await store.open(family())
        assert (await store.rotate(turn(b"1", b"2"))).outcome is Outcome.ROTATED
        reused = await store.rotate(turn(b"1", b"3"))
        assert reused == Turned(Outcome.REUSED, family(digest=b"2" * 32))
        for spent in (b"1", b"2", b"3"):
            assert await store.rotate(turn(spent, b"4")) == Turned(Outcome.UNKNOWN)


async def test_of_many_at_once_exactly_one_rotates(place: Open) -> None:
    async with place() as store:
        await store.open(family())
        turned = await asyncio.gather(
            *(store.rotate(turn(b"1", bytes([97 + n]))) for n in range(16))
        )
        outcomes = [one.outcome for one in turned]
        assert outcomes.count(Outcome.ROTATED) == 1
        assert outcomes.count(Outcome.REUSED) == 1
        for one in turned:
            if one.outcome is Outcome.ROTATED and one.family is not None:
                late = await store.rotate(replace(turn(b"1", b"z"), spent=one.family.digest))
                assert late.outcome is Outcome.UNKNOWN


async def test_both_ends_hold_and_the_absolute_one_does_not_move(place: Open) -> None:
    async with place() as store:
        await store.open(family())
        assert (await store.rotate(turn(b"1", b"2", timedelta(days=13)))).family is not None
        turned = await store.rotate(turn(b"2", b"3", timedelta(days=26)))
        assert turned.family is not None
        assert turned.family.idle_ends_at == turned.family.ends_at == family().ends_at
        # The good token of an ended family is no second use, nor is one before it.
        for spent in (b"3", b"2"):
            late = await store.rotate(turn(spent, b"4", timedelta(days=30)))
            assert late.outcome is Outcome.UNKNOWN


async def test_an_idle_family_ends(place: Open) -> None:
    async with place() as store:
        await store.open(family())
        assert (await store.rotate(turn(b"1", b"2", IDLE))).outcome is Outcome.UNKNOWN


async def test_another_client_cannot_use_it_or_close_it(place: Open) -> None:
    async with place() as store:
        await store.open(family())
        for spent in (b"1", b"9"):
            foreign = await store.rotate(turn(spent, b"2", client="desk"))
            assert foreign.outcome is Outcome.UNKNOWN
        assert (await store.rotate(turn(b"1", b"2", client="phone"))).outcome is Outcome.ROTATED
        assert (await store.rotate(turn(b"2", b"3"))).outcome is Outcome.ROTATED


async def test_a_family_without_client_belongs_to_no_named_one(place: Open) -> None:
    async with place() as store:
        await store.open(family(client=None))
        assert (await store.rotate(turn(b"1", b"2", client="x"))).outcome is Outcome.UNKNOWN
        assert (await store.rotate(turn(b"1", b"2"))).outcome is Outcome.ROTATED


async def test_grace_allows_one_repeat_that_replaces_the_lost_answer(place: Open) -> None:
    async with place() as store:
        await store.open(family())
        grace = timedelta(seconds=10)
        await store.rotate(turn(b"1", b"2", grace=grace))
        again = await store.rotate(turn(b"1", b"3", timedelta(seconds=5), grace=grace))
        assert again.outcome is Outcome.ROTATED
        assert (
            await store.rotate(turn(b"3", b"4", timedelta(seconds=6), grace=grace))
        ).outcome is Outcome.ROTATED
        # What the lost answer held was never good beside it.
        lost = await store.rotate(turn(b"2", b"5", timedelta(seconds=7), grace=grace))
        assert lost.outcome is Outcome.REUSED


@pytest.mark.parametrize("after", [timedelta(seconds=6), timedelta(seconds=10)])
async def test_a_third_use_and_a_late_one_close_the_family(place: Open, after: timedelta) -> None:
    async with place() as store:
        await store.open(family())
        grace = timedelta(seconds=10)
        await store.rotate(turn(b"1", b"2", grace=grace))
        if after < grace:
            await store.rotate(turn(b"1", b"3", timedelta(seconds=5), grace=grace))
        late = await store.rotate(turn(b"1", b"4", after, grace=grace))
        assert late.outcome is Outcome.REUSED


async def test_families_are_closed_one_by_one_and_by_actor(place: Open) -> None:
    async with place() as store:
        for letter, actor in ((b"a", "ada"), (b"b", "ada"), (b"c", "bob"), (b"d", "ada")):
            await store.open(family(id=letter * 32, actor=actor))
        assert await store.close_family(b"a" * 32) == family(id=b"a" * 32)
        assert await store.close_family(b"a" * 32) is None
        assert await store.close_all("ada") == 2
        left = [
            (await store.rotate(turn(b"1", b"2", family=letter * 32))).outcome
            for letter in (b"a", b"b", b"c", b"d")
        ]
        assert left == [Outcome.UNKNOWN, Outcome.UNKNOWN, Outcome.ROTATED, Outcome.UNKNOWN]


async def test_a_cancelled_turn_happened_as_a_whole_or_not_at_all(place: Open) -> None:
    async with place() as store:
        whole = 0
        for n in range(12):
            id = bytes([n]) * 32
            await store.open(family(id=id))
            task = asyncio.ensure_future(store.rotate(turn(b"1", b"2", family=id)))
            for _ in range(n):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            outcomes = [
                (await store.rotate(turn(spent, b"3", family=id))).outcome for spent in (b"2",)
            ]
            if outcomes == [Outcome.ROTATED]:
                whole += 1
                continue
            # The probe with the other token closed the family: it was still at its first one.
            assert outcomes == [Outcome.REUSED]
        assert whole < 12


async def test_sql_refuses_to_rotate_where_a_rollback_would_undo_it() -> None:
    async with Database("sqlite://") as database:
        await create_tables(database)
        store = SqlRefreshTokens(database)
        await store.open(family())
        with pytest.raises(InsideTransaction, match="before the use case"):
            async with database.transaction():
                await store.rotate(turn(b"1", b"2"))
        assert (await store.rotate(turn(b"1", b"2"))).outcome is Outcome.ROTATED


async def test_sql_forgets_what_has_ended_once_a_minute(database_url: str) -> None:
    passed = [0.0]
    async with Database(database_url) as database:
        await create_tables(database)
        store = SqlRefreshTokens(database, clock=lambda: passed[0])
        over = NOW - timedelta(seconds=1)
        await store.open(family(id=b"a" * 32, idle_ends_at=over))
        await store.open(family(id=b"b" * 32))
        passed[0] = 61.0
        await store.open(family(id=b"c" * 32))
        kept = await database.fetch_all("SELECT family FROM nx_refresh ORDER BY family")
        assert [row["family"] for row in kept] == [b"b" * 32, b"c" * 32]


async def test_memory_lets_the_longest_unused_family_go() -> None:
    store = MemoryRefreshTokens(kept=2)
    for letter in (b"a", b"b"):
        await store.open(family(id=letter * 32))
    await store.rotate(turn(b"1", b"2", family=b"a" * 32))
    await store.open(family(id=b"c" * 32))
    assert await store.close_family(b"b" * 32) is None
    assert await store.close_family(b"a" * 32) is not None
