"""How the catalog looks on the wire."""

from decimal import Decimal
from typing import Self

from pydantic import BaseModel, ConfigDict

from examples.shop.catalog.domain.product import Product
from nexios.domain import Page


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

    qty: int
