"""Hearing from the catalog what became of a placed order."""

from examples.shop.catalog.domain.events import StockShort, StockTaken
from examples.shop.orders.domain.order import Orders
from examples.shop.orders.domain.values import OrderId
from nexios.application import ApplicationService, Envelope, UnitOfWork, after_commit


class Deciding(ApplicationService):
    """Moves orders to their end. Deciding twice the same way changes nothing."""

    def __init__(self, uow: UnitOfWork, orders: Orders) -> None:
        self.uow = uow
        self._orders = orders

    @after_commit(StockTaken, name="orders.confirm")
    async def confirm(self, event: StockTaken, envelope: Envelope) -> None:
        """The goods are set aside."""
        (await self._orders.get(OrderId.parse(event.order))).confirm()

    @after_commit(StockShort, name="orders.reject")
    async def reject(self, event: StockShort, envelope: Envelope) -> None:
        """The goods were gone before our turn came."""
        order = await self._orders.get(OrderId.parse(event.order))
        order.reject(f"not enough on hand of {', '.join(event.skus)}")
