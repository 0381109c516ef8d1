"""slowhttptest's slow heads and slow bodies: closed, and the service stays available."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from nexios.testing.skips import missing
from tests.servers.shelled import shelled


@pytest.mark.parametrize("attack", ["-H", "-B"])
def test_slow_clients_are_closed_while_others_are_served(tmp_path: Path, attack: str) -> None:
    tool = shutil.which("slowhttptest")
    if tool is None:
        missing("slowhttptest", "apt-get install slowhttptest")
    with shelled("nexios run", tmp_path, header_s=4.0, body_idle_s=4.0) as where:
        method = "GET" if attack == "-H" else "POST"
        ended = subprocess.run(
            f"{tool} -c 300 {attack} -i 5 -r 200 -t {method} -u http://{where}/ -x 24 -p 3 -l 60",
            shell=True,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    text = re.sub(r"\x1b\[[0-9;]*m", "", ended.stdout + ended.stderr)
    assert "No open connections left" in text
    assert re.findall(r"service available: +(\w+)", text)
    assert "NO" not in re.findall(r"service available: +(\w+)", text)
