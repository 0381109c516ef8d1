"""Filling the shelf."""

from collections.abc import Sequence
from dataclasses import dataclass

from examples.shop.catalog.domain.product import Product, Products, WithSku
from examples.shop.catalog.domain.values import Price, checked_sku
from nexios.application import ApplicationService, UnitOfWork, transactional
from nexios.domain import NotFound


@dataclass(frozen=True, slots=True)
class Goods:
    """Something to put up for sale."""

    sku: str
    name: str
    price: Price
    on_hand: int


class Stocking(ApplicationService):
    """New products and deliveries."""

    def __init__(self, uow: UnitOfWork, products: Products) -> None:
        self.uow = uow
        self._products = products

    @transactional
    async def offer(self, goods: Sequence[Goods]) -> int:
        """Put up for sale what is not sold yet; return how many that were.

        Raises:
            AlreadyExists: Somebody put up the same sku meanwhile; nothing of ours was kept.
        """
        skus = frozenset(each.sku for each in goods)
        sold = {
            product.sku
            for product in (await self._products.select(WithSku(skus), limit=len(skus))).items
        }
        fresh = [each for each in goods if each.sku not in sold]
        for each in fresh:
            self._products.add(Product.offer(each.sku, each.name, each.price, each.on_hand))
        return len(fresh)

    @transactional(retries=5)
    async def restock(self, sku: str, qty: int) -> Product:
        """Put ``qty`` delivered pieces into the stock.

        Raises:
            NotFound: We do not sell it.
        """
        found = await self._products.select(WithSku(frozenset({checked_sku(sku)})), limit=1)
        for product in found.items:
            product.restock(qty)
            return product
        raise NotFound("no such product", sku=sku)
