"""A long run with everything going wrong by turns; then nothing may be lost or done twice.

    python benchmarks/long_run.py                  five minutes
    python benchmarks/long_run.py --seconds 30 --seed 7

Writers open orders and change them, workers deliver, and meanwhile backends are killed, the wire
is cut before and after a COMMIT, use cases are cancelled, and the server is stopped as by a crash
and started again. Afterwards, with the server at rest:

* every acknowledged order is a row, and no refused one is
* each order's version is what its acknowledged changes make it (those whose outcome nobody knew
  may be there or not)
* each event has its effect exactly once, in the order of its stream, and no lane was repaired
* the audit replays to the tables, and its seals, made meanwhile, hold
"""

import argparse
import asyncio
import contextvars
import logging
import random
import time
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

from persistence_model import (
    CONSUMER,
    METADATA,
    OneConsumer,
    OrderId,
    SqlOrders,
    add_order,
    count_one,
)
from sqlalchemy import select

from nexios.adapters.persistence import Database, SqlUnitOfWork
from nexios.adapters.persistence.audit import SqlAuditTrail
from nexios.adapters.persistence.changes import replay
from nexios.adapters.persistence.outbox import SqlOutbox
from nexios.adapters.persistence.tables import create_tables
from nexios.adapters.persistence.worker import Worker
from nexios.application.audit import Change, Verdict
from nexios.application.errors import OutcomeUnknown, TimedOut, Unavailable
from nexios.application.keyring import Keyring
from nexios.domain.errors import Conflict
from nexios.testing.leaks import assert_nothing_left
from nexios.testing.postgres import PostgresServer, assert_pool_idle, kill_backends, run_sql
from nexios.testing.proxy import Cut, CuttingProxy

WRITERS: Final = 6
ORDERS: Final = 40
NAME: Final = "nexios"
TABLES: Final = METADATA.sorted_tables
KEYS: Final = Keyring(["a secret of the long run, for its seals"])


@dataclass(slots=True)
class Book:
    """What writers were told.

    Attributes:
        opened: Numbers of acknowledged orders, with their ids.
        refused: Numbers that were certainly not stored.
        changes: Acknowledged changes of each order.
        doubtful: Changes of each order whose outcome nobody knew, or that were cancelled.
        told: How often which answer was given.
    """

    opened: dict[str, OrderId] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    changes: Counter[OrderId] = field(default_factory=Counter)
    doubtful: Counter[OrderId] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)


class Run:
    """One run over one server."""

    def __init__(self, database: Database, seed: int) -> None:
        self.database = database
        self.luck = random.Random(seed)
        self.book = Book()
        self.faults: Counter[str] = Counter()
        self.over = asyncio.Event()
        self.trail = SqlAuditTrail(database, KEYS)
        self.verdict: Verdict | None = None
        self._number = 0

    def unit(self) -> SqlUnitOfWork:
        return SqlUnitOfWork(self.database, subscribers=OneConsumer())

    async def write(self) -> None:
        """Open orders and change them until the run is over."""
        while not self.over.is_set():
            if len(self.book.opened) < ORDERS or self.luck.randrange(20) == 0:
                await self._open()
            else:
                await self._change(self.luck.choice(list(self.book.opened.values())))
            await asyncio.sleep(0.001)

    async def _open(self) -> None:
        self._number += 1
        number = f"n{self._number}"
        unit = self.unit()
        try:
            made = await add_order(unit, SqlOrders(unit), number)
        except OutcomeUnknown:
            self.book.told["unknown"] += 1
        except (Unavailable, TimedOut) as error:
            self.book.told[type(error).__name__] += 1
            self.book.refused.add(number)
        else:
            self.book.told["done"] += 1
            self.book.opened[number] = made

    async def _change(self, order: OrderId) -> None:
        unit = self.unit()
        cancelled = self.luck.randrange(10) == 0
        limit = self.luck.uniform(0, 0.02) if cancelled else None
        try:
            async with asyncio.timeout(limit):
                await count_one(unit, SqlOrders(unit), order)
        except OutcomeUnknown:
            self.book.told["unknown"] += 1
            self.book.doubtful[order] += 1
        except TimeoutError:
            # Told late it may have been committed: the cancellation waits for a COMMIT.
            self.book.told["cancelled"] += 1
            self.book.doubtful[order] += 1
        except (Unavailable, TimedOut, Conflict) as error:
            self.book.told[type(error).__name__] += 1
        else:
            self.book.told["done"] += 1
            self.book.changes[order] += 1

    async def deliver(self, _consumer: Any, event: Any, envelope: Any) -> None:
        """Write the effect; now and then the handler fails, or its backend dies."""

        async def work() -> None:
            await self.database.execute(
                "INSERT INTO effects (stream, stream_version, idx, qty) VALUES (?, ?, ?, ?)",
                [envelope.stream, envelope.stream_version, envelope.index, event.qty],
            )
            dice = self.luck.randrange(100)
            if dice == 0:
                self.faults["handler failed"] += 1
                raise ZeroDivisionError
            if dice == 1:
                self.faults["backend of a handler killed"] += 1
                await self.database.execute("SELECT pg_terminate_backend(pg_backend_pid())")

        await SqlUnitOfWork(self.database).run(work, retries=0)

    async def seal(self) -> None:
        """Seal what was committed, again and again, until the run is over."""
        while not self.over.is_set():
            try:
                await self.trail.seal()
            except (OutcomeUnknown, Unavailable, TimedOut, Conflict) as error:
                self.book.told[f"seal: {type(error).__name__}"] += 1
            await asyncio.sleep(0.2)

    async def disturb(self, server: PostgresServer, proxy: CuttingProxy, until: float) -> None:
        """Do one bad thing after the other."""
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(left, self.luck.uniform(0.1, 1.0)))
            match self.luck.randrange(12):
                case 0:
                    self.faults["server crashed"] += 1
                    await asyncio.to_thread(server.restart, "immediate")
                case 1 | 2:
                    self.faults["all backends killed"] += 1
                    await asyncio.to_thread(kill_backends, server, NAME)
                case 3 | 4 | 5:
                    self.faults["wire cut before COMMIT"] += 1
                    proxy.cut = Cut.BEFORE
                case 6 | 7 | 8:
                    self.faults["wire cut after COMMIT"] += 1
                    proxy.cut = Cut.AFTER
                case _:
                    self.faults["one backend killed"] += 1
                    await asyncio.to_thread(_kill_one, server)
        self.over.set()

    async def differences(self) -> list[str]:
        """Return what is not as it must be."""
        return [*await self._lost_orders(), *await self._lost_effects(), *await self._replayed()]

    async def _lost_orders(self) -> list[str]:
        book = self.book
        rows = await self.database.fetch_all("SELECT number, id, version FROM orders")
        stored: dict[Any, Any] = {row["number"]: row for row in rows}
        found = [f"{number} was acknowledged, is gone" for number in book.opened.keys() - stored]
        found += [f"{number} was refused, is there" for number in book.refused & stored.keys()]
        for number, order in book.opened.items():
            least = 1 + book.changes[order]
            most = least + book.doubtful[order]
            if number in stored and not least <= stored[number]["version"] <= most:
                version = stored[number]["version"]
                found.append(f"{number} has version {version}, not {least} to {most}")
        return found

    async def _lost_effects(self) -> list[str]:
        counted = await self.database.fetch_value("SELECT sum(version - 1) FROM orders")
        events = await self.database.fetch_all(
            "SELECT stream, stream_version, idx FROM nx_outbox"
            " ORDER BY stream, stream_version, idx"
        )
        effects = await self.database.fetch_all(
            "SELECT stream, stream_version, idx FROM effects ORDER BY stream, n"
        )
        found = []
        if int(str(counted)) != len(events):
            found.append(f"{counted} changes, {len(events)} events")
        if events != effects:
            found.append(f"{len(events)} events, {len(effects)} effects, or another order")
        return found

    async def _replayed(self) -> list[str]:
        """Return where the audit tells another story than the tables."""
        changes: list[Change] = []
        while found := await self.trail.history(after=changes[-1].id if changes else 0):
            changes += found
        told = replay(changes, TABLES)
        wrong = []
        for table in TABLES:
            query = select(table).order_by(*table.primary_key)
            rows = await self.database.fetch_all(query)
            if told[table.name] != rows:
                wrong.append(f"the audit replays to other {table.name} than are stored")
        while await self.trail.seal():
            pass
        verdict = self.verdict = await self.trail.verify()
        if not verdict.intact or verdict.rows != len(changes):
            wrong.append(f"seals cover {verdict.rows} of {len(changes)}: {verdict.reason}")
        return wrong


def _kill_one(server: PostgresServer) -> None:
    run_sql(
        server.url(),
        "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity"
        " WHERE application_name = ? ORDER BY random() LIMIT 1) one",
        NAME,
    )


async def survive(server: PostgresServer, seconds: float, seed: int) -> list[str]:
    """Run, come to rest, and return what is wrong."""
    async with CuttingProxy("127.0.0.1", server.port).running() as proxy:
        url = f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres"
        async with Database(url, pool_size=12) as database:
            await create_tables(database, METADATA)
            await database.execute(
                "CREATE TABLE effects (n bigserial PRIMARY KEY, stream text, stream_version"
                " integer, idx integer, qty integer)"
            )
            run = Run(database, seed)
            worker = Worker(SqlOutbox(database), run.deliver, consumers=[CONSUMER], workers=4)
            async with asyncio.TaskGroup() as group:
                group.create_task(worker.run())
                async with asyncio.TaskGroup() as writers:
                    for _ in range(WRITERS):
                        _apart(writers, run.write())
                    _apart(writers, run.seal())
                    writers.create_task(run.disturb(server, proxy, time.monotonic() + seconds))
                proxy.cut = Cut.NEVER
                await _work_off(database, url)
                await worker.stop()
            wrong = await run.differences()
            if worker.repaired or await SqlOutbox(database).repair():
                wrong.append("a lane had to be repaired")
            assert_pool_idle(database)
            await asyncio.to_thread(assert_nothing_left, server.url())
            await _report(run)
            return wrong


def _apart(group: asyncio.TaskGroup, work: Coroutine[Any, Any, None]) -> None:
    group.create_task(work, context=contextvars.Context())


async def _work_off(database: Database, url: str) -> None:
    """Wait until nothing is to be delivered; what backs off is due at once."""
    outbox = SqlOutbox(database)
    while True:
        try:
            if not await outbox.pending():
                return
            await database.execute(
                "UPDATE nx_delivery SET not_before = now() WHERE ctid IN (SELECT ctid FROM"
                " nx_delivery WHERE not_before > now() FOR UPDATE SKIP LOCKED)"
            )
        except Unavailable as error:
            print(f"{url}: {error}")
        await asyncio.sleep(0.1)


async def _report(run: Run) -> None:
    rows = await run.database.fetch_value("SELECT count(*) FROM orders")
    effects = await run.database.fetch_value("SELECT count(*) FROM effects")
    print(f"answers   {dict(run.book.told.most_common())}")
    print(f"faults    {dict(run.faults.most_common())}")
    print(f"orders    {len(run.book.opened)} acknowledged, {rows} stored")
    print(f"effects   {effects} of {sum(run.book.changes.values())} acknowledged changes and more")
    if run.verdict is not None:
        print(f"audit     {run.verdict.rows} changes replayed, {run.verdict.seals} seals verified")


def main() -> None:
    """Run; exit 1 when something was lost or done twice."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=32)
    given = parser.parse_args()
    # Each fault is logged at length, as it should be.
    logging.getLogger("nexios").setLevel(logging.CRITICAL)
    with PostgresServer(durable=True) as server:
        wrong = asyncio.run(survive(server, given.seconds, given.seed))
    for line in wrong:
        print(f"WRONG     {line}")
    print("nothing lost, nothing twice" if not wrong else f"{len(wrong)} things are wrong")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
