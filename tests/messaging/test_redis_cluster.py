"""The backplane over a cluster: the contract, a master that is killed, slots that move."""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import anyio
import pytest

from nexios import MakeConfig
from nexios.adapters.messaging.redis_backplane import RedisBackplane
from nexios.adapters.messaging.redis_cluster import RedisCluster
from nexios.adapters.messaging.redis_link import slot_of
from nexios.application.backplane import Backplane, LinkState, Stored, Topic
from nexios.application.errors import OutcomeUnknown, Unavailable
from nexios.testing.redis import NoRedis, RedisNode, private_cluster
from nexios.testing.skips import missing
from tests.contracts.backplane import ALL, TEA, BackplaneContract, Heard
from tests.support.links import Links

LIMITS = "socket_timeout=5&socket_connect_timeout=5"


@pytest.fixture(scope="module")
def cluster() -> Iterator[list[RedisNode]]:
    yield from _cluster(0)


@pytest.fixture
def own_cluster() -> Iterator[list[RedisNode]]:
    yield from _cluster(1)


def _cluster(replicas: int) -> Iterator[list[RedisNode]]:
    try:
        with private_cluster(replicas=replicas) as nodes:
            yield nodes
    except NoRedis as reason:
        missing("redis", str(reason))


def url_of(*nodes: RedisNode) -> str:
    return f"redis+cluster://{','.join(f'127.0.0.1:{node.port}' for node in nodes)}?{LIMITS}"


@pytest.mark.asyncio
class TestRedisBackplaneOverACluster(BackplaneContract):
    window_s = 2.0
    age_s = 2.0

    @pytest.fixture(autouse=True)
    def server(self, cluster: list[RedisNode]) -> None:
        self.url = url_of(cluster[0])  # which names the others

    @asynccontextmanager
    async def make(self) -> AsyncIterator[Backplane]:
        self.namespace = f"t{secrets.token_hex(6)}"
        yield self._made()

    def second(self, first: Backplane) -> Backplane:
        return self._made()

    async def moved(self, backplane: Backplane, seconds: float) -> None:
        await anyio.sleep(seconds)  # the servers' own clocks

    def _made(self) -> RedisBackplane:
        return RedisBackplane(self.url, namespace=self.namespace, duplicate_window_s=self.window_s)


@asynccontextmanager
async def running(*nodes: RedisNode) -> AsyncIterator[tuple[RedisBackplane, Links]]:
    links = Links()
    backplane = RedisBackplane(url_of(*nodes), namespace=f"t{secrets.token_hex(6)}")
    backplane.on_link(links)
    await backplane.start()
    try:
        yield backplane, links
    finally:
        await backplane.close()


async def published(backplane: RedisBackplane, topic: Topic, id: str) -> Stored:
    """Publish as soon as it can be."""
    with anyio.fail_after(30):
        while True:
            try:
                return await backplane.publish(topic, b"x", id=id, key=None, keep=ALL)
            except (Unavailable, OutcomeUnknown):
                await anyio.sleep(0.05)


def owner_of(backplane: RedisBackplane, topic: Topic, nodes: list[RedisNode]) -> RedisNode:
    slot = slot_of(f"{backplane._place(topic)}:c")
    return nodes[next(number for number in range(3) if slot < 16384 * (number + 1) // 3)]


@pytest.mark.asyncio
async def test_topics_are_on_all_nodes_and_heard_from_all(cluster: list[RedisNode]) -> None:
    topics = [Topic("chat", f"room {number}") for number in range(30)]
    async with running(cluster[1]) as (one, _), running(cluster[2]) as (two, _):
        assert len({owner_of(one, topic, cluster).port for topic in topics}) == 3
        two._namespace = one._namespace
        heard = {topic: Heard() for topic in topics}
        async with anyio.create_task_group() as tasks:
            ready = anyio.Event()

            async def follow(topic: Topic) -> None:
                async with two.follow(topic, heard[topic]):
                    if two.subscriptions == len(topics):
                        ready.set()
                    await heard[topic].until(3)

            for topic in topics:
                tasks.start_soon(follow, topic)
            await ready.wait()
            for number in range(3):
                for topic in topics:
                    await one.publish(topic, b"%d" % number, id=str(number), key=None, keep=ALL)
        assert {tuple(one.payload for one in got) for got in heard.values()} == {
            (b"0", b"1", b"2")
        }
        assert two.subscriptions == 0


@pytest.mark.asyncio
async def test_a_killed_master_is_followed_by_its_replica(own_cluster: list[RedisNode]) -> None:
    async with running(*own_cluster) as (backplane, links):
        rooms = (Topic("chat", str(number)) for number in range(1000))
        theirs = next(
            room for room in rooms if owner_of(backplane, room, own_cluster) is own_cluster[0]
        )
        seen = Heard()
        async with backplane.follow(theirs, seen):
            first = await published(backplane, theirs, "1")
            await seen.until(1)
            key = f"{backplane._place(theirs)}:t"
            node = backplane._link.node(f"127.0.0.1:{own_cluster[0].port}")  # type: ignore[union-attr]
            assert await node.call("WAIT", "1", "5000", wait_s=5.0) == 1, key
            own_cluster[0].kill()
            await links.until(LinkState.DEGRADED)
            with anyio.fail_after(30):
                await links.until(LinkState.UP)
            again = await published(backplane, theirs, "2")
            await seen.until(2)
            kept = await backplane.read(theirs, first.position, 9)
        assert (again.position.epoch, again.position.offset) == (first.position.epoch, 2)
        assert ([one.id for one in kept.messages], kept.complete) == (["2"], True)


@pytest.mark.asyncio
async def test_a_topic_whose_slot_moves_is_followed_there(own_cluster: list[RedisNode]) -> None:
    async with running(own_cluster[2]) as (backplane, links):
        seen = Heard()
        async with backplane.follow(TEA, seen):
            await published(backplane, TEA, "1")
            await seen.until(1)
            masters = own_cluster[:3]
            source = owner_of(backplane, TEA, own_cluster)
            target = next(node for node in masters if node is not source)
            slot = slot_of(f"{backplane._place(TEA)}:c")
            handed_over(slot, source, target, masters)
            await links.until(LinkState.DEGRADED)
            with anyio.fail_after(30):
                await links.until(LinkState.UP)
            stored = await published(backplane, TEA, "2")
            assert stored.position.offset == 2
            await seen.until(2)
        assert seen[1].previous == 1


def handed_over(slot: int, source: RedisNode, target: RedisNode, masters: list[RedisNode]) -> None:
    """Move a slot and its keys, as `redis-cli --cluster reshard` does."""
    target.says(f"CLUSTER SETSLOT {slot} IMPORTING {source.id}\r\n".encode())
    source.says(f"CLUSTER SETSLOT {slot} MIGRATING {target.id}\r\n".encode())
    told = source.says(f"CLUSTER GETKEYSINSLOT {slot} 100\r\n".encode())
    keys = [line for line in told.split(b"\r\n") if line and line[:1] not in b"*$"]
    for key in keys:
        moved = b"*6\r\n$7\r\nMIGRATE\r\n$9\r\n127.0.0.1\r\n"
        for word in (str(target.port).encode(), key, b"0", b"5000"):
            moved += b"$%d\r\n%b\r\n" % (len(word), word)
        assert source.says(moved) == b"+OK\r\n"
    for node in (target, source, *masters):
        node.says(f"CLUSTER SETSLOT {slot} NODE {target.id}\r\n".encode())


@pytest.mark.asyncio
async def test_nodes_that_are_away_are_unavailable() -> None:
    backplane = RedisBackplane("redis+cluster://127.0.0.1:1,127.0.0.1:2")
    with pytest.raises(Unavailable):
        await backplane.start()
    await backplane.close()


@pytest.mark.parametrize("url", ["redis+cluster://", "redis+cluster://one/3"])
def test_a_url_without_nodes_or_with_a_database_shows_how_it_is_written(url: str) -> None:
    with pytest.raises(ValueError, match=r"redis\+cluster://host:6379,host:6379"):
        RedisCluster(url, needed_by="test")


def test_account_and_query_hold_for_all_nodes() -> None:
    url = "redis+cluster://ada:s%20cret@one:7000,[::1]?socket_timeout=7"
    link = RedisCluster(url, needed_by="test")
    told = [node._pool.connection_kwargs for node in link._nodes.values()]
    assert [(one["host"], one["port"]) for one in told] == [("one", 7000), ("::1", 6379)]
    assert {(one["username"], one["password"], one["socket_timeout"]) for one in told} == {
        ("ada", "s cret", 7)
    }


def test_the_setting_takes_a_cluster() -> None:
    url = "redis+cluster://one:6379,two"
    assert MakeConfig(realtime={"backplane": url}).realtime.backplane == url
