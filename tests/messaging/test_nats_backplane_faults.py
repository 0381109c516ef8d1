"""The backplane over NATS when its server is killed, stands still, or its stream is deleted."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from nexios.adapters.messaging.nats_backplane import NatsBackplane
from nexios.application.backplane import LinkState, Topic
from nexios.application.errors import OutcomeUnknown, Unavailable
from nexios.testing.nats import NatsServer, NoNats
from nexios.testing.skips import missing
from tests.contracts.backplane import ALL, TEA, Heard
from tests.support.links import Links, healed

pytestmark = pytest.mark.asyncio


@pytest.fixture
def private() -> NatsServer:
    try:
        return NatsServer()
    except NoNats as reason:
        missing("nats", str(reason))


@asynccontextmanager
async def linked(url: str, *, reply_s: float = 5.0) -> AsyncIterator[tuple[NatsBackplane, Links]]:
    namespace = f"t{secrets.token_hex(6)}"
    backplane, links = NatsBackplane(url, namespace=namespace, reply_s=reply_s), Links()
    backplane.on_link(links)
    await backplane.start()
    try:
        yield backplane, links
    finally:
        await backplane.close()


async def test_a_killed_server_is_healed_from_and_what_it_stored_is_there(
    private: NatsServer,
) -> None:
    seen = Heard()
    with private as server:
        async with linked(server.url) as (backplane, links), backplane.follow(TEA, seen):
            before = await backplane.publish(TEA, b"1", id="1", key=None, keep=ALL)
            await seen.until(1)
            server.kill()
            await links.until(LinkState.DEGRADED)
            with pytest.raises(Unavailable):
                await backplane.publish(TEA, b"2", id="2", key=None, keep=ALL)
            server.start()
            await links.until(LinkState.UP)
            after = await healed(lambda: backplane.publish(TEA, b"3", id="3", key=None, keep=ALL))
            await seen.until(2)
            rest = await backplane.read(TEA, before.position, 9)
    assert after.position.epoch == before.position.epoch
    assert rest.complete
    assert [item.payload for item in rest.messages] == [b"3"]
    assert [item.payload for item in seen] == [b"1", b"3"]


async def test_a_server_that_stands_still_is_noticed_by_its_silence(private: NatsServer) -> None:
    with private as server:
        async with linked(server.url, reply_s=0.5) as (backplane, links):
            await healed(lambda: backplane.publish(TEA, b"1", id="1", key=None, keep=ALL))
            server.pause()
            with pytest.raises((OutcomeUnknown, Unavailable)):
                await backplane.publish(TEA, b"2", id="2", key=None, keep=ALL)
            await links.until(LinkState.DEGRADED)
            server.resume()
            await links.until(LinkState.UP)
            await healed(lambda: backplane.publish(TEA, b"2", id="2", key=None, keep=ALL))
            kept = await healed(lambda: backplane.read(TEA, None, 9))
    assert [item.payload for item in kept.messages] == [b"1", b"2"]


async def test_a_stream_that_was_deleted_is_another_epoch(nexios_nats: str) -> None:
    seen = Heard()
    async with linked(nexios_nats) as (backplane, _), backplane.follow(TEA, seen):
        before = await backplane.publish(TEA, b"1", id="1", key=None, keep=ALL)
        name = backplane._streams["chat"].name
        await backplane.link.ask(lambda js: js.delete_stream(name))
        with pytest.raises(Unavailable):
            await backplane.publish(TEA, b"2", id="2", key=None, keep=ALL)
        after = await backplane.publish(TEA, b"2", id="2", key=None, keep=ALL)
        await seen.until(2)
        lost = await backplane.read(TEA, before.position, 9)
    assert after.position.epoch != before.position.epoch
    assert (seen[1].position, lost.complete) == (after.position, False)


async def test_the_last_follower_ends_the_subscription(nexios_nats: str) -> None:
    async with linked(nexios_nats) as (backplane, _):
        for number in range(50):
            topic = Topic("chat", str(number % 7))
            async with backplane.follow(topic, Heard()), backplane.follow(topic, Heard()):
                assert backplane.subscriptions == 1
        assert backplane.subscriptions == 0


async def test_nobody_there_is_unavailable() -> None:
    backplane = NatsBackplane("nats://127.0.0.1:1")
    with pytest.raises(Unavailable):
        await backplane.start()
    await backplane.close()
