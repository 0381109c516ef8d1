"""The time of day jumps under a running server: rates and deadlines do not notice."""

import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nexios.testing.skips import missing
from tests.support.raw import Reply, request, speak
from tests.support.running import launched

HOUR_S = 3600

SHIM = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long *ahead_s;

__attribute__((constructor)) static void find(void) {
    int file = open(getenv("AHEAD_S"), O_RDONLY);
    if (file >= 0) ahead_s = mmap(0, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    int failed = syscall(SYS_clock_gettime, clock, at);
    if (!failed && clock == CLOCK_REALTIME && ahead_s) at->tv_sec += *ahead_s;
    return failed;
}

int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""

APP = """
import os
import time

import anyio
from nexios import MakeConfig, Module, NexiosApp
from nexios.adapters.persistence import Database, create_tables
from nexios.adapters.persistence.counters import SqlCounters
from nexios.adapters.security.redis_counters import RedisCounters
from nexios.application.rates import CounterStore
from nexios.middleware import deadline
from nexios.middleware.rate_limiting import rate_limit

kind, _, url = os.environ["COUNTERS"].partition(" ")
stores = Module("stores")
if kind == "redis":
    stores.bind(CounterStore).value(RedisCounters(url, prefix=f"jumps-{os.getpid()}"))
    stores.export(CounterStore)
elif kind == "postgres":
    database = Database(url)
    stores.bind(Database).value(database)
    stores.bind(CounterStore).value(SqlCounters(database))
    stores.export(Database, CounterStore)
app = NexiosApp(stores, config=MakeConfig(server={"drain_s": 0.1}))

@app.on_startup
async def tables() -> None:
    if kind == "postgres":
        await create_tables(database)

@app.get("/time")
async def now() -> float:
    return time.time()

@app.get("/few")
@rate_limit("3/hour")
async def few() -> str:
    return "few"

@app.get("/many")
@rate_limit("1/second", burst=1)
async def many() -> str:
    return "many"

@app.get("/slow")
@deadline(20.0)
async def slow() -> str:
    await anyio.sleep(1.0)
    return "slow"
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        missing("compiler", "no cc on PATH, or no Linux to preload into")
    folder = tmp_path_factory.mktemp("shim")
    source, built = folder / "ahead.c", folder / "ahead.so"
    source.write_text(SHIM)
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", built, source], check=True)
    return built


@pytest.fixture(params=["memory", "redis", "postgres"])
def counters(request: pytest.FixtureRequest) -> str:
    if request.param == "redis":
        return f"redis {request.getfixturevalue('nexios_redis')}"
    if request.param == "postgres":
        return f"postgres {request.getfixturevalue('nexios_database_url')}"
    return "memory"


@pytest.fixture
def served(
    shim: Path, counters: str, tmp_path: Path
) -> Iterator[tuple[Callable[[str], Reply], Callable[[int], None]]]:
    """Yield what asks for a path, and what puts the server's clock so many seconds ahead."""
    ahead = tmp_path / "ahead"

    def jump(seconds: int) -> None:
        with ahead.open("r+b") as file:
            file.write(struct.pack("l", seconds))
        assert abs(float(ask("/time").body) - time.time() - seconds) < 60

    def ask(path: str) -> Reply:
        (answer,) = speak(where, request(f"GET {path} HTTP/1.1".encode()), timeout=20).answers
        return answer

    ahead.write_bytes(struct.pack("l", 0))
    (tmp_path / "main.py").write_text(APP)
    environment = {"LD_PRELOAD": str(shim), "AHEAD_S": str(ahead), "COUNTERS": counters}
    with launched("main:app", tmp_path, tmp_path / "log.txt", environment) as server:
        where = f"127.0.0.1:{server.port}"
        yield ask, jump


@pytest.mark.parametrize("seconds", [HOUR_S, -HOUR_S])
def test_wall_clock_jumps_change_nothing(
    served: tuple[Callable[[str], Reply], Callable[[int], None]], seconds: int
) -> None:
    ask, jump = served
    assert [ask("/few").status for _ in range(4)] == [200, 200, 200, 429]
    assert ask("/many").status == 200

    jump(seconds)

    refused = ask("/few")
    assert refused.status == 429, "the jump counted as time that has passed"
    assert 1100 < int(refused.headers["retry-after"]) <= 1200
    time.sleep(1.1)
    assert ask("/many").status == 200, "the jump counted as time that is to come"
    assert ask("/slow").status == 200
