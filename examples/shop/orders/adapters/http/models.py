"""How orders look on the wire."""

from decimal import Decimal
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from examples.shop.orders.domain.order import Order
from examples.shop.orders.domain.values import MAX_QTY, Money
from nexios.domain import Page
from nexios.http import Path, Query

Sku = Annotated[str, Path(pattern="^[a-z0-9][a-z0-9-]{0,31}$")]
After = Annotated[str | None, Query(pattern="^[A-Za-z0-9_-]{21}[AQgw]$")]
"""The ``next`` of the page before."""


def _number(value: object) -> object:
    """Refuse what Python would take for a number: JSON's ``true`` and ``"1"`` are none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("should be a whole number")  # noqa: TRY004  # pydantic answers it
    return value


Qty = Annotated[int, Field(ge=1, le=MAX_QTY), BeforeValidator(_number)]


class NewOrder(BaseModel):
    """Who orders, and the customer's own number for it."""

    model_config = ConfigDict(extra="forbid")

    customer: UUID
    number: Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9._/-]{0,39}$")]


class NewLine(BaseModel):
    """How many. The price is not the client's to say."""

    model_config = ConfigDict(extra="forbid")

    qty: Qty


class MoneyOut(BaseModel):
    """The amount as text, so that nobody rounds it."""

    amount: Decimal
    currency: str

    @classmethod
    def of(cls, money: Money) -> Self:
        return cls(amount=money.amount, currency=money.currency)


class LineOut(BaseModel):
    """One line."""

    sku: str
    qty: int
    price: MoneyOut


class OrderOut(BaseModel):
    """One order. ``version`` counts its changes; ``reason`` says why it was rejected."""

    id: UUID
    number: str
    customer: UUID
    status: str
    reason: str
    version: int
    lines: list[LineOut]
    total: MoneyOut | None

    @classmethod
    def of(cls, order: Order) -> Self:
        total = order.total
        return cls(
            id=order.id,
            number=order.number,
            customer=order.customer,
            status=order.status.value,
            reason=order.reason,
            version=order.version,
            lines=[
                LineOut(sku=line.sku, qty=line.qty, price=MoneyOut.of(line.price))
                for line in order.lines
            ],
            total=None if total is None else MoneyOut.of(total),
        )


class OrderPage(BaseModel):
    """One page; give ``next`` as ``after`` to go on."""

    items: list[OrderOut]
    next: str | None

    @classmethod
    def of(cls, page: Page[Order]) -> Self:
        return cls(items=[OrderOut.of(order) for order in page.items], next=page.next)
