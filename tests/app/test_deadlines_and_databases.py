"""Late and left requests with a database under them: all of it or nothing, and nothing leaks."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import anyio
import pytest

from nexios import NexiosApp
from nexios.adapters.persistence import Database
from nexios.middleware import TimeoutMiddleware, deadline
from nexios.testing.leaks import assert_pool_idle, watched
from tests.support.asgi import ask

pytestmark = pytest.mark.asyncio

Open = Callable[[], AbstractAsyncContextManager[Database]]


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    postgres = request.param == "postgres"
    url = f"sqlite:///{tmp_path}/rows.db"
    if postgres:
        url = request.getfixturevalue("nexios_database_url")

    @asynccontextmanager
    async def opened() -> AsyncIterator[Database]:
        async with (watched if postgres else Database)(url, pool_size=2) as database:
            await database.execute("CREATE TABLE rows_of_late (n int PRIMARY KEY)")
            yield database
            assert_pool_idle(database)

    return opened


async def count(database: Database) -> object:
    return await database.fetch_value("SELECT count(*) FROM rows_of_late")


async def test_deadline_rolls_back_and_answers_504(place: Open) -> None:
    async with place() as database:
        app = NexiosApp()
        cleaned: list[str] = []

        @app.post("/")
        @deadline(0.3)
        async def write() -> None:
            try:
                async with database.transaction():
                    await database.execute("INSERT INTO rows_of_late VALUES (1)")
                    await anyio.sleep_forever()
            finally:
                cleaned.append("up")

        answer = await ask(app, "POST", "/")
        assert (answer.status, cleaned) == (504, ["up"])
        assert await count(database) == 0
        # Neither lock nor connection is held: the same row, as often as there are connections.
        for n in (1, 2, 3):
            await database.execute("INSERT INTO rows_of_late VALUES (?)", [n])


async def test_a_commit_that_was_begun_in_time_is_whole(place: Open) -> None:
    async with place() as database:
        app = NexiosApp()

        @app.post("/{n:int}")
        @deadline(0.05)
        async def write(n: int) -> str:
            async with database.transaction():
                for part in range(10):
                    await database.execute("INSERT INTO rows_of_late VALUES (?)", [10 * n + part])
                    await anyio.sleep(0.0005 * n)
            return "done"

        for n in range(1, 25):
            status = (await ask(app, "POST", f"/{n}")).status
            rows = await database.fetch_value(
                "SELECT count(*) FROM rows_of_late WHERE n / 10 = ?", [n]
            )
            assert rows in (0, 10)
            assert status in (200, 504)
            assert rows == 10 or status == 504


async def test_aborted_requests_leak_nothing(place: Open) -> None:
    async with place() as database:
        app = NexiosApp()
        app.add_middleware(TimeoutMiddleware(0.2))

        @app.get("/{n:int}")
        async def work(n: int) -> str:
            async with database.transaction():
                await database.execute("INSERT INTO rows_of_late VALUES (?)", [n])
                if n % 3 == 0:
                    raise KeyError(n)
                if n % 3 == 1:
                    await anyio.sleep_forever()
            return "done"

        statuses = [(await ask(app, "GET", f"/{n}")).status for n in range(12)]
        assert statuses == [500, 504, 200] * 4
        assert await count(database) == 4
        assert len(app._house.gateway.flights) == 0  # type: ignore[union-attr]


async def test_a_statement_is_cut_to_what_is_left(nexios_database_url: str) -> None:
    async with watched(nexios_database_url) as database:
        app = NexiosApp()

        @app.get("/{inside:int}")
        @deadline(0.3)
        async def sleep(inside: int) -> None:
            if inside:
                async with database.transaction():
                    await database.fetch_value("SELECT pg_sleep(25)")
            await database.fetch_value("SELECT pg_sleep(25)")

        started = time.monotonic()
        for inside in (1, 0):
            assert (await ask(app, "GET", f"/{inside}")).status == 504
        assert time.monotonic() - started < 20
        assert await database.fetch_value("SELECT 1") == 1


async def test_a_scope_of_ones_own_goes_on_after_a_statement_that_was_cut(
    nexios_database_url: str,
) -> None:
    async with watched(nexios_database_url) as database:
        started = time.monotonic()
        with anyio.move_on_after(0.2) as scope:
            await database.fetch_value("SELECT pg_sleep(25)")
        assert scope.cancelled_caught
        assert time.monotonic() - started < 20
