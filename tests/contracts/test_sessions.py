"""What the port ``SessionStore`` owes, on every store."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nexios.adapters.persistence import Database, create_tables
from nexios.adapters.persistence.sessions import SqlSessions
from nexios.adapters.security.file_sessions import FileSessions
from nexios.adapters.security.memory_sessions import MemorySessions
from nexios.adapters.security.redis_sessions import RedisSessions
from nexios.application.sessions import SessionStore, StoredSession

pytestmark = pytest.mark.asyncio

Open = Callable[[], AbstractAsyncContextManager[SessionStore]]


def kept(**changes: object) -> StoredSession:
    now = datetime.now(UTC).replace(microsecond=0)
    made = StoredSession({"cart": [1, "ü"]}, None, now, now, now + timedelta(hours=1))
    return replace(made, **changes)  # type: ignore[arg-type]  # fields by name


@pytest.fixture(params=["memory", "file", "sqlite", "postgres", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    if request.param == "memory":

        @asynccontextmanager
        async def memory() -> AsyncIterator[SessionStore]:
            yield MemorySessions()

        return memory
    if request.param == "file":

        @asynccontextmanager
        async def files() -> AsyncIterator[SessionStore]:
            yield FileSessions(tmp_path / "sessions")

        return files
    if request.param == "redis":
        server = request.getfixturevalue("nexios_redis")
        prefix = f"nexios-tests-{secrets.token_hex(6)}"
        return lambda: RedisSessions(server, prefix=prefix)
    url = "sqlite://"
    if request.param == "postgres":
        url = request.getfixturevalue("nexios_database_url")

    @asynccontextmanager
    async def sql() -> AsyncIterator[SessionStore]:
        async with Database(url) as database:
            await create_tables(database)
            yield SqlSessions(database)

    return sql


async def test_a_session_comes_back_as_it_was_kept(place: Open) -> None:
    async with place() as store:
        session = kept(actor="ada")
        await store.create(b"a" * 32, session)
        assert await store.load(b"a" * 32) == session
        assert await store.load(b"b" * 32) is None


async def test_what_has_ended_is_never_loaded_or_saved(place: Open) -> None:
    async with place() as store:
        over = kept(ends_at=datetime.now(UTC) - timedelta(seconds=1))
        await store.create(b"a" * 32, over)
        assert await store.load(b"a" * 32) is None
        assert not await store.save(b"a" * 32, kept(version=2))


async def test_only_the_next_version_is_saved(place: Open) -> None:
    async with place() as store:
        await store.create(b"a" * 32, kept())
        assert await store.save(b"a" * 32, kept(data={"n": 1}, version=2))
        assert not await store.save(b"a" * 32, kept(data={"n": 2}, version=2))
        found = await store.load(b"a" * 32)
        assert found is not None
        assert (found.data, found.version) == ({"n": 1}, 2)


async def test_of_many_at_once_one_saves_each_version(place: Open) -> None:
    async with place() as store:
        await store.create(b"a" * 32, kept())
        saved = await asyncio.gather(
            *(store.save(b"a" * 32, kept(data={"n": n}, version=2)) for n in range(8))
        )
        assert saved.count(True) == 1


async def test_a_late_save_does_not_bring_back_what_was_ended(place: Open) -> None:
    async with place() as store:
        await store.create(b"a" * 32, kept())
        await store.end(b"a" * 32)
        await store.end(b"a" * 32)
        assert not await store.save(b"a" * 32, kept(version=2))
        assert await store.load(b"a" * 32) is None


async def test_every_session_of_an_actor_ends_but_the_one_that_is_kept(place: Open) -> None:
    async with place() as store:
        for letter in (b"a", b"b", b"c"):
            await store.create(letter * 32, kept(actor="ada"))
        await store.create(b"d" * 32, kept(actor="bob"))
        await store.create(b"e" * 32, kept())
        assert await store.end_all("ada", keep=b"b" * 32) == 2
        left = [bool(await store.load(letter * 32)) for letter in (b"a", b"b", b"c", b"d", b"e")]
        assert left == [False, True, False, True, True]
        assert await store.end_all("ada") == 1


async def test_of_an_actor_all_sessions_are_told_and_none_of_another(place: Open) -> None:
    async with place() as store:
        mine = {
            letter * 32: kept(actor="ada", data={"n": letter.decode()}) for letter in (b"a", b"b")
        }
        for digest, session in mine.items():
            await store.create(digest, session)
        await store.create(b"c" * 32, kept(actor="bob"))
        await store.create(b"d" * 32, kept())
        await store.create(b"e" * 32, kept(actor="ada", ends_at=datetime.now(UTC)))
        assert await store.of("ada") == mine
        await store.end(b"a" * 32)
        assert list(await store.of("ada")) == [b"b" * 32]
        assert await store.of("eve") == {}


async def test_a_session_goes_with_its_actor(place: Open) -> None:
    async with place() as store:
        await store.create(b"a" * 32, kept())
        assert await store.save(b"a" * 32, kept(actor="ada", version=2))
        assert list(await store.of("ada")) == [b"a" * 32]
        assert await store.save(b"a" * 32, kept(actor="bob", version=3))
        assert await store.end_all("ada") == 0
        assert list(await store.of("bob")) == [b"a" * 32]
        assert await store.save(b"a" * 32, kept(version=4))
        assert await store.end_all("bob") == 0
        found = await store.load(b"a" * 32)
        assert found is not None
        assert (found.actor, found.version) == (None, 4)


async def test_a_new_digest_takes_the_place_of_the_old_one(place: Open) -> None:
    async with place() as store:
        await store.create(b"a" * 32, kept(actor="ada", version=1))
        session = kept(actor="ada", data={"n": 1}, version=2)
        assert not await store.renew(b"a" * 32, b"b" * 32, replace(session, version=3))
        assert await store.renew(b"a" * 32, b"b" * 32, session)
        assert await store.load(b"a" * 32) is None
        assert await store.load(b"b" * 32) == session
        assert list(await store.of("ada")) == [b"b" * 32]
        assert await store.save(b"b" * 32, kept(actor="ada", version=3))


async def test_a_late_renewal_does_not_bring_back_what_was_ended(place: Open) -> None:
    async with place() as store:
        await store.create(b"a" * 32, kept(actor="ada"))
        assert await store.end_all("ada") == 1
        assert not await store.renew(b"a" * 32, b"b" * 32, kept(actor="ada", version=2))
        assert await store.load(b"b" * 32) is None
        over = kept(ends_at=datetime.now(UTC) - timedelta(seconds=1))
        await store.create(b"c" * 32, over)
        assert not await store.renew(b"c" * 32, b"b" * 32, kept(version=2))


async def test_of_many_at_once_one_renews(place: Open) -> None:
    async with place() as store:
        await store.create(b"z" * 32, kept(actor="ada"))
        renewed = await asyncio.gather(
            *(
                store.renew(b"z" * 32, bytes([n]) * 32, kept(actor="ada", version=2))
                for n in range(8)
            )
        )
        assert renewed.count(True) == 1
        assert len(await store.of("ada")) == 1


async def test_moments_come_back_in_utc(place: Open) -> None:
    async with place() as store:
        session = kept(seen_at=datetime.now(UTC).replace(microsecond=123_457))
        await store.create(b"a" * 32, session)
        found = await store.load(b"a" * 32)
        assert found is not None
        assert found.seen_at == session.seen_at
        assert found.seen_at.utcoffset() == timedelta(0)


async def test_texts_of_all_kinds_come_back(place: Open) -> None:
    async with place() as store:
        data = {"": {"deep": [None, True, 1.5, "\u2028 \U0001f600 '\"\\"]}, "k" * 300: -(2**53)}
        await store.create(b"\x00\xff" * 16, kept(data=data, actor="ada \n {x} ü"))
        found = await store.load(b"\x00\xff" * 16)
        assert found is not None
        assert found.data == data
        assert await store.end_all("ada \n {x} ü", keep=b"\x00" * 32) == 1
