"""The values a product is made of."""

import re
from decimal import Decimal
from typing import Final

from nexios.domain import Identity, InvalidValue, ValueObject

_SKU: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_MAX_PRICE: Final = Decimal(1_000_000)


class ProductId(Identity):
    """Which product, for us; customers know its sku."""


class ReservationId(Identity):
    """Which reservation. It is the order's own id, so an order cannot be served twice."""


class Price(ValueObject):
    """What one piece costs, exact to four decimals."""

    amount: Decimal
    currency: str = "EUR"

    def __post_init__(self) -> None:
        if not self.amount.is_finite() or not 0 <= self.amount <= _MAX_PRICE:
            raise InvalidValue(f"a price is from 0 to {_MAX_PRICE}")
        if self.amount != self.amount.quantize(Decimal("0.0001")):
            raise InvalidValue("a price has at most four decimals")
        if not re.fullmatch(r"[A-Z]{3}", self.currency):
            raise InvalidValue("a currency is three capital letters")


class Wanted(ValueObject):
    """So many of one product."""

    sku: str
    qty: int

    def __post_init__(self) -> None:
        if self.qty < 1:
            raise InvalidValue("quantity must be at least 1", sku=self.sku)


def checked_sku(text: str) -> str:
    """Return ``text`` when it is a sku.

    Raises:
        InvalidValue: It is not.
    """
    if not _SKU.fullmatch(text):
        raise InvalidValue("a sku is 1 to 32 of a-z, 0-9 and '-'")
    return text
