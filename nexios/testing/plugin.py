"""The pytest plugin that installing Nexios registers; what is heavy loads when it is used."""

import importlib
import os
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from nexios.testing.skips import PREFIX, missing

try:
    import pytest_asyncio
except ImportError:  # anyio's plugin runs async fixtures of pytest itself
    _async_fixture: Callable[..., Any] = pytest.fixture
else:
    _async_fixture = pytest_asyncio.fixture


@pytest.fixture
def nexios_memory() -> Any:
    """A ``Memory``: ``store``, ``uow``, ``events()``, ``deliver()``."""
    return importlib.import_module("nexios.testing.memory").Memory()


@pytest.fixture(scope="session")
def nexios_postgres() -> Iterator[Any]:
    """A PostgreSQL server for the whole run; skips, with the reason, where there is none.

    ``NEXIOS_REQUIRE=postgres`` makes that a failure.
    """
    home = importlib.import_module("nexios.testing.postgres")
    with ExitStack() as opened:
        try:
            server = opened.enter_context(home.any_server())
        except home.NoPostgres as reason:
            missing("postgres", str(reason))
        yield server


@pytest.fixture(scope="session")
def nexios_postgres_url(nexios_postgres: Any) -> Iterator[str]:
    """The URL of one database for the whole run; each xdist worker has its own."""
    home = importlib.import_module("nexios.testing.postgres")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    with home.fresh_database(nexios_postgres, f"nexios_{worker}_{uuid.uuid4().hex[:8]}") as url:
        yield url


@pytest.fixture
def nexios_database_url(nexios_postgres_url: str) -> Iterator[str]:
    """The URL of a PostgreSQL database, emptied for this test.

    Fails when the test leaves a backend at work, in a transaction or with a lock.
    """
    importlib.import_module("nexios.testing.postgres").empty(nexios_postgres_url)
    yield nexios_postgres_url
    importlib.import_module("nexios.testing.leaks").assert_nothing_left(nexios_postgres_url)


@_async_fixture
async def nexios_database(nexios_database_url: str) -> AsyncIterator[Any]:
    """A ``Database`` on an empty PostgreSQL database; every connection must come back."""
    home = importlib.import_module("nexios.adapters.persistence.database")
    async with home.Database(nexios_database_url) as database:
        yield database
        importlib.import_module("nexios.testing.postgres").assert_pool_idle(database)


@pytest.fixture(scope="session")
def nexios_nats() -> Iterator[str]:
    """The URL of a NATS server with JetStream; skips, with the reason, where there is none.

    ``NEXIOS_REQUIRE=nats`` makes that a failure. One for the whole run: take names of your own.
    """
    home = importlib.import_module("nexios.testing.nats")
    with ExitStack() as opened:
        try:
            url = opened.enter_context(home.any_nats())
        except home.NoNats as reason:
            missing("nats", str(reason))
        yield url


@pytest.fixture(scope="session")
def nexios_redis() -> Iterator[str]:
    """The URL of a Redis server; skips, with the reason, where there is none.

    ``NEXIOS_REQUIRE=redis`` makes that a failure. One for the whole run: take keys of your own.
    """
    home = importlib.import_module("nexios.testing.redis")
    with ExitStack() as opened:
        try:
            url = opened.enter_context(home.any_redis())
        except home.NoRedis as reason:
            missing("redis", str(reason))
        # A machine that runs tests is busy: a contract is not about a tenth of a second.
        yield f"{url}{'&' if '?' in url else '?'}socket_timeout=5&socket_connect_timeout=5"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how often each store or server was missed: a skip nobody sees is a gap."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.getreports("skipped"):
        reason = str(report.longrepr[-1]) if isinstance(report.longrepr, tuple) else ""
        text = reason.removeprefix("Skipped: ")
        if text.startswith(PREFIX):
            reasons[text.removeprefix(PREFIX)] += 1
    if reasons:
        terminalreporter.section("nexios: skipped")
        for text, count in sorted(reasons.items()):
            terminalreporter.write_line(f"{count:>4} {text}")
