"""The shop: `nexios run examples.shop.main:app`.

SQLite in `shop.db` by default; `NEXIOS_DATABASE_URL=postgresql://...` puts it on PostgreSQL.
"""

from functools import partial
from typing import Final

from examples.shop.catalog.adapters.persistence.tables import metadata as catalog_tables
from examples.shop.catalog.application.stocking import Stocking
from examples.shop.catalog.module import catalog
from examples.shop.orders.adapters.persistence.tables import metadata as order_tables
from examples.shop.orders.adapters.websocket.feed import channel, follow
from examples.shop.orders.module import orders
from examples.shop.persistence import persistence
from examples.shop.seeding import fill
from nexios import MakeConfig, NexiosApp
from nexios.adapters.persistence import Database, Migrations, create_tables

DEFAULT_URL: Final = "sqlite:///shop.db"


def shop(config: MakeConfig) -> NexiosApp:
    """Compose the whole shop over the database that ``config`` names."""
    store = persistence(config.database_url or DEFAULT_URL, migrated=config.env == "prod")
    goods = catalog(store)
    app = NexiosApp(store, goods, orders(store, goods), config=config, title="Shop")
    app.add_ws_route(path="/ws/orders/{order_id:uuid}", handler=follow, receives=(), sends=channel)
    app.on_startup(partial(open_shop, app))
    return app


async def open_shop(app: NexiosApp) -> None:
    """Have the tables ready and fill the shelf before the first customer."""
    database = await app.container.get(Database)
    if app.config.env == "prod":
        await (await app.container.get(Migrations)).check()
    else:
        await create_tables(database, catalog_tables, order_tables)
    async with app.scope() as scope:
        await fill(await scope.get(Stocking))


app = shop(MakeConfig())
