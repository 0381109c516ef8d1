"""Autobahn's client suite through an application with its guard and middleware.

The suite needs CPython 2.7. Where there is one:

    PY27="$(pyenv prefix 2.7.18)/bin/python"
    "$PY27" -m pip install --user virtualenv==20.15.1 && "$PY27" -m virtualenv .cache/autobahn
    .cache/autobahn/bin/pip install autobahntestsuite==25.10.1
    NEXIOS_WSTEST=.cache/autobahn/bin/wstest pytest tests/autobahn
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

from nexios.testing.skips import missing
from tests.autobahn.judge import failures
from tests.support.running import running

HERE: Final = Path(__file__).parent
_WSTEST: Final = os.environ.get("NEXIOS_WSTEST") or shutil.which("wstest")
_PATIENCE_S: Final = 900


def run(folder: Path, attribute: str, spec: str) -> Any:
    """Run the cases of a spec against one of the applications and return the report."""
    if _WSTEST is None:
        missing("autobahn", "neither NEXIOS_WSTEST nor wstest on PATH")
    wstest = str(Path(str(_WSTEST)).resolve())
    text = f"import sys\nsys.path.insert(0, {str(HERE.parents[1])!r})\n"
    text += f"from tests.autobahn.app import {attribute} as app\n"
    with running(folder, text) as server:
        told = json.loads((HERE / spec).read_text())
        told["outdir"] = str(folder / "report")
        told["servers"][0]["url"] = f"ws://127.0.0.1:{server.port}/echo"
        (folder / "spec.json").write_text(json.dumps(told))
        subprocess.run(
            [wstest, "-m", "fuzzingclient", "-s", str(folder / "spec.json")],
            check=True,
            capture_output=True,
            timeout=_PATIENCE_S,
        )
    return json.loads((folder / "report" / "index.json").read_text())


def test_no_case_fails(tmp_path: Path) -> None:
    assert failures(run(tmp_path, "app", "spec.json"), 247) == []


def test_no_case_fails_with_compression_and_large_messages(tmp_path: Path) -> None:
    assert failures(run(tmp_path, "large", "spec-deflate.json"), 20) == []


def test_the_judge_accepts_nothing_but_what_it_names() -> None:
    good = {"behavior": "OK", "behaviorClose": "INFORMATIONAL"}
    bad = {"behavior": "OK", "behaviorClose": "WRONG CODE"}
    assert failures({"nexios": {"1.1": good}}, 1) == []
    assert failures({"nexios": {"1.1": good, "1.2": bad}}, 2) == [
        "nexios 1.2: OK, close WRONG CODE"
    ]
    assert failures({"nexios": {"1.1": good}}, 247) == ["1 cases were run, and 247 were expected"]
