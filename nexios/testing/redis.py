"""A Redis or Valkey server for tests: what this machine has, without Docker."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

URL_VARIABLE: Final = "NEXIOS_TEST_REDIS_URL"
_NAMES: Final = ("redis-server", "valkey-server")
_START_TIMEOUT_S: Final = 20.0
_STOP_TIMEOUT_S: Final = 10.0


class NoRedis(Exception):
    """No Redis server for tests here; the text says what was looked for."""


class RedisServer:
    """A private server in memory, on a free loopback port; what it stores goes when it ends.

    Raises:
        NoRedis: There is no binary here.
    """

    def __init__(self, binary: Path | None = None) -> None:
        self._binary = binary or find_binary()
        self._folder = Path(tempfile.mkdtemp(prefix="nexios-redis-"))
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self._port}/0"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

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

    def kill(self) -> None:
        """End it as by a crash."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Let it stand still: it holds its connections and answers nobody.

        Returns when it stands: a signal is sent before the last of its threads stops.
        """
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)
            os.waitpid(self._process.pid, os.WUNTRACED)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def _says(self, line: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self._port), timeout=2) as wire:
            wire.sendall(line)
            return wire.recv(256)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(how)
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


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


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
