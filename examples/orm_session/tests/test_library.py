"""The ORM session over HTTP: what is answered is what is stored, and connections come back."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.pool import QueuePool

from examples.orm_session import main
from nexios import NexiosApp
from nexios.testing.client import AsyncTestClient

pytestmark = pytest.mark.asyncio


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'library.db'}"
    found: str = request.getfixturevalue("nexios_database_url")
    return found.replace("postgresql://", "postgresql+asyncpg://", 1)


@pytest.fixture
def app(url: str) -> NexiosApp:
    return main.library(url)


@pytest_asyncio.fixture
async def client(app: NexiosApp) -> AsyncIterator[AsyncTestClient]:
    async with AsyncTestClient(app) as client:
        yield client
        engine = await app.container.get(AsyncEngine)
        assert isinstance(engine.pool, QueuePool)
        assert engine.pool.checkedout() == 0


async def test_books_are_put_and_listed(client: AsyncTestClient) -> None:
    for number, title in enumerate(("Emma", "Dune"), 1):
        answer = await client.post("/books", json={"title": title})
        assert (answer.status_code, answer.json()) == (201, {"id": number})
    assert (await client.get("/books")).json() == ["Emma", "Dune"]


async def test_a_commit_that_fails_is_no_success_and_the_next_request_goes_on(
    client: AsyncTestClient,
) -> None:
    assert (await client.post("/books", json={"title": "Emma"})).status_code == 201
    refused = await client.post("/books", json={"title": "Emma"})
    assert refused.status_code == 409
    assert refused.json()["detail"] == "this title is on the shelf"
    assert (await client.post("/books", json={"title": "Dune"})).status_code == 201
    assert (await client.get("/books")).json() == ["Emma", "Dune"]


async def test_each_request_has_a_session_of_its_own(
    app: NexiosApp, client: AsyncTestClient
) -> None:
    async with app.scope() as one, app.scope() as other:
        assert await one.get(AsyncSession) is await one.get(AsyncSession)
        assert await one.get(AsyncSession) is not await other.get(AsyncSession)
