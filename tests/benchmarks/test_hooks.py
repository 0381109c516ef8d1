"""The benchmark of listeners measures what it says: the same answers, told and not told."""

import asyncio
import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(str(FOLDER))
    return runpy.run_path(str(FOLDER / "hooks.py"))


def test_every_mode_is_measured_over_http_and_in_process() -> None:
    done = subprocess.run(
        [sys.executable, FOLDER / "hooks.py", "--rounds", "1", "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found) == ["http", "in process"]
    for modes in found.values():
        assert list(modes) == ["off", "finished", "all"]
        assert all(row["us"] > 0 and row["ratio"] > 0 for row in modes.values())


@pytest.mark.parametrize(("mode", "finished", "others"), [
    ("off", 0, 0), ("finished", 3, 0), ("all", 3, 3),
])  # fmt: skip
def test_listeners_of_a_mode_hear_every_request(
    script: dict[str, Any], mode: str, finished: int, others: int
) -> None:
    switched = script["Switched"]()
    driver = script["Driver"](switched.app, "/users/42")

    async def batch() -> None:
        await driver.answer()
        switched.switch(mode)
        before = switched.sum.seconds
        await driver.batch(3)
        assert (switched.sum.seconds > before) is bool(finished)
        assert switched.sum.events == others
        switched.switch("off")

    asyncio.run(batch())


@pytest.mark.parametrize("ratio", [1.02, 1.04])
def test_the_bar_holds_only_when_it_is_checked(
    ratio: float, script: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    main = script["main"]

    def measured(_rounds: int) -> dict[str, dict[str, float]]:
        return {"finished": {"us": ratio, "off_us": 1.0, "ratio": ratio}}

    for name in ("over_http", "in_process"):
        monkeypatch.setitem(main.__globals__, name, measured)
    monkeypatch.setitem(main.__globals__, "on_core", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["hooks.py"])
    main()
    monkeypatch.setattr(sys, "argv", ["hooks.py", "--check"])
    if ratio < 1.03:
        main()
    else:
        with pytest.raises(SystemExit, match="over the bar"):
            main()
