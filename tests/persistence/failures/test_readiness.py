"""Readiness over a database that holds its connections and answers nobody."""

import asyncio

import pytest

from nexios import Module, NexiosApp
from nexios.adapters.persistence.database import Database
from nexios.testing.client import AsyncTestClient
from nexios.testing.leaks import watched
from nexios.testing.postgres import PostgresServer, assert_pool_idle
from tests.support.asgi import Answer, ask

pytestmark = pytest.mark.asyncio

FRESH_S = 1.05


def running() -> int:
    """Return how many pings there are."""
    return sum(one.get_name() == "nexios database" for one in asyncio.all_tasks())


async def test_probes_of_a_paused_database_are_answered_while_its_ping_still_runs(
    server: PostgresServer,
) -> None:
    async def probe() -> Answer:
        await asyncio.sleep(FRESH_S)
        return await ask(app, "GET", "/health/ready")

    async with watched(server.url(), pool_size=2, statement_timeout_s=5) as database:
        stores = Module("stores")
        stores.bind(Database).value(database)
        app = NexiosApp(stores.export(Database))
        async with AsyncTestClient(app):
            assert (await probe()).status == 200
            await asyncio.to_thread(server.pause)
            try:
                # The first is answered by a connection at rest, which can be given up; the next
                # opens one, which is not left half open.
                first, second = await probe(), await probe()
                pings = running()
            finally:
                await asyncio.to_thread(server.resume)

            assert (first.status, second.status) == (200, 503)
            told = second.json()["checks"]["database"]
            assert told["error"] == "no answer within 1 s"
            assert pings == 1, "what was asked had ended before the probe was answered"
            async with asyncio.timeout(20):
                while (await probe()).status != 200:
                    pass
        assert_pool_idle(database)
        assert running() == 0
