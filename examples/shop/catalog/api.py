"""What the catalog lets other contexts ask. Its events stand in `catalog.domain.events`."""

from examples.shop.catalog.application.shelf import Shelf, ShelfItem

__all__ = ["Shelf", "ShelfItem"]
