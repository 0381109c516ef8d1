"""The values an order is made of."""

import re
from decimal import Decimal
from enum import Enum
from typing import Final

from nexios.domain import Identity, InvalidValue, ValueObject

MAX_QTY: Final = 1_000
_MAX_AMOUNT: Final = Decimal(10) ** 12
_SKU: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class OrderId(Identity):
    """Which order."""


class CustomerId(Identity):
    """Who ordered. Customers themselves live outside the shop."""


class Status(Enum):
    """Where an order stands; `Order` says how it moves."""

    DRAFT = "draft"
    PLACED = "placed"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"


class Money(ValueObject):
    """An amount in one currency, never negative, exact to four decimals."""

    amount: Decimal
    currency: str = "EUR"

    def __post_init__(self) -> None:
        if not self.amount.is_finite() or not 0 <= self.amount <= _MAX_AMOUNT:
            raise InvalidValue("money is never negative, and has a bound")
        if self.amount != self.amount.quantize(Decimal("0.0001")):
            raise InvalidValue("money has at most four decimals")

    def __add__(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise InvalidValue("amounts of two currencies have no sum")
        return self.with_(amount=self.amount + other.amount)

    def __mul__(self, times: int) -> "Money":
        return self.with_(amount=self.amount * times)


class Line(ValueObject):
    """So many of one product, at the price it had when it was put on the order."""

    sku: str
    qty: int
    price: Money

    def __post_init__(self) -> None:
        if not _SKU.fullmatch(self.sku):
            raise InvalidValue("a sku is 1 to 32 of a-z, 0-9 and '-'")
        if not 1 <= self.qty <= MAX_QTY:
            raise InvalidValue(f"quantity must be from 1 to {MAX_QTY}", sku=self.sku)

    @property
    def total(self) -> Money:
        """The price of all pieces."""
        return self.price * self.qty
