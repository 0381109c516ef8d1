"""A change and its record are one commit, whenever the server dies in between."""

import asyncio
import random
from collections import Counter

import pytest

from nexios.adapters.persistence.audit import SqlAuditTrail
from nexios.adapters.persistence.changes import replay
from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.tables import all_rows
from nexios.application.errors import OutcomeUnknown, Unavailable
from nexios.domain.errors import Conflict
from nexios.testing.postgres import PostgresServer, kill_backends
from tests.support.counters import COUNTERS, CounterId, in_own_context, made, raise_by_one

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("seed", range(2))
async def test_change_and_record_commit_together(
    counters: Database, server: PostgresServer, seed: int
) -> None:
    chance = random.Random(seed)
    ids = [await made(counters) for _ in range(4)]
    seen: Counter[str] = Counter()
    progress, stop = asyncio.Condition(), asyncio.Event()

    async def writer(id: CounterId) -> None:
        while not stop.is_set():
            try:
                await raise_by_one(counters, id)
            except (Unavailable, OutcomeUnknown, Conflict):
                seen["refused"] += 1
            else:
                seen["done"] += 1
            async with progress:
                progress.notify_all()

    async def further(steps: int) -> None:
        goal = seen["done"] + steps
        async with asyncio.timeout(60), progress:
            await progress.wait_for(lambda: seen["done"] >= goal)

    writers = [in_own_context(lambda one=one: writer(one)) for one in ids * 2]
    for _ in range(6):
        await further(chance.randint(1, 15))
        await asyncio.sleep(chance.random() * 0.01)
        assert await asyncio.to_thread(kill_backends, server)
    await asyncio.to_thread(server.restart, "immediate")
    await further(5)
    stop.set()
    await asyncio.gather(*writers)

    changes = await SqlAuditTrail(counters).history(limit=100_000)
    rows = await all_rows(counters, COUNTERS)
    rebuilt = replay(changes, [COUNTERS])["counters"]
    assert sorted(rebuilt, key=str) == sorted(rows, key=str)
    for row in rows:
        versions = [one.version for one in changes if one.stream == f"counters:{row['id']}"]
        assert versions == list(range(1, int(str(row["version"])) + 1))
