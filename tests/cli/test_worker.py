"""`nexios worker` and `nexios outbox`, as processes on a real database."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexios.testing.postgres import run_sql

ROOT = Path(__file__).parents[2]
MAIN = """\
import asyncio
from collections.abc import AsyncIterator
from nexios import MakeConfig, Module, NexiosApp, Scope
from nexios.adapters.persistence import Database, SqlOutbox, SqlUnitOfWork, create_tables
from nexios.application import (
    ApplicationService, Envelope, OutboxStore, UnitOfWork, after_commit, transactional
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
module.bind(Orders).to(SqlOrders)
module.bind(Notes)
module.export(Database, OutboxStore, Notes)
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


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "sqlite":
        return Store(tmp_path, f"sqlite:///{tmp_path / 'notes.db'}")
    return Store(tmp_path, request.getfixturevalue("nexios_database_url"))


@pytest.fixture
def worker(store: Store) -> Iterator["subprocess.Popen[str]"]:
    """A worker whose start has been told; killed if the test left it."""
    process = store.start("-m", "nexios", "worker", "main:app", "--workers", "1")
    try:
        assert line(process) == "started"
        assert line(process) == "delivering; SIGTERM or Ctrl-C stops"
        yield process
    finally:
        process.kill()
        process.communicate()


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_delivery_at_hand_is_finished_and_no_other_begun(
    store: Store, worker: "subprocess.Popen[str]", number: signal.Signals
) -> None:
    # Two streams: the second waits for the one worker, not for the first event.
    store.note("2", "0")
    assert line(worker) == "begun 2"
    worker.send_signal(number)
    out, err = worker.communicate(timeout=60)
    assert out.split("\n") == ["done 2", "closed", "stopped", ""]
    assert worker.returncode == 0, err
    assert "Traceback" not in err
    assert [
        row["number"] for row in store.rows("SELECT number FROM orders WHERE number LIKE 'did%'")
    ] == ["did 2"]
    assert store.rows("SELECT attempts, state FROM nx_delivery") == [
        {"attempts": 0, "state": "ready"}
    ]


def test_a_second_signal_gives_the_delivery_back(
    store: Store, worker: "subprocess.Popen[str]"
) -> None:
    store.note("60")
    assert line(worker) == "begun 60"
    worker.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        worker.wait(timeout=1)
    worker.terminate()
    out, err = worker.communicate(timeout=60)
    assert worker.returncode == 1
    assert "done" not in out
    assert "stopped before all deliveries were done; they are given back" in err
    assert "Traceback" not in err
    assert store.rows("SELECT attempts, state FROM nx_delivery") == [
        {"attempts": 0, "state": "ready"}
    ]


def test_the_grace_ends_the_wait(store: Store) -> None:
    store.write(grace_s=0.5)
    store.note("60")
    process = store.start("-m", "nexios", "worker", "main:app")
    assert [line(process), line(process), line(process)][-1] == "begun 60"
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "given back" in err
    assert store.rows("SELECT attempts FROM nx_delivery") == [{"attempts": 0}]


def test_dead_letters_are_listed_redriven_and_warned_about(
    store: Store, worker: "subprocess.Popen[str]"
) -> None:
    store.note("bad,0")
    assert [line(worker) for _ in range(3)] == ["begun bad", "begun 0", "done 0"]
    worker.terminate()
    assert worker.wait(timeout=60) == 0

    code, out, err = store.nexios("outbox", "list", "main:app")
    assert (code, err) == (0, "")
    head, error = out.splitlines()
    assert head.startswith("1  notes  dead after 1  shop.order-noted  orders:")
    assert error == "    ZeroDivisionError: by nothing"
    assert store.nexios("outbox", "list", "main:app", "--consumer", "x")[1] == "no dead letters\n"

    code, out, err = store.nexios("outbox", "redrive", "main:app")
    assert code == 2
    assert "say which: --consumer NAME, --seq NUMBER or --all" in err
    code, out, err = store.nexios("outbox", "redrive", "main:app", "--all")
    assert (code, out) == (0, "redriven  1\n")
    assert err.startswith("warning: later events of orders:")
    assert err.endswith(" have run before 1  notes\n")
    out = store.nexios("outbox", "list", "main:app")[1]
    assert out == "no dead letters\npending  notes  1\n"
    assert store.nexios("outbox", "redrive", "main:app", "--seq", "7")[1] == "redriven  0\n"


def test_a_blocked_lane_is_let_go_by_skip(store: Store) -> None:
    store.write(on_dead="block")
    store.note("bad,0")
    process = store.start("-m", "nexios", "worker", "main:app")
    assert [line(process) for _ in range(3)][-1] == "begun bad"
    assert store.nexios("outbox", "skip", "main:app", "--consumer", "notes", "--seq", "2")[0] == 1
    listed = ""
    while "blocked after 1" not in listed:
        listed = store.nexios("outbox", "list", "main:app")[1]
    done = store.nexios("outbox", "skip", "main:app", "--consumer", "notes", "--seq", "1")
    assert done == (0, "skipped  1  notes\n", "")
    assert [line(process), line(process)] == ["begun 0", "done 0"]
    process.terminate()
    assert process.communicate(timeout=60)[0] == "closed\nstopped\n"


def test_what_cannot_work_is_refused_with_3(tmp_path: Path) -> None:
    store = Store(tmp_path, "sqlite://")
    code, _, err = store.nexios("worker", "main:idle")
    assert code == 3
    assert "no OutboxStore is bound" in err
    code, _, err = store.nexios("worker", "main:module")
    assert code == 3
    assert "fix: name the NexiosApp object" in err
    store.url = "postgresql://app:secret@127.0.0.1:1/notes"
    store.write()
    (store.folder / "main.py").write_text(
        (store.folder / "main.py").read_text().replace("/notes')", "/notes', start_timeout_s=0.1)")
    )
    code, _, err = store.nexios("worker", "main:app")
    assert code == 3
    assert "cannot reach" in err
    assert "secret" not in err
    assert "Traceback" not in err
    code, _, err = store.nexios("outbox", "list", "main:idle")
    assert code == 1
    assert "binds no OutboxStore" in err
