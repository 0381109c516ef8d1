"""The composition of the catalog."""

from examples.shop.catalog.adapters.http.products import ProductController
from examples.shop.catalog.adapters.persistence.products import SqlProducts
from examples.shop.catalog.adapters.persistence.reservations import SqlReservations
from examples.shop.catalog.application.browsing import Browsing
from examples.shop.catalog.application.picking import Picking
from examples.shop.catalog.application.shelf import Shelf
from examples.shop.catalog.application.stocking import Stocking
from examples.shop.catalog.domain.product import Products
from examples.shop.catalog.domain.reservation import Allocation, Reservations
from nexios import Module, Scope


def catalog(store: Module) -> Module:
    """Return the context over ``store``. Others get to see `Shelf`; `Stocking` is for start."""
    module = Module("catalog")
    module.include(store)
    module.bind(Products).to(SqlProducts)
    module.bind(Reservations).to(SqlReservations)
    module.bind(Allocation, scope=Scope.SINGLETON)
    module.bind(Browsing)
    module.bind(Picking)
    module.bind(Shelf)
    module.bind(Stocking)
    module.controllers(ProductController)
    module.export(Shelf, Stocking)
    return module
