"""Taking goods off the shelf for placed orders."""

from uuid import UUID

from examples.shop.catalog.domain.product import Products, WithSku
from examples.shop.catalog.domain.reservation import Allocation, Reservations
from examples.shop.catalog.domain.values import ReservationId, Wanted
from examples.shop.orders.domain.events import OrderPlaced
from nexios.application import ApplicationService, Envelope, UnitOfWork, after_commit


class Picking(ApplicationService):
    """Decides about placed orders after their commit, in a transaction of its own.

    The delivery may come twice; the reservation carries the order's id, so the second one
    finds the decision and does nothing. Stock, decision and the event that tells it are
    written together or not at all.
    """

    def __init__(
        self,
        uow: UnitOfWork,
        products: Products,
        reservations: Reservations,
        allocation: Allocation,
    ) -> None:
        self.uow = uow
        self._products = products
        self._reservations = reservations
        self._allocation = allocation

    @after_commit(OrderPlaced, name="catalog.pick")
    async def pick(self, event: OrderPlaced, envelope: Envelope) -> None:
        """Take all goods of the order, or none, and say which."""
        # Another context's id is a plain number to us.
        order = UUID(int=event.order.int)
        if await self._reservations.find(ReservationId.parse(order)) is not None:
            return
        wanted = [Wanted(line.sku, line.qty) for line in event.lines]
        skus = frozenset(line.sku for line in wanted)
        found = await self._products.select(WithSku(skus), limit=len(skus))
        products = {product.sku: product for product in found.items}
        self._reservations.add(self._allocation.allocate(order, wanted, products))
