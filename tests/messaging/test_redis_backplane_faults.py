"""The backplane over Redis when its server is killed, stands still, or forgets."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from nexios.adapters.messaging.redis_backplane import RedisBackplane
from nexios.application.backplane import LinkState, Topic
from nexios.application.errors import OutcomeUnknown, Unavailable
from nexios.testing.redis import RedisServer
from tests.contracts.backplane import ALL, TEA, Heard
from tests.support.links import Links
from tests.support.redis import own_redis

__all__ = ["own_redis"]

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def linked(url: str) -> AsyncIterator[tuple[RedisBackplane, Links]]:
    backplane, links = RedisBackplane(url, namespace=f"t{secrets.token_hex(6)}"), Links()
    backplane.on_link(links)
    await backplane.start()
    try:
        yield backplane, links
    finally:
        await backplane.close()


@pytest.fixture
def url(own_redis: RedisServer) -> str:
    return f"{own_redis.url}?socket_timeout=2&socket_connect_timeout=2"


async def test_a_killed_server_is_told_and_healed_from_with_a_new_epoch(
    own_redis: RedisServer, url: str
) -> None:
    seen = Heard()
    async with linked(url) as (backplane, links), backplane.follow(TEA, seen):
        before = await backplane.publish(TEA, b"1", id="1", key=None, keep=ALL)
        await seen.until(1)
        own_redis.kill()
        await links.until(LinkState.DEGRADED)
        with pytest.raises((Unavailable, OutcomeUnknown)):
            await backplane.publish(TEA, b"2", id="2", key=None, keep=ALL)
        own_redis.start()
        await links.until(LinkState.UP)
        after = await backplane.publish(TEA, b"3", id="3", key=None, keep=ALL)
        await seen.until(2)  # it is followed again without being asked to
        lost = await backplane.read(TEA, before.position, 9)
    assert after.position.epoch != before.position.epoch
    assert not lost.complete
    assert [link.state for link in links] == [LinkState.UP, LinkState.DEGRADED, LinkState.UP]


async def test_a_publish_that_timed_out_is_unknown_and_repeated_once(
    own_redis: RedisServer,
) -> None:
    # The id makes the repetition safe: the script may run after its caller gave up.
    patient = f"{own_redis.url}?socket_timeout=10&socket_connect_timeout=10"
    hasty = f"{own_redis.url}?socket_timeout=0.3&socket_connect_timeout=10"
    seen = Heard()
    async with linked(hasty) as (backplane, links), backplane.follow(TEA, seen):
        await backplane.publish(TEA, b"1", id="1", key=None, keep=ALL)
        own_redis.pause()
        with pytest.raises(OutcomeUnknown, match="did not answer"):
            await backplane.publish(TEA, b"2", id="2", key=None, keep=ALL)
        await links.until(LinkState.DEGRADED)
        own_redis.resume()
        await links.until(LinkState.UP)
        other = RedisBackplane(patient, namespace=backplane._namespace)
        await other.start()
        again = await other.publish(TEA, b"2", id="2", key=None, keep=ALL)
        assert again.duplicate
        kept = await other.read(TEA, None, 9)
        await other.close()
    assert [item.payload for item in kept.messages] == [b"1", b"2"]


async def test_a_server_that_is_emptied_has_a_new_epoch(own_redis: RedisServer, url: str) -> None:
    async with linked(url) as (backplane, _):
        before = await backplane.publish(TEA, b"1", id="1", key=None, keep=ALL)
        own_redis.flush()
        after = await backplane.publish(TEA, b"1", id="1", key=None, keep=ALL)
        assert (after.duplicate, after.position.offset) == (False, 1)
        assert not (await backplane.read(TEA, before.position, 9)).complete


async def test_a_follower_cut_off_by_the_server_sees_the_gap(
    own_redis: RedisServer, url: str
) -> None:
    seen = Heard()
    async with linked(url) as (backplane, links), backplane.follow(TEA, seen):
        first = await backplane.publish(TEA, b"1", id="1", key=None, keep=ALL)
        await seen.until(1)
        await backplane._link.call("CLIENT", "KILL", "TYPE", "pubsub")
        second = await backplane.publish(TEA, b"2", id="2", key=None, keep=ALL)
        await links.until(LinkState.DEGRADED)
        await links.until(LinkState.UP)
        await backplane.publish(TEA, b"3", id="3", key=None, keep=ALL)
        await seen.until(2)
        missed = await backplane.read(TEA, first.position, 1)
    assert seen[1].previous == second.position.offset
    assert (missed.complete, [item.payload for item in missed.messages]) == (True, [b"2"])


async def test_the_last_follower_ends_the_subscription(nexios_redis: str) -> None:
    async with linked(nexios_redis) as (backplane, _):
        for number in range(200):
            topic = Topic("chat", str(number % 7))
            async with backplane.follow(topic, Heard()), backplane.follow(topic, Heard()):
                assert backplane.subscriptions == 1
        assert backplane.subscriptions == 0
        names = await backplane._link.call("PUBSUB", "CHANNELS", f"{backplane._namespace}*")
        assert names == []


async def test_nobody_there_is_unavailable() -> None:
    backplane = RedisBackplane("redis://127.0.0.1:1")
    with pytest.raises(Unavailable):
        await backplane.start()
    await backplane.close()
