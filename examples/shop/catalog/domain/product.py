"""The product, its stock, and the port to all products."""

from typing import Final

from examples.shop.catalog.domain.values import Price, ProductId, checked_sku
from nexios.domain import AggregateRoot, InvalidValue, Repository, RuleViolated, Specification

MAX_ON_HAND: Final = 1_000_000


class Product(AggregateRoot[ProductId]):
    """Something we sell. Its stock is never below zero."""

    sku: str
    name: str
    price: Price
    on_hand: int = 0

    def __post_init__(self) -> None:
        checked_sku(self.sku)
        if not 1 <= len(self.name) <= 100 or not self.name.isprintable():
            raise InvalidValue("a name is 1 to 100 printable characters", sku=self.sku)
        if not 0 <= self.on_hand <= MAX_ON_HAND:
            raise InvalidValue(f"stock is from 0 to {MAX_ON_HAND}", sku=self.sku)

    @classmethod
    def offer(cls, sku: str, name: str, price: Price, on_hand: int = 0) -> "Product":
        """Put something new up for sale."""
        return cls(id=ProductId.new(), sku=sku, name=name, price=price, on_hand=on_hand)

    def take(self, qty: int) -> None:
        """Take pieces out of the stock."""
        if qty < 1:
            raise InvalidValue("quantity must be at least 1", sku=self.sku)
        if qty > self.on_hand:
            raise RuleViolated("not enough on hand", code="out-of-stock", sku=self.sku)
        self.on_hand -= qty

    def restock(self, qty: int) -> None:
        """Put delivered pieces into the stock."""
        if qty < 1:
            raise InvalidValue("quantity must be at least 1", sku=self.sku)
        if self.on_hand + qty > MAX_ON_HAND:
            raise RuleViolated(f"the stock holds at most {MAX_ON_HAND}", sku=self.sku)
        self.on_hand += qty


class WithSku(Specification[Product]):
    """Products with one of these skus."""

    skus: frozenset[str]

    def __call__(self, product: Product) -> bool:
        return product.sku in self.skus


class Products(Repository[Product, ProductId]):
    """All products. Every adapter keeps `sku` unique (`AlreadyExists`)."""
