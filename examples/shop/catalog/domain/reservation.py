"""What was taken for an order, and the rule that decides it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import Enum
from uuid import UUID

from examples.shop.catalog.domain.events import StockShort, StockTaken
from examples.shop.catalog.domain.product import Product
from examples.shop.catalog.domain.values import ReservationId, Wanted
from nexios.domain import AggregateRoot, DomainService, Repository


class Outcome(Enum):
    """What became of an order's wish."""

    TAKEN = "taken"
    SHORT = "short"


class Reservation(AggregateRoot[ReservationId]):
    """The decision about one order. It is made once and never changes; it carries the order's
    id, so the decision is found again when the order asks a second time.
    """

    outcome: Outcome

    @classmethod
    def taken(cls, order: UUID) -> "Reservation":
        """All goods were there."""
        reservation = cls(id=ReservationId.parse(order), outcome=Outcome.TAKEN)
        reservation.record(StockTaken(order=order))
        return reservation

    @classmethod
    def short(cls, order: UUID, skus: Sequence[str]) -> "Reservation":
        """These goods were not there."""
        reservation = cls(id=ReservationId.parse(order), outcome=Outcome.SHORT)
        reservation.record(StockShort(order=order, skus=tuple(skus)))
        return reservation


class Allocation(DomainService):
    """Gives stock to orders: all lines or none.

    First come, first served. Two orders that want the last piece write the same product, so
    the second one's write is stale; it runs again on fresh numbers, and finds too little.
    """

    def allocate(
        self, order: UUID, wanted: Sequence[Wanted], products: Mapping[str, Product]
    ) -> Reservation:
        """Take what is wanted from ``products`` (by sku), or nothing."""
        needed: Counter[str] = Counter()
        for line in wanted:
            needed[line.sku] += line.qty
        short = [
            sku
            for sku, qty in needed.items()
            if sku not in products or products[sku].on_hand < qty
        ]
        if short:
            return Reservation.short(order, short)
        for sku, qty in needed.items():
            products[sku].take(qty)
        return Reservation.taken(order)


class Reservations(Repository[Reservation, ReservationId]):
    """All decisions."""
