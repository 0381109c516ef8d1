"""What `benchmarks/persistence.py` loads, changes and saves: an order with five lines."""

from dataclasses import field
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Column, ForeignKey, Integer, MetaData, Numeric, String, Table

from nexios.adapters.persistence import (
    IdentityType,
    Mapper,
    MemoryRepository,
    Rows,
    SqlRepository,
)
from nexios.application.subscribers import Consumer, Handler
from nexios.domain import AggregateRoot, DomainEvent, Identity, ValueObject

LINES: Final = 5


class OrderId(Identity):
    """Which order."""


class Line(ValueObject):
    """A part of an order."""

    sku: str
    qty: int
    price: Decimal


class Counted(DomainEvent, name="bench.counted"):
    """A quantity changed."""

    order: OrderId
    sku: str
    qty: int


class Order(AggregateRoot[OrderId]):
    """What is measured."""

    number: str
    status: str = "draft"
    lines: list[Line] = field(default_factory=list)

    @classmethod
    def open(cls, number: str) -> "Order":
        """Make one with its lines."""
        lines = [Line(f"sku{n}", 1, Decimal("3.50")) for n in range(LINES)]
        return cls(id=OrderId.new(), number=number, lines=lines)

    def count(self) -> None:
        """Change one line and say so."""
        first, *others = self.lines
        changed = Line(first.sku, first.qty % 1000 + 1, first.price)
        self.lines = [changed, *others]
        self.record(Counted(order=self.id, sku=changed.sku, qty=changed.qty))


METADATA: Final = MetaData()
ORDERS: Final = Table(
    "orders",
    METADATA,
    Column("id", IdentityType(OrderId), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("number", String(40), nullable=False),
    Column("status", String(16), nullable=False),
)
ORDER_LINES: Final = Table(
    "order_lines",
    METADATA,
    Column("order_id", IdentityType(OrderId), ForeignKey("orders.id"), primary_key=True),
    Column("sku", String(32), primary_key=True),
    Column("pos", Integer, nullable=False),
    Column("qty", Integer, nullable=False),
    Column("price", Numeric(18, 4), nullable=False),
)


class OrderMapper(Mapper[Order]):
    """One row for the order, one for each line."""

    root = ORDERS
    children = (ORDER_LINES,)

    def dump(self, order: Order) -> Rows:
        return {
            "orders": [{"id": order.id, "number": order.number, "status": order.status}],
            "order_lines": [
                {
                    "order_id": order.id,
                    "sku": line.sku,
                    "pos": pos,
                    "qty": line.qty,
                    "price": line.price,
                }
                for pos, line in enumerate(order.lines)
            ],
        }

    def load(self, rows: Rows) -> Order:
        (row,) = rows["orders"]
        lines = sorted(rows.get("order_lines", ()), key=lambda line: line["pos"])
        return Order(
            id=row["id"],
            number=row["number"],
            status=row["status"],
            lines=[Line(line["sku"], line["qty"], line["price"]) for line in lines],
        )


class SqlOrders(SqlRepository[Order, OrderId]):
    """On PostgreSQL."""

    mapper = OrderMapper()


class MemoryOrders(MemoryRepository[Order, OrderId]):
    """In memory."""

    mapper = OrderMapper()


CONSUMER: Final = Consumer("bench.count", Counted)


class OneConsumer:
    """Tells one consumer of every change."""

    def before(self, event_type: type[DomainEvent]) -> tuple[Handler, ...]:
        """Return nobody."""
        return ()

    def consumers(self, event_type: type[DomainEvent]) -> tuple[Consumer, ...]:
        """Return the one."""
        return (CONSUMER,)


async def count_one(unit: Any, repository: Any, id: OrderId) -> None:
    """Run the use case that is measured: load, change, save, with an event."""

    async def work() -> None:
        (await repository.get(id)).count()

    await unit.run(work)


async def add_order(unit: Any, repository: Any, number: str) -> OrderId:
    """Store a new order; return its id."""
    order = Order.open(number)

    async def work() -> None:
        repository.add(order)

    await unit.run(work)
    return order.id
