"""`nexios run`: what reaches the terminal, and the exit code, of starts that cannot be."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running import ended


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "main.py").write_text(
        "from typing import Protocol\n"
        "from nexios import Depend, MakeConfig, NexiosApp\n"
        "class Mailer(Protocol):\n"
        "    def send(self) -> None: ...\n"
        "app = NexiosApp(config=MakeConfig())\n"
        "@app.get('/')\n"
        "async def index(mailer: Mailer = Depend()) -> str: ...\n"
    )
    return tmp_path


def test_wiring_mistake_ends_the_start_with_code_3_and_the_fix(folder: Path) -> None:
    done = ended(folder, "main:app", "--port", "0")
    assert done.returncode == 3
    assert "nothing provides Mailer" in done.stderr
    assert "GET /" in done.stderr
    assert "fix:" in done.stderr
    assert "Traceback" not in done.stderr


def test_configuration_mistake_is_told_without_a_traceback(folder: Path) -> None:
    done = ended(folder, "main:app", NEXIOS_DEBG="1")
    assert done.returncode == 3
    assert "did you mean 'debug'?" in done.stderr
    assert "NEXIOS_DEBG" in done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_application_is_told_with_the_fix(folder: Path) -> None:
    done = ended(folder, "main:ap")
    assert done.returncode == 3
    assert "fix: nexios run main:app" in done.stderr


def test_reload_of_an_object_is_refused(folder: Path) -> None:
    code = "from main import app; app.run(reload=True)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "fix: nexios run shop.main:app --reload" in done.stderr
