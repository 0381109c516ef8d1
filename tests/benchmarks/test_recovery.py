"""Stores stop and come back under requests: nothing is answered that the page does not allow."""

import json
import subprocess
import sys
from pathlib import Path

from nexios.testing.postgres import NoPostgres, find_binaries
from nexios.testing.redis import NoRedis, find_binary
from nexios.testing.skips import missing

COMMAND = Path(__file__).parents[2] / "benchmarks" / "recovery.py"


def test_stopped_stores_are_503_where_they_are_needed_and_heal() -> None:
    try:
        find_binary()
        find_binaries()
    except (NoRedis, NoPostgres) as absent:
        missing("servers", str(absent))
    ended = subprocess.run(
        [sys.executable, str(COMMAND), "--outage", "5"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    outages = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [(one["store"], one["how"]) for one in outages] == [
        ("redis", "SIGSTOP"),
        ("redis", "SIGKILL"),
        ("postgres", "SIGSTOP"),
        ("postgres", "SIGKILL"),
    ], ended.stderr
    assert [one["not_allowed"] for one in outages] == [[]] * 4, ended.stdout
    assert ended.returncode == 0
    for one in outages:
        needed = "/session" if one["store"] == "redis" else "/orders"
        told = one["routes"][needed]["statuses"]
        assert set(told) & {"503", "504"}, one
        assert set(one["routes"]["/plain"]["statuses"]) == {"200"}
        # The breaker of the rates lets a probe through every five seconds.
        assert all(route["good_after_s"] < 8 for route in one["routes"].values()), one
