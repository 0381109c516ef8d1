"""What only PostgreSQL can show: killed backends, workers of several processes, raced lanes."""

import asyncio
import contextvars
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
import pytest_asyncio

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.outbox import SqlOutbox
from nexios.adapters.persistence.sql import SqlUnitOfWork
from nexios.adapters.persistence.tables import create_tables
from nexios.adapters.persistence.worker import Worker
from nexios.application import Envelope
from nexios.application.subscribers import Consumer
from nexios.domain import DomainEvent
from tests.support.shop import METADATA, Order, OrderId, OrderNoted, SqlOrders

pytestmark = pytest.mark.asyncio

CONSUMER = Consumer("log", OrderNoted, attempts=50)


class Everybody:
    """One consumer for every note."""

    def before(self, event_type: type[DomainEvent]) -> list[Any]:
        return []

    def consumers(self, event_type: type[DomainEvent]) -> list[Consumer]:
        return [CONSUMER] if event_type is OrderNoted else []


@pytest_asyncio.fixture
async def database(nexios_database: Database) -> AsyncIterator[Database]:
    await create_tables(nexios_database, METADATA)
    await nexios_database.execute(
        "CREATE TABLE effects (n bigserial PRIMARY KEY, stream text, text text)"
    )
    yield nexios_database
    assert nexios_database.status.in_use == 0


async def note(database: Database, text: str, order: OrderId | None = None) -> OrderId:
    unit = SqlUnitOfWork(database, subscribers=Everybody())
    orders = SqlOrders(unit)

    async def work() -> OrderId:
        if order is None:
            found = Order.open(text)
            orders.add(found)
        else:
            found = await orders.get(order)
        found.note(text)
        return found.id

    return await unit.run(work, retries=100)


async def effects(database: Database) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in await database.fetch_all("SELECT stream, text FROM effects ORDER BY n"):
        found.setdefault(str(row["stream"]), []).append(str(row["text"]))
    return found


async def put(database: Database, event: OrderNoted, envelope: Envelope) -> None:
    await database.execute(
        "INSERT INTO effects (stream, text) VALUES (?, ?)", [envelope.stream, event.text]
    )


async def test_a_backend_killed_in_the_handler_gives_the_delivery_back(database: Database) -> None:
    await note(database, "1")
    killed: list[str] = []

    async def deliver(consumer: Consumer, event: Any, envelope: Envelope) -> None:
        async def work() -> None:
            await put(database, event, envelope)
            if not killed:
                killed.append(event.text)
                await database.execute("SELECT pg_terminate_backend(pg_backend_pid())")

        await SqlUnitOfWork(database).run(work, retries=0)

    outbox = SqlOutbox(database)
    worker = Worker(outbox, deliver, consumers=[CONSUMER], workers=1, poll_interval_s=0.05)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(worker.run)
            while await outbox.pending():  # noqa: ASYNC110  # only the database knows
                await anyio.sleep(0.01)
            await worker.stop()
    assert killed == ["1"]
    (texts,) = (await effects(database)).values()
    assert texts == ["1"]
    assert await outbox.repair() == 0


async def test_a_delivery_that_a_worker_holds_is_passed_over_by_the_others(
    database: Database,
) -> None:
    first = await note(database, "a1")
    await note(database, "a2", first)
    await note(database, "b1")
    outbox = SqlOutbox(database)

    async def taken() -> str | None:
        async with outbox.claim() as claim:
            return None if claim is None else str(claim.delivery.payload["text"])

    async with outbox.claim() as held:
        assert held is not None
        assert held.delivery.payload["text"] == "a1"
        # a2 is behind the held one, so b1 is all there is.
        assert await _elsewhere(taken()) == "b1"
        # A producer does not wait for the worker either.
        with anyio.fail_after(5):
            await _elsewhere(note(database, "a3", first))
        await held.settle()

    async with outbox.claim() as claim:
        assert claim is not None
    states = await database.fetch_all(
        "SELECT o.payload, d.state FROM nx_delivery d JOIN nx_outbox o ON o.seq = d.seq"
        " ORDER BY d.seq"
    )
    first_row: Any = states[0]
    assert (first_row["payload"]["text"], first_row["state"]) == ("a2", "ready")


async def test_producers_and_workers_racing_lose_nothing_and_keep_order(
    database: Database,
) -> None:
    """Failing handlers and killed backends on top; 4 streams, 3 workers, 2 producers each."""
    tried: dict[str, int] = {}
    done = asyncio.Event()
    streams = [await note(database, f"s{n}") for n in range(4)]

    async def produce(order: OrderId, producer: int) -> None:
        for step in range(8):
            await note(database, f"{producer}-{step}", order)

    async def deliver(consumer: Consumer, event: Any, envelope: Envelope) -> None:
        key = f"{envelope.stream} {event.text}"
        attempt = tried[key] = tried.get(key, 0) + 1

        async def work() -> None:
            await put(database, event, envelope)
            if attempt == 1 and envelope.stream_version % 5 == 2:
                raise ZeroDivisionError
            if attempt == 1 and envelope.stream_version % 7 == 3:
                await database.execute("SELECT pg_terminate_backend(pg_backend_pid())")

        await SqlUnitOfWork(database).run(work, retries=0)

    outbox = SqlOutbox(database)
    worker = Worker(outbox, deliver, consumers=[CONSUMER], workers=3, poll_interval_s=0.02)

    async def hurry() -> None:
        while not done.is_set():
            await database.execute(
                "UPDATE nx_delivery SET not_before = now() WHERE ctid IN (SELECT ctid FROM"
                " nx_delivery WHERE not_before > now() FOR UPDATE SKIP LOCKED)"
            )
            await anyio.sleep(0.02)

    with anyio.fail_after(120):
        async with anyio.create_task_group() as group:
            group.start_soon(worker.run)
            group.start_soon(hurry)
            async with anyio.create_task_group() as producers:
                for order in streams:
                    producers.start_soon(produce, order, 1)
                    producers.start_soon(produce, order, 2)
            while await outbox.pending():  # noqa: ASYNC110  # only the database knows
                await anyio.sleep(0.02)
            done.set()
            await worker.stop()

    recorded: dict[str, list[str]] = {}
    for row in await database.fetch_all("SELECT stream, payload FROM nx_outbox ORDER BY seq"):
        payload: Any = row["payload"]
        recorded.setdefault(str(row["stream"]), []).append(payload["text"])
    assert await effects(database) == recorded
    assert all(len(texts) == 17 for texts in recorded.values())
    assert worker.repaired == 0
    assert await outbox.repair() == 0


async def _elsewhere(work: Any) -> Any:
    return await asyncio.create_task(work, context=contextvars.Context())


async def test_an_effect_that_fails_at_its_commit_counts_an_attempt(database: Database) -> None:
    await database.execute(
        "CREATE TABLE late (n integer UNIQUE DEFERRABLE INITIALLY DEFERRED, text text)"
    )
    await note(database, "bad")
    await note(database, "good")

    async def deliver(consumer: Consumer, event: Any, envelope: Envelope) -> None:
        await database.execute("INSERT INTO late VALUES (1, ?)", [event.text])
        if event.text == "bad":
            await database.execute("INSERT INTO late VALUES (1, 'again')")
        await put(database, event, envelope)

    worker = Worker(SqlOutbox(database), deliver, consumers=[CONSUMER])
    made = await worker.deliver_ready()

    assert [text for texts in (await effects(database)).values() for text in texts] == ["good"]
    (left,) = await database.fetch_all("SELECT state, attempts, error FROM nx_delivery")
    # The pause before the next attempt may be next to nothing: then the same call made it too.
    assert (left["state"], left["attempts"]) == ("ready", made - 1)
    assert made >= 2
    assert str(left["error"]).startswith("AlreadyExists")
