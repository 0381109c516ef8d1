"""What the port ``SessionStore`` owes, on every store."""

import asyncio
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
from nexios.application.sessions import SessionStore, StoredSession

pytestmark = pytest.mark.asyncio

Open = Callable[[], AbstractAsyncContextManager[SessionStore]]


def kept(**changes: object) -> StoredSession:
    now = datetime.now(UTC).replace(microsecond=0)
    made = StoredSession({"cart": [1, "ü"]}, None, now, now, now + timedelta(hours=1))
    return replace(made, **changes)  # type: ignore[arg-type]  # fields by name


@pytest.fixture(params=["memory", "file", "sqlite", "postgres"])
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
