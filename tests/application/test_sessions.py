"""Where somebody is logged in, and how they are logged out there."""

from datetime import UTC, datetime, timedelta

import pytest

from nexios.adapters.security.memory_sessions import MemorySessions
from nexios.application.sessions import Sessions, StoredSession

pytestmark = pytest.mark.asyncio

NOW = datetime.now(UTC)


async def filled() -> MemorySessions:
    """Return a store with three sessions of Ada, the later letter seen later, and one of Bob."""
    store = MemorySessions()
    for number, letter in enumerate("abcd"):
        actor = "bob" if letter == "d" else "ada"
        seen = NOW + timedelta(seconds=number)
        session = StoredSession({"on": letter}, actor, NOW, seen, NOW + timedelta(hours=1))
        await store.create(letter.encode() * 32, session)
    return store


async def test_the_last_used_comes_first() -> None:
    sessions = Sessions(await filled())
    found = await sessions.of("ada")
    assert [one.data["on"] for one in found] == ["c", "b", "a"]
    assert found[0].id == (b"c" * 32).hex()
    assert (found[0].created_at, found[0].seen_at) == (NOW, NOW + timedelta(seconds=2))
    assert found[0].ends_at == NOW + timedelta(hours=1)
    assert await sessions.of("eve") == []


async def test_one_is_ended_by_its_id() -> None:
    sessions = Sessions(await filled())
    await sessions.end((await sessions.of("ada"))[1].id)
    assert [one.data["on"] for one in await sessions.of("ada")] == ["c", "a"]


@pytest.mark.parametrize("id", ["", "x", "é", "00" * 32, "a" * 10_001])
async def test_what_is_no_id_ends_nothing(id: str) -> None:
    sessions = Sessions(await filled())
    await sessions.end(id)
    assert len(await sessions.of("ada")) == 3


async def test_all_are_ended_but_the_one_that_asks() -> None:
    sessions = Sessions(await filled())
    assert await sessions.end_all("ada", keep=(b"b" * 32).hex()) == 2
    assert [one.data["on"] for one in await sessions.of("ada")] == ["b"]
    assert len(await sessions.of("bob")) == 1
    assert await sessions.end_all("ada") == 1
    assert await sessions.end_all("bob", keep="not an id") == 1
