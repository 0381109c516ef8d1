"""The event broker over Redis Streams, against a real server."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from nexios.adapters.messaging.redis_broker import RedisBroker
from nexios.application.broker import EventBroker
from nexios.application.errors import OutcomeUnknown, Unavailable
from nexios.testing.redis import RedisServer
from tests.contracts.broker import PAID, BrokerContract, nothing, paid, take
from tests.support.links import healed
from tests.support.redis import own_redis

__all__ = ["own_redis"]

pytestmark = pytest.mark.asyncio


class TestRedisBroker(BrokerContract):
    @pytest.fixture(autouse=True)
    def server(self, nexios_redis: str) -> None:
        self.url = nexios_redis

    @asynccontextmanager
    async def make(self) -> AsyncIterator[EventBroker]:
        prefix = f"t{secrets.token_hex(6)}"
        async with RedisBroker(self.url, source="/tests", prefix=prefix) as broker:
            yield broker


@asynccontextmanager
async def made(url: str) -> AsyncIterator[RedisBroker]:
    async with RedisBroker(url, source="/tests", prefix=f"t{secrets.token_hex(6)}") as broker:
        yield broker


async def test_a_server_that_stands_still_leaves_the_outcome_open(own_redis: RedisServer) -> None:
    event = paid(2)
    url = f"{own_redis.url}?socket_timeout=1&socket_connect_timeout=1"
    async with made(url) as broker, broker.consume("books", [PAID]) as messages:
        await healed(lambda: broker.publish(paid(1)))
        own_redis.pause()
        with pytest.raises(OutcomeUnknown):
            await broker.publish(event)
        own_redis.resume()
        await healed(lambda: broker.publish(event))  # the same message, stored once
        numbers = []
        for _ in range(2):
            got = await take(messages)
            numbers.append(got.event.payload["number"])
            await healed(got.ack)
        assert numbers == [1, 2]
        assert await nothing(messages)


async def test_a_consumer_goes_on_when_its_server_comes_back_empty(
    own_redis: RedisServer,
) -> None:
    url = f"{own_redis.url}?socket_timeout=2&socket_connect_timeout=2"
    async with made(url) as broker, broker.consume("books", [PAID]) as messages:
        await broker.publish(paid(1))
        await (await take(messages)).ack()
        own_redis.kill()
        with pytest.raises((Unavailable, OutcomeUnknown)):
            await broker.publish(paid(2))
        own_redis.start()
        await healed(lambda: broker.publish(paid(3)))
        assert (await take(messages)).event.payload["number"] == 3


async def test_a_late_acknowledgement_is_none(nexios_redis: str) -> None:
    async with (
        made(nexios_redis) as broker,
        broker.consume("books", [PAID], visible_s=0.5) as slow,
        broker.consume("books", [PAID], visible_s=0.5) as other,
    ):
        await broker.publish(paid(1))
        late = await take(slow)
        again = await take(other)
        assert again.delivery == 2
        await late.ack()
        await late.retry(0.0)
        third = await take(slow)  # it was not taken from who has it
        assert third.delivery == 3
        await third.ack()


async def test_a_cancelled_wait_loses_no_message(nexios_redis: str) -> None:
    async with made(nexios_redis) as broker, broker.consume("books", [PAID]) as messages:
        for number in range(10):
            await broker.publish(paid(number, key="a"))
        got = []
        while len(got) < 10:
            with anyio.move_on_after(0.001):
                message = await anext(messages)
                with anyio.CancelScope(shield=True):
                    got.append(message.event.payload["number"])
                    await message.ack()
        assert got == list(range(10))


async def test_what_is_no_event_is_buried(nexios_redis: str) -> None:
    async with made(nexios_redis) as broker, broker.consume("books", [PAID]) as messages:
        await broker._link.call("XADD", broker._stream(0), "*", "name", PAID, "headers", "{}")
        await broker.publish(paid(1))
        await (await take(messages)).ack()
        assert await nothing(messages)
        assert list(await broker.buried("books")) == []
        assert await broker._link.call("XLEN", broker._graves("books")) == 1


async def test_nobody_there_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        async with RedisBroker("redis://127.0.0.1:1", source="/tests"):
            pass
