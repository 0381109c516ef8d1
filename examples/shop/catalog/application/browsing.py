"""Looking at what is sold."""

from examples.shop.catalog.domain.product import Product, Products, WithSku
from examples.shop.catalog.domain.values import checked_sku
from nexios.application import ApplicationService, UnitOfWork, transactional
from nexios.domain import NotFound, Page


class Browsing(ApplicationService):
    """The catalog for people who look around."""

    def __init__(self, uow: UnitOfWork, products: Products) -> None:
        self.uow = uow
        self._products = products

    @transactional(read_only=True)
    async def page(self, limit: int = 50, after: str | None = None) -> Page[Product]:
        """Return one page of all products; ``after`` is the page before's ``next``."""
        return await self._products.select(limit=limit, after=after)

    @transactional(read_only=True)
    async def product(self, sku: str) -> Product:
        """Return the product with this sku.

        Raises:
            NotFound: We do not sell it.
        """
        found = await self._products.select(WithSku(frozenset({checked_sku(sku)})), limit=1)
        for product in found.items:
            return product
        raise NotFound("no such product", sku=sku)
