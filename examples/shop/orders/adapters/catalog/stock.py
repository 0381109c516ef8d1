"""Prices and stock, asked of the catalog's public face and put into our words."""

from collections.abc import Collection, Mapping

from examples.shop.catalog.api import Shelf
from examples.shop.orders.application.stock import Offer, Stock
from examples.shop.orders.domain.values import Money


class CatalogStock(Stock):
    """Asks in the transaction of the use case that asks."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def offers(self, skus: Collection[str]) -> Mapping[str, Offer]:
        items = await self._shelf.look(skus)
        return {
            sku: Offer(Money(item.price, item.currency), item.on_hand)
            for sku, item in items.items()
        }
