"""Several workers behind one socket: replaced when they die, rolled, and stopped together."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.raw import request, speak
from tests.support.running import ended, running

APP = """
import os
import anyio
from nexios import MakeConfig, NexiosApp

app = NexiosApp(config=MakeConfig(server={"drain_s": 0.5, "workers": 2}))

@app.get("/")
async def root() -> str:
    return str(os.getpid())

@app.get("/never")
async def never() -> str:
    await anyio.sleep(600)
    return "never"
"""


def seen(
    where: str,
    number: int,
    *,
    without: frozenset[int] = frozenset(),
    host: bytes = b"shop.test",
) -> set[int]:
    """Ask until so many workers have answered."""
    pids: set[int] = set()
    until = time.monotonic() + 60
    while len(pids) < number:
        assert time.monotonic() < until, pids
        for answer in speak(where, request(host=host), timeout=20).answers:
            pids |= {int(answer.body)} - without
    return pids


def test_a_dead_worker_is_replaced_and_all_stop_together(tmp_path: Path) -> None:
    with running(tmp_path, APP) as server:
        where = f"127.0.0.1:{server.port}"
        first = seen(where, 2)
        victim = min(first)
        os.kill(victim, signal.SIGKILL)
        after = seen(where, 2, without=frozenset({victim}))
        assert len(after - first) == 1
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
        for pid in after:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)


def test_a_second_signal_stops_all_workers_at_once(tmp_path: Path) -> None:
    text = APP.replace('"drain_s": 0.5', '"drain_s": 60.0')
    with running(tmp_path, text) as server:
        seen(f"127.0.0.1:{server.port}", 2)
        server.process.send_signal(signal.SIGTERM)
        server.said("Terminated child process")
        time.sleep(0.3)
        begun = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(30)
        assert time.monotonic() - begun < 15


def test_orphans_stop_by_themselves(tmp_path: Path) -> None:
    with running(tmp_path, APP) as server:
        where = f"127.0.0.1:{server.port}"
        pids = seen(where, 2)
        server.process.kill()
        server.process.wait()
        until = time.monotonic() + 30
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            assert time.monotonic() < until
            time.sleep(0.05)


def test_orphans_stop_that_lost_their_parent_before_they_had_loaded_anything(
    tmp_path: Path,
) -> None:
    with running(tmp_path, APP, until="Started parent process") as server:
        pid = server.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        until = time.monotonic() + 60
        while len(pids := children.read_text().split()) < 2:
            assert time.monotonic() < until
            time.sleep(0.005)
        server.process.kill()
        server.process.wait()
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            assert time.monotonic() < until
            time.sleep(0.05)


def start(folder: Path, text: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    (folder / "main.py").write_text(text)
    return ended(folder, "main:app", "--port", "0", *arguments)


FAILING = """
from nexios import NexiosApp

app = NexiosApp()

@app.on_startup
async def connect() -> None:
    raise ConnectionError("the ledger cannot be reached")
"""


@pytest.mark.parametrize("arguments", [(), ("--workers", "3")], ids=["alone", "workers"])
def test_a_start_that_cannot_succeed_ends_with_code_3(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    ended = start(tmp_path, FAILING, *arguments)
    assert ended.returncode == 3
    assert (ended.stdout + ended.stderr).count("the ledger cannot be reached") == 1
    assert "Traceback" not in ended.stdout + ended.stderr


def test_a_start_that_takes_too_long_has_failed(tmp_path: Path) -> None:
    text = """
import anyio
from nexios import MakeConfig, NexiosApp

app = NexiosApp(config=MakeConfig(server={"startup_s": 0.5}))

@app.on_startup
async def connect() -> None:
    await anyio.sleep(60)
"""
    ended = start(tmp_path, text)
    assert ended.returncode == 3
    assert "did not start within 0.5 s" in ended.stdout + ended.stderr


def test_a_port_that_is_taken_ends_with_code_3(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for workers in ("1", "2"):
            ended = start(tmp_path, APP, "--port", port, "--workers", workers)
            assert ended.returncode == 3
            assert "in use" in ended.stdout + ended.stderr


def test_a_unix_socket_and_a_descriptor_are_served(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(APP)
    command = [sys.executable, "-m", "nexios", "run", "main:app", "--workers", "1"]
    path = tmp_path / "app.sock"
    with subprocess.Popen([*command, "--uds", str(path)], cwd=tmp_path) as process:
        try:
            assert b"200 OK" in _first(lambda: _unix(path))
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            assert not path.exists()
        finally:
            process.kill()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        fd = listening.fileno()
        with subprocess.Popen([*command, "--fd", str(fd)], cwd=tmp_path, pass_fds=[fd]) as process:
            try:
                where = f"127.0.0.1:{listening.getsockname()[1]}"
                assert speak(where, request(), timeout=30).statuses == [200]
                process.send_signal(signal.SIGTERM)
                assert process.wait(20) == 0
            finally:
                process.kill()


def _unix(path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(20)
        line.connect(str(path))
        line.sendall(request())
        return line.recv(65536)


def _first(ask: Callable[[], bytes]) -> bytes:
    until = time.monotonic() + 30
    while True:
        try:
            return ask()
        except (FileNotFoundError, ConnectionRefusedError):
            assert time.monotonic() < until
            time.sleep(0.05)


def test_a_rolling_restart_under_load_loses_nothing() -> None:
    command = Path(__file__).parents[2] / "benchmarks" / "rolling.py"
    ended = subprocess.run(
        [sys.executable, str(command), "--clients", "8", "--drain", "1", "--work", "0.02"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    result = json.loads(ended.stdout)
    assert result["failed"] == 0, result
    assert result["workers_seen"] >= 3
    assert result["answered"] > 100
    assert ended.returncode == 0
