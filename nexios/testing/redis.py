"""A Redis or Valkey server for tests: what this machine has, without Docker."""

import importlib.util
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from nexios.testing.server_process import ServerProcess

URL_VARIABLE: Final = "NEXIOS_TEST_REDIS_URL"
_NAMES: Final = ("redis-server", "valkey-server")
_START_TIMEOUT_S: Final = 20.0


class NoRedis(Exception):
    """No Redis server for tests here; the text says what was looked for."""


class RedisServer(ServerProcess):
    """A private server in memory, on a free loopback port; what it stores goes when it ends.

    Raises:
        NoRedis: There is no binary here.
    """

    def __init__(self, binary: Path | None = None) -> None:
        self._binary = binary or find_binary()
        super().__init__("redis")

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            NoRedis: It ended at once, or took too long.
        """
        address = ["--bind", "127.0.0.1", "--port", str(self._port)]
        kept = ["--save", "", "--appendonly", "no", "--dir", str(self._folder)]
        log = self._folder / "log"
        self._process = subprocess.Popen(  # noqa: S603  # our own arguments
            [str(self._binary), *address, *kept, "--logfile", str(log)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(OSError):
                if self._says(b"PING\r\n").startswith(b"+PONG"):
                    return
            time.sleep(0.02)
        said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
        self.stop()
        raise NoRedis(f"{self._binary} did not start: {said}")

    def flush(self) -> None:
        """Forget everything that is stored."""
        self._says(b"FLUSHALL\r\n")

    def _says(self, line: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self._port), timeout=2) as wire:
            wire.sendall(line)
            return wire.recv(256)


@contextmanager
def any_redis() -> Iterator[str]:
    """Yield the URL of the server that ``NEXIOS_TEST_REDIS_URL`` names, else of a private one.

    Raises:
        NoRedis: There is neither.
    """
    given = os.environ.get(URL_VARIABLE)
    if given and given != "none":
        yield given
        return
    with RedisServer() as server:
        yield server.url


def find_binary() -> Path:
    """Return the server's binary on PATH.

    Raises:
        NoRedis: It is not there, or the client library is missing.
    """
    if os.environ.get(URL_VARIABLE) == "none":
        raise NoRedis(f"{URL_VARIABLE} says none")
    if importlib.util.find_spec("redis") is None:
        raise NoRedis("redis is not installed; fix: pip install 'nexios[redis]'")
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        raise NoRedis(f"neither {' nor '.join(_NAMES)} on PATH, and {URL_VARIABLE} is not set")
    return Path(found)
