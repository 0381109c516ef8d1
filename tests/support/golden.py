"""Compares a text with its reviewed file; ``NEXIOS_GOLDEN=write`` writes the file anew."""

import os
import re
from pathlib import Path

GOLDEN = Path(__file__).parent.parent
_LINE = re.compile(r"(\.py):\d+")


def assert_golden(text: object, name: str, *, room: str = "container") -> None:
    """Assert that ``str(text)`` equals ``tests/<room>/golden/<name>``, line numbers apart."""
    found = _LINE.sub(r"\1:<line>", str(text)).rstrip() + "\n"
    path = GOLDEN / room / "golden" / name
    if os.environ.get("NEXIOS_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found, encoding="utf-8")
    assert path.is_file(), f"no golden file {name}; write it with NEXIOS_GOLDEN=write"
    assert found == path.read_text(encoding="utf-8")
