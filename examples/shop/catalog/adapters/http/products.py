"""Products over HTTP."""

from typing import Annotated

from examples.shop.catalog.adapters.http.models import (
    After,
    Delivery,
    ProductOut,
    ProductPage,
    Sku,
)
from examples.shop.catalog.application.browsing import Browsing
from examples.shop.catalog.application.stocking import Stocking
from nexios import Depend
from nexios.http import Controller, Query, get, post


class ProductController(Controller, path="/products"):
    """What is sold, and how many of it are on hand."""

    def __init__(self, browsing: Browsing) -> None:
        self._browsing = browsing

    @get()
    async def page(
        self, limit: Annotated[int, Query(ge=1, le=100)] = 20, after: After = None
    ) -> ProductPage:
        """List what is sold."""
        return ProductPage.of(await self._browsing.page(limit, after))

    @get("/{sku}")
    async def show(self, sku: Sku) -> ProductOut:
        """Show one product."""
        return ProductOut.of(await self._browsing.product(sku))

    @post("/{sku}/deliveries", status=201)
    async def deliver(
        self, sku: Sku, delivery: Delivery, stocking: Stocking = Depend()
    ) -> ProductOut:
        """Put delivered pieces into the stock."""
        return ProductOut.of(await stocking.restock(sku, delivery.qty))
