"""The whole shop over ASGI, with its lifespan, on each database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from examples.shop.main import shop
from examples.shop.tests.support.wire import Visitor
from nexios import MakeConfig
from nexios.testing.client import AsyncTestClient


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database; on PostgreSQL skipped, and counted, where there is no server."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'shop.db'}"
    found: str = request.getfixturevalue("nexios_database_url")
    return found


@pytest_asyncio.fixture
async def client(url: str) -> AsyncIterator[AsyncTestClient]:
    """A client of a running, seeded shop."""
    async with AsyncTestClient(shop(MakeConfig(database_url=url))) as client:
        yield client


@pytest.fixture
def visitor(client: AsyncTestClient) -> Visitor:
    """A customer of that shop."""
    return Visitor(client)
