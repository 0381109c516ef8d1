"""A database of every kind, empty for each test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from nexios.adapters.persistence.database import Database
from nexios.testing.postgres import assert_pool_idle


@pytest.fixture(params=["sqlite-memory", "sqlite-file", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    match request.param:
        case "sqlite-memory":
            yield "sqlite://"
        case "sqlite-file":
            yield f"sqlite:///{tmp_path / 'test.db'}"
        case _:
            yield request.getfixturevalue("nexios_database_url")


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as opened:
        yield opened
        assert_pool_idle(opened)
