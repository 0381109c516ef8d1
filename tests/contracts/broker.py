"""What every event broker owes: one class, run against each adapter by a file of its own."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from uuid import uuid4

import anyio
import pytest

from nexios.application.broker import EventBroker, Incoming, Outgoing

PAID = "billing.invoice-paid"
SENT = "billing.invoice-sent"
ODD = ["a.b", "a*", ">", "a b", "🍵", "a/b", "%s", "..", ".a", "a.", "line\nend"]


def paid(number: int, *, key: str = "invoices:1", name: str = PAID) -> Outgoing:
    return Outgoing(
        id=uuid4(),
        name=name,
        version=2,
        key=key,
        at=datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
        payload={"number": number, "text": "ünïcode 🍵"},
        headers={"correlation": "c 1\n", "traceparent": "00-1-2-01"},
    )


async def take(messages: AsyncIterator[Incoming]) -> Incoming:
    with anyio.fail_after(10):
        return await anext(messages)


async def nothing(messages: AsyncIterator[Incoming], seconds: float = 0.3) -> bool:
    with anyio.move_on_after(seconds):
        await anext(messages)
        return False
    return True


class BrokerContract:
    """Subclasses say how to make the adapter."""

    def make(self) -> AbstractAsyncContextManager[EventBroker]:
        """Return an adapter with nothing stored."""
        raise NotImplementedError

    async def test_an_event_comes_as_it_left(self) -> None:
        event = paid(1)
        async with self.make() as broker, broker.consume("books", [PAID]) as messages:
            await broker.publish(event)
            got = await take(messages)
            assert (got.event, got.delivery) == (event, 1)
            await got.ack()
            assert await nothing(messages)

    async def test_a_new_consumer_gets_what_was_published_before_it(self) -> None:
        async with self.make() as broker:
            await broker.publish(paid(1))
            async with broker.consume("books", [PAID]) as messages:
                assert (await take(messages)).event.payload["number"] == 1

    async def test_each_consumer_gets_an_event_and_one_process_of_it(self) -> None:
        async with (
            self.make() as broker,
            broker.consume("books", [PAID]) as first,
            broker.consume("books", [PAID]) as second,
            broker.consume("mail", [PAID]) as other,
        ):
            got: list[int] = []
            done = anyio.Event()

            async def work(messages: AsyncIterator[Incoming]) -> None:
                async for message in messages:
                    got.append(message.event.payload["number"])
                    await message.ack()
                    if len(got) == 20:
                        done.set()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(work, first)
                tasks.start_soon(work, second)
                for number in range(20):
                    await broker.publish(paid(number, key=f"k{number}"))
                seen = sorted([(await self._acked(other)) for _ in range(20)])
                with anyio.fail_after(10):
                    await done.wait()
                tasks.cancel_scope.cancel()

            assert sorted(got) == seen == list(range(20))

    async def test_a_consumer_gets_the_names_it_asks_for(self) -> None:
        async with self.make() as broker, broker.consume("books", [PAID]) as messages:
            await broker.publish(paid(1, name=SENT))
            await broker.publish(paid(2))
            assert await self._acked(messages) == 2
            assert await nothing(messages)

    async def test_the_order_of_a_key_holds_over_several_names(self) -> None:
        async with self.make() as broker, broker.consume("books", [PAID, SENT]) as messages:
            for number in range(12):
                await broker.publish(paid(number, name=PAID if number % 3 else SENT))
            assert [await self._acked(messages) for _ in range(12)] == list(range(12))

    async def test_an_id_is_stored_once(self) -> None:
        event = paid(1)
        async with self.make() as broker, broker.consume("books", [PAID]) as messages:
            await broker.publish(event)
            await broker.publish(event)
            assert await self._acked(messages) == 1
            assert await nothing(messages)

    async def test_a_retried_message_comes_again_before_the_next_of_its_key(self) -> None:
        async with self.make() as broker, broker.consume("books", [PAID]) as messages:
            await broker.publish(paid(1))
            await broker.publish(paid(2))
            first = await take(messages)
            await first.retry(0.3)
            again = await take(messages)
            assert (again.event.payload["number"], again.delivery) == (1, 2)
            await again.ack()
            assert await self._acked(messages) == 2

    async def test_what_was_not_acknowledged_in_time_comes_again(self) -> None:
        async with (
            self.make() as broker,
            broker.consume("books", [PAID], visible_s=1.0) as messages,
        ):
            await broker.publish(paid(1))
            await take(messages)
            assert (await take(messages)).delivery == 2

    async def test_a_consumer_that_left_leaves_its_message_to_the_next(self) -> None:
        async with self.make() as broker:
            await broker.publish(paid(1))
            async with broker.consume("books", [PAID], visible_s=1.0) as messages:
                await take(messages)
            async with broker.consume("books", [PAID], visible_s=1.0) as messages:
                assert await self._acked(messages) == 1

    async def test_a_buried_message_lets_its_key_go_on_and_can_be_redriven(self) -> None:
        event = paid(1)
        async with (
            self.make() as broker,
            broker.consume("books", [PAID]) as messages,
            broker.consume("mail", [PAID]) as others,
        ):
            await broker.publish(event)
            await broker.publish(paid(2))
            await (await take(messages)).bury("no invoice 1: ü")
            assert await self._acked(messages) == 2
            assert [await self._acked(others), await self._acked(others)] == [1, 2]
            (buried,) = await broker.buried("books")
            assert (buried.event, buried.reason) == (event, "no invoice 1: ü")
            assert await broker.buried("mail") == []

            assert await broker.redrive("books", id=uuid4()) == 0
            assert await broker.redrive("books", id=event.id) == 1

            assert await self._acked(messages) == 1
            assert await nothing(others)
            assert await broker.buried("books") == []

    async def test_the_eleventh_delivery_is_a_burial(self) -> None:
        async with self.make() as broker, broker.consume("books", [PAID]) as messages:
            await broker.publish(paid(1))
            await broker.publish(paid(2))
            for number in range(1, 11):
                got = await take(messages)
                assert (got.event.payload["number"], got.delivery) == (1, number)
                await got.retry(0)
            assert await self._acked(messages) == 2
            (buried,) = await broker.buried("books")
            assert buried.reason == "not acknowledged in 10 deliveries"

    @pytest.mark.parametrize("odd", ODD)
    async def test_any_text_is_a_name_a_key_and_a_consumer(self, odd: str) -> None:
        event = paid(1, key=odd, name=odd)
        async with self.make() as broker, broker.consume(odd, [odd]) as messages:
            await broker.publish(event)
            got = await take(messages)
            assert got.event == event
            await got.bury(odd)
            assert [one.reason for one in await broker.buried(odd)] == [odd]

    @staticmethod
    async def _acked(messages: AsyncIterator[Incoming]) -> int:
        got = await take(messages)
        await got.ack()
        number: int = got.event.payload["number"]
        return number
