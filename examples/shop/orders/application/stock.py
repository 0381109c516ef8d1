"""The port to whoever knows prices and stock."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from examples.shop.orders.domain.values import Money


@dataclass(frozen=True, slots=True)
class Offer:
    """One product as ordering needs it."""

    price: Money
    on_hand: int


class Stock(Protocol):
    """What can be ordered now."""

    async def offers(self, skus: Collection[str]) -> Mapping[str, Offer]:
        """Return the offers for these skus, by sku; what is not sold is not in it."""
        ...
