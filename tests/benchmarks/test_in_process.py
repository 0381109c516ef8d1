"""The benchmarks of the HTTP side run, answer right, and refuse by ``--check`` alone."""

import json
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, FOLDER / "in_process.py", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_every_workload_is_measured_and_no_bar_ends_the_command_unasked() -> None:
    done = run("--rounds", "1", "--json")
    assert done.returncode == 0, done.stderr
    table = json.loads(done.stdout)
    routes = ["W5 first", "W5 middle", "W5 last", "W5 miss"]
    assert list(table) == ["W1", "W2", "W3", "W4", "W6", *routes]
    assert all(row["ratio"] > 0 for row in table.values())


def test_a_workload_it_does_not_have_is_refused() -> None:
    done = run("W9")
    assert done.returncode == 2
    assert "W9" in done.stderr


@pytest.mark.parametrize(("ratio", "code"), [(1.99, None), (2.01, "over the bar: W1")])
def test_bars_hold_only_when_they_are_checked(
    ratio: float, code: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    script: dict[str, Any] = runpy.run_path(str(FOLDER / "in_process.py"))
    main = script["main"]

    async def measured(_cells: list[str], _rounds: int) -> dict[str, dict[str, float]]:
        return {"W1": {"raw_us": 1.0, "nexios_us": ratio, "ratio": ratio}}

    monkeypatch.setitem(main.__globals__, "measure", measured)
    monkeypatch.setattr(sys, "argv", ["in_process.py", "W1"])
    main()
    monkeypatch.setattr(sys, "argv", ["in_process.py", "W1", "--check"])
    if code is None:
        main()
    else:
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == code


def peers(name: str) -> Any:
    return runpy.run_path(str(FOLDER / "peers" / "run.py"))[name]


def test_this_checkout_takes_the_place_of_another_nexios_among_the_peers() -> None:
    table = '[raw]\napp = "raw"\n\n[nexios]\nrequires = ["nexios==3.12.3"]\n\n[sanic]\napp = "s"\n'
    made = tomllib.loads(peers("joined")(table))
    assert list(made) == ["raw", "sanic", "nexios", "nexios-run"]
    assert made["nexios"]["server"] == "uvicorn"
    assert made["nexios-run"]["server"] == "nexios-run"
    assert "3.12.3" not in str(made)


def test_our_server_and_the_first_route_join_the_benchmark() -> None:
    script = 'USER, ITEM = 1, 2\nSERVERS = {\n    "a": "b",\n}\nHTTP = {\n    "W5-last": 3,\n}\n'
    made: dict[str, Any] = {}
    exec(peers("widened")(script), made)
    assert made["SERVERS"].keys() == {"nexios-run", "a"}
    assert list(made["HTTP"]) == ["W5-first", "W5-last"]
    with pytest.raises(SystemExit, match="HTTP"):
        peers("widened")("SERVERS = {\n}\n")


def test_the_best_rounds_are_compared(tmp_path: Path) -> None:
    rows = [
        ("raw", "W1", 100), ("nexios", "W1", 80), ("raw", "W1", 90), ("nexios", "W1", 95),
        ("raw", "W2", 100), ("nexios", "W2", 94), ("nexios-run", "W2", 120),
        ("nexios", "W5-first", 100), ("nexios", "W5-404", 91),
        ("nexios-run", "W5-first", 100), ("nexios-run", "W5-404", 88),
    ]  # fmt: skip
    lines = [json.dumps({"peer": one, "cell": cell, "value": value}) for one, cell, value in rows]
    results = tmp_path / "results.jsonl"
    results.write_text("\n".join(lines))
    assert peers("missed")(results) == ["nexios W2 0.94", "nexios-run W5 0.88"]
