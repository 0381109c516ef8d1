"""Cancellation at random moments, both kinds: nothing leaks and nothing told is untrue."""

import asyncio
import contextvars
import random

import anyio
import pytest

from nexios.adapters.persistence.database import Database

ROUNDS = 12
TASKS = 6


@pytest.mark.asyncio
@pytest.mark.parametrize("cold", [False, True], ids=["open pool", "while connecting"])
async def test_a_storm_of_cancellations(database_url: str, cold: bool) -> None:
    if cold and database_url == "sqlite://":
        cold = False
    chance = random.Random(7)
    told: set[int] = set()
    async with Database(database_url, pool_size=3, pool_timeout_s=60, lock_timeout_s=20) as db:
        await db.execute("CREATE TABLE t (n integer PRIMARY KEY)")

        async def one(number: int, after_s: float, native: bool) -> None:
            if native:
                try:
                    async with asyncio.timeout(after_s):
                        await _write(db, number)
                        told.add(number)
                except TimeoutError:
                    pass
            else:
                with anyio.move_on_after(after_s):
                    await _write(db, number)
                    told.add(number)

        for start in range(0, ROUNDS * TASKS, TASKS):
            if cold:
                await db.stop()
            tasks = [
                asyncio.create_task(
                    one(number, chance.random() * chance.choice([0.005, 0.05]), number % 2 == 0),
                    context=contextvars.Context(),
                )
                for number in range(start, start + TASKS)
            ]
            await asyncio.gather(*tasks)
            assert db.status.in_use == db.status.waiting == 0

        assert told <= {row["n"] for row in await db.fetch_all("SELECT n FROM t")}
        await _every_connection_serves(db)


async def _write(db: Database, number: int) -> None:
    insert = "INSERT INTO t VALUES (?)"
    if number % 3 == 0:
        await db.execute(insert, [number])
        return
    async with db.transaction():
        if number % 3 == 1:
            async with db.transaction():
                await db.execute(insert, [number])
            await db.fetch_all("SELECT * FROM t")
        else:
            await asyncio.gather(db.execute(insert, [number]), db.fetch_value("SELECT 1"))


async def _every_connection_serves(db: Database) -> None:
    size = db.status.size
    inside = asyncio.Barrier(size)

    async def hold() -> None:
        async with db.transaction(read_only=True):
            await inside.wait()

    async with asyncio.timeout(30):
        await asyncio.gather(
            *(asyncio.create_task(hold(), context=contextvars.Context()) for _ in range(size))
        )
