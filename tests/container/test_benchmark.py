"""The benchmark of the container runs, and what it times makes what the graph says."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "container.py"


def test_the_benchmark_measures_every_cell_it_is_asked_for() -> None:
    cells = ["C1", "C2", "C3", "C4", "shared", "get", "scopes"]
    done = subprocess.run(
        [sys.executable, SCRIPT, *cells, "--rounds", "2", "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    found = dict.fromkeys(row["cell"] for row in rows)
    assert list(found) == ["C1", "C2", "C3", "C4", "shared", "get_now", "get", "scopes"]
    assert all(row["verdict"] in ("ok", "over") for row in rows if row["bar"] is not None)


def test_the_benchmark_refuses_a_cell_it_does_not_have() -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "C9"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "there is no cell C9" in done.stderr
