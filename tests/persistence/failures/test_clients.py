"""The other end dies: the application's own process, or the browser that asked."""

import asyncio
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from nexios import NexiosApp
from nexios.adapters.persistence.database import Database
from nexios.testing.client import AsyncTestClient
from nexios.testing.leaks import watched
from nexios.testing.postgres import PostgresServer, run_sql
from tests.support.server import serving

pytestmark = pytest.mark.asyncio

# Stands in the middle of a statement that takes a minute, with a row locked, when it is killed.
_CHILD = """
import asyncio, sys
from nexios.adapters.persistence.database import Database

async def main():
    async with Database(sys.argv[1], client_check_interval_s=0.2, statement_timeout_s=60) as db:
        async with db.transaction():
            await db.execute("UPDATE t SET v = 9 WHERE n = 1")
            print("locked", flush=True)
            await db.fetch_value("SELECT pg_sleep(60)")

asyncio.run(main())
"""


async def test_a_process_killed_in_a_transaction_frees_its_locks(
    db: Database, server: PostgresServer
) -> None:
    await db.execute("INSERT INTO t VALUES (1, 0)")
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _CHILD, server.url(), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    async with asyncio.timeout(20):
        assert await child.stdout.readline() == b"locked\n"
    child.send_signal(signal.SIGKILL)
    await child.wait()

    started = time.monotonic()
    # The lock timeout of two seconds is the proof: nothing waits for the minute of the dead one.
    await db.execute("UPDATE t SET v = v + 1 WHERE n = 1")

    assert time.monotonic() - started < 1.5
    assert await db.fetch_value("SELECT v FROM t") == 1


class Slow:
    """An application whose answers take several statements of 0.2 s each."""

    def __init__(self, url: str) -> None:
        self.app = NexiosApp()
        self.url = url
        self.begun = 0
        self.ended = 0
        self.app.get("/look", cancel_on_disconnect=True)(self.look)
        self.app.post("/write")(self.write)

    async def look(self) -> dict[str, int]:
        async with Database(self.url, application_name="slow") as db:
            await self._steps(db)
        return {"done": self.ended}

    async def write(self) -> dict[str, int]:
        async with Database(self.url, application_name="slow") as db, db.transaction():
            await db.execute("INSERT INTO t VALUES (1, 1)")
            await self._steps(db)
        return {"done": self.ended}

    async def _steps(self, db: Database) -> None:
        for _ in range(5):
            self.begun += 1
            await db.fetch_value("SELECT pg_sleep(0.2)")
            self.ended += 1


def leave(address: str, method: str, path: str, begun: Callable[[], bool]) -> None:
    """Send a request and go away once it is being worked on."""
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port))) as line:
        head = f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"
        line.sendall(head.encode())
        wait_for(begun)


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


async def test_a_read_ends_when_its_client_has_gone(db: Database, server: PostgresServer) -> None:
    slow = Slow(server.url())
    with serving(slow.app) as address:
        await asyncio.to_thread(leave, address, "GET", "/look", lambda: slow.begun == 1)
        await asyncio.to_thread(wait_for, lambda: backends(server, "slow") == 0)

    # The statement at hand was let to its end, later ones never began.
    assert slow.begun < 5


async def test_a_write_goes_on_when_its_client_has_gone(
    db: Database, server: PostgresServer
) -> None:
    slow = Slow(server.url())
    with serving(slow.app) as address:
        await asyncio.to_thread(leave, address, "POST", "/write", lambda: slow.begun == 1)
        await asyncio.to_thread(wait_for, lambda: slow.ended == 5)

    assert await db.fetch_value("SELECT v FROM t") == 1
    assert backends(server, "slow") == 0


def backends(server: PostgresServer, name: str) -> int:
    return len(
        run_sql(server.url(), "SELECT 1 FROM pg_stat_activity WHERE application_name = ?", name)
    )


@pytest_asyncio.fixture
async def small(server: PostgresServer) -> AsyncIterator[Database]:
    async with watched(server.url(), pool_size=2, pool_timeout_s=0.3) as db:
        yield db


async def test_requests_beyond_the_pool_are_503_in_time_and_fine_when_it_is_free(
    small: Database,
) -> None:
    app = NexiosApp()
    release = asyncio.Event()
    inside = asyncio.Semaphore(0)

    @app.get("/stall")
    async def stall() -> None:
        async with small.transaction():
            inside.release()
            await release.wait()

    @app.get("/one")
    async def one() -> dict[str, object]:
        return {"n": await small.fetch_value("SELECT 1")}

    async with AsyncTestClient(app) as client, holding(release):
        stalled = [asyncio.create_task(client.get("/stall")) for _ in range(2)]
        for _ in stalled:
            await inside.acquire()
        started = time.monotonic()
        answers = await asyncio.gather(*(client.get("/one") for _ in range(50)))
        assert time.monotonic() - started < 2
        assert {answer.status_code for answer in answers} == {503}
        assert all("retry-after" in answer.headers for answer in answers)
        # A request that waits for something else holds nothing.
        assert small.status.in_use == 2
        release.set()
        await asyncio.gather(*stalled)
        # Two are served, and eight may wait: of more the last are refused at once.
        answers = await asyncio.gather(*(client.get("/one") for _ in range(10)))
        assert {answer.status_code for answer in answers} == {200}


@asynccontextmanager
async def holding(release: asyncio.Event) -> AsyncIterator[None]:
    """Let go of who waits, however the test ends."""
    try:
        yield
    finally:
        release.set()
