"""Deliveries on every store: order, effects once, failures, poison, concurrent workers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
import pytest_asyncio

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.errors import DatabaseUnavailable, StaleWrite
from nexios.adapters.persistence.memory import MemoryUnitOfWork
from nexios.adapters.persistence.memory_outbox import MemoryOutbox
from nexios.adapters.persistence.memory_store import MemoryStore
from nexios.adapters.persistence.outbox import SqlOutbox
from nexios.adapters.persistence.repository import MappedRepository
from nexios.adapters.persistence.sql import SqlUnitOfWork
from nexios.adapters.persistence.tables import create_tables
from nexios.adapters.persistence.unit import TrackingUnitOfWork
from nexios.adapters.persistence.worker import Worker
from nexios.application import (
    ApplicationService,
    Envelope,
    Unavailable,
    after_commit,
    subscribe,
)
from nexios.application.listening import Signals
from nexios.application.signals import (
    DeliveryDead,
    DeliveryDone,
    DeliveryFailed,
    DeliveryStarted,
)
from nexios.application.subscribers import SubscribedServices
from nexios.domain import DomainEvent
from tests.support.shop import (
    METADATA,
    MemoryOrders,
    Order,
    OrderId,
    OrderNoted,
    OrderPlaced,
    SqlOrders,
    a_line,
)

pytestmark = pytest.mark.asyncio


class Crash(BaseException):
    """The process dies here."""


@dataclass
class Shop:
    """One store with its outbox; ``later`` moves the time of deliveries that back off."""

    name: str
    outbox: Any
    make_unit: Callable[..., TrackingUnitOfWork]
    orders: Callable[[Any], MappedRepository[Order, OrderId]]
    later: Callable[[], Awaitable[None]]
    deliveries: Callable[[], Awaitable[list[dict[str, Any]]]]
    services: SubscribedServices = field(default_factory=subscribe)

    def unit(self) -> TrackingUnitOfWork:
        return self.make_unit(subscribers=self)

    def before(self, event_type: type[DomainEvent]) -> Any:
        return self.services.before(event_type)

    def consumers(self, event_type: type[DomainEvent]) -> Any:
        return self.services.consumers(event_type)

    def worker(self, **options: Any) -> Worker:
        return Worker(
            self.outbox, self.services.deliver, consumers=self.services.every_consumer(), **options
        )

    async def note(self, *texts: str, order: OrderId | None = None) -> OrderId:
        """Record one event for each text, in one commit."""
        unit = self.unit()
        orders = self.orders(unit)

        async def work() -> OrderId:
            if order is None:
                found = Order.open(f"n{texts[0]}"[:20])
                orders.add(found)
            else:
                found = await orders.get(order)
            for text in texts:
                found.note(text)
            return found.id

        return await unit.run(work)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    match request.param:
        case "memory":
            yield ""
        case "sqlite":
            yield f"sqlite:///{tmp_path / 'outbox.db'}"
        case _:
            yield request.getfixturevalue("nexios_database_url")


@pytest_asyncio.fixture
async def shop(store: str) -> AsyncIterator[Shop]:
    if not store:
        yield _memory_shop()
        return
    async with Database(store) as database:
        await create_tables(database, METADATA)
        outbox = SqlOutbox(database)

        async def later() -> None:
            # Passing over what workers hold: this statement is no part of what is tested.
            held = "" if database.store.value == "sqlite" else " FOR UPDATE SKIP LOCKED"
            await database.execute(
                "UPDATE nx_delivery SET not_before = '2000-01-01 00:00:00.000000+00:00' WHERE "
                f"(seq, consumer) IN (SELECT seq, consumer FROM nx_delivery{held})"
            )

        async def deliveries() -> list[dict[str, Any]]:
            return await database.fetch_all(
                "SELECT consumer, state, attempts, error FROM nx_delivery ORDER BY seq, consumer"
            )

        yield Shop(
            database.store.value,
            outbox,
            lambda **options: SqlUnitOfWork(database, **options),
            SqlOrders,
            later,
            deliveries,
        )
        assert await outbox.repair() == 0
        assert database.status.in_use == 0


def _memory_shop() -> Shop:
    now = [0.0]
    memory = MemoryStore(now=lambda: now[0])

    async def later() -> None:
        now[0] += 1000

    async def deliveries() -> list[dict[str, Any]]:
        return [
            {
                "consumer": one.consumer,
                "state": one.state,
                "attempts": one.attempts,
                "error": one.error,
            }
            for one in memory.lanes.deliveries.values()
        ]

    return Shop(
        "memory",
        MemoryOutbox(memory),
        lambda **options: MemoryUnitOfWork(memory, **options),
        MemoryOrders,
        later,
        deliveries,
    )


class Recorder(ApplicationService):
    """Writes each event it is told into an order of its own: an effect in the same store."""

    def __init__(self, shop: Shop) -> None:
        self.uow = shop.unit()
        self.orders = shop.orders(self.uow)
        self.told: list[str] = []
        self.fail: Callable[[str], None] = lambda text: None

    @after_commit(OrderNoted, name="recorder", attempts=3)
    async def record(self, event: OrderNoted, envelope: Envelope) -> None:
        self.told.append(event.text)
        self.orders.add(Order.open(f"did {event.text}"))
        self.fail(event.text)


async def _effects(shop: Shop) -> list[str]:
    unit = shop.unit()
    orders = shop.orders(unit)

    async def work() -> list[str]:
        found: list[str] = []
        after: str | None = None
        while True:
            page = await orders.select(after=after)
            found += [order.number.removeprefix("did ") for order in page.items]
            after = page.next
            if after is None:
                # Ids made within one millisecond have no order.
                return sorted(number for number in found if not number.startswith("n"))

    return await unit.run(work)


async def test_events_reach_their_consumer_in_order_and_once(shop: Shop) -> None:
    recorder = Recorder(shop)
    shop.services = subscribe(recorder)
    order = await shop.note("1", "2")
    await shop.note("3", order=order)
    assert await shop.outbox.pending() == {"recorder": 3}

    assert await shop.worker().deliver_ready() == 3

    assert recorder.told == ["1", "2", "3"]
    assert await _effects(shop) == ["1", "2", "3"]
    assert await shop.deliveries() == []
    assert await shop.worker().deliver_ready() == 0


async def test_nothing_is_delivered_of_a_use_case_that_raised(shop: Shop) -> None:
    shop.services = subscribe(Recorder(shop))
    unit = shop.unit()
    orders = shop.orders(unit)

    async def work() -> None:
        order = Order.open("n1")
        order.note("never")
        orders.add(order)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await unit.run(work)
    assert await shop.outbox.pending() == {}


async def test_a_failing_handler_leaves_no_effect_and_holds_its_stream_only(shop: Shop) -> None:
    recorder = Recorder(shop)
    shop.services = subscribe(recorder)

    def fail(text: str) -> None:
        if text == "bad":
            raise ZeroDivisionError("no luck")

    recorder.fail = fail
    held = await shop.note("bad")
    await shop.note("behind", order=held)
    await shop.note("other")

    await shop.worker().deliver_ready()

    assert await _effects(shop) == ["other"]
    states = [(one["state"], one["attempts"]) for one in await shop.deliveries()]
    assert states == [("ready", 1), ("waiting", 0)]
    assert (await shop.deliveries())[0]["error"] == "ZeroDivisionError: no luck"

    recorder.fail = lambda text: None
    await shop.later()
    await shop.worker().deliver_ready()
    assert await _effects(shop) == ["bad", "behind", "other"]
    assert recorder.told == ["bad", "other", "bad", "behind"]
    assert await shop.deliveries() == []


async def test_a_poison_event_dies_after_its_attempts_and_the_stream_goes_on(shop: Shop) -> None:
    recorder = Recorder(shop)
    shop.services = subscribe(recorder)

    def fail(text: str) -> None:
        if text == "bad":
            raise ZeroDivisionError

    recorder.fail = fail
    died: list[tuple[type[BaseException], str]] = []
    await shop.note("bad", "after")
    for _ in range(3):
        assert died == []
        await shop.later()
        worker = shop.worker(died=lambda error, consumer: died.append((type(error), consumer)))
        await worker.deliver_ready()

    assert died == [(ZeroDivisionError, "recorder")]
    assert recorder.told == ["bad", "bad", "bad", "after"]
    assert [(one["state"], one["attempts"]) for one in await shop.deliveries()] == [("dead", 3)]
    assert await shop.outbox.pending() == {}

    recorder.fail = lambda text: None
    assert await shop.outbox.redrive("somebody else") == 0
    assert await shop.outbox.redrive("recorder") == 1
    await shop.worker().deliver_ready()
    assert await _effects(shop) == ["after", "bad"]


async def test_deliveries_are_told_to_who_listens(shop: Shop) -> None:
    recorder = Recorder(shop)
    shop.services = subscribe(recorder)

    def fail(text: str) -> None:
        raise ZeroDivisionError

    signals, heard = Signals(), list[object]()
    for kind in (DeliveryStarted, DeliveryDone, DeliveryFailed, DeliveryDead):
        signals.on(kind, heard.append)
    order = await shop.note("good")
    await shop.worker(signals=signals).deliver_ready()
    recorder.fail = fail
    await shop.note("bad", order=order)
    for _ in range(3):
        await shop.worker(signals=signals).deliver_ready()
        await shop.later()
    kinds = [type(one) for one in heard]
    failed = [DeliveryStarted, DeliveryFailed]
    assert kinds == [DeliveryStarted, DeliveryDone, *failed * 3, DeliveryDead]
    assert [one.attempt for one in heard if isinstance(one, DeliveryStarted)] == [1, 1, 2, 3]
    assert {one[0] for one in heard if isinstance(one, tuple)} == {"recorder"}
    (reason,) = {one.failure for one in heard if isinstance(one, DeliveryFailed)}
    assert reason == "ZeroDivisionError"


async def test_redriven_deliveries_of_one_stream_keep_their_order(shop: Shop) -> None:
    recorder = Recorder(shop)
    shop.services = subscribe(recorder)

    def fail(text: str) -> None:
        raise ZeroDivisionError

    recorder.fail = fail
    await shop.note("1", "2", "3")
    for _ in range(9):
        await shop.later()
        await shop.worker().deliver_ready()
    assert [one["state"] for one in await shop.deliveries()] == ["dead"] * 3

    recorder.told.clear()
    recorder.fail = lambda text: None
    assert await shop.outbox.redrive() == 3
    held, looked = anyio.Event(), anyio.Event()
    taken: list[object] = []

    async def another() -> None:
        await held.wait()
        async with shop.outbox.claim(longest_s=30) as second:
            taken.append(second)
        looked.set()

    async with anyio.create_task_group() as group:
        group.start_soon(another)  # before the claim: it must not stand in its transaction
        async with shop.outbox.claim(longest_s=30) as first:
            assert first is not None
            held.set()
            await looked.wait()
    assert taken == [None], "the second of the stream was taken beside the first"
    await shop.worker().deliver_ready()
    assert recorder.told == ["1", "2", "3"]


async def test_a_blocking_consumer_stops_its_stream_until_it_is_redriven(shop: Shop) -> None:
    class Strict(ApplicationService):
        def __init__(self) -> None:
            self.uow = shop.unit()
            self.told: list[str] = []
            self.broken = True

        @after_commit(OrderNoted, name="strict", attempts=1, on_dead="block")
        async def record(self, event: OrderNoted, envelope: Envelope) -> None:
            if self.broken and event.text == "bad":
                raise ZeroDivisionError
            self.told.append(event.text)

    strict = Strict()
    shop.services = subscribe(strict)
    await shop.note("bad", "behind")
    await shop.note("other")
    await shop.worker().deliver_ready()
    await shop.later()
    await shop.worker().deliver_ready()
    assert strict.told == ["other"]
    assert [one["state"] for one in await shop.deliveries()] == ["blocked", "waiting"]

    strict.broken = False
    assert await shop.outbox.redrive() == 1
    await shop.worker().deliver_ready()
    assert strict.told == ["other", "bad", "behind"]


async def test_dead_letters_are_listed_with_what_went_wrong_and_redriven_one_by_one(
    shop: Shop,
) -> None:
    recorder = Recorder(shop)
    shop.services = subscribe(recorder)

    def fail(text: str) -> None:
        if text.startswith("bad"):
            raise ZeroDivisionError("by nothing")

    recorder.fail = fail
    assert list(await shop.outbox.dead()) == []
    order = await shop.note("bad", "after")
    await shop.note("bad too")
    for _ in range(6):
        await shop.later()
        await shop.worker().deliver_ready()

    first, second = await shop.outbox.dead()
    assert (first.consumer, first.event) == ("recorder", "shop.order-noted")
    assert first.stream == f"orders:{order}"
    assert (first.attempts, first.blocked, first.overtaken) == (3, False, True)
    assert first.error == "ZeroDivisionError: by nothing"
    assert first.at.tzinfo is not None
    assert (second.seq > first.seq, second.overtaken) == (True, False)
    assert list(await shop.outbox.dead("recorder", limit=1)) == [first]
    assert list(await shop.outbox.dead("somebody else")) == []

    recorder.fail = lambda text: None
    assert await shop.outbox.redrive("recorder", seq=second.seq) == 1
    await shop.worker().deliver_ready()
    assert await _effects(shop) == ["after", "bad too"]
    assert list(await shop.outbox.dead()) == [first]


async def test_skipping_a_blocked_delivery_lets_its_stream_go_on(shop: Shop) -> None:
    class Strict(ApplicationService):
        def __init__(self) -> None:
            self.uow = shop.unit()
            self.told: list[str] = []

        @after_commit(OrderNoted, name="strict", attempts=1, on_dead="block")
        async def record(self, event: OrderNoted, envelope: Envelope) -> None:
            if event.text == "bad":
                raise ZeroDivisionError
            self.told.append(event.text)

    strict = Strict()
    shop.services = subscribe(strict)
    await shop.note("bad", "behind")
    await shop.worker().deliver_ready()
    (letter,) = await shop.outbox.dead()
    assert letter.blocked

    assert await shop.outbox.skip("nobody", seq=letter.seq) == 0
    assert await shop.outbox.skip("strict", seq=letter.seq) == 1
    assert await shop.outbox.skip("strict", seq=letter.seq) == 0
    await shop.worker().deliver_ready()
    assert strict.told == ["behind"]
    (letter,) = await shop.outbox.dead()
    assert (letter.blocked, letter.overtaken) == (False, True)


async def test_a_worker_that_dies_in_a_handler_gives_the_delivery_back(shop: Shop) -> None:
    recorder = Recorder(shop)
    shop.services = subscribe(recorder)

    def die(text: str) -> None:
        raise Crash

    recorder.fail = die
    await shop.note("1", "2")
    with pytest.raises(Crash):
        await shop.worker().deliver_ready()
    assert await _effects(shop) == []

    recorder.fail = lambda text: None
    await shop.worker().deliver_ready()
    assert await _effects(shop) == ["1", "2"]
    assert recorder.told == ["1", "1", "2"]


async def test_what_the_store_undoes_counts_no_attempt(shop: Shop) -> None:
    recorder = Recorder(shop)
    shop.services = subscribe(recorder)

    def lose(text: str) -> None:
        raise StaleWrite

    recorder.fail = lose
    await shop.note("1")
    with pytest.raises(StaleWrite):
        await shop.worker().deliver_ready()
    assert [(one["state"], one["attempts"]) for one in await shop.deliveries()] == [("ready", 0)]

    recorder.fail = lambda text: None
    await shop.worker().deliver_ready()
    assert await _effects(shop) == ["1"]


async def test_a_handler_that_takes_too_long_is_a_failed_attempt(shop: Shop) -> None:
    class Slow(ApplicationService):
        def __init__(self) -> None:
            self.uow = shop.unit()
            self.orders = shop.orders(self.uow)

        @after_commit(OrderNoted, name="slow", timeout_s=0.01)
        async def record(self, event: OrderNoted, envelope: Envelope) -> None:
            self.orders.add(Order.open("did it"))
            await anyio.sleep_forever()

    shop.services = subscribe(Slow())
    await shop.note("1")
    made = await shop.worker().deliver_ready()
    assert made >= 1
    (one,) = await shop.deliveries()
    assert (one["attempts"], one["error"]) == (made, "TimedOut: slow took longer than 0.01 s")
    assert await _effects(shop) == []


async def test_several_workers_keep_each_stream_in_order_and_every_effect_once(shop: Shop) -> None:
    recorder = Recorder(shop)
    told: dict[str, list[str]] = {}
    attempts: dict[str, int] = {}

    class Each(ApplicationService):
        def __init__(self) -> None:
            self.uow = recorder.uow

        @after_commit(OrderNoted, name="each")
        async def record(self, event: OrderNoted, envelope: Envelope) -> None:
            raise AssertionError("delivered by hand below")

    shop.services = subscribe(Each())

    async def deliver(consumer: Any, event: Any, envelope: Envelope) -> None:
        unit = shop.unit()
        orders = shop.orders(unit)

        async def work() -> None:
            number = attempts[event.text] = attempts.get(event.text, 0) + 1
            if number == 1 and event.text.endswith("3"):
                raise ZeroDivisionError
            await anyio.lowlevel.checkpoint()
            orders.add(Order.open(f"did {event.text}"))

        await unit.run(work)
        told.setdefault(envelope.stream, []).append(event.text)

    streams = [await shop.note(f"{stream}-0") for stream in range(4)]
    for step in range(1, 6):
        for stream, order in enumerate(streams):
            await shop.note(f"{stream}-{step}", order=order)
    worker = Worker(
        shop.outbox,
        deliver,
        consumers=shop.services.every_consumer(),
        workers=4,
        poll_interval_s=0.01,
    )
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(worker.run)
            while await shop.outbox.pending():
                await shop.later()
                await anyio.sleep(0.01)
            await worker.stop()

    assert len(told) == 4
    for stream, texts in told.items():
        assert texts == sorted(texts), stream
    effects = await _effects(shop)
    assert sorted(effects) == sorted(
        f"{stream}-{step}" for stream in range(4) for step in range(6)
    )
    assert worker.repaired == 0


async def test_a_commit_wakes_the_worker_long_before_it_polls(shop: Shop) -> None:
    recorder = Recorder(shop)
    shop.services = subscribe(recorder)
    worker = shop.worker(poll_interval_s=3600)
    done = anyio.Event()
    recorder.fail = lambda text: done.set()
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(worker.run)
            await anyio.wait_all_tasks_blocked()
            await shop.note("1")
            await done.wait()
            await worker.stop()
    assert await _effects(shop) == ["1"]


async def test_a_lost_race_is_tried_again_long_before_the_next_poll(shop: Shop) -> None:
    recorder = Recorder(shop)
    shop.services = subscribe(recorder)
    worker = shop.worker(poll_interval_s=3600, workers=1)
    tries: list[str] = []
    done = anyio.Event()

    def lose_twice(text: str) -> None:
        tries.append(text)
        if len(tries) < 3:
            raise StaleWrite
        done.set()

    recorder.fail = lose_twice
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(worker.run)
            await shop.note("1")
            await done.wait()
            await worker.stop()
    assert tries == ["1", "1", "1"]
    assert await _effects(shop) == ["1"]


async def test_what_a_handler_records_goes_on_to_the_next(shop: Shop) -> None:
    class Chain(ApplicationService):
        def __init__(self) -> None:
            self.uow = shop.unit()
            self.orders = shop.orders(self.uow)
            self.placed: list[OrderPlaced] = []
            self.envelopes: list[Envelope] = []

        @after_commit(OrderNoted, name="place")
        async def place(self, event: OrderNoted, envelope: Envelope) -> None:
            order = await self.orders.get(event.order)
            order.put(a_line())
            order.place()

        @after_commit(OrderPlaced, name="tell")
        async def tell(self, event: OrderPlaced, envelope: Envelope) -> None:
            self.placed.append(event)
            self.envelopes.append(envelope)

    chain = Chain()
    shop.services = subscribe(chain)
    order = await shop.note("go")
    assert await shop.worker().deliver_ready() == 2
    assert [event.order for event in chain.placed] == [order]
    assert chain.placed[0].total.amount == a_line().price.amount
    assert chain.envelopes[0].stream == f"orders:{order}"
    assert (chain.envelopes[0].stream_version, chain.envelopes[0].index) == (2, 0)


async def test_an_unknown_consumer_keeps_its_deliveries(shop: Shop) -> None:
    recorder = Recorder(shop)
    shop.services = subscribe(recorder)
    await shop.note("1")
    known, shop.services = shop.services, subscribe()
    await shop.worker().deliver_ready()
    assert [one["error"] for one in await shop.deliveries()] == ["no handler of this name"]
    shop.services = known
    await shop.later()
    await shop.worker().deliver_ready()
    assert await _effects(shop) == ["1"]


async def test_settled_events_are_purged_and_waiting_ones_are_not(shop: Shop) -> None:
    if shop.name == "memory":
        pytest.skip("nexios: memory lacks purging")
    shop.services = subscribe(Recorder(shop))
    order = await shop.note("1", "2")
    assert await shop.outbox.purge(older_than_s=-60) == 0
    await shop.worker().deliver_ready()
    await shop.note("3", order=order)
    assert await shop.outbox.purge(older_than_s=3600) == 0
    assert await shop.outbox.purge(older_than_s=-60) == 2


async def test_a_worker_forgets_what_was_kept_long_enough_once_an_hour(shop: Shop) -> None:
    if shop.name == "memory":
        pytest.skip("nexios: memory lacks purging")
    shop.services = subscribe(Recorder(shop))
    await shop.note("1")
    worker = shop.worker(keep_s=-60.0)
    await worker.tidy()
    await worker.deliver_ready()
    await worker.tidy()  # within the hour
    assert await shop.outbox.purge(older_than_s=-60) == 1

    await shop.note("2")
    worker = shop.worker(keep_s=-60.0)
    await worker.deliver_ready()
    await worker.tidy()
    assert await shop.outbox.purge(older_than_s=-60) == 0


async def test_a_worker_refuses_odd_numbers(shop: Shop) -> None:
    with pytest.raises(ValueError, match="workers is at least 1"):
        shop.worker(workers=0)
    if shop.outbox.most_workers is None:
        shop.worker(workers=100)
        return
    shop.worker(workers=5)
    with pytest.raises(ValueError, match="at most 5 workers"):
        shop.worker(workers=6)


class Picky(ApplicationService):
    """Fails on the first stream in its own way, and tells when another got through."""

    def __init__(self, shop: Shop, failure: Callable[[], Awaitable[None]]) -> None:
        self.uow = shop.unit()
        self.orders = shop.orders(self.uow)
        self.tries = 0
        self.passed = anyio.Event()
        self._failure = failure

    @after_commit(OrderNoted, name="picky")
    async def record(self, event: OrderNoted, envelope: Envelope) -> None:
        if event.text == "good":
            self.passed.set()
            return
        self.tries += 1
        await self._failure()


async def _unavailable() -> None:
    raise Unavailable("the mail server is away")


async def _always_loses() -> None:
    raise StaleWrite


async def _waits_for_a_cancelled_future() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


@pytest.mark.parametrize(
    "failure",
    [_unavailable, _always_loses, _waits_for_a_cancelled_future],
    ids=lambda f: f.__name__,
)
async def test_a_handler_that_cannot_keeps_no_worker_from_the_others(
    shop: Shop, failure: Callable[[], Awaitable[None]]
) -> None:
    picky = Picky(shop, failure)
    shop.services = subscribe(picky)
    worker = shop.worker(poll_interval_s=0.01, workers=1)
    await shop.note("bad")
    await shop.note("good")
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(worker.run)
            await picky.passed.wait()
            await worker.stop()
    (first, *_) = await shop.deliveries()
    assert first["state"] == "ready"
    assert first["attempts"] >= 1
    assert picky.tries >= 1


async def test_an_outage_is_said_once_and_its_end_too(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder(shop)
    shop.services = subscribe(recorder)
    worker = shop.worker(poll_interval_s=0.001)
    claim = shop.outbox.claim
    failed = 0

    @asynccontextmanager
    async def away(**options: Any) -> AsyncIterator[Any]:
        nonlocal failed
        failed += 1
        raise DatabaseUnavailable("cannot reach it")
        yield

    shop.outbox.claim = away
    with caplog.at_level("INFO", "nexios.outbox"), anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(worker.run)
            while failed < 20:
                await anyio.lowlevel.checkpoint()
            shop.outbox.claim = claim
            done = anyio.Event()
            recorder.fail = lambda text: done.set()
            await shop.note("1")
            await done.wait()
            await worker.stop()
    assert [record.getMessage() for record in caplog.records] == [
        "the outbox could not be worked on: cannot reach it; trying again every 0.001 s",
        "the outbox is worked on again",
    ]
