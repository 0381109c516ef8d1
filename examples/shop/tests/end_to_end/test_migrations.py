"""The shop's own migrations: what they make is what it was built for, and prod insists on them."""

import anyio
import pytest

from examples.shop.catalog.adapters.persistence.tables import metadata as catalog_tables
from examples.shop.main import shop
from examples.shop.orders.adapters.persistence.tables import metadata as order_tables
from examples.shop.persistence import MIGRATIONS
from nexios import MakeConfig
from nexios.adapters.persistence import Database, Migrations
from nexios.testing.client import AsyncTestClient
from nexios.testing.server import LifespanFailed

pytestmark = pytest.mark.asyncio


def in_production(url: str) -> MakeConfig:
    """Return settings that production takes."""
    return MakeConfig(database_url=url, env="prod", allowed_hosts=["testserver"])


async def test_the_shop_in_production_starts_on_a_migrated_database_only(url: str) -> None:
    config = in_production(url)
    with pytest.raises(LifespanFailed, match="MigrationsBehind: the database is at nothing"):
        async with AsyncTestClient(shop(config)):
            pass
    async with Database(url) as database:
        migrations = Migrations(database, catalog_tables, order_tables, folder=MIGRATIONS)
        await migrations.upgrade()
        assert await migrations.drift() == []
    async with AsyncTestClient(shop(config)) as client:
        assert (await client.get("/products/tea")).status_code == 200
        assert (await client.get("/health/ready")).json() == {"status": "up"}


async def test_behind_its_migrations_the_shop_is_not_ready(url: str) -> None:
    config = in_production(url)
    async with Database(url) as database:
        migrations = Migrations(database, catalog_tables, order_tables, folder=MIGRATIONS)
        await migrations.upgrade()
        async with AsyncTestClient(shop(config)) as client:
            await migrations.downgrade("-1")
            board = await client.get("/health/ready")
            with anyio.fail_after(20):
                while board.json() == {"status": "up"}:  # two failures in a row, a second apart
                    await anyio.sleep(0.1)
                    board = await client.get("/health/ready")

    assert (board.status_code, board.json()) == (503, {"status": "down"})
