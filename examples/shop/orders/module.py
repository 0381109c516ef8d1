"""The composition of ordering."""

from examples.shop.orders.adapters.catalog.stock import CatalogStock
from examples.shop.orders.adapters.http.orders import OrderController
from examples.shop.orders.adapters.persistence.orders import SqlOrders
from examples.shop.orders.adapters.websocket.feed import ChannelFeed
from examples.shop.orders.application.announcing import Announcing, OrderFeed
from examples.shop.orders.application.deciding import Deciding
from examples.shop.orders.application.ordering import Ordering
from examples.shop.orders.application.stock import Stock
from examples.shop.orders.domain.order import Orders
from nexios import Module, Scope


def orders(store: Module, catalog: Module) -> Module:
    """Return the context over ``store``, asking ``catalog`` for prices and stock."""
    module = Module("orders")
    module.include(store, catalog)
    module.bind(Orders).to(SqlOrders)
    module.bind(Stock).to(CatalogStock)
    module.bind(OrderFeed, scope=Scope.SINGLETON).to(ChannelFeed)
    module.bind(Ordering)
    module.bind(Deciding)
    module.bind(Announcing)
    module.controllers(OrderController)
    module.export(Ordering)
    return module
