"""What the shop sells when it opens for the first time."""

from decimal import Decimal

from examples.shop.catalog.application.stocking import Stocking
from examples.shop.catalog.domain.product import Product
from examples.shop.catalog.domain.values import Price
from nexios.domain import AlreadyExists

GOODS = (
    ("tea", "Assam tea, 100 g", "7.90", 40),
    ("coffee", "Coffee beans, 250 g", "9.50", 25),
    ("pot", "Tea pot, one litre", "24.00", 5),
    ("mug", "Mug, hand made", "14.00", 8),
    ("last-mug", "Mug, the last of its kind", "19.00", 1),
)


async def fill(stocking: Stocking) -> None:
    """Put up for sale what is not sold yet. Safe to run at every start, in every process."""
    products = [
        Product.offer(sku, name, Price(Decimal(price)), on_hand)
        for sku, name, price, on_hand in GOODS
    ]
    try:
        await stocking.offer(products)
    except AlreadyExists:
        # Another process was quicker, and has put up the same goods.
        return
