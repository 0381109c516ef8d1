"""What ordering tells the world. Other contexts may import this file."""

from examples.shop.orders.domain.values import CustomerId, Money, OrderId, Status
from nexios.domain import DomainEvent, ValueObject


class Ordered(ValueObject):
    """So many of one product."""

    sku: str
    qty: int


class OrderPlaced(DomainEvent, name="shop.order-placed", version=1):
    """The customer has asked for these goods. Whether they are there is decided after this."""

    order: OrderId
    customer: CustomerId
    total: Money
    lines: tuple[Ordered, ...]


class OrderMoved(DomainEvent, name="shop.order-moved", version=1):
    """The order has another status. One event for all of them, so that a listener hears them
    in the order in which they happened: order is kept per consumer and order, not across
    consumers.
    """

    order: OrderId
    customer: CustomerId
    status: Status
    reason: str = ""
