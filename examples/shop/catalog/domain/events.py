"""What the catalog tells the world. Other contexts may import this file, and `catalog.api`."""

from uuid import UUID

from nexios.domain import DomainEvent


class StockTaken(DomainEvent, name="shop.stock-taken", version=1):
    """All goods of the order are set aside; the stock is lowered."""

    order: UUID


class StockShort(DomainEvent, name="shop.stock-short", version=1):
    """Some goods of the order were not there, so none were taken."""

    order: UUID
    skus: tuple[str, ...]
