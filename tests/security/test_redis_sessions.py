"""Sessions in Redis: what stands at the server, and for how long."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from nexios.adapters.security.redis import RedisLink
from nexios.adapters.security.redis_sessions import RedisSessions
from nexios.application.sessions import StoredSession
from nexios.testing.redis import RedisServer
from tests.support.redis import own_redis

pytestmark = pytest.mark.asyncio

__all__ = ["own_redis"]

# Every key with its kind and how long it lives, in milliseconds.
EVERY = """
local found = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  found[#found + 1] = {key, redis.call('TYPE', key).ok, redis.call('PTTL', key)}
end
return found
"""


def lasting(seconds: float, actor: str | None = "ada") -> StoredSession:
    now = datetime.now(UTC)
    return StoredSession({"n": 1}, actor, now, now, now + timedelta(seconds=seconds))


@pytest_asyncio.fixture
async def store(own_redis: RedisServer) -> AsyncIterator[RedisSessions]:
    async with RedisSessions(own_redis.url) as opened:
        yield opened


@pytest_asyncio.fixture
async def look(own_redis: RedisServer) -> AsyncIterator[RedisLink]:
    link = RedisLink(own_redis.url, what="the store of tests", needed_by="tests")
    yield link
    await link.close()


async def test_everything_expires_by_itself(store: RedisSessions, look: RedisLink) -> None:
    await store.create(b"a" * 32, lasting(60))
    await store.create(b"b" * 32, lasting(600))
    await store.create(b"c" * 32, lasting(60, actor=None))
    lives = {key: life for key, _, life in await look.script(EVERY)([])}
    assert len(lives) == 4
    assert all(0 < life < 601_000 for life in lives.values())
    (of_the_actor,) = [life for key, life in lives.items() if b":a:" in key]
    assert of_the_actor > 590_000
    await store.end(b"b" * 32)
    assert await store.save(b"a" * 32, replace(lasting(60), version=2))
    lives = {key: life for key, _, life in await look.script(EVERY)([])}
    assert all(life < 61_000 for life in lives.values())
    assert await store.end_all("ada") == 1
    assert len(await look.script(EVERY)([])) == 1


async def test_what_an_actor_had_does_not_pile_up(store: RedisSessions, look: RedisLink) -> None:
    for number in range(50):
        await store.create(secrets.token_bytes(32), lasting(0.05))
        await store.create(bytes([number]) * 32, lasting(-1))
    await asyncio.sleep(0.1)
    last = secrets.token_bytes(32)
    await store.create(last, lasting(60))
    size = look.script("return redis.call('ZCARD', KEYS[1])")
    assert await size([store._set("ada")]) == 1
    for number in range(50):
        new = secrets.token_bytes(32)
        assert await store.renew(last, new, replace(lasting(60), version=number + 2))
        last = new
    assert await size([store._set("ada")]) == 1
    assert len(await look.script(EVERY)([])) == 2
    await store.end(last)
    assert await look.script(EVERY)([]) == []


async def test_keys_name_nobody(store: RedisSessions, look: RedisLink) -> None:
    await store.create(b"a" * 32, lasting(60, actor="ada@example.com"))
    assert not [key for key, *_ in await look.script(EVERY)([]) if b"ada@" in key]


async def test_keys_stand_on_one_node_and_prefixes_apart(own_redis: RedisServer) -> None:
    async with (
        RedisSessions(own_redis.url, prefix="one") as one,
        RedisSessions(own_redis.url, prefix="two") as two,
    ):
        await one.create(b"a" * 32, lasting(60))
        assert await two.load(b"a" * 32) is None
        assert await two.end_all("ada") == 0
        assert one._key(b"a").startswith("{one}:")
        assert one._set("ada").startswith("{one}:")


async def test_what_has_ended_by_our_clock_is_not_loaded(own_redis: RedisServer) -> None:
    later = datetime.now(UTC) + timedelta(minutes=2)
    async with (
        RedisSessions(own_redis.url) as now,
        RedisSessions(own_redis.url, now=lambda: later) as then,
    ):
        await now.create(b"a" * 32, lasting(60))
        assert await now.load(b"a" * 32) is not None
        assert await then.load(b"a" * 32) is None
        assert await then.of("ada") == {}


async def test_whatever_happens_at_once_no_session_escapes_the_end_of_all(
    store: RedisSessions, look: RedisLink
) -> None:
    for _ in range(20):
        digests = [secrets.token_bytes(32) for _ in range(8)]
        await asyncio.gather(*(store.create(digest, lasting(60)) for digest in digests))
        second = replace(lasting(60), version=2)
        await asyncio.gather(
            *(store.renew(one, secrets.token_bytes(32), second) for one in digests[:4]),
            *(store.save(one, second) for one in digests[2:6]),
            store.end_all("ada", keep=digests[5]),
            *(store.renew(one, secrets.token_bytes(32), second) for one in digests[4:]),
            store.end(digests[0]),
        )
        known = len(await store.of("ada"))
        assert await store.end_all("ada") == known
        assert await look.script(EVERY)([]) == []
