"""Taking an order, from draft to placed."""

from examples.shop.orders.application.stock import Stock
from examples.shop.orders.domain.order import OfCustomer, Order, Orders
from examples.shop.orders.domain.values import CustomerId, Line, OrderId
from nexios.application import ApplicationService, UnitOfWork, transactional
from nexios.domain import NotFound, Page


class Ordering(ApplicationService):
    """What a customer can do."""

    def __init__(self, uow: UnitOfWork, orders: Orders, stock: Stock) -> None:
        self.uow = uow
        self._orders = orders
        self._stock = stock

    @transactional(once=True)
    async def open(self, customer: CustomerId, number: str) -> OrderId:
        """Start a draft; the same attempt again starts no second one.

        Raises:
            AlreadyExists: The number is taken.
        """
        order = Order.open(customer, number)
        self._orders.add(order)
        return order.id

    @transactional
    async def put(self, id: OrderId, sku: str, qty: int, expected: int | None = None) -> Order:
        """Put a product on the order at today's price, which then stays.

        Args:
            id: Which order.
            sku: Which product.
            qty: How many.
            expected: The version that was read; None for whichever it is.

        Raises:
            Conflict: Somebody changed the order since.
            NotFound: No such order, or the product is not sold.
        """
        order = await self._orders.get(id)
        if expected is not None:
            order.expect_version(expected)
        offer = (await self._stock.offers([sku])).get(sku)
        if offer is None:
            raise NotFound("no such product", sku=sku)
        order.put(Line(sku, qty, offer.price))
        return order

    @transactional
    async def place(self, id: OrderId) -> Order:
        """Ask for the goods; the decision follows (`Order`)."""
        order = await self._orders.get(id)
        offers = await self._stock.offers([line.sku for line in order.lines])
        order.place({sku: offer.on_hand for sku, offer in offers.items()})
        return order

    @transactional(read_only=True)
    async def order(self, id: OrderId) -> Order:
        """Return the order as it stands."""
        return await self._orders.get(id)

    @transactional(read_only=True)
    async def of_customer(
        self, customer: CustomerId, limit: int = 50, after: str | None = None
    ) -> Page[Order]:
        """Return one page of a customer's orders, in the order of their ids: roughly by age."""
        return await self._orders.select(OfCustomer(customer), limit=limit, after=after)
