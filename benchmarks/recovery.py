"""What a stopped store does to requests, and how soon they are answered again when it is back.

    python benchmarks/recovery.py --outage 6

Starts a private Redis and a private PostgreSQL, and `nexios run` with sessions and rates in the
one and orders in the other. Each store is paused (SIGSTOP: connections stay, nobody answers) and
killed (SIGKILL: connections break), and resumed or started again, while a client for each route
asks all the time. Prints one line of JSON for each outage: the statuses of each route, how long
its slowest answer took, and the seconds from the end of the outage to the first good answer after
it. Exits with 1 where a status is not one that the table of failures allows for that route.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from nexios.testing.postgres import PostgresServer
from nexios.testing.redis import RedisServer

APP = """
from nexios import Depend, MakeConfig, Module, NexiosApp
from nexios.adapters.persistence import Database
from nexios.adapters.security.redis_counters import RedisCounters
from nexios.adapters.security.redis_sessions import RedisSessions
from nexios.application.rates import CounterStore
from nexios.application.sessions import SessionStore
from nexios.middleware.rate_limiting import rate_limit
from nexios.middleware.session import SessionMiddleware

stores = Module("stores")
stores.bind(Database).value(
    Database({database!r}, pool_size=4, statement_timeout_s=2, pool_timeout_s=1)
)
stores.bind(CounterStore).value(RedisCounters({redis!r}))
stores.bind(SessionStore).value(RedisSessions({redis!r}))
stores.export(Database, CounterStore, SessionStore)
app = NexiosApp(stores, config=MakeConfig(secret_key="{key}", server={{"drain_s": 0.1}}))
app.add_middleware(SessionMiddleware())

@app.get("/plain")
async def plain() -> str:
    return "plain"

@app.get("/session")
async def session(request) -> dict[str, int]:
    request.session["seen"] = request.session.get("seen", 0) + 1
    return {{"seen": request.session["seen"]}}

@app.get("/limited")
@rate_limit("1000/second")
async def limited() -> str:
    return "limited"

@app.get("/login")
@rate_limit("1000/second", on_failure="closed")
async def login() -> str:
    return "login"

@app.get("/orders")
async def orders(database: Database = Depend()) -> dict[str, object]:
    await database.execute("INSERT INTO orders (text) VALUES (?)", ["tea"])
    return {{"orders": await database.fetch_value("SELECT count(*) FROM orders")}}
"""
ROUTES = ("/plain", "/session", "/limited", "/login", "/orders", "/health/live", "/health/ready")
GOOD = frozenset({200})
AWAY = frozenset({200, 503})  # 200 until it is noticed, and again before the store is asked
LATE = frozenset({200, 503, 504})
ALLOWED = {
    "redis": {"/session": AWAY, "/login": AWAY, "/health/ready": AWAY},
    "postgres": {"/orders": LATE, "/health/ready": AWAY},
}
"""By store and route, what may be answered during an outage; 200 alone where nothing is said."""
_EVERY_S = 0.05
_BACK_S = 30.0


@dataclass
class Seen:
    """What one route answered.

    Attributes:
        answers: When each came, its status, and how long it took; seconds of the loop's clock.
    """

    answers: list[tuple[float, int, float]] = field(default_factory=list)

    def between(self, begin: float, end: float) -> list[tuple[float, int, float]]:
        """Return the answers to what was asked between two moments."""
        return [one for one in self.answers if begin <= one[0] - one[2] and one[0] <= end]

    def good_since(self, begin: float) -> list[float]:
        """Return when the good answers came to what was asked since a moment."""
        inside = self.between(begin, float("inf"))
        return [at for at, status, _ in inside if status == 200]


async def ask(port: int, path: str, cookie: str) -> tuple[int, str]:
    """Ask once on a connection of its own; return status and the cookie to go on with."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        fields = f"Host: shop.test\r\nConnection: close\r\nCookie: {cookie}\r\n"
        writer.write(f"GET {path} HTTP/1.1\r\n{fields}\r\n".encode())
        head = (await reader.read()).decode("latin-1")
    finally:
        writer.close()
    if not head:
        raise ConnectionError(f"{path}: the connection ended without an answer")
    told = re.search(r"^set-cookie: ([^;]+)", head, re.MULTILINE | re.IGNORECASE)
    return int(head.split(" ")[1]), told[1] if told else cookie


async def client(port: int, path: str, seen: Seen, over: asyncio.Event) -> None:
    """Ask for one route until it is over."""
    cookie, loop = "none=0", asyncio.get_running_loop()
    while not over.is_set():
        begun = loop.time()
        try:
            status, cookie = await asyncio.wait_for(ask(port, path, cookie), 30)
        except (OSError, TimeoutError):
            status = 0
        seen.answers.append((loop.time(), status, loop.time() - begun))
        await asyncio.sleep(_EVERY_S)


async def outage(
    seen: dict[str, Seen],
    store: str,
    how: str,
    stop: Callable[[], None],
    back: Callable[[], None],
    for_s: float,
) -> dict[str, object]:
    """Stop a store for a while and bring it back; return what was seen of it."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await asyncio.to_thread(stop)
    await asyncio.sleep(for_s)
    bringing = loop.time()
    await asyncio.to_thread(back)
    returned = loop.time()
    routes: dict[str, object] = {}
    wrong: list[str] = []
    for path, one in seen.items():
        until = loop.time() + _BACK_S
        while not (good := one.good_since(returned)):
            if loop.time() > until:
                break
            await asyncio.sleep(_EVERY_S)
        during = one.between(begun, good[0] if good else until)
        statuses = Counter(status for _, status, _ in during)
        allowed = ALLOWED[store].get(path, GOOD)
        if not good or set(statuses) - allowed:
            wrong.append(path)
        routes[path] = {
            "statuses": dict(sorted(statuses.items())),
            "slowest_ms": round(max((took for _, _, took in during), default=0) * 1000),
            "good_after_s": round(good[0] - returned, 2) if good else None,
        }
    await asyncio.sleep(1)
    return {
        "store": store,
        "how": how,
        "outage_s": round(bringing - begun, 1),
        "restart_s": round(returned - bringing, 2),
        "routes": routes,
        "not_allowed": wrong,
    }


@contextmanager
def serving(redis: str, database: str) -> Iterator[int]:
    """Run the application until the block ends; give its port."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log.txt")
        text = APP.format(redis=redis, database=database, key=os.urandom(24).hex())
        Path(folder, "main.py").write_text(text)
        command = [sys.executable, "-m", "nexios", "run", "main:app", "--port", "0"]
        with log.open("wb") as out:
            process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out)
        try:
            until = time.monotonic() + 60
            while (found := re.search(r"running on http://[\d.]+:(\d+)", log.read_text())) is None:
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit(log.read_text())
                time.sleep(0.05)
            yield int(found[1])
            process.send_signal(signal.SIGTERM)
            process.wait(40)
        finally:
            process.kill()
            process.wait()


async def measure(
    port: int, redis: RedisServer, postgres: PostgresServer, for_s: float
) -> list[dict[str, object]]:
    """Go through the four outages, with a client for each route all the while."""
    seen = {path: Seen() for path in ROUTES}
    over = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for path, one in seen.items():
            tasks.create_task(client(port, path, one, over))
        await asyncio.sleep(2)
        results = [
            await outage(seen, "redis", "SIGSTOP", redis.pause, redis.resume, for_s),
            await outage(seen, "redis", "SIGKILL", redis.kill, redis.start, for_s),
            await outage(seen, "postgres", "SIGSTOP", postgres.pause, postgres.resume, for_s),
            await outage(seen, "postgres", "SIGKILL", postgres.kill, postgres.start, for_s),
        ]
        over.set()
    return results


def main() -> None:
    """Print a line of JSON for each outage; exit with 1 when one was not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Plain)
    parser.add_argument("--outage", type=float, default=6.0, help="seconds that each lasts")
    options = parser.parse_args()
    with RedisServer() as redis, PostgresServer(durable=True) as postgres:
        asyncio.run(_tables(postgres.url()))
        with serving(redis.url, postgres.url()) as port:
            results = asyncio.run(measure(port, redis, postgres, options.outage))
    for one in results:
        print(json.dumps(one))
    sys.exit(1 if any(one["not_allowed"] for one in results) else 0)


async def _tables(url: str) -> None:
    from nexios.adapters.persistence import Database

    async with Database(url) as database:
        await database.execute("CREATE TABLE orders (n serial PRIMARY KEY, text text NOT NULL)")


class _Plain(argparse.RawDescriptionHelpFormatter):
    pass


if __name__ == "__main__":
    main()
