"""`nexios run --reload`: a changed file is served without anybody's doing."""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ports import free_port

WAIT_S = 30.0
SOURCE = (
    "from nexios import NexiosApp\n"
    "app = NexiosApp()\n"
    "@app.get('/')\n"
    "async def index() -> str: return {word!r}\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "main.py").write_text(SOURCE.format(word="before"))
    return tmp_path


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    port = str(free_port())
    # The installed command: `python -m` would put the folder on the path by itself.
    nexios = Path(sys.executable).with_name("nexios")
    command = [nexios, "run", "main:app", "--port", port, "--reload"]
    server = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
    yield f"http://127.0.0.1:{port}/"
    server.terminate()
    server.wait(timeout=WAIT_S)


def answered(address: str, wanted: str) -> bool:
    """Ask until the answer is ``wanted``; False when it never is."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                if answer.read().decode() == wanted:
                    return True
        except (OSError, urllib.error.URLError):
            time.sleep(0.05)
    return False


def test_a_changed_file_is_served(folder: Path, address: str) -> None:
    assert answered(address, "before")

    (folder / "main.py").write_text(SOURCE.format(word="after, and longer"))

    assert answered(address, "after, and longer")
