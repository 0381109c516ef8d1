"""A small application on disk, with a store, a consumer and a trail, for tests of commands."""

import os
import subprocess
import sys
from pathlib import Path

from nexios.testing.postgres import run_sql

ROOT = Path(__file__).parents[2]
MAIN = """\
import asyncio
from collections.abc import AsyncIterator
from nexios import MakeConfig, Module, NexiosApp, Scope
from nexios.adapters.persistence import (
    Database, SqlAuditTrail, SqlOutbox, SqlUnitOfWork, create_tables
)
from nexios.application import (
    ApplicationService, AuditTrail, Envelope, OutboxStore, UnitOfWork, after_commit, transactional
)
from tests.support.shop import METADATA, Order, OrderNoted, Orders, SqlOrders

class Notes(ApplicationService):
    def __init__(self, uow: UnitOfWork, orders: Orders) -> None:
        self.uow, self._orders = uow, orders

    @transactional
    async def note(self, *texts: str) -> None:
        order = Order.open(texts[0])
        self._orders.add(order)
        for text in texts:
            order.note(text)

    @after_commit(OrderNoted, name="notes", attempts=1, on_dead=ON_DEAD)
    async def told(self, event: OrderNoted, envelope: Envelope) -> None:
        print("begun", event.text, flush=True)
        if event.text == "bad":
            raise ZeroDivisionError("by nothing")
        await asyncio.sleep(float(event.text))
        self._orders.add(Order.open("did " + event.text))
        print("done", event.text, flush=True)

module = Module("notes")
@module.provides(scope=Scope.SINGLETON)
async def database() -> AsyncIterator[Database]:
    async with Database(URL) as opened:
        await create_tables(opened, METADATA)
        yield opened
module.bind(SqlUnitOfWork)
module.bind(UnitOfWork).alias(SqlUnitOfWork)
module.bind(OutboxStore, scope=Scope.SINGLETON).to(SqlOutbox)
module.bind(AuditTrail, scope=Scope.SINGLETON).to(SqlAuditTrail)
module.bind(Orders).to(SqlOrders)
module.bind(Notes)
module.export(Database, OutboxStore, AuditTrail, Notes)
app = NexiosApp(module, config=MakeConfig(outbox={"in_process": False}, server={"grace_s": GRACE}))
idle = NexiosApp(config=MakeConfig())

@app.on_startup
async def opened() -> None: print("started", flush=True)
@app.on_shutdown
async def closed() -> None: print("closed", flush=True)

async def write(*orders: str) -> None:
    async with app.container:
        for texts in orders:
            async with app.scope() as scope:
                await (await scope.get(Notes)).note(*texts.split(","))

if __name__ == "__main__":
    import sys
    asyncio.run(write(*sys.argv[1:]))
"""


class Store:
    """The application on disk, and its commands."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.write()

    def write(self, *, grace_s: float = 20.0, on_dead: str = "skip") -> None:
        text = MAIN.replace("URL", repr(self.url)).replace("GRACE", str(grace_s))
        (self.folder / "main.py").write_text(text.replace("ON_DEAD", repr(on_dead)))

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def nexios(self, *arguments: str) -> tuple[int, str, str]:
        return self.run("-m", "nexios", *arguments)

    def note(self, *orders: str) -> None:
        """Write an order for each argument, with an event for each text between its commas."""
        assert self.run("main.py", *orders) == (0, "", "")

    def rows(self, sql: str) -> list[dict[str, object]]:
        return run_sql(self.url, sql)
