"""Persistence against what a person would write by hand, all in one run, on PostgreSQL.

    python benchmarks/persistence.py                every workload, a table with the bars
    python benchmarks/persistence.py --rounds 60 --json

save    load an order with five lines, change one, save it with an event for one consumer
read    one order by its id through the repository
row     one row by its key through the facade
claim   the next delivery, 50,000 waiting against none
worker  deliveries a second
memory  the use case of ``save`` in memory, beside a plain dict

CPU of this process is compared, both sides in turns and the ratio inside a round; claims are
compared by wall time, which the server's work is part of. The server is a private one, without
fsync, so that a disk measures nothing here.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeVar

import asyncpg
from persistence_model import (
    CONSUMER,
    METADATA,
    MemoryOrders,
    OneConsumer,
    Order,
    SqlOrders,
    add_order,
    count_one,
)
from persistence_peers import Extra, Orm, Raw
from sqlalchemy.ext.asyncio import create_async_engine
from timing import Result, Variant, compare

from nexios.adapters.persistence import Database, MemoryStore, MemoryUnitOfWork, SqlUnitOfWork
from nexios.adapters.persistence.outbox import SqlOutbox
from nexios.adapters.persistence.statements import Ask, Sql, Statement, make_statement
from nexios.adapters.persistence.tables import create_tables
from nexios.adapters.persistence.worker import Worker
from nexios.testing.postgres import PostgresServer, Server, fresh_database

T = TypeVar("T")

DEEP: Final = 50_000
DELIVERIES: Final = 2_000
WORKERS: Final = 4
# What our side sends for one `save`, by verb and table; the same by hand.
STATEMENTS: Final = (
    "SELECT orders",
    "SELECT order_lines",
    "UPDATE orders",
    "UPDATE order_lines",
    "INSERT nx_outbox",
    "SELECT nx_delivery",
    "INSERT nx_delivery",
)
AUDIT: Final = "INSERT nx_audit"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table.

    Attributes:
        at_most: The bar of ``ratio``; None where a number is only reported.
    """

    name: str
    ours_us: float
    other_us: float
    ratio: float
    at_most: float | None

    @property
    def holds(self) -> bool:
        return self.at_most is None or self.ratio <= self.at_most

    @classmethod
    def of(cls, name: str, result: Result, at_most: float | None) -> "Line":
        return cls(name, result.ours_us, result.other_us, result.ratio, at_most)


class Sides:
    """Ours and the others' on one database, with the same orders."""

    def __init__(self, database: Database, pool: Any, engine: Any) -> None:
        self.database = database
        self.pool = pool
        self.orm = Orm(engine)
        self.raw = Raw(pool)
        self.ids: list[Any] = []

    def unit(self) -> SqlUnitOfWork:
        """Return what a request has."""
        return SqlUnitOfWork(self.database, subscribers=OneConsumer())

    async def fill(self, orders: int) -> None:
        """Store orders for all sides."""
        for number in range(orders):
            unit = self.unit()
            self.ids.append(await add_order(unit, SqlOrders(unit), f"n{number}"))

    async def save(self, id: Any) -> None:
        """Ours."""
        unit = self.unit()
        await count_one(unit, SqlOrders(unit), id)

    async def read(self, id: Any) -> Order:
        """Ours."""
        unit = self.unit()
        orders = SqlOrders(unit)

        async def work() -> Order:
            return await orders.get(id)

        return await unit.run(work, read_only=True)

    async def row(self, id: Any) -> Any:
        """Ours."""
        return await self.database.fetch_one(
            "SELECT id, version, number, status FROM orders WHERE id = ?", [id]
        )

    def each(self, work: Callable[[Any], Awaitable[object]], *, most: int = 200) -> Variant:
        """Return ``work`` on one order after the other."""
        ids = self.ids

        def values(calls: int) -> list[tuple[object, ...]]:
            return [(ids[n % len(ids)],) for n in range(calls)]

        return Variant(work, values, awaits=True, most_calls=most)

    async def check_statements(self, url: str) -> None:
        """Prove that the hand-written side sends what ours does; take over its audit.

        Raises:
            SystemExit: They differ, so a comparison would say nothing.
        """
        async with Recording(url) as recording:
            recording.sent.clear()  # what its start asks
            unit = SqlUnitOfWork(recording, subscribers=OneConsumer())
            await count_one(unit, SqlOrders(unit), self.ids[0])
        named = [(_short(one.text), one) for one in recording.sent]
        names = tuple(name for name, _ in named if name != AUDIT)
        if names != STATEMENTS:
            raise SystemExit(f"ours sends {names}, by hand it is {STATEMENTS}")
        for name, one in named:
            if name == AUDIT:
                self.raw = Raw(self.pool, Extra(one.text, one.args, version_at=1))


class Recording(Database):
    """Notes what goes to the driver."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.sent: list[Statement] = []

    async def _ask(self, ask: Ask[T], sql: Sql, args: Sequence[object]) -> T:
        self.sent.append(make_statement(sql, args, self.store))
        return await super()._ask(ask, sql, args)


def _short(text: str) -> str:
    words = text.replace("\n", " ").split()
    verb = words[0].upper()
    after = {"SELECT": "FROM", "UPDATE": "UPDATE", "INSERT": "INTO"}.get(verb)
    upper = [word.upper() for word in words]
    return f"{verb} {words[upper.index(after) + 1]}" if after in upper else ""


async def claims(server: Server, rounds: int) -> Line:
    """Compare a claim with many waiting to one with none, by wall time."""
    async with AsyncExitStack() as opened:
        databases = []
        for name in ("deep", "empty"):
            url = opened.enter_context(fresh_database(server, f"bench_{name}"))
            database = Database(url, statement_timeout_s=120)
            await opened.enter_async_context(database)
            await create_tables(database, METADATA)
            databases.append(database)
        deep, empty = databases
        await _make_deep(deep)
        stores = [SqlOutbox(deep), SqlOutbox(empty)]
        pairs = []
        for number in range(rounds + 10):
            times = {}
            for store in stores if number % 2 else reversed(stores):
                started = time.perf_counter()
                for _ in range(10):
                    async with store.claim() as claim:
                        if (claim is None) is not (store is stores[1]):
                            raise SystemExit("a claim found what is not there, or missed it")
                times[store] = (time.perf_counter() - started) / 10
            if number >= 10:
                pairs.append((times[stores[0]], times[stores[1]]))
        ours, other = ([pair[side] * 1e6 for pair in pairs] for side in (0, 1))
        ratio = statistics.median(pair[0] / pair[1] for pair in pairs)
        return Line(
            f"claim, {DEEP} waiting / none, wall",
            statistics.median(ours),
            statistics.median(other),
            ratio,
            3.0,
        )


async def _make_deep(database: Database) -> None:
    """Put events into 5,000 lanes, ten deep."""
    await database.execute(
        "INSERT INTO nx_outbox (id, stream, stream_version, idx, name, version, payload, headers,"
        " at) SELECT gen_random_uuid(), 'orders:' || n % 5000, n, 0, 'bench.counted', 1, '{}',"
        " '{}', now() FROM generate_series(1, ?) n",
        [DEEP],
    )
    await database.execute(
        "INSERT INTO nx_delivery (seq, consumer, stream, state, not_before) SELECT seq,"
        " 'bench.count', stream, CASE WHEN stream_version <= 5000 THEN 'ready' ELSE 'waiting'"
        " END, now() FROM nx_outbox"
    )
    for table in ("nx_outbox", "nx_delivery"):
        await database.execute(f"VACUUM ANALYZE {table}")


async def deliveries_a_second(sides: Sides) -> float:
    """Return how many deliveries with an effect a worker makes in a second."""
    database = sides.database
    await database.execute("TRUNCATE nx_delivery, nx_outbox")
    await database.execute("CREATE TABLE effects (n bigserial PRIMARY KEY, sku text)")
    for number in range(DELIVERIES):
        await sides.save(sides.ids[number % len(sides.ids)])

    async def deliver(_consumer: Any, event: Any, _envelope: Any) -> None:
        async def work() -> None:
            await database.execute("INSERT INTO effects (sku) VALUES (?)", [event.sku])

        await SqlUnitOfWork(database).run(work, retries=0)

    worker = Worker(SqlOutbox(database), deliver, consumers=[CONSUMER], workers=WORKERS)
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        group.create_task(worker.run())
        while await worker_is_behind(database):  # noqa: ASYNC110  # only the database knows
            await asyncio.sleep(0.02)
        spent = time.perf_counter() - started
        await worker.stop()
    return DELIVERIES / spent


async def worker_is_behind(database: Database) -> bool:
    """Tell whether deliveries wait."""
    return await database.fetch_value("SELECT 1 FROM nx_delivery LIMIT 1") is not None


async def in_memory(rounds: int) -> Line:
    """Compare the use case in memory to two look-ups and a store in a dict."""
    store = MemoryStore()
    unit = MemoryUnitOfWork(store)
    key = await add_order(unit, MemoryOrders(unit), "n1")
    plain = {key: Order.open("n1")}

    async def ours() -> None:
        unit = MemoryUnitOfWork(store)
        await count_one(unit, MemoryOrders(unit), key)

    async def other() -> None:
        order = plain[key]
        order.count()
        order.pull_events()
        plain[key] = order

    def none(calls: int) -> list[tuple[object, ...]]:
        return [()] * calls

    result = await compare(
        Variant(ours, none, awaits=True), Variant(other, none, awaits=True), rounds
    )
    return Line.of("use case in memory / a plain dict", result, None)


async def measure(server: Server, url: str, rounds: int) -> tuple[list[Line], float]:
    """Run every workload."""
    async with AsyncExitStack() as opened:
        database = await opened.enter_async_context(Database(url))
        await create_tables(database, METADATA)
        # Like ours, a connection is given back as it is.
        pool = await opened.enter_async_context(
            asyncpg.create_pool(url, min_size=1, max_size=4, reset=_as_it_is)
        )
        engine = create_async_engine("postgresql+asyncpg://", async_creator=_connector(url))
        opened.push_async_callback(engine.dispose)
        sides = Sides(database, pool, engine)
        await sides.fill(50)
        await sides.check_statements(url)
        ours = sides.each(sides.save)
        lines = [
            Line.of(
                "save / asyncpg, the same statements",
                await compare(ours, sides.each(sides.raw.count_one), rounds),
                2.5,
            ),
            Line.of(
                "save / SQLAlchemy's ORM session",
                await compare(ours, sides.each(sides.orm.count_one), rounds),
                0.5,
            ),
            Line.of(
                "read one aggregate / asyncpg",
                await compare(sides.each(sides.read), sides.each(sides.raw.read_one), rounds),
                2.0,
            ),
            Line.of(
                "fetch_one by key / asyncpg's pool",
                await compare(sides.each(sides.row), sides.each(sides.raw.read_row), rounds),
                2.0,
            ),
            await claims(server, rounds),
            await in_memory(rounds),
        ]
        return lines, await deliveries_a_second(sides)


async def _as_it_is(_connection: Any) -> None:
    """Reset nothing."""


def _connector(url: str) -> Callable[[], Awaitable[Any]]:
    async def connect() -> Any:
        return await asyncpg.connect(url)

    return connect


def main() -> None:
    """Print the table, or JSON; exit 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with PostgresServer() as server, fresh_database(server, "bench") as url:
        lines, rate = asyncio.run(measure(server, url, given.rounds))
    if given.json:
        print(json.dumps({"lines": [asdict(one) for one in lines], "deliveries_s": rate}))
    else:
        print(f"{'':42}{'ours us':>10}{'other us':>10}{'ratio':>8}{'bar':>7}")
        for one in lines:
            bar = "" if one.at_most is None else f"<= {one.at_most:g}"
            missed = "" if one.holds else "  MISSED"
            print(
                f"{one.name:42}{one.ours_us:10.1f}{one.other_us:10.1f}{one.ratio:8.2f}{bar:>8}{missed}"
            )
        print(f"worker, {WORKERS} at a time, one effect each: {rate:.0f} deliveries a second")
    raise SystemExit(0 if all(one.holds for one in lines) else 1)


if __name__ == "__main__":
    main()
