"""Notes that two consumers copy into a table: what is lost, doubled or out of order shows."""

from typing import Any

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text
from sqlalchemy import Identity as Numbered

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.sql import SqlUnitOfWork
from nexios.application import Envelope
from nexios.application.subscribers import Consumer
from nexios.domain import DomainEvent
from nexios.domain.clock import Clock
from tests.support.shop import Order, OrderId, OrderNoted, SqlOrders

CONSUMERS = (Consumer("log", OrderNoted, attempts=50), Consumer("index", OrderNoted, attempts=50))

METADATA = MetaData()
Table(
    "effects",
    METADATA,
    Column("n", BigInteger, Numbered(), primary_key=True),
    Column("consumer", Text, nullable=False),
    Column("stream", Text, nullable=False),
    Column("stream_version", Integer, nullable=False),
    Column("idx", Integer, nullable=False),
    Column("text", Text, nullable=False),
)


class EveryNote:
    """Tells all of ``CONSUMERS`` of each note."""

    def before(self, event_type: type[DomainEvent]) -> list[Any]:
        return []

    def consumers(self, event_type: type[DomainEvent]) -> tuple[Consumer, ...]:
        return CONSUMERS if event_type is OrderNoted else ()


async def note(
    database: Database, *texts: str, order: OrderId | None = None, clock: Clock | None = None
) -> OrderId:
    """Record one event for each text in one commit; on a new order unless one is given."""
    unit = SqlUnitOfWork(database, subscribers=EveryNote(), clock=clock)
    orders = SqlOrders(unit)

    async def work() -> OrderId:
        if order is None:
            found = Order.open(str(OrderId.new())[-20:])
            orders.add(found)
        else:
            found = await orders.get(order)
        for text in texts:
            found.note(text)
        return found.id

    return await unit.run(work, retries=200)


async def put(
    database: Database, consumer: Consumer, event: OrderNoted, envelope: Envelope
) -> None:
    """Write the effect of one delivery."""
    await database.execute(
        "INSERT INTO effects (consumer, stream, stream_version, idx, text) VALUES (?, ?, ?, ?, ?)",
        [consumer.name, envelope.stream, envelope.stream_version, envelope.index, event.text],
    )


async def assert_all_once_in_order(database: Database) -> int:
    """Compare effects with events, stream by stream; return how many effects there are."""
    wanted: dict[tuple[str, str], list[str]] = {}
    for row in await database.fetch_all(
        "SELECT stream, payload FROM nx_outbox ORDER BY stream_version, idx"
    ):
        payload: Any = row["payload"]
        for consumer in CONSUMERS:
            lane = (consumer.name, str(row["stream"]))
            wanted.setdefault(lane, []).append(payload["text"])
    found: dict[tuple[str, str], list[str]] = {}
    for row in await database.fetch_all("SELECT consumer, stream, text FROM effects ORDER BY n"):
        found.setdefault((str(row["consumer"]), str(row["stream"])), []).append(str(row["text"]))
    assert found == wanted
    return sum(map(len, found.values()))
