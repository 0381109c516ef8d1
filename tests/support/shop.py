"""A small shop: one aggregate with children, a unique key, nullable columns, events."""

from dataclasses import field
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import ClassVar

from sqlalchemy import (
    JSON,
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    Uuid,
)

from nexios.adapters.persistence.mapper import Mapper
from nexios.adapters.persistence.memory import MemoryRepository
from nexios.adapters.persistence.rows import Rows
from nexios.adapters.persistence.sql import SqlRepository
from nexios.adapters.persistence.types import ExactDecimal, IdentityType, UtcDateTime
from nexios.domain import (
    AggregateRoot,
    AlreadyExists,
    DomainEvent,
    Identity,
    InvalidValue,
    Repository,
    RuleViolated,
    Specification,
    ValueObject,
)


class OrderId(Identity): ...


class CustomerId(Identity): ...


class Money(ValueObject):
    amount: Decimal
    currency: str = "EUR"

    def __post_init__(self) -> None:
        if self.amount < 0:
            raise InvalidValue("money cannot be negative")


class Line(ValueObject):
    sku: str
    qty: int
    price: Money


class Status(Enum):
    DRAFT = "draft"
    PLACED = "placed"


class OrderPlaced(DomainEvent, name="shop.order-placed"):
    order: OrderId
    total: Money


class OrderNoted(DomainEvent, name="shop.order-noted"):
    order: OrderId
    text: str = ""


class Order(AggregateRoot[OrderId]):
    number: str
    customer: CustomerId
    lines: list[Line] = field(default_factory=list)
    status: Status = Status.DRAFT
    coupon: str | None = None
    placed_at: datetime | None = None
    tags: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, number: str, customer: CustomerId | None = None) -> "Order":
        return cls(id=OrderId.new(), number=number, customer=customer or CustomerId.new())

    @property
    def total(self) -> Money:
        return Money(sum((line.price.amount * line.qty for line in self.lines), Decimal(0)))

    def put(self, line: Line) -> None:
        self.lines = [*(kept for kept in self.lines if kept.sku != line.sku), line]

    def take_out(self, sku: str) -> None:
        self.lines = [line for line in self.lines if line.sku != sku]

    def place(self) -> None:
        if not self.lines:
            raise RuleViolated("an order needs a line before it is placed")
        self.status = Status.PLACED
        self.record(OrderPlaced(order=self.id, total=self.total))

    def note(self, text: str) -> None:
        self.record(OrderNoted(order=self.id, text=text))


class OfCustomer(Specification[Order]):
    customer: CustomerId

    def __call__(self, aggregate: Order) -> bool:
        return aggregate.customer == self.customer


class WithCoupon(Specification[Order]):
    coupon: str

    def __call__(self, aggregate: Order) -> bool:
        return aggregate.coupon == self.coupon


class Unmapped(Specification[Order]):
    def __call__(self, aggregate: Order) -> bool:
        return True


class Orders(Repository[Order, OrderId]):
    """The port."""


METADATA = MetaData()
ORDERS = Table(
    "orders",
    METADATA,
    Column("id", IdentityType(OrderId), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("number", String(20), nullable=False),
    Column("customer", Uuid, nullable=False),
    Column("status", String(10), nullable=False),
    Column("coupon", String(10)),
    Column("placed_at", UtcDateTime),
    Column("tags", JSON, nullable=False),
    UniqueConstraint("number"),
)
LINES = Table(
    "order_lines",
    METADATA,
    Column("order_id", ForeignKey("orders.id"), primary_key=True),
    Column("sku", String(20), primary_key=True),
    Column("pos", Integer, nullable=False),
    Column("qty", Integer, nullable=False),
    Column("price", ExactDecimal(), nullable=False),
    Column("currency", String(3), nullable=False),
)


class OrderMapper(Mapper[Order]):
    root = ORDERS
    children = (LINES,)
    criteria: ClassVar = {
        OfCustomer: lambda spec: ORDERS.c.customer == spec.customer,
        WithCoupon: lambda spec: ORDERS.c.coupon == spec.coupon,
    }
    constraints: ClassVar = {
        "orders_number_key": lambda error: AlreadyExists("order number is taken")
    }

    def dump(self, aggregate: Order) -> Rows:
        return {
            "orders": [
                {
                    "id": aggregate.id,
                    "number": aggregate.number,
                    "customer": aggregate.customer,
                    "status": aggregate.status.value,
                    "coupon": aggregate.coupon,
                    "placed_at": aggregate.placed_at,
                    "tags": aggregate.tags,
                }
            ],
            "order_lines": [
                {
                    "order_id": aggregate.id,
                    "sku": line.sku,
                    "pos": pos,
                    "qty": line.qty,
                    "price": line.price.amount,
                    "currency": line.price.currency,
                }
                for pos, line in enumerate(aggregate.lines)
            ],
        }

    def load(self, rows: Rows) -> Order:
        (row,) = rows["orders"]
        lines = sorted(rows.get("order_lines", ()), key=lambda line: line["pos"])
        return Order(
            id=OrderId.parse(row["id"]),
            number=row["number"],
            customer=CustomerId.parse(row["customer"]),
            status=Status(row["status"]),
            coupon=row["coupon"],
            placed_at=row["placed_at"],
            tags=row["tags"],
            lines=[
                Line(line["sku"], line["qty"], Money(line["price"], line["currency"]))
                for line in lines
            ],
        )


class MemoryOrders(MemoryRepository[Order, OrderId], Orders):
    mapper = OrderMapper()


def a_line(sku: str = "tea", qty: int = 1, price: str = "3.50") -> Line:
    return Line(sku, qty, Money(Decimal(price)))


class SqlOrders(SqlRepository[Order, OrderId], Orders):
    mapper = OrderMapper()
