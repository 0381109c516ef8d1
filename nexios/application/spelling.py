"""Which known word a person probably meant."""

import difflib
from collections.abc import Iterable
from typing import Final

_SHORT: Final = 4
_LONG: Final = 8


def suggestion(word: str, known: Iterable[str]) -> str | None:
    """Return the known word most like ``word``, or None when none is like it."""
    names = list(known)
    near = nearest(word, names)
    if near is not None:
        return near
    found = difflib.get_close_matches(_plain(word), names, n=1, cutoff=0.6)
    return found[0] if found else None


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word of which ``word`` is surely a misspelling, or None.

    Stricter than `suggestion`: case, dashes, one edit, or two in a long word. In words of up to
    four letters a replaced letter makes another word (``core`` is not ``cors``).
    """
    plain = _plain(word)
    for name in known:
        if plain == name:
            return name
        longest = max(len(plain), len(name))
        if longest <= _SHORT and len(plain) == len(name) and sorted(plain) != sorted(name):
            continue
        if _edits(plain, name) <= (2 if longest >= _LONG else 1):
            return name
    return None


def _plain(word: str) -> str:
    return word.lower().replace("-", "_")


def _edits(left: str, right: str) -> int:
    """Count insertions, deletions, replacements and swaps of neighbours between two words."""
    if abs(len(left) - len(right)) > 2:
        return 3
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        current = [i]
        for j, b in enumerate(right, 1):
            cost = min(row[j] + 1, current[j - 1] + 1, row[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        before, row = row, current
    return row[-1]
