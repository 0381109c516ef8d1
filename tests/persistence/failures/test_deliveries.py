"""Deliveries under kills, lost wake-ups, odd clocks and long queues, on a server of their own."""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import anyio
import pytest
import pytest_asyncio

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.delivery import HELD_CLAIM
from nexios.adapters.persistence.outbox import SqlOutbox
from nexios.adapters.persistence.sql import SqlUnitOfWork
from nexios.adapters.persistence.tables import create_tables
from nexios.adapters.persistence.worker import Worker
from nexios.application import Envelope
from nexios.application.subscribers import Consumer
from nexios.domain.values import Identity
from nexios.testing.leaks import watched
from nexios.testing.postgres import PostgresServer, run_sql
from tests.support import ledger
from tests.support.ledger import CONSUMERS, assert_all_once_in_order, note, put
from tests.support.shop import METADATA

pytestmark = pytest.mark.asyncio

SAFE_CLAIM_BUFFERS = 20


@pytest_asyncio.fixture
async def shop(server: PostgresServer) -> AsyncIterator[Database]:
    async with watched(server.url(), pool_size=8) as database:
        await create_tables(database, METADATA, ledger.METADATA)
        yield database


class Steps:
    """A clock that goes back an hour with every third look."""

    def __init__(self) -> None:
        self.now_is = datetime(2026, 11, 26, 12, tzinfo=UTC)
        self.looks = 0

    def now(self) -> datetime:
        self.looks += 1
        self.now_is += timedelta(minutes=-60 if self.looks % 3 == 0 else 10)
        return self.now_is


def killing(database: Database, *, one_in: int, failing_in: int) -> Any:
    """Return a handler whose backend dies now and then, after its effect; or that fails."""
    luck = random.Random(16)

    async def deliver(consumer: Consumer, event: Any, envelope: Envelope) -> None:
        async def work() -> None:
            await put(database, consumer, event, envelope)
            if luck.randrange(one_in) == 0:
                await database.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            if luck.randrange(failing_in) == 0:
                raise ZeroDivisionError

        await SqlUnitOfWork(database).run(work, retries=0)

    return deliver


async def work_off(database: Database, worker: Worker, *, hurry: bool = False) -> None:
    """Run the worker until nothing waits; ``hurry`` shortens every backing off."""
    outbox = SqlOutbox(database)
    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        while await outbox.pending():
            if hurry:
                await database.execute(
                    "UPDATE nx_delivery SET not_before = now() WHERE ctid IN (SELECT ctid FROM"
                    " nx_delivery WHERE not_before > now() FOR UPDATE SKIP LOCKED)"
                )
            await anyio.sleep(0.02)
        await worker.stop()


@pytest.mark.parametrize(
    ("streams", "steps"),
    [(1, False), (3, True), (40, False)],
    ids=["1 stream", "3 streams, the clock goes back", "40 streams"],
)
async def test_killed_workers_do_each_effect_once_in_order(
    shop: Database, streams: int, steps: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """600 events for two consumers, one backend in 40 deliveries killed, one handler in 40."""
    caplog.set_level(logging.CRITICAL, "nexios.outbox")
    clock = Steps() if steps else None
    orders = [await note(shop, "first", clock=clock) for _ in range(streams)]
    per_stream = 600 // streams - 1
    deliver = killing(shop, one_in=40, failing_in=40)
    worker = Worker(SqlOutbox(shop), deliver, consumers=CONSUMERS, workers=4, poll_interval_s=0.05)

    async def produce(share: int) -> None:
        for order in orders[share::3]:
            for step in range(0, per_stream, 5):
                texts = [f"{step + n}" for n in range(min(5, per_stream - step))]
                await note(shop, *texts, order=order, clock=clock)

    with anyio.fail_after(120):
        async with anyio.create_task_group() as group:
            for share in range(3):
                group.start_soon(produce, share)
            group.start_soon(partial(work_off, shop, worker, hurry=True))

    assert await assert_all_once_in_order(shop) == 2 * streams * (per_stream + 1)
    assert worker.repaired == await SqlOutbox(shop).repair() == 0


async def test_the_due_time_is_the_servers_whatever_this_clock_says(shop: Database) -> None:
    clock = Steps()
    clock.now_is -= timedelta(days=3650)
    await note(shop, "old", clock=clock)
    clock.now_is += timedelta(days=7300)
    await note(shop, "of the future", clock=clock)

    ahead = await shop.fetch_value(
        "SELECT count(*) FROM nx_delivery WHERE abs(extract(epoch FROM not_before - now())) > 60"
    )
    well = killing(shop, one_in=10**9, failing_in=10**9)
    worker = Worker(SqlOutbox(shop), well, consumers=CONSUMERS)

    assert ahead == 0
    assert await worker.deliver_ready() == 4
    assert await assert_all_once_in_order(shop) == 4


async def test_ids_of_one_millisecond_or_of_a_clock_that_went_back_differ() -> None:
    # The 48 bits of time are the only part a clock has a say in: without them all must differ.
    tails = {Identity.new().int & (1 << 80) - 1 for _ in range(100_000)}
    assert len(tails) == 100_000


async def test_a_commit_elsewhere_wakes_a_worker_long_before_it_polls(
    shop: Database, server: PostgresServer
) -> None:
    async with watched(server.url()) as elsewhere, running(shop, 60) as delivered:
        SqlOutbox(elsewhere)
        with anyio.fail_after(10):
            await note(elsewhere, "told")
            assert {await delivered.get() for _ in CONSUMERS} == {"told"}


async def test_polling_finds_what_no_wake_up_told(shop: Database, server: PostgresServer) -> None:
    async with watched(server.url()) as mute, running(shop, 0.2) as delivered:
        with anyio.fail_after(10):
            # Not a word of this commit: it has no outbox in its hands.
            await note(mute, "untold")
            assert {await delivered.get() for _ in CONSUMERS} == {"untold"}


async def test_a_listener_that_was_killed_looks_once_and_hears_again(
    shop: Database, server: PostgresServer
) -> None:
    listening = (
        "SELECT pid FROM pg_stat_activity"
        " WHERE query LIKE 'LISTEN%' AND application_name = 'nexios'"
    )

    async def listener() -> int:
        while True:
            for row in await asyncio.to_thread(run_sql, server.url(), listening):
                return int(str(row["pid"]))
            await anyio.sleep(0.01)

    async with watched(server.url()) as mute, running(shop, 60) as delivered:
        with anyio.fail_after(20):
            first = await listener()
            await asyncio.to_thread(run_sql, server.url(), "SELECT pg_terminate_backend(?)", first)
            # Said to nobody; the look after the reconnect must find it, the next poll is far.
            await note(mute, "while it was dead")
            assert {await delivered.get() for _ in CONSUMERS} == {"while it was dead"}
            assert await listener() != first
            SqlOutbox(mute)
            await note(mute, "heard")
            assert {await delivered.get() for _ in CONSUMERS} == {"heard"}


@asynccontextmanager
async def running(
    database: Database, poll_interval_s: float
) -> "AsyncIterator[asyncio.Queue[str]]":
    """Run a worker, its first look behind it; gives a queue of what was delivered."""
    delivered: asyncio.Queue[str] = asyncio.Queue()

    async def deliver(consumer: Consumer, event: Any, envelope: Envelope) -> None:
        delivered.put_nowait(event.text)

    worker = Worker(
        SqlOutbox(database), deliver, consumers=CONSUMERS, poll_interval_s=poll_interval_s
    )
    task = asyncio.create_task(worker.run())
    await anyio.sleep(0.2)
    try:
        yield delivered
    finally:
        await worker.stop()
        await task


# Rows of nx_delivery as SQL over n: lane, state, when it is due.
BACKLOGS = {
    "500 lanes": (500, "n", "'ready'", "0"),
    "50,000 over 5,000 lanes": (
        50_000,
        "n % 5000",
        "CASE WHEN n <= 5000 THEN 'ready' ELSE 'waiting' END",
        "0",
    ),
    "50,000 behind a head that backs off": (
        50_000,
        "0",
        "CASE WHEN n = 1 THEN 'ready' ELSE 'waiting' END",
        "3600",
    ),
    "50,000 lanes that back off, one ready": (
        50_000,
        "n",
        "'ready'",
        "CASE WHEN n = 25000 THEN 0 ELSE 3600 END",
    ),
}


@pytest.mark.parametrize("backlog", BACKLOGS)
async def test_a_claim_reads_a_handful_of_pages_whatever_waits(
    server: PostgresServer, backlog: str
) -> None:
    count, lane, state, due_s = BACKLOGS[backlog]
    async with watched(server.url(), statement_timeout_s=120) as db:
        await create_tables(db, METADATA)
        await db.execute(
            "INSERT INTO nx_outbox (id, stream, stream_version, idx, name, version, payload,"
            f" headers, at) SELECT gen_random_uuid(), 'orders:' || ({lane}), n, 0,"
            " 'shop.order-noted', 1, '{}', '{}', now()"
            f" FROM generate_series(1, {count}) n"
        )
        await db.execute(
            "INSERT INTO nx_delivery (seq, consumer, stream, state, not_before)"
            f" SELECT seq, 'log', stream, {state}, now() + ({due_s}) * interval '1 second'"
            " FROM (SELECT seq, stream, stream_version AS n FROM nx_outbox) o"
        )
        for table in ("nx_outbox", "nx_delivery"):
            await db.execute(f"VACUUM ANALYZE {table}")

        claim = HELD_CLAIM.format(now="clock_timestamp()")
        for _ in range(2):
            plan: Any = await db.fetch_value(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {claim}")
        top = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
        touched = top["Shared Hit Blocks"] + top["Shared Read Blocks"]

        assert top["Actual Rows"] == (0 if backlog.endswith("head that backs off") else 1)
        assert touched <= SAFE_CLAIM_BUFFERS, plan
