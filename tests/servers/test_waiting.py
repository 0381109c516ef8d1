"""A start waits for what is critical, for a while or without end, and ends when told to."""

import json
import signal
import time
from functools import partial
from pathlib import Path

import anyio
import pytest
from sqlalchemy import Column, Integer, MetaData, Table

from nexios.adapters.persistence import Database
from nexios.adapters.persistence.migrations import Migrations
from tests.servers.test_workers import start
from tests.support.ports import free_port
from tests.support.raw import request, speak
from tests.support.running import running

APP = """
from pathlib import Path
from nexios import MakeConfig, Module, NexiosApp
from nexios.application.errors import Unavailable

class Broker:
    name = "broker"
    critical = True
    timeout_s = 1.0

    async def check(self) -> None:
        if not Path("up").exists():
            raise ConnectionError("the broker is away")

class Cache(Broker):
    name = "cache"
    critical = False

    async def check(self) -> None:
        raise ConnectionError("the cache is away")

brokers = Module("brokers")
brokers.bind(Broker).value(Broker())
brokers.bind(Cache).value(Cache())
app = NexiosApp(brokers, config=MakeConfig(server=SERVER))

@app.on_startup
async def connect() -> None:
    if Path("refuse").exists():
        raise Unavailable("the ledger is away")

@app.get("/")
async def root() -> str:
    return "served"

@app.websocket("/ws")
async def sock(socket) -> None:
    await socket.accept()
"""


def app_with(**server: object) -> str:
    return APP.replace("SERVER", repr({"drain_s": 0.1, **server}))


def test_what_is_critical_must_be_there_in_time(tmp_path: Path) -> None:
    ended = start(tmp_path, app_with(startup_s=1.5))
    told = ended.stdout + ended.stderr
    assert ended.returncode == 3
    assert told.count("health check broker is down: ConnectionError: the broker is away") == 1
    assert "did not start within 1.5 s (server.startup_s)" in told
    assert "Traceback" not in told
    (tmp_path / "up").touch()
    with running(tmp_path, app_with(startup_s=5.0)) as server:  # the cache is only degraded
        assert speak(f"127.0.0.1:{server.port}", request()).statuses == [200]


MIGRATED = """
from pathlib import Path
from nexios import MakeConfig, Module, NexiosApp
from nexios.adapters.persistence import Database
from nexios.adapters.persistence.migrations import Migrations

database = Database("sqlite:///shop.db")
stores = Module("stores")
stores.bind(Database).value(database)
stores.bind(Migrations).value(Migrations(database, folder=Path("migrations")))
app = NexiosApp(stores, config=MakeConfig(server={"startup_s": 5.0, "drain_s": 0.1}))

@app.get("/")
async def root() -> str:
    return "served"
"""


def test_migrations_that_wait_end_the_start_with_code_3_and_the_fix(tmp_path: Path) -> None:
    metadata = MetaData()
    Table("orders", metadata, Column("id", Integer, primary_key=True))

    async def migrate(*, write: bool) -> None:
        async with Database(f"sqlite:///{tmp_path}/shop.db") as database:
            migrations = Migrations(database, metadata, folder=tmp_path / "migrations")
            if write:
                migrations.init()
                await migrations.revision("first tables")
            else:
                await migrations.upgrade()

    anyio.run(partial(migrate, write=True))
    ended = start(tmp_path, MIGRATED)
    told = ended.stdout + ended.stderr
    assert ended.returncode == 3
    (revision,) = (tmp_path / "migrations" / "versions").glob("*.py")
    needed = revision.name.partition("_")[0]
    assert f"the database is at nothing, this application needs {needed}" in told
    assert "fix: nexios db upgrade APP" in told
    assert "Traceback" not in told
    assert "setup plugin" not in told

    anyio.run(partial(migrate, write=False))
    with running(tmp_path, MIGRATED) as server:
        assert speak(f"127.0.0.1:{server.port}", request()).answers[0].body == b"served"


def test_a_start_is_served_as_soon_as_they_are_there(tmp_path: Path) -> None:
    text = app_with(startup_s=30.0)
    (tmp_path / "main.py").write_text(text)
    (tmp_path / "up").touch()
    with running(tmp_path, text) as server:
        ready = speak(f"127.0.0.1:{server.port}", request(b"GET /health/ready HTTP/1.1"))
        assert json.loads(ready.answers[0].body)["status"] == "degraded"


@pytest.mark.parametrize("reason", ["check", "start"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_with_wait_it_answers_503_until_they_are_there(
    tmp_path: Path, reason: str, workers: str
) -> None:
    (tmp_path / ("refuse" if reason == "start" else "unused")).touch()
    if reason == "start":
        (tmp_path / "up").touch()
    text = app_with(wait=True, startup_s=0.2)
    with running(tmp_path, text, "--workers", workers) as server:
        where = f"127.0.0.1:{server.port}"
        for path in ("/health/startup", "/health/ready", "/"):
            line = f"GET {path} HTTP/1.1".encode()
            (answer,) = speak(where, request(line), timeout=30).answers
            assert answer.status == 503, path
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["date"]
        live = speak(where, request(b"GET /health/live HTTP/1.1"))
        assert live.statuses == [200]
        upgrade = request(
            b"GET /ws HTTP/1.1",
            b"Connection: Upgrade",
            b"Upgrade: websocket",
            b"Sec-WebSocket-Version: 13",
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        )
        assert speak(where, upgrade).statuses == [403]
        time.sleep(0.5)  # longer than startup_s
        assert server.process.poll() is None
        (tmp_path / "up").touch()
        (tmp_path / "refuse").unlink(missing_ok=True)
        until = time.monotonic() + 20
        while speak(where, request(b"GET /health/startup HTTP/1.1")).statuses != [200]:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert speak(where, request()).answers[0].body == b"served"


@pytest.mark.parametrize("settings", [{"wait": True}, {"startup_s": 60.0}])
def test_a_signal_ends_the_waiting(tmp_path: Path, settings: dict[str, object]) -> None:
    port = free_port()
    text = app_with(**settings)
    (tmp_path / "main.py").write_text(text)
    with running(tmp_path, text, "--management", str(port), until="is down") as server:
        begun = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        assert time.monotonic() - begun < 10
        assert "Stopped before the application had started" in server.log.read_text()
