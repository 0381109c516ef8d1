"""Other servers serve the same application, and it says at start what they do not do."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from nexios.adapters.asgi.serving import RULES
from nexios.testing.skips import missing
from tests.support.ports import free_port
from tests.support.raw import posted, request, speak
from tests.support.running import ended, running

APP = """
from nexios import NexiosApp

app = NexiosApp()

@app.get("/")
async def root() -> str:
    return "ok"

@app.post("/")
async def post(request):
    return {"size": len(await request.body)}
"""


def started(folder: Path, text: str, *command: str) -> "tuple[subprocess.Popen[bytes], str, Path]":
    """Run a server on a free port until it answers; return it with its address and log."""
    (folder / "main.py").write_text(text)
    port, log = free_port(), folder / "log.txt"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, "--port", str(port)],
            cwd=folder,
            env=dict(os.environ),
            stdout=out,
            stderr=out,
        )
    until = time.monotonic() + 60
    where = f"127.0.0.1:{port}"
    try:
        while True:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            try:
                if speak(where, request()).statuses == [200]:
                    return process, where, log
            except ConnectionRefusedError:
                time.sleep(0.05)
    except BaseException:
        ended_by(process)
        raise


def ended_by(process: "subprocess.Popen[bytes]") -> None:
    """Let a server end, in order where it can."""
    try:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    finally:
        process.kill()
        process.wait()


@contextmanager
def served_by(folder: Path, *command: str) -> Iterator[tuple[str, Path]]:
    """Run another server on a free port."""
    process, where, log = started(folder, APP, *command)
    try:
        yield where, log
    finally:
        ended_by(process)


def check(where: str, log: Path) -> None:
    (answer,) = speak(where, posted(b"/", b"abc")).answers
    assert answer.body == b'{"size":3}'
    assert speak(where, request(b"GET /health/live HTTP/1.1")).statuses == [200]
    text = log.read_text()
    assert text.count("this server lacks what `nexios run` does") == 1
    assert RULES[0] in text


def test_plain_uvicorn_prints_what_is_missing(tmp_path: Path) -> None:
    with served_by(tmp_path, "uvicorn", "main:app") as (where, log):
        check(where, log)


def test_granian_serves_the_same_application(tmp_path: Path) -> None:
    if find_spec("granian") is None:
        missing("granian", "the extra is not installed")
    with served_by(tmp_path, "nexios", "run", "main:app", "--server", "granian") as (where, log):
        check(where, log)


@pytest.mark.parametrize("arguments", [("--fd", "3"), ("--port", "0")])
def test_what_granian_cannot_do_is_refused(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "main.py").write_text(APP)
    done = ended(tmp_path, "main:app", "--server", "granian", *arguments)
    assert done.returncode == 3
    assert f"granian has no {arguments[0]}" in done.stderr


def test_our_own_server_lacks_nothing(tmp_path: Path) -> None:
    with running(tmp_path, APP) as server:
        assert speak(f"127.0.0.1:{server.port}", request()).statuses == [200]
        assert "lacks" not in server.log.read_text()
