"""Requests of one session that change it at the same moment."""

import asyncio

import pytest

from nexios.adapters.security.memory_sessions import MemorySessions
from nexios.application.sections.callers import SessionSettings
from nexios.application.sessions import StoredSession
from nexios.domain.errors import Conflict
from nexios.middleware.session_stores import SignedSessionManager, StoredSessionManager

pytestmark = pytest.mark.asyncio


class Distant(MemorySessions):
    """A store whose calls take a moment, so that others come between."""

    async def load(self, digest: bytes) -> StoredSession | None:
        await asyncio.sleep(0)
        return await super().load(digest)

    async def save(self, digest: bytes, session: StoredSession) -> bool:
        await asyncio.sleep(0)
        return await super().save(digest, session)


async def begun(manager: StoredSessionManager) -> str:
    opened = await manager.open("")
    opened.session["n"] = 0
    cookie = await manager.keep(opened)
    assert cookie
    return cookie


async def test_many_may_make_the_very_same_change() -> None:
    manager = StoredSessionManager(Distant(), SessionSettings())
    cookie = await begun(manager)
    opened = [await manager.open(cookie) for _ in range(20)]
    for one in opened:
        one.session["n"] = 1
    assert await asyncio.gather(*(manager.keep(one) for one in opened)) == [None] * 20
    assert (await manager.open(cookie)).session["n"] == 1


async def test_who_makes_another_change_is_still_in_conflict() -> None:
    manager = StoredSessionManager(Distant(), SessionSettings())
    cookie = await begun(manager)
    first, second = [await manager.open(cookie) for _ in range(2)]
    first.session["n"], second.session["n"] = 1, 2
    told = await asyncio.gather(manager.keep(first), manager.keep(second), return_exceptions=True)
    assert told[0] is None
    assert isinstance(told[1], Conflict)


async def test_a_manager_says_whether_content_stays_here() -> None:
    assert StoredSessionManager.server_side
    assert not SignedSessionManager.server_side
