"""What the HTTP side promises, number by number, and the tests that show it.

``http_behaviours.txt`` is the list: a number with its name, and below it the tests, or why there
is none yet. Whoever renames a test mends the list.
"""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PROMISES = 175


def behaviours() -> dict[int, list[str]]:
    """Return number to what stands below it."""
    found: dict[int, list[str]] = {}
    lines = (TESTS / "house" / "http_behaviours.txt").read_text().splitlines()
    for line in lines:
        if line.startswith("  "):
            found[max(found)].append(line.strip())
        else:
            number, _, name = line.partition(" ")
            assert re.fullmatch(r"[a-z0-9_]+", name), line
            found[int(number)] = []
    return found


def test_every_promise_of_the_http_side_has_a_test_or_a_reason() -> None:
    listed = behaviours()
    assert list(listed) == list(range(1, PROMISES + 1))
    assert [number for number, shown in listed.items() if not shown] == []


def test_every_test_that_is_named_is_there() -> None:
    texts: dict[str, str] = {}
    absent = []
    for number, shown in behaviours().items():
        for one in shown:
            file, colons, name = one.partition("::")
            if not colons:
                assert one.startswith(("later: ", "outside: ")), one
                continue
            text = texts.setdefault(file, (TESTS / file).read_text())
            if re.search(rf"def {name}\(", text) is None:
                absent.append(f"{number}: {one}")
    assert absent == []
