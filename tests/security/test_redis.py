"""The door of redis: it answers soon or is unavailable, and comes back by itself."""

import asyncio
import time
from collections.abc import AsyncIterator

import anyio
import pytest
import pytest_asyncio

from nexios.adapters.security.redis import RedisLink
from nexios.application.errors import Unavailable
from nexios.testing.redis import RedisServer
from tests.support.redis import healed, own_redis

pytestmark = pytest.mark.asyncio

__all__ = ["own_redis"]

ECHO = "return ARGV[1]"


@pytest_asyncio.fixture
async def link(own_redis: RedisServer) -> AsyncIterator[RedisLink]:
    opened = RedisLink(own_redis.url, what="the store of tests", needed_by="tests")
    yield opened
    await opened.close()


async def test_answers_reach_who_asked(link: RedisLink) -> None:
    echo = link.script(ECHO)
    told = await asyncio.gather(*(echo([], number) for number in range(40)))
    assert told == [b"%d" % number for number in range(40)]


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    link = RedisLink("redis://127.0.0.1:1/0", what="the store of tests", needed_by="tests")
    for call in (link.ping(), link.script(ECHO)([], 1)):
        with pytest.raises(Unavailable, match="the store of tests does not answer") as refused:
            await call
        assert refused.value.__cause__ is not None
    await link.close()


@pytest.mark.parametrize("url", ["", "http://127.0.0.1", "127.0.0.1:6379"])
async def test_what_is_no_url_of_redis_is_refused_when_built(url: str) -> None:
    with pytest.raises(ValueError, match="Redis URL"):
        RedisLink(url, what="x", needed_by="x")


async def test_what_the_server_refuses_is_unavailable(link: RedisLink) -> None:
    with pytest.raises(Unavailable):
        await link.script("return redis.call('NOTHING')")([])
    await link.ping()


@pytest.mark.parametrize("connected", [True, False])
async def test_a_stopped_server_is_unavailable_soon_and_heals(
    own_redis: RedisServer, link: RedisLink, connected: bool
) -> None:
    echo = link.script(ECHO)
    if connected:
        assert await asyncio.gather(*(echo([], 1) for _ in range(5))) == [b"1"] * 5
    own_redis.pause()
    begun = time.monotonic()
    for _ in range(3):
        with pytest.raises(Unavailable):
            await echo([], 2)
    # A tenth of a second each; the default of the library is five, and tried again.
    assert time.monotonic() - begun < 5.0
    own_redis.resume()
    for number in range(9):
        assert await healed(lambda n=number: echo([], n)) == b"%d" % number  # type: ignore[misc]


async def test_a_killed_server_is_unavailable_and_heals(
    own_redis: RedisServer, link: RedisLink
) -> None:
    echo = link.script(ECHO)
    await asyncio.gather(*(echo([], 1) for _ in range(5)))
    own_redis.kill()
    with pytest.raises(Unavailable):
        await echo([], 2)
    own_redis.start()
    assert await healed(lambda: echo([], 3)) == b"3"  # the script is sent anew
    await healed(link.ping)


async def test_cancelled_callers_leave_no_connection_taken(
    own_redis: RedisServer, link: RedisLink
) -> None:
    echo = link.script(ECHO)

    async def impatient(wait_s: float) -> None:
        with anyio.move_on_after(wait_s):
            await echo([], "mine")

    for round_of in range(3):
        if round_of == 1:
            own_redis.pause()
        calls = (impatient(number * 0.0005) for number in range(120))
        await asyncio.gather(*calls, return_exceptions=True)
        own_redis.resume()
    assert not link._client.connection_pool._in_use_connections
    told = await asyncio.gather(*(healed(lambda n=number: echo([], n)) for number in range(50)))  # type: ignore[misc]
    assert told == [b"%d" % number for number in range(50)]
