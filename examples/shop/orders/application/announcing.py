"""Telling those who watch that an order has moved."""

from typing import Protocol
from uuid import UUID

from examples.shop.orders.domain.events import OrderMoved
from examples.shop.orders.domain.values import OrderId, Status
from nexios.application import ApplicationService, Envelope, UnitOfWork, after_commit


class OrderFeed(Protocol):
    """Where news about orders go.

    News of one order come in the order in which they happened, each at least once; the second
    time with the same ``key``. An adapter must not wait for who listens.
    """

    async def moved(self, order: OrderId, status: Status, reason: str, *, key: UUID) -> None:
        """Tell that the order has this status now."""
        ...


class Announcing(ApplicationService):
    """Passes each move on to the feed, after its commit: nobody hears of what was undone."""

    def __init__(self, uow: UnitOfWork, feed: OrderFeed) -> None:
        self.uow = uow
        self._feed = feed

    @after_commit(OrderMoved, name="orders.announce")
    async def announce(self, event: OrderMoved, envelope: Envelope) -> None:
        """One consumer for all moves, so they are told in their order."""
        await self._feed.moved(event.order, event.status, event.reason, key=envelope.id)
