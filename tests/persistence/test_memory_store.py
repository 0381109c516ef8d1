"""Memory fails where PostgreSQL would."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from nexios.adapters.persistence.errors import BadParameter
from nexios.domain import AlreadyExists, InvalidValue, RuleViolated
from nexios.testing.memory import Memory
from tests.support.shop import (
    LINES,
    ORDERS,
    CustomerId,
    Line,
    MemoryOrders,
    Money,
    Order,
    OrderId,
    OrderMapper,
    a_line,
)

pytestmark = pytest.mark.asyncio


async def put(memory: Memory, *orders: Order) -> None:
    unit = memory.another()
    repository = MemoryOrders(unit)

    async def work() -> None:
        for order in orders:
            repository.add(order)

    await unit.run(work)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (lambda o: setattr(o, "number", None), BadParameter, "orders.number must not be NULL"),
        (lambda o: setattr(o, "number", "x" * 21), BadParameter, "21 characters"),
        (lambda o: setattr(o, "number", 7), BadParameter, "wants text"),
        (lambda o: setattr(o, "number", "a\x00b"), BadParameter, r"U\+0000"),
        (lambda o: o.put(a_line(qty=2**31)), BadParameter, "32 bits"),
        (lambda o: o.put(Line("a", True, Money(Decimal(1)))), BadParameter, "whole number"),
        (lambda o: o.put(a_line(price="1.23456")), InvalidValue, "4 digits after the point"),
        (lambda o: o.put(a_line(price="123456789012345")), InvalidValue, "14 whole digits"),
        (lambda o: setattr(o, "placed_at", datetime(2026, 1, 1)), InvalidValue, "timezone"),  # noqa: DTZ001
    ],
)
async def test_what_a_column_cannot_hold_is_refused(
    nexios_memory: Memory, change: Callable[[Order], None], error: type[Exception], says: str
) -> None:
    good, bad = Order.open("good"), Order.open("bad")
    change(bad)
    with pytest.raises(error, match=says):
        await put(nexios_memory, good, bad)
    assert nexios_memory.store.rows(ORDERS) == []
    assert nexios_memory.store.rows(LINES) == []


async def test_a_taken_unique_value_speaks_the_mappers_words(nexios_memory: Memory) -> None:
    order = Order.open("n1")
    await put(nexios_memory, order)
    with pytest.raises(AlreadyExists, match="order number is taken"):
        await put(nexios_memory, Order.open("n2"), Order.open("n1"))
    assert [row["number"] for row in nexios_memory.store.rows(ORDERS)] == ["n1"]


async def test_a_taken_id_is_refused(nexios_memory: Memory) -> None:
    order = Order.open("n1")
    await put(nexios_memory, order)
    with pytest.raises(AlreadyExists):
        await put(nexios_memory, replace(order, number="n2"))


async def test_a_failed_commit_leaves_every_index_as_it_was(nexios_memory: Memory) -> None:
    first = Order.open("n1")
    await put(nexios_memory, first)
    unit = nexios_memory.another()
    repository = MemoryOrders(unit)

    async def clash() -> None:
        (await repository.get(first.id)).number = "n2"
        repository.add(Order.open("n3"))
        repository.add(Order.open("n3"))

    with pytest.raises(AlreadyExists):
        await unit.run(clash)
    await put(nexios_memory, Order.open("n2"), Order.open("n3"))
    with pytest.raises(AlreadyExists):
        await put(nexios_memory, Order.open("n1"))


async def test_a_freed_unique_value_can_be_taken_in_the_same_commit_by_order(
    nexios_memory: Memory,
) -> None:
    first = Order.open("n1")
    await put(nexios_memory, first)
    unit = nexios_memory.another()
    repository = MemoryOrders(unit)

    async def rename() -> None:
        (await repository.get(first.id)).number = "other"

    await unit.run(rename)
    await put(nexios_memory, Order.open("n1"))


async def test_rows_are_nobodys_objects(nexios_memory: Memory) -> None:
    order = Order.open("n1")
    order.tags.append("a")
    await put(nexios_memory, order)
    order.tags.append("b")
    nexios_memory.store.rows(ORDERS)[0]["tags"].append("c")
    assert nexios_memory.store.rows(ORDERS)[0]["tags"] == ["a"]


async def test_a_plain_uuid_column_gives_a_plain_uuid(nexios_memory: Memory) -> None:
    await put(nexios_memory, Order.open("n1", CustomerId.new()))
    (row,) = nexios_memory.store.rows(ORDERS)
    assert not isinstance(row["customer"], CustomerId)
    assert isinstance(row["id"], OrderId)


async def test_foreign_keys_hold(nexios_memory: Memory) -> None:
    class Careless(OrderMapper):
        def dump(self, aggregate: Order) -> dict[str, list[dict[str, Any]]]:
            rows = super().dump(aggregate)
            for line in rows["order_lines"]:
                line["order_id"] = OrderId.new()
            return rows

    class CarelessOrders(MemoryOrders):
        mapper = Careless()

    unit = nexios_memory.another()
    repository = CarelessOrders(unit)
    order = Order.open("n1")
    order.put(a_line())

    async def work() -> None:
        repository.add(order)

    with pytest.raises(RuleViolated):
        await unit.run(work)
    assert nexios_memory.store.rows(ORDERS) == []
