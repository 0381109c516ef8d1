"""How the catalog looks on the wire."""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from examples.shop.catalog.domain.product import Product
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


Qty = Annotated[int, Field(ge=1), BeforeValidator(_number)]


class PriceOut(BaseModel):
    """The amount as text, so that nobody rounds it."""

    amount: Decimal
    currency: str


class ProductOut(BaseModel):
    """One product."""

    sku: str
    name: str
    price: PriceOut
    on_hand: int

    @classmethod
    def of(cls, product: Product) -> Self:
        return cls(
            sku=product.sku,
            name=product.name,
            price=PriceOut(amount=product.price.amount, currency=product.price.currency),
            on_hand=product.on_hand,
        )


class ProductPage(BaseModel):
    """One page; give ``next`` as ``after`` to go on."""

    items: list[ProductOut]
    next: str | None

    @classmethod
    def of(cls, page: Page[Product]) -> Self:
        return cls(items=[ProductOut.of(product) for product in page.items], next=page.next)


class Delivery(BaseModel):
    """So many pieces have come."""

    model_config = ConfigDict(extra="forbid")

    qty: Qty
