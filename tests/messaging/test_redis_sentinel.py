"""The backplane by way of sentinels: the contract, and a master that is killed."""

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass

import anyio
import pytest

from nexios import MakeConfig
from nexios.adapters.messaging.redis_backplane import RedisBackplane
from nexios.adapters.messaging.redis_link import RedisLink
from nexios.application.backplane import LinkState
from nexios.application.errors import OutcomeUnknown, Unavailable
from nexios.testing.redis import NoRedis, RedisSentinel, RedisServer
from nexios.testing.skips import missing
from tests.contracts.backplane import ALL, TEA, Heard
from tests.contracts.redis_backplane import RedisBackplaneContract
from tests.support.links import Links

LIMITS = "socket_timeout=5&socket_connect_timeout=5"


@dataclass(frozen=True, slots=True)
class Guarded:
    """A master, its replica, and the sentinel that watches them."""

    master: RedisServer
    replica: RedisServer
    sentinel: RedisSentinel

    @property
    def url(self) -> str:
        return f"{self.sentinel.url}?{LIMITS}"

    def settle(self) -> None:
        """Wait until the replica has all of it and the sentinel knows the replica."""
        until = time.monotonic() + 20
        while not (
            b"master_link_status:up" in self.replica.says(b"INFO replication\r\n")
            and b"slaves=1" in self.sentinel.says(b"INFO sentinel\r\n")
        ):
            assert time.monotonic() < until, "the replica was never seen"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    yield from _guarded()


@pytest.fixture
def own_guarded() -> Iterator[Guarded]:
    yield from _guarded()


def _guarded() -> Iterator[Guarded]:
    try:
        master = RedisServer()
    except NoRedis as reason:
        missing("redis", str(reason))
    with (
        master,
        RedisServer(replica_of=master.port) as replica,
        RedisSentinel(master) as sentinel,
    ):
        found = Guarded(master, replica, sentinel)
        found.settle()
        yield found


@pytest.mark.asyncio
class TestRedisBackplaneBySentinels(RedisBackplaneContract):
    @pytest.fixture(autouse=True)
    def server(self, guarded: Guarded) -> None:
        self.url = guarded.url


@pytest.mark.asyncio
async def test_a_killed_master_is_followed_by_its_replica_and_nothing_is_lost(
    own_guarded: Guarded,
) -> None:
    seen, links = Heard(), Links()
    backplane = RedisBackplane(own_guarded.url, namespace=f"t{secrets.token_hex(6)}")
    backplane.on_link(links)
    await backplane.start()
    try:
        async with backplane.follow(TEA, seen):
            first = await backplane.publish(TEA, b"1", id="1", key=None, keep=ALL)
            await seen.until(1)
            await backplane._link.call("WAIT", "1", "5000", wait_s=5.0)  # the replica has it
            own_guarded.master.kill()
            await links.until(LinkState.DEGRADED)
            with anyio.fail_after(30):
                await links.until(LinkState.UP)
                while True:
                    try:
                        again = await backplane.publish(TEA, b"2", id="2", key=None, keep=ALL)
                    except (Unavailable, OutcomeUnknown):
                        await anyio.sleep(0.05)
                    else:
                        break
            await seen.until(2)
            kept = await backplane.read(TEA, first.position, 9)
        assert again.position.epoch == first.position.epoch
        assert (again.position.offset, seen[1].previous) == (2, 1)
        assert ([one.payload for one in kept.messages], kept.complete) == ([b"2"], True)
    finally:
        await backplane.close()


@pytest.mark.asyncio
async def test_sentinels_that_are_away_are_unavailable() -> None:
    backplane = RedisBackplane("redis+sentinel://127.0.0.1:1,127.0.0.1:2/mymaster")
    with pytest.raises(Unavailable):
        await backplane.start()
    await backplane.close()


@pytest.mark.asyncio
async def test_a_master_no_sentinel_knows_is_unavailable(guarded: Guarded) -> None:
    url = guarded.url.replace("mymaster", "yours")
    backplane = RedisBackplane(url)
    with pytest.raises(Unavailable):
        await backplane.start()
    await backplane.close()


@pytest.mark.parametrize("url", ["redis+sentinel://127.0.0.1:1", "redis+sentinel:///mymaster"])
def test_a_url_without_sentinels_or_master_shows_how_it_is_written(url: str) -> None:
    with pytest.raises(ValueError, match=r"redis\+sentinel://host:26379,host:26379/mymaster/0"):
        RedisLink(url, needed_by="test")


def test_a_url_says_who_asks_whom_for_what() -> None:
    url = "redis+sentinel://ada:s%20cret@one:7000,[::1]/mymaster/3?socket_timeout=7"
    link = RedisLink(f"{url}&sentinel_password=theirs", needed_by="test")
    told = link._pool.connection_kwargs
    assert (told["username"], told["password"], told["db"]) == ("ada", "s cret", 3)
    assert told["socket_timeout"] == 7
    asked = [
        one.connection_pool.connection_kwargs
        for one in told["connection_pool"]._sentinels.sentinels
    ]
    assert [(one["host"], one["port"]) for one in asked] == [("one", 7000), ("::1", 26379)]
    assert {(one["username"], one["password"]) for one in asked} == {(None, "theirs")}


def test_the_setting_takes_sentinels() -> None:
    url = "redis+sentinel://ada:secret@one:26379,two/mymaster/3"
    assert MakeConfig(realtime={"backplane": url}).realtime.backplane == url
