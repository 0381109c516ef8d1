"""Orders over HTTP."""

from typing import Annotated

from examples.shop.orders.adapters.http.models import (
    After,
    NewLine,
    NewOrder,
    OrderOut,
    OrderPage,
    Sku,
)
from examples.shop.orders.application.ordering import Ordering
from examples.shop.orders.domain.values import CustomerId, OrderId
from nexios.http import (
    Controller,
    Created,
    ExpectedVersion,
    Query,
    Response,
    get,
    post,
    put,
    version_tag,
)


class OrderController(Controller, path="/orders"):
    """A customer's way from draft to placed order. Answers come after the commit."""

    def __init__(self, ordering: Ordering) -> None:
        self._ordering = ordering

    @get()
    async def page(
        self,
        customer: CustomerId,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        after: After = None,
    ) -> OrderPage:
        """List a customer's orders."""
        return OrderPage.of(await self._ordering.of_customer(customer, limit, after))

    @post()
    async def open(self, new: NewOrder) -> Created[OrderOut]:
        """Start a draft. Sent again with the same ``Idempotency-Key``, it starts no second one."""
        made = await self._ordering.open(CustomerId.parse(new.customer), new.number)
        order = await self._ordering.order(made)
        return Created(OrderOut.of(order), location=f"/orders/{order.id}")

    @get("/{order_id:uuid}")
    async def show(self, order_id: OrderId, response: Response) -> OrderOut:
        """Show the order as it stands, its version as ``ETag``."""
        order = await self._ordering.order(order_id)
        response.etag(version_tag(order.version))
        return OrderOut.of(order)

    @put("/{order_id:uuid}/lines/{sku}")
    async def put_line(
        self,
        order_id: OrderId,
        sku: Sku,
        line: NewLine,
        response: Response,
        expected: ExpectedVersion,
    ) -> OrderOut:
        """Put a product on the order, or change how many of it.

        With ``If-Match`` only while the order is still the one that was read.
        """
        order = await self._ordering.put(order_id, sku, line.qty, expected)
        response.etag(version_tag(order.version))
        return OrderOut.of(order)

    @post("/{order_id:uuid}/place", status=202)
    async def place(self, order_id: OrderId) -> OrderOut:
        """Ask for the goods. 202: the decision follows, on the socket and in the order."""
        return OrderOut.of(await self._ordering.place(order_id))
