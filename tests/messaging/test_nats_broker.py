"""The event broker over NATS JetStream, against a real server."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from nexios.adapters.messaging.nats_broker import NatsBroker
from nexios.adapters.messaging.nats_link import NatsLink
from nexios.application.broker import EventBroker
from nexios.application.errors import OutcomeUnknown, Unavailable
from nexios.testing.nats import NatsServer, NoNats
from nexios.testing.skips import missing
from tests.contracts.broker import PAID, BrokerContract, paid, take

pytestmark = pytest.mark.asyncio


class TestNatsBroker(BrokerContract):
    @pytest.fixture(autouse=True)
    def server(self, nexios_nats: str) -> None:
        self.url = nexios_nats

    @asynccontextmanager
    async def make(self) -> AsyncIterator[EventBroker]:
        prefix = f"t{secrets.token_hex(6)}"
        async with NatsLink(self.url) as link:
            yield NatsBroker(link, source="/tests", prefix=prefix)
            for name in (f"{prefix}-events", f"{prefix}-buried"):
                await link.ask(lambda js, name=name: js.delete_stream(name))


@pytest.fixture
def private() -> NatsServer:
    try:
        return NatsServer()
    except NoNats as reason:
        missing("nats", str(reason))


async def test_a_server_that_is_away_is_said_at_once_and_healed_from(private: NatsServer) -> None:
    with private as server:
        async with NatsLink(server.url) as link:
            broker = NatsBroker(link, source="/tests")
            await broker.publish(paid(1))
            server.kill()
            with anyio.fail_after(5):
                # What was under way when the line broke may have arrived; then it is known.
                while not await refused(broker, 2):
                    pass
            server.start()
            await until_published(broker, 3)
            async with broker.consume("books", [PAID]) as messages:
                numbers = []
                while 3 not in numbers:
                    got = await take(messages)
                    numbers.append(got.event.payload["number"])
                    await got.ack()
            # What was acknowledged is there, in order; 2 may have been stored before the kill.
            assert [n for n in numbers if n != 2] == [1, 3]


async def test_a_server_that_stands_still_leaves_the_outcome_open(private: NatsServer) -> None:
    with private as server:
        async with NatsLink(server.url, reply_s=0.3) as link:
            broker = NatsBroker(link, source="/tests")
            await broker.publish(paid(1))
            event = paid(2)
            server.pause()
            with pytest.raises(OutcomeUnknown):
                await broker.publish(event)
            server.resume()
            await broker.publish(event)  # the same message, stored once
            async with broker.consume("books", [PAID]) as messages:
                for number in (1, 2):
                    got = await take(messages)
                    assert got.event.payload["number"] == number
                    await got.ack()
                with anyio.move_on_after(0.3):
                    raise AssertionError(f"{await anext(messages)} came twice")


async def test_a_consumer_goes_on_when_its_server_comes_back(private: NatsServer) -> None:
    with private as server:
        async with NatsLink(server.url) as link:
            broker = NatsBroker(link, source="/tests")
            async with broker.consume("books", [PAID], visible_s=1.0) as messages:
                await broker.publish(paid(1))
                await (await take(messages)).ack()
                server.kill()
                server.start()
                await until_published(broker, 2)
                with anyio.fail_after(20):
                    number = 1
                    while number == 1:  # a crash may cost the server the acknowledgement
                        got = await anext(messages)
                        number = got.event.payload["number"]
                        await got.ack()
                assert number == 2


async def test_a_stream_that_was_deleted_is_made_again(nexios_nats: str) -> None:
    prefix = f"t{secrets.token_hex(6)}"
    async with NatsLink(nexios_nats) as link:
        broker = NatsBroker(link, source="/tests", prefix=prefix)
        await broker.publish(paid(1))
        await link.ask(lambda js: js.delete_stream(f"{prefix}-events"))
        await broker.publish(paid(2))
        async with broker.consume("books", [PAID]) as messages:
            assert (await take(messages)).event.payload["number"] == 2


async def test_what_is_no_event_is_buried(nexios_nats: str) -> None:
    prefix = f"t{secrets.token_hex(6)}"
    async with NatsLink(nexios_nats) as link:
        broker = NatsBroker(link, source="/tests", prefix=prefix)
        await broker.publish(paid(1, key="a"))
        await link.ask(lambda js: js.publish(f"{prefix}.event.0.{PAID}", b"nonsense"))
        async with broker.consume("books", [PAID]) as messages:
            await (await take(messages)).ack()
            with anyio.move_on_after(0.3):
                raise AssertionError(f"{await anext(messages)} came")
            await broker.publish(paid(2))
            await (await take(messages)).bury("too much")
            # What cannot be read hides nothing of what can.
            assert [one.reason for one in await broker.buried("books")] == ["too much"]


async def test_nobody_there_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        async with NatsLink("nats://127.0.0.1:1"):
            pass


async def refused(broker: NatsBroker, number: int) -> bool:
    try:
        await broker.publish(paid(number))
    except Unavailable:
        return True
    except OutcomeUnknown:
        return False
    raise AssertionError("there is no server")


async def until_published(broker: NatsBroker, number: int) -> None:
    event = paid(number)
    with anyio.fail_after(20):
        while True:
            try:
                await broker.publish(event)
            except (Unavailable, OutcomeUnknown):
                await anyio.sleep(0.05)
            else:
                return
