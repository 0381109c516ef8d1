"""What other contexts may ask: price and stock of what is on the shelf."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from examples.shop.catalog.domain.product import Products, WithSku
from nexios.application import ApplicationService, UnitOfWork, transactional


@dataclass(frozen=True, slots=True)
class ShelfItem:
    """One product as others see it."""

    sku: str
    price: Decimal
    currency: str
    on_hand: int


class Shelf(ApplicationService):
    """Answers for the catalog; asked inside a use case it reads in that transaction."""

    def __init__(self, uow: UnitOfWork, products: Products) -> None:
        self.uow = uow
        self._products = products

    @transactional(read_only=True)
    async def look(self, skus: Collection[str]) -> Mapping[str, ShelfItem]:
        """Return the products with these skus, by sku. What is not sold is not in it."""
        if not skus:
            return {}
        found = await self._products.select(WithSku(frozenset(skus)), limit=len(skus))
        return {
            product.sku: ShelfItem(
                product.sku, product.price.amount, product.price.currency, product.on_hand
            )
            for product in found.items
        }
