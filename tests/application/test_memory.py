"""Use cases in memory, on asyncio and on trio: nothing in them knows the event loop."""

import pytest

from nexios.adapters.persistence.memory import MemoryUnitOfWork
from nexios.application import (
    ApplicationService,
    Envelope,
    UnitOfWork,
    after_commit,
    before_commit,
    transactional,
)
from nexios.domain import NotFound, RuleViolated
from nexios.testing.memory import Memory
from tests.support.shop import (
    CustomerId,
    Line,
    MemoryOrders,
    Order,
    OrderId,
    OrderNoted,
    OrderPlaced,
    Orders,
    a_line,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Ordering(ApplicationService):
    def __init__(self, uow: UnitOfWork, orders: Orders) -> None:
        self.uow = uow
        self._orders = orders

    @transactional
    async def open(self, customer: CustomerId, number: str) -> OrderId:
        order = Order.open(number, customer)
        self._orders.add(order)
        return order.id

    @transactional
    async def put(self, id: OrderId, line: Line) -> None:
        (await self._orders.get(id)).put(line)

    @transactional
    async def place(self, id: OrderId) -> Order:
        order = await self._orders.get(id)
        order.place()
        return order

    @transactional(timeout_s=5)
    async def open_and_place(self, number: str) -> Order:
        id = await self.open(CustomerId.new(), number)
        await self.put(id, a_line())
        return await self.place(id)

    @transactional(read_only=True)
    async def number(self, id: OrderId) -> str:
        return (await self._orders.get(id)).number


class Mailing(ApplicationService):
    def __init__(self, uow: UnitOfWork, orders: Orders) -> None:
        self.uow = uow
        self._orders = orders
        self.sent: list[OrderId] = []
        self.noted: list[str] = []

    @before_commit(OrderPlaced)
    async def note(self, event: OrderPlaced, envelope: Envelope) -> None:
        (await self._orders.get(event.order)).note("placed")

    @after_commit(OrderPlaced)
    async def confirm(self, event: OrderPlaced, envelope: Envelope) -> None:
        self.sent.append(event.order)

    @after_commit(OrderNoted)
    async def tell(self, event: OrderNoted, envelope: Envelope) -> None:
        self.noted.append(event.text)


@pytest.fixture
def ordering(nexios_memory: Memory) -> Ordering:
    uow: MemoryUnitOfWork = nexios_memory.uow
    return Ordering(uow, MemoryOrders(uow))


async def test_nothing_is_said_when_placing_fails(
    nexios_memory: Memory, ordering: Ordering
) -> None:
    order = await ordering.open(CustomerId.new(), "n1")
    with pytest.raises(RuleViolated):
        await ordering.place(order)
    assert nexios_memory.events() == []


async def test_use_cases_that_call_each_other_are_one_transaction(
    nexios_memory: Memory, ordering: Ordering
) -> None:
    order = await ordering.open_and_place("n1")
    assert order.version == 1
    assert nexios_memory.events() == [OrderPlaced(order=order.id, total=order.total)]


async def test_a_failure_in_the_middle_undoes_the_whole(
    nexios_memory: Memory, ordering: Ordering
) -> None:
    class Failing(Ordering):
        @transactional
        async def place(self, id: OrderId) -> Order:
            raise RuleViolated("not today")

    failing = Failing(nexios_memory.uow, MemoryOrders(nexios_memory.uow))
    with pytest.raises(RuleViolated):
        await failing.open_and_place("n1")
    assert nexios_memory.events() == []
    assert (await ordering.open_and_place("n1")).number == "n1"


async def test_handlers_before_and_after_the_commit(
    nexios_memory: Memory, ordering: Ordering
) -> None:
    mailing = Mailing(nexios_memory.uow, MemoryOrders(nexios_memory.uow))
    nexios_memory.subscribe(mailing)
    order = await ordering.open_and_place("n1")
    assert mailing.sent == []
    assert await nexios_memory.deliver() == 2
    assert mailing.sent == [order.id]
    assert mailing.noted == ["placed"]
    assert order.version == 1


async def test_a_delivery_is_a_transaction_of_its_own(
    nexios_memory: Memory, ordering: Ordering
) -> None:
    class Stubborn(ApplicationService):
        def __init__(self, uow: UnitOfWork, orders: Orders) -> None:
            self.uow = uow
            self.orders = orders

        @after_commit(OrderPlaced)
        async def cancel(self, event: OrderPlaced, envelope: Envelope) -> None:
            self.orders.remove(await self.orders.get(event.order))
            if envelope.index == 0 and nexios_memory.now == 0:
                raise ZeroDivisionError

    nexios_memory.subscribe(Stubborn(nexios_memory.uow, MemoryOrders(nexios_memory.uow)))
    order = await ordering.open_and_place("n1")
    await nexios_memory.deliver()
    assert await ordering.number(order.id) == "n1"
    nexios_memory.wait(2)
    await nexios_memory.deliver()
    with pytest.raises(NotFound):
        await ordering.number(order.id)
