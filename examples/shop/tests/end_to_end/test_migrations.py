"""The shop's own migrations: what they make is what it was built for, and prod insists on them."""

import pytest

from examples.shop.catalog.adapters.persistence.tables import metadata as catalog_tables
from examples.shop.main import MIGRATIONS, shop
from examples.shop.orders.adapters.persistence.tables import metadata as order_tables
from nexios import MakeConfig
from nexios.adapters.persistence import Database, Migrations
from nexios.testing.client import AsyncTestClient
from nexios.testing.server import LifespanFailed

pytestmark = pytest.mark.asyncio


async def test_the_shop_in_production_starts_on_a_migrated_database_only(url: str) -> None:
    config = MakeConfig(database_url=url, env="prod", secret_key="long enough to be a secret key")
    with pytest.raises(LifespanFailed, match="MigrationsBehind: the database is at nothing"):
        async with AsyncTestClient(shop(config)):
            pass
    async with Database(url) as database:
        migrations = Migrations(database, catalog_tables, order_tables, folder=MIGRATIONS)
        await migrations.upgrade()
        assert await migrations.drift() == []
    async with AsyncTestClient(shop(config)) as client:
        assert (await client.get("/products/tea")).status_code == 200
