"""The pool's own limits: queue, budget of the server, connections that are held for long."""

import asyncio
import logging
import time
from collections import Counter

import pytest

from nexios import Depend, Module, NexiosApp
from nexios.adapters.persistence.budget import PoolTooLarge, workers_of
from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.errors import DatabaseUnavailable
from nexios.adapters.persistence.url import Options
from nexios.testing.client import AsyncTestClient
from nexios.testing.leaks import watched
from nexios.testing.postgres import PostgresServer
from tests.support.counters import in_own_context

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(
    ("options", "fits"),
    [
        ({"pool_size": 110}, True),
        ({"pool_size": 111}, False),
        ({"pool_size": 10, "workers": 11}, True),
        ({"pool_size": 10, "workers": 12}, False),
    ],
)
async def test_workers_and_pool_fit_the_server_or_do_not_start(
    server: PostgresServer, options: dict[str, int], fits: bool
) -> None:
    if fits:
        async with Database(server.url(), **options) as db:  # type: ignore[arg-type]
            assert await db.fetch_value("SELECT 1") == 1
        return
    with pytest.raises(PoolTooLarge) as refusal:
        async with Database(server.url(), **options):  # type: ignore[arg-type]
            pass
    text = str(refusal.value)
    assert "has 120, of which 10 are for others" in text
    assert f"fix: pool_size={110 // options.get('workers', 1)}" in text


async def test_the_number_of_workers_is_the_environment_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
    assert workers_of(Options()) == 1
    for told, workers in (("4", 4), ("0", 1), ("many", 1)):
        monkeypatch.setenv("WEB_CONCURRENCY", told)
        assert workers_of(Options()) == workers
    assert workers_of(Options(workers=3)) == 3


async def test_who_stands_too_far_back_is_refused_at_once(server: PostgresServer) -> None:
    async with watched(server.url(), pool_size=2, pool_timeout_s=60) as db:
        let_go = asyncio.Event()
        took = [asyncio.Event(), asyncio.Event()]

        async def hold(taken: asyncio.Event) -> None:
            async with db.transaction():
                taken.set()
                await let_go.wait()

        holders = [in_own_context(lambda taken=taken: hold(taken)) for taken in took]
        for taken in took:
            await taken.wait()
        waiting = [asyncio.create_task(db.fetch_value("SELECT 1")) for _ in range(8)]
        await asyncio.sleep(0)  # each runs as far as the queue
        assert db.status.waiting == 8

        with pytest.raises(DatabaseUnavailable, match="8 wait for a connection already; 2 of 2"):
            await asyncio.wait_for(db.fetch_value("SELECT 1"), 20)

        let_go.set()
        assert await asyncio.gather(*waiting) == [1] * 8
        await asyncio.gather(*holders)


class Told(logging.Handler):
    """Keeps the lines about long loans, and tells of the first."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.first = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if "is held for" in record.getMessage():
            self.lines.append(record.getMessage())
            self.first.set()


async def test_a_connection_held_for_long_is_told_with_the_stack_that_took_it(
    server: PostgresServer,
) -> None:
    told, logger = Told(), logging.getLogger("nexios.persistence")
    logger.addHandler(told)
    try:
        async with watched(server.url(), held_warning_s=0.1) as db:

            async def forgetful() -> None:
                async with db.transaction():
                    await asyncio.wait_for(told.first.wait(), 20)
                    # Once only, however long it goes on.
                    await asyncio.sleep(0.3)

            async def handler() -> None:
                await forgetful()

            await handler()
            assert await db.fetch_value("SELECT 1") == 1
            assert db.status.held_long == 1
    finally:
        logger.removeHandler(told)
    (line,) = told.lines
    first, *steps = line.splitlines()
    assert first.endswith("forgetful, which took it at")
    assert [step.rpartition(".")[2] for step in steps[:2]] == ["forgetful", "handler"]
    assert "test_a_connection_held_for_long" in steps[2]


async def test_quick_loans_are_not_told_of(
    server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with watched(server.url(), held_warning_s=0.2) as db:
        began = time.monotonic()
        while time.monotonic() - began < 0.7:
            await db.fetch_value("SELECT 1")
        assert db.status.held_long == 0
    assert "is held for" not in caplog.text


def served(db: Database) -> NexiosApp:
    module = Module("store")
    module.bind(Database).value(db)
    app = NexiosApp(module.export(Database))

    @app.get("/count")
    async def count(database: Database = Depend()) -> object:
        return {"n": await database.fetch_value("SELECT count(*) FROM t")}

    @app.post("/rows")
    async def add(database: Database = Depend()) -> object:
        async with database.transaction():
            await database.execute("INSERT INTO t SELECT coalesce(max(n), 0) + 1 FROM t")
        return {}

    @app.get("/plain")
    async def plain() -> str:
        return "ok"

    return app


async def test_exhausted_pool_refuses_in_two_seconds(server: PostgresServer) -> None:
    async with watched(server.url(), pool_size=2) as db:
        await db.execute("CREATE TABLE t (n integer PRIMARY KEY)")
        let_go = asyncio.Event()
        took = [asyncio.Event(), asyncio.Event()]

        async def hold(taken: asyncio.Event) -> None:
            async with db.transaction():
                taken.set()
                await let_go.wait()

        holders = [in_own_context(lambda taken=taken: hold(taken)) for taken in took]
        for taken in took:
            await taken.wait()
        async with AsyncTestClient(served(db)) as client:
            began = time.monotonic()
            answers = await asyncio.gather(*(client.get("/count") for _ in range(20)))
            spent = time.monotonic() - began
            assert {one.status_code for one in answers} == {503}
            assert all("retry-after" in one.headers for one in answers)
            # The pool's two seconds, and what a busy machine adds; not twenty times two.
            assert 1.9 < spent < 10
            assert (await client.get("/plain")).status_code == 200
            assert (await client.get("/health/live")).status_code == 200

            let_go.set()
            await asyncio.gather(*holders)
            assert (await client.get("/count")).status_code == 200


async def test_database_restart_under_load(server: PostgresServer) -> None:
    async with Database(server.url(), pool_size=4) as db:
        await db.execute("CREATE TABLE t (n integer PRIMARY KEY)")
        seen: Counter[int] = Counter()
        stop = asyncio.Event()
        busy, refused, back = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async with AsyncTestClient(served(db)) as client:

            async def visitor(number: int) -> None:
                while not stop.is_set():
                    path = "/rows" if number % 2 else "/count"
                    answer = await client.request("POST" if number % 2 else "GET", path)
                    if answer.status_code != 409:  # two took the same number
                        seen[answer.status_code] += 1
                    if seen[200] > 30:
                        busy.set()
                    if answer.status_code == 503:
                        refused.set()
                    elif refused.is_set() and answer.status_code == 200:
                        back.set()

            visitors = [asyncio.create_task(visitor(number)) for number in range(8)]
            async with asyncio.timeout(60):
                await busy.wait()
                await asyncio.to_thread(server.stop)
                await refused.wait()
                back.clear()
                await asyncio.to_thread(server.start)
                await back.wait()
            stop.set()
            await asyncio.gather(*visitors)
            assert (await client.get("/count")).status_code == 200
        assert set(seen) == {200, 503}
