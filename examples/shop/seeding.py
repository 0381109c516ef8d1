"""What the shop sells when it opens for the first time."""

from decimal import Decimal
from typing import Final

from examples.shop.catalog.application.stocking import Goods, Stocking
from examples.shop.catalog.domain.values import Price
from nexios.domain import AlreadyExists

GOODS: Final = (
    Goods("tea", "Assam tea, 100 g", Price(Decimal("7.90")), 40),
    Goods("coffee", "Coffee beans, 250 g", Price(Decimal("9.50")), 25),
    Goods("pot", "Tea pot, one litre", Price(Decimal("24.00")), 5),
    Goods("mug", "Mug, hand made", Price(Decimal("14.00")), 8),
    Goods("last-mug", "Mug, the last of its kind", Price(Decimal("19.00")), 1),
)


async def fill(stocking: Stocking) -> None:
    """Put up for sale what is not sold yet. Safe to run at every start, in every process."""
    try:
        await stocking.offer(GOODS)
    except AlreadyExists:
        # Another process was quicker, and has put up the same goods.
        return
