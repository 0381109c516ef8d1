"""What a type checker accepts and refuses of the public face of the container."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parent / "asking.py"
_ERROR = re.compile(r"asking\.py:(\d+): error: .*\[([a-z-]+)\]")
_WANTED = re.compile(r"# refused: ([a-z-]+)")


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
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    found = {(int(line), code) for line, code in _ERROR.findall(run.stdout)}
    lines = SAMPLE.read_text(encoding="utf-8").splitlines()
    wanted = {
        (number, code)
        for number, line in enumerate(lines, 1)
        for code in _WANTED.findall(line)
    }  # fmt: skip
    assert wanted
    assert found == wanted, run.stdout + run.stderr
