"""The event broker of one process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from nexios.adapters.messaging.memory_broker import MemoryBroker
from nexios.application.broker import EventBroker
from nexios.application.errors import Unavailable
from tests.contracts.broker import PAID, BrokerContract, paid, take

pytestmark = pytest.mark.asyncio


class TestMemoryBroker(BrokerContract):
    @asynccontextmanager
    async def make(self) -> AsyncIterator[EventBroker]:
        yield MemoryBroker()


async def test_a_consumer_that_does_not_keep_up_is_told_to_who_publishes() -> None:
    broker = MemoryBroker(kept=2)
    async with broker.consume("books", [PAID]) as messages:
        await broker.publish(paid(1))
        await broker.publish(paid(2))
        with pytest.raises(Unavailable):
            await broker.publish(paid(3))
        await (await take(messages)).ack()
        await broker.publish(paid(3))
