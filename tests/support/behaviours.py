"""Reads the lists of what a design page promises, and of the tests that show it."""

import re
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parents[1]
REASONS: Final = ("later: ", "outside: ")


def behaviours(file: str) -> dict[int, list[str]]:
    """Return number to what stands below it in a list of tests/house."""
    found: dict[int, list[str]] = {}
    for line in (TESTS / "house" / file).read_text().splitlines():
        if line.startswith("  "):
            found[max(found)].append(line.strip())
        else:
            number, _, name = line.partition(" ")
            assert re.fullmatch(r"[a-z0-9_]+", name), line
            assert int(number) == len(found) + 1, line
            found[int(number)] = []
    return found


def unshown(listed: dict[int, list[str]]) -> list[int]:
    """Return what has neither a test nor a reason."""
    return [number for number, shown in listed.items() if not shown]


def absent(listed: dict[int, list[str]]) -> list[str]:
    """Return the tests that are named and not there; their files are told from tests/ on."""
    texts: dict[str, str] = {}
    missing = []
    for number, shown in listed.items():
        for one in shown:
            file, colons, name = one.partition("::")
            if not colons:
                assert one.startswith(REASONS), one
                continue
            path = TESTS / file
            if file not in texts:
                texts[file] = path.read_text() if path.is_file() else ""
            if re.search(rf"def {name}\(", texts[file]) is None:
                missing.append(f"{number}: {one}")
    return missing
