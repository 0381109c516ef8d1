"""What the type checkers accept and refuse of the public face of the container."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parent / "asking.py"
ROOT = Path(__file__).parents[2]
_ERROR = re.compile(r"asking\.py:(\d+): error: .*\[([a-z-]+)\]")
_WANTED = re.compile(r"# refused: ([a-z-]+)")


def marks() -> set[tuple[int, str]]:
    """Return the line and mypy's code of everything that must be refused."""
    lines = SAMPLE.read_text(encoding="utf-8").splitlines()
    found = {
        (number, code) for number, line in enumerate(lines, 1) for code in _WANTED.findall(line)
    }
    assert found
    return found


def test_mypy_accepts_what_is_right_and_refuses_what_is_marked(
    pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed")
    # Kept between runs, where pytest keeps anything: three seconds instead of ten.
    kept = getattr(pytestconfig, "cache", None)
    cache = tmp_path if kept is None else kept.mkdir("typing")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(cache)]
    run = subprocess.run(
        [*command, "--config-file=", "--follow-imports=silent", str(SAMPLE)],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    found = {(int(line), code) for line, code in _ERROR.findall(run.stdout)}
    assert found == marks(), run.stdout + run.stderr


def test_pyright_accepts_what_is_right_and_refuses_what_is_marked() -> None:
    pytest.importorskip("pyright", reason="pyright is not installed")
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    run = subprocess.run(
        [*command, str(SAMPLE)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    report = json.loads(run.stdout)
    assert report["summary"]["filesAnalyzed"] == 1
    found = {item["range"]["start"]["line"] + 1 for item in report["generalDiagnostics"]}
    assert found == {line for line, _ in marks()}, run.stdout + run.stderr
