"""The shop in memory: its use cases wired by hand, no container, no HTTP."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final
from uuid import UUID

from examples.shop.catalog.adapters.persistence.products import MemoryProducts
from examples.shop.catalog.adapters.persistence.reservations import MemoryReservations
from examples.shop.catalog.application.browsing import Browsing
from examples.shop.catalog.application.picking import Picking
from examples.shop.catalog.application.shelf import Shelf
from examples.shop.catalog.application.stocking import Goods, Stocking
from examples.shop.catalog.domain.reservation import Allocation
from examples.shop.catalog.domain.values import Price
from examples.shop.orders.adapters.catalog.stock import CatalogStock
from examples.shop.orders.adapters.persistence.orders import MemoryOrders
from examples.shop.orders.application.announcing import Announcing, OrderFeed
from examples.shop.orders.application.deciding import Deciding
from examples.shop.orders.application.ordering import Ordering
from examples.shop.orders.domain.order import Order
from examples.shop.orders.domain.values import CustomerId, OrderId, Status
from nexios.adapters.persistence import MemoryUnitOfWork
from nexios.testing.memory import Memory


@dataclass
class HeardFeed(OrderFeed):
    """Keeps what it was told."""

    told: list[tuple[OrderId, Status, str, UUID]] = field(default_factory=list)

    async def moved(self, order: OrderId, status: Status, reason: str, *, key: UUID) -> None:
        self.told.append((order, status, reason, key))

    def about(self, order: OrderId) -> list[Status]:
        """Return what was told about one order."""
        return [status for told, status, _, _ in self.told if told == order]


class Customer:
    """One customer with a unit of work of their own, as a request has it."""

    def __init__(self, uow: MemoryUnitOfWork, number: str = "n") -> None:
        shelf = Shelf(uow, MemoryProducts(uow))
        self.id = CustomerId.new()
        self.ordering = Ordering(uow, MemoryOrders(uow), CatalogStock(shelf))
        self._number = number
        self._opened = 0

    async def draft(self, *lines: tuple[str, int]) -> Order:
        """Open an order with these lines."""
        self._opened += 1
        made = await self.ordering.open(self.id, f"{self._number}{self._opened}")
        order = await self.ordering.order(made)
        for sku, qty in lines:
            order = await self.ordering.put(order.id, sku, qty)
        return order

    async def status(self, order: Order) -> Status:
        """Return where an order stands."""
        return (await self.ordering.order(order.id)).status


GOODS: Final = (
    Goods("tea", "Tea", Price(Decimal("3.50")), 5),
    Goods("cup", "Cup", Price(Decimal(8)), 1),
)


class Shop:
    """All of it, over one memory store."""

    def __init__(self) -> None:
        self.memory = Memory()
        uow = self.memory.uow
        products, orders = MemoryProducts(uow), MemoryOrders(uow)
        self.stocking = Stocking(uow, products)
        self.browsing = Browsing(uow, products)
        self.picking = Picking(uow, products, MemoryReservations(uow), Allocation())
        self.deciding = Deciding(uow, orders)
        self.feed = HeardFeed()
        self.memory.subscribe(self.picking, self.deciding, Announcing(uow, self.feed))

    @classmethod
    async def opened(cls) -> "Shop":
        """Return a shop with `GOODS` on the shelf."""
        shop = cls()
        await shop.stocking.offer(GOODS)
        return shop

    def customer(self, number: str) -> Customer:
        """Return somebody whose orders are numbered ``<number>1``, ``<number>2``."""
        return Customer(self.memory.another(), number)

    async def on_hand(self, sku: str) -> int:
        """Return how many of a product there are."""
        return (await self.browsing.product(sku)).on_hand
