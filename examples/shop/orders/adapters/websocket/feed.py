"""The news about one order, for whoever is connected."""

from typing import Self
from uuid import UUID

from pydantic import BaseModel

from examples.shop.orders.application.announcing import OrderFeed
from examples.shop.orders.application.ordering import Ordering
from examples.shop.orders.domain.order import Order
from examples.shop.orders.domain.values import OrderId, Status
from nexios import Depend, WebSocket
from nexios.websockets import Channel


class OrderNews(BaseModel):
    """Where the order stands now."""

    order: UUID
    status: str
    reason: str = ""

    @classmethod
    def of(cls, order: Order) -> Self:
        return cls(order=order.id, status=order.status.value, reason=order.reason)


channel = Channel("orders", message=OrderNews)


class ChannelFeed(OrderFeed):
    """Tells each order's group. The event's id goes along, so a repeat is not told twice."""

    async def moved(self, order: OrderId, status: Status, reason: str, *, key: UUID) -> None:
        news = OrderNews(order=order, status=status.value, reason=reason)
        await channel.group(str(order)).broadcast(news, id=str(key))


async def follow(websocket: WebSocket, order_id: OrderId, ordering: Ordering = Depend()) -> None:
    """Send where the order stands, then each move. Nothing is expected from the client."""
    await ordering.order(order_id)  # unknown: refused with 404 before the socket is accepted
    await channel.group(str(order_id)).join(websocket)
    # Read again after joining: what moved in between is told twice rather than never.
    await websocket.send_as(OrderNews.of(await ordering.order(order_id)))
    async for _ in websocket.iter_text():
        pass
