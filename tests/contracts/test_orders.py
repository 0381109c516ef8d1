from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar

from nexios.domain import Specification
from nexios.testing.contract import RepositoryContract
from tests.support.shop import (
    CustomerId,
    MemoryOrders,
    OfCustomer,
    Order,
    OrderId,
    SqlOrders,
    WithCoupon,
    a_line,
)


class TestOrders(RepositoryContract[Order]):
    stores: ClassVar = {"memory": MemoryOrders, "sqlite": SqlOrders, "postgres": SqlOrders}

    def make(self, n: int) -> Order:
        return Order.open(f"n{n}", CustomerId(int=n % 2))

    def change(self, aggregate: Order, n: int) -> None:
        if n % 3 == 2:
            aggregate.take_out("sku0")
        aggregate.put(a_line(f"sku{n}", qty=n + 1, price="1.2345"))
        aggregate.tags.append(f"tag{n}")
        aggregate.coupon = "ten" if n % 2 else None
        aggregate.placed_at = datetime(2026, 1, 1, 12, 0, n, 123456, tzinfo=UTC)

    def specs(self, made: list[Order]) -> list[Specification[Order]]:
        return [OfCustomer(made[0].customer), WithCoupon("ten"), WithCoupon("none")]

    def unique_clash(self, aggregate: Order, n: int) -> Order:
        return replace(self.make(n), id=OrderId.new(), number=aggregate.number)
