"""The second listener: details of health and metrics for operators, over real processes."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from nexios.testing.skips import missing
from tests.servers.test_workers import seen
from tests.support.ports import free_port
from tests.support.raw import Reply, request, speak
from tests.support.running import Running, ended, running

APP = """
import os
import anyio
from nexios import MakeConfig, Module, NexiosApp

class Broker:
    name = "broker"
    critical = True
    timeout_s = 1.0

    async def check(self) -> None:
        pass

brokers = Module("brokers")
brokers.bind(Broker).value(Broker())
app = NexiosApp(
    brokers,
    config=MakeConfig(server={"drain_s": 1.5}, telemetry={"metrics": True}, allowed_hosts=["a.b"]),
)

@app.on_startup
async def begin() -> None:
    await anyio.sleep(float(os.environ.get("BEGIN_S", "0")))

@app.get("/")
async def root() -> str:
    return str(os.getpid())
"""
MANAGED = ("--management", "127.0.0.1:0")


def management_of(server: Running) -> str:
    return f"127.0.0.1:{server.said(r'Management on http://[^:]+:([0-9]+)')[1]}"


def ask(where: str, path: str, host: bytes = b"ops.test") -> Reply:
    line = f"GET {path} HTTP/1.1".encode()
    (answer,) = speak(where, request(line, host=host), timeout=30).answers
    return answer


def served(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    (folder / "main.py").write_text(APP)
    return ended(folder, "main:app", "--port", "0", *arguments)


def requests_counted(page: str) -> float:
    pattern = r'^nexios_http_request_duration_seconds_count\{[^}]*route="/"[^}]*\} ([0-9.]+)$'
    return sum(float(number) for number in re.findall(pattern, page, re.MULTILINE))


def test_details_and_metrics_are_there_and_nothing_else(tmp_path: Path) -> None:
    with running(tmp_path, APP, *MANAGED) as server:
        main, managed = f"127.0.0.1:{server.port}", management_of(server)
        assert ask(main, "/", b"a.b").status == 200
        ready = ask(managed, "/health/ready")
        assert ready.status == 200
        assert json.loads(ready.body)["checks"]["broker"]["status"] == "up"
        assert ask(managed, "/health/live").status == 200
        assert ask(managed, "/health/startup").status == 200
        page = ask(managed, "/metrics")
        assert page.status == 200
        assert requests_counted(page.body.decode()) == 1
        nothing = ask(managed, "/")
        assert (nothing.status, json.loads(nothing.body)["status"]) == (404, 404)
        assert speak(managed, request(b"POST /health/live HTTP/1.1")).statuses == [405]
        # The application itself does not serve its metrics then.
        assert ask(main, "/metrics", b"a.b").status == 404


def test_its_requests_are_bounded_like_all_others(tmp_path: Path) -> None:
    with running(tmp_path, APP, *MANAGED) as server:
        managed = management_of(server)
        both = request(
            b"GET /health/live HTTP/1.1", b"Content-Length: 0", b"Transfer-Encoding: chunked"
        )
        answer = speak(managed, both, answers=2)
        assert (answer.statuses, answer.closed) == ([400], True)
        long = request(b"GET /" + b"a" * 400_000 + b" HTTP/1.1")
        assert speak(managed, long).statuses == [414]


def test_it_answers_before_the_start_is_over_and_during_the_drain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEGIN_S", "1.5")
    port = free_port()
    (tmp_path / "main.py").write_text(APP)
    command = [sys.executable, "-m", "nexios", "run", "main:app", "--port", "0"]
    with subprocess.Popen([*command, "--management", str(port)], cwd=tmp_path) as process:
        try:
            seen = []
            until = time.monotonic() + 30
            while "up" not in seen:
                assert time.monotonic() < until, seen
                try:
                    answer = ask(f"127.0.0.1:{port}", "/health/startup")
                except ConnectionRefusedError:
                    continue
                seen.append(json.loads(answer.body)["status"])
                assert answer.status == (200 if seen[-1] == "up" else 503)
                time.sleep(0.05)
            assert seen[0] == "starting"
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            draining = ask(f"127.0.0.1:{port}", "/health/ready")
            assert (draining.status, json.loads(draining.body)["status"]) == (503, "draining")
            assert process.wait(20) == 0
        finally:
            process.kill()


def test_workers_share_the_port_and_each_tells_of_all(tmp_path: Path) -> None:
    with running(tmp_path, APP, *MANAGED, "--workers", "2") as server:
        main, managed = f"127.0.0.1:{server.port}", management_of(server)
        pids, asked, until = set[int](), 0, time.monotonic() + 60
        while len(pids) < 2:
            assert time.monotonic() < until, pids
            pids.add(int(ask(main, "/", b"a.b").body))
            asked += 1
        # A request is counted when it is over, which is after its answer.
        while requests_counted(ask(managed, "/metrics").body.decode()) < asked:
            assert time.monotonic() < until
        for _ in range(8):
            page = ask(managed, "/metrics").body.decode()
            assert requests_counted(page) == asked
        folders = {folder_of(pid) for pid in pids}
        (folder,) = folders
        assert folder is not None
        # What a dead worker counted stays counted, and the port is served on.
        victim = min(pids)
        os.kill(victim, signal.SIGKILL)
        server.said(rf"worker \[{victim}\] ended")
        assert requests_counted(ask(managed, "/metrics").body.decode()) == asked
        assert not list(folder.glob(f"gauge_live*_{victim}.db"))
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
        assert not folder.exists()


def folder_of(pid: int) -> Path | None:
    for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
        name, _, value = entry.decode().partition("=")
        if name == "PROMETHEUS_MULTIPROC_DIR":
            return Path(value)
    return None


def test_a_restart_of_workers_keeps_it(tmp_path: Path) -> None:
    with running(tmp_path, APP, *MANAGED, "--workers", "2") as server:
        managed = management_of(server)
        first = seen(f"127.0.0.1:{server.port}", 2, host=b"a.b")
        server.process.send_signal(signal.SIGHUP)
        until = time.monotonic() + 60
        while any(Path(f"/proc/{pid}").exists() for pid in first):
            assert time.monotonic() < until
            assert ask(managed, "/health/live").status == 200
            time.sleep(0.1)
        assert ask(managed, "/health/ready").status == 200


def test_a_port_that_is_taken_refuses_the_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        for workers in ("1", "2"):
            done = served(tmp_path, "--management", where, "--workers", workers)
            assert done.returncode == 3
            told = done.stdout + done.stderr
            assert f"the management port cannot listen on {where}" in told
            assert "in use" in told
            assert "Traceback" not in told


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_the_address_of_the_application_refuses_the_start(tmp_path: Path, host: str) -> None:
    port = str(free_port())
    done = served(tmp_path, "--port", port, "--management", f"{host}:{port}")
    assert done.returncode == 3
    assert "that is where the application is served" in done.stdout + done.stderr


def test_an_address_beyond_this_machine_is_said(tmp_path: Path) -> None:
    with running(tmp_path, APP, "--management", "0.0.0.0:0") as server:
        server.said("the management port is open beyond this machine")
    with running(tmp_path, APP, *MANAGED) as server:
        assert "beyond this machine" not in server.log.read_text()


@pytest.mark.parametrize("text", ["here", "127.0.0.1:", ":9090", "::1:9090", "a:70000"])
def test_what_is_no_address_is_refused_by_name(tmp_path: Path, text: str) -> None:
    done = served(tmp_path, "--management", text)
    assert done.returncode == 2
    assert f"not {text!r}" in " ".join(done.stderr.split())


def test_reload_and_granian_have_none(tmp_path: Path) -> None:
    done = served(tmp_path, *MANAGED, "--reload")
    assert done.returncode == 2
    assert "--reload" in done.stderr
    if find_spec("granian") is None:
        missing("granian", "the extra is not installed")
    done = served(tmp_path, *MANAGED, "--server", "granian")
    assert done.returncode == 3
    assert "granian has no management port" in done.stderr


def test_a_foreign_application_has_nothing_to_serve_there(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("async def app(scope, receive, send):\n    pass\n")
    done = ended(tmp_path, "other:app", "--port", "0", *MANAGED)
    assert done.returncode == 3
    assert "only a NexiosApp" in done.stdout + done.stderr
