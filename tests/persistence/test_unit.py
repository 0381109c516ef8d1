"""The unit of work over a memory store: joins, retries, cascades, time limits, two tasks."""

import asyncio
from datetime import UTC, datetime

import anyio
import pytest

from nexios.adapters.persistence.errors import (
    DatabaseError,
    OutsideTransaction,
    StaleWrite,
    TransactionOptions,
)
from nexios.adapters.persistence.memory import MemoryUnitOfWork
from nexios.adapters.persistence.runs import RunOptions, StoreTransaction
from nexios.adapters.persistence.unit import EventCascade
from nexios.application import (
    ApplicationService,
    Caller,
    Envelope,
    TimedOut,
    UnitOfWork,
    after_commit,
    before_commit,
    transactional,
)
from nexios.domain import AlreadyExists, NotFound
from nexios.testing.memory import Memory
from tests.support.shop import ORDERS, MemoryOrders, Order, OrderNoted, OrderPlaced, a_line

pytestmark = pytest.mark.asyncio


class FixedClock:
    def now(self) -> datetime:
        return datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def memory() -> Memory:
    return Memory(Caller(actor="ann", tenant="acme", correlation="c1"), FixedClock())


async def store(memory: Memory, *numbers: str) -> list[Order]:
    made = [Order.open(number) for number in numbers]
    unit = memory.another()
    orders = MemoryOrders(unit)

    async def work() -> None:
        for one in made:
            orders.add(one)

    await unit.run(work)
    return made


async def test_a_run_inside_a_run_joins_and_the_outer_one_commits(memory: Memory) -> None:
    orders = MemoryOrders(memory.uow)

    async def inner() -> None:
        orders.add(Order.open("n1"))

    async def outer() -> None:
        await memory.uow.run(inner)
        assert memory.store.rows(ORDERS) == []
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await memory.uow.run(outer)
    assert memory.store.rows(ORDERS) == []


async def test_a_joined_run_may_not_ask_for_more_isolation(memory: Memory) -> None:
    async def inner() -> None: ...

    async def outer() -> None:
        await memory.uow.run(inner, isolation="serializable", name="Audit.check")

    with pytest.raises(TransactionOptions, match=r"Audit\.check needs serializable"):
        await memory.uow.run(outer, name="Ordering.place")
    await memory.uow.run(outer, isolation="serializable")


async def test_a_joined_read_only_run_joins_a_writing_one(memory: Memory) -> None:
    orders = MemoryOrders(memory.uow)

    async def inner() -> int:
        return len((await orders.select()).items)

    async def outer() -> int:
        orders.add(Order.open("n1"))
        return await memory.uow.run(inner, read_only=True)

    assert await memory.uow.run(outer) == 1
    assert len(memory.store.rows(ORDERS)) == 1


async def test_what_can_help_is_tried_again_and_what_cannot_is_not(memory: Memory) -> None:
    tries: list[int] = []

    async def stale() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise StaleWrite
        return 7

    assert await memory.uow.run(stale) == 7
    assert len(tries) == 3

    tries.clear()

    async def broken() -> None:
        tries.append(1)
        raise NotFound

    with pytest.raises(NotFound):
        await memory.uow.run(broken)
    assert len(tries) == 1


async def test_used_up_retries_say_how_often(memory: Memory) -> None:
    async def stale() -> None:
        raise StaleWrite

    with pytest.raises(StaleWrite) as last:
        await memory.uow.run(stale, retries=1, name="Ordering.place")
    assert last.value.__notes__ == ["Ordering.place was tried 2 times"]


async def test_a_failed_try_leaves_nothing_for_the_next(memory: Memory) -> None:
    (order,) = await store(memory, "n1")
    orders = MemoryOrders(memory.uow)
    seen: list[list[str]] = []

    async def work() -> None:
        found = await orders.get(order.id)
        seen.append(list(found.tags))
        found.tags.append("tried")
        found.note("x")
        if len(seen) == 1:
            raise StaleWrite

    await memory.uow.run(work)
    assert seen == [[], []]
    assert len(memory.events()) == 1


async def test_one_made_before_the_use_case_keeps_its_events_through_a_failed_try(
    memory: Memory,
) -> None:
    order = Order.open("n1")
    order.note("made")
    orders = MemoryOrders(memory.uow)
    tries: list[int] = []

    async def work() -> None:
        orders.add(order)
        order.note("added")
        tries.append(order.version)

    rival = Order.open("n1")

    async def add_rival() -> None:
        MemoryOrders(unit).add(rival)

    unit = memory.another()
    await unit.run(add_rival)
    with pytest.raises(AlreadyExists):
        await memory.uow.run(work)
    order.number = "n2"

    async def lose_once() -> None:
        await work()
        if len(tries) == 2:
            raise StaleWrite

    await memory.uow.run(lose_once)
    assert tries == [0, 0, 0]
    texts = [event.text for event in memory.events() if isinstance(event, OrderNoted)]
    assert texts == ["made", "added"]


async def test_a_list_changed_in_place_is_a_change(memory: Memory) -> None:
    (order,) = await store(memory, "n1")
    orders = MemoryOrders(memory.uow)

    async def work() -> None:
        (await orders.get(order.id)).tags.append("new")

    await memory.uow.run(work)
    assert [(row["tags"], row["version"]) for row in memory.store.rows(ORDERS)] == [(["new"], 2)]


async def test_a_time_limit_that_failed_tries_used_up_leaves_none_for_the_next(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[float] = []

    def begin(options: RunOptions) -> StoreTransaction:
        assert options.timeout_s is not None
        tries.append(options.timeout_s)
        return MemoryUnitOfWork.begin(memory.uow, options)

    async def work() -> None:
        if len(tries) < 3:
            raise StaleWrite

    monkeypatch.setattr(memory.uow, "begin", begin)
    await memory.uow.run(work, timeout_s=60, retries=2)
    assert 60 >= tries[0] > tries[1] > tries[2] > 0


async def test_a_time_limit_undoes_everything_and_holds_for_all_tries(memory: Memory) -> None:
    orders = MemoryOrders(memory.uow)
    tries: list[int] = []

    async def work() -> None:
        tries.append(1)
        orders.add(Order.open("n1"))
        if len(tries) == 1:
            raise StaleWrite
        await anyio.sleep_forever()

    with pytest.raises(TimedOut):
        await memory.uow.run(work, timeout_s=0.1, retries=5)
    assert memory.store.rows(ORDERS) == []
    assert len(tries) == 2


async def test_cancellation_undoes_everything_and_goes_on(memory: Memory) -> None:
    orders = MemoryOrders(memory.uow)
    inside = asyncio.Event()

    async def work() -> None:
        orders.add(Order.open("n1"))
        inside.set()
        await anyio.sleep_forever()

    task = asyncio.create_task(memory.uow.run(work))
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert memory.store.rows(ORDERS) == []
    with pytest.raises(OutsideTransaction):
        await orders.select()


async def test_two_use_cases_at_once_on_one_unit_are_two_transactions(memory: Memory) -> None:
    orders = MemoryOrders(memory.uow)
    first_inside, go_on = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        orders.add(Order.open("n1"))
        first_inside.set()
        await go_on.wait()
        raise ZeroDivisionError

    async def second() -> None:
        orders.add(Order.open("n2"))

    one = asyncio.create_task(memory.uow.run(first))
    await first_inside.wait()
    two = asyncio.create_task(memory.uow.run(second))
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(ZeroDivisionError):
        await one
    await two
    assert [row["number"] for row in memory.store.rows(ORDERS)] == ["n2"]


async def test_another_task_may_not_use_the_repository_of_a_run_it_is_not_in(
    memory: Memory,
) -> None:
    orders = MemoryOrders(memory.uow)
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        inside.set()
        await go_on.wait()

    running = asyncio.create_task(memory.uow.run(work))
    await inside.wait()
    with pytest.raises(OutsideTransaction):
        orders.add(Order.open("n1"))
    go_on.set()
    await running


async def test_a_task_that_outlives_the_run_is_outside(memory: Memory) -> None:
    orders = MemoryOrders(memory.uow)
    go_on = asyncio.Event()

    async def late() -> None:
        await go_on.wait()
        await orders.select()

    async def work() -> "asyncio.Task[None]":
        return asyncio.create_task(late())

    task = await memory.uow.run(work)
    go_on.set()
    with pytest.raises(OutsideTransaction):
        await task


async def test_removing_what_was_not_loaded_here_is_refused(memory: Memory) -> None:
    (order,) = await store(memory, "n1")
    orders = MemoryOrders(memory.uow)

    async def work() -> None:
        orders.remove(order)

    with pytest.raises(DatabaseError, match="has not loaded"):
        await memory.uow.run(work)


async def test_versions_are_seen_after_the_commit_only(memory: Memory) -> None:
    (order,) = await store(memory, "n1")
    orders = MemoryOrders(memory.uow)

    async def work() -> Order:
        found = await orders.get(order.id)
        found.coupon = "ten"
        assert found.version == 1
        return found

    assert (await memory.uow.run(work)).version == 2


async def test_envelopes_tell_who_what_and_where(memory: Memory) -> None:
    orders = MemoryOrders(memory.uow)
    order = Order.open("n1")
    order.note("first")
    order.note("second")

    async def work() -> None:
        orders.add(order)

    await memory.uow.run(work)
    first, second = memory.envelopes()
    assert first == Envelope(
        id=first.id,
        name="shop.order-noted",
        version=1,
        stream=f"orders:{order.id}",
        stream_version=1,
        index=0,
        at=datetime(2026, 1, 2, tzinfo=UTC),
        actor="ann",
        tenant="acme",
        correlation="c1",
    )
    assert (second.index, second.stream_version) == (1, 1)
    assert first.id != second.id


class Cascade(ApplicationService):
    """Before the commit: a note places the order; endless when told so."""

    def __init__(self, uow: UnitOfWork, orders: MemoryOrders, *, endless: bool = False) -> None:
        self.uow = uow
        self.orders = orders
        self.endless = endless
        self.later: list[OrderPlaced] = []

    @transactional
    async def note(self, order: Order, text: str) -> None:
        (await self.orders.get(order.id)).note(text)

    @before_commit(OrderNoted)
    async def place(self, event: OrderNoted, envelope: Envelope) -> None:
        order = await self.orders.get(event.order)
        if event.text == "refuse":
            raise ZeroDivisionError
        if self.endless:
            order.note("again")
            return
        order.put(a_line())
        order.place()

    @after_commit(OrderPlaced)
    async def placed(self, event: OrderPlaced, envelope: Envelope) -> None:
        self.later.append(event)


async def test_before_commit_handlers_write_in_the_same_transaction(memory: Memory) -> None:
    (order,) = await store(memory, "n1")
    service = Cascade(memory.uow, MemoryOrders(memory.uow))
    memory.subscribe(service)
    await service.note(order, "x")
    assert [type(event) for event in memory.events()] == [OrderNoted, OrderPlaced]
    assert [one.index for one in memory.envelopes()] == [0, 1]
    (row,) = memory.store.rows(ORDERS)
    assert (row["status"], row["version"]) == ("placed", 2)
    assert service.later == []
    assert await memory.deliver() == 1
    assert len(service.later) == 1


async def test_a_before_commit_handler_that_raises_undoes_the_use_case(memory: Memory) -> None:
    (order,) = await store(memory, "n1")
    service = Cascade(memory.uow, MemoryOrders(memory.uow))
    memory.subscribe(service)
    with pytest.raises(ZeroDivisionError):
        await service.note(order, "refuse")
    assert memory.events() == []
    assert memory.store.rows(ORDERS)[0]["version"] == 1


async def test_handlers_that_never_come_to_rest_are_stopped(memory: Memory) -> None:
    (order,) = await store(memory, "n1")
    service = Cascade(memory.uow, MemoryOrders(memory.uow), endless=True)
    memory.subscribe(service)
    with pytest.raises(EventCascade, match="did not come to rest after 11 generations"):
        await service.note(order, "x")
    assert memory.events() == []


async def test_it_takes_the_caller_it_was_made_with(memory: Memory) -> None:
    assert MemoryUnitOfWork(memory.store, Caller(actor="bob")).caller.actor == "bob"
