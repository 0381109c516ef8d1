"""The use cases, in memory: from draft to a decision."""

from decimal import Decimal
from typing import Any

import anyio
import pytest

from examples.shop import seeding
from examples.shop.catalog.adapters.persistence.products import MemoryProducts
from examples.shop.catalog.application.stocking import Stocking
from examples.shop.catalog.domain.events import StockShort, StockTaken
from examples.shop.catalog.domain.product import Product
from examples.shop.orders.domain.events import OrderMoved, OrderPlaced
from examples.shop.orders.domain.order import Order
from examples.shop.orders.domain.values import CustomerId, Line, Money, OrderId, Status
from examples.shop.seeding import fill
from examples.shop.tests.support.memory import GOODS, Shop
from nexios.domain import AlreadyExists, DomainEvent, InvalidValue, NotFound, Page, RuleViolated

pytestmark = pytest.mark.asyncio


async def test_the_price_is_the_catalogs() -> None:
    shop = await Shop.opened()
    order = await shop.customer("a").draft(("tea", 2))
    assert order.lines == [Line("tea", 2, Money(Decimal("3.50")))]
    assert order.total == Money(Decimal("7.00"))


async def test_a_placed_order_is_confirmed_and_the_stock_lowered() -> None:
    shop = await Shop.opened()
    customer = shop.customer("a")
    order = await customer.draft(("tea", 2), ("cup", 1))

    placed = await customer.ordering.place(order.id)
    assert placed.status is Status.PLACED
    assert await shop.on_hand("tea") == 5  # not before the commit is handed on
    await shop.memory.deliver()

    assert await customer.status(order) is Status.CONFIRMED
    assert (await shop.on_hand("tea"), await shop.on_hand("cup")) == (3, 0)
    assert shop.feed.about(order.id) == [Status.PLACED, Status.CONFIRMED]
    assert [type(event) for event in shop.memory.events()] == [
        OrderPlaced,
        OrderMoved,
        StockTaken,
        OrderMoved,
    ]


async def test_nothing_is_said_when_placing_fails() -> None:
    shop = await Shop.opened()
    customer = shop.customer("a")
    empty, greedy = await customer.draft(), await customer.draft(("cup", 2))
    for order in (empty, greedy):
        with pytest.raises(RuleViolated):
            await customer.ordering.place(order.id)
        assert await customer.status(order) is Status.DRAFT
    assert shop.memory.events() == []


async def test_two_orders_for_the_last_piece_the_second_is_rejected_whole() -> None:
    shop = await Shop.opened()
    first, second = shop.customer("a"), shop.customer("b")
    quick, late = await first.draft(("cup", 1)), await second.draft(("tea", 2), ("cup", 1))
    await first.ordering.place(quick.id)
    await second.ordering.place(late.id)  # the cup is still on the shelf

    await shop.memory.deliver()

    assert await first.status(quick) is Status.CONFIRMED
    rejected = await second.ordering.order(late.id)
    assert (rejected.status, rejected.reason) == (
        Status.REJECTED,
        "not enough on hand of cup",
    )
    assert (await shop.on_hand("tea"), await shop.on_hand("cup")) == (5, 0)
    assert shop.feed.about(late.id) == [Status.PLACED, Status.REJECTED]


async def test_ten_customers_at_once_for_five_teas() -> None:
    shop = await Shop.opened()
    customers = [shop.customer(f"c{n}-") for n in range(10)]
    orders = [await customer.draft(("tea", 1)) for customer in customers]

    async with anyio.create_task_group() as tasks:
        for customer, order in zip(customers, orders, strict=True):
            tasks.start_soon(customer.ordering.place, order.id)
    await shop.memory.deliver()

    ends = [
        await customer.status(order) for customer, order in zip(customers, orders, strict=True)
    ]
    assert ends.count(Status.CONFIRMED) == 5
    assert ends.count(Status.REJECTED) == 5
    assert await shop.on_hand("tea") == 0


async def test_a_delivery_that_comes_twice_takes_the_goods_once() -> None:
    shop = await Shop.opened()
    customer = shop.customer("a")
    order = await customer.draft(("tea", 2))
    await customer.ordering.place(order.id)
    await shop.memory.deliver()
    count = len(shop.memory.events())

    await again(shop, OrderPlaced)
    await again(shop, StockTaken)

    assert await shop.on_hand("tea") == 3
    assert await customer.status(order) is Status.CONFIRMED
    assert len(shop.memory.events()) == count


async def test_a_refusal_that_comes_twice_is_told_once() -> None:
    shop = await Shop.opened()
    first, second = shop.customer("a"), shop.customer("b")
    for customer in (first, second):
        order = await customer.draft(("cup", 1))
        await customer.ordering.place(order.id)
    await shop.memory.deliver()
    count = len(shop.memory.events())

    await again(shop, StockShort)

    assert len(shop.memory.events()) == count
    assert await second.status(order) is Status.REJECTED


async def again(shop: Shop, kind: type[DomainEvent]) -> None:
    """Hand the first event of this kind to its handler once more."""
    event, envelope = next(
        (event, envelope)
        for event, envelope in zip(shop.memory.events(), shop.memory.envelopes(), strict=True)
        if type(event) is kind
    )
    handlers = {
        OrderPlaced: shop.picking.pick,
        StockTaken: shop.deciding.confirm,
        StockShort: shop.deciding.reject,
    }
    await shop.memory.uow.run(lambda: handlers[kind](event, envelope))
    await shop.memory.deliver()


async def test_an_order_number_is_taken_once() -> None:
    shop = await Shop.opened()
    customer = shop.customer("a")
    order = await customer.draft()
    with pytest.raises(AlreadyExists, match="number is taken"):
        await customer.ordering.open(CustomerId.new(), order.number)


async def test_what_is_not_there_is_not_found() -> None:
    shop = await Shop.opened()
    customer = shop.customer("a")
    order = await customer.draft()
    with pytest.raises(NotFound):
        await customer.ordering.put(order.id, "spoon", 1)
    with pytest.raises(NotFound):
        await customer.ordering.place(OrderId.new())
    with pytest.raises(NotFound):
        await shop.browsing.product("spoon")
    with pytest.raises(NotFound):
        await shop.stocking.restock("spoon", 1)


async def test_a_customers_orders_page_by_page_and_nobody_elses() -> None:
    shop = await Shop.opened()
    customer, other = shop.customer("a"), shop.customer("b")
    mine = [(await customer.draft()).id for _ in range(5)]
    await other.draft()

    seen: list[Order] = []
    after = None
    while True:
        page = await customer.ordering.of_customer(customer.id, limit=2, after=after)
        seen += page.items
        if page.next is None:
            break
        after = page.next

    assert [order.id for order in seen] == sorted(mine)
    with pytest.raises(InvalidValue):
        await customer.ordering.of_customer(customer.id, after="nonsense")


async def test_seeding_twice_keeps_what_was_sold() -> None:
    shop = await Shop.opened()
    await shop.stocking.restock("tea", 3)
    assert await shop.stocking.offer(GOODS) == 0
    assert await shop.on_hand("tea") == 8


async def test_two_processes_may_open_the_shop_at_once() -> None:
    shop = Shop()
    here, there = shop.memory.another(), shop.memory.another()
    quicker = Stocking(there, MemoryProducts(there))

    class Beaten(MemoryProducts):
        """Sees an empty shelf, and is then overtaken."""

        async def select(self, *args: Any, **options: Any) -> Page[Product]:
            seen = await super().select(*args, **options)
            await fill(quicker)
            return seen

    await fill(Stocking(here, Beaten(here)))

    assert len((await shop.browsing.page()).items) == len(seeding.GOODS)
