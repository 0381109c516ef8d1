"""Reads ``?`` placeholders out of SQL text, the same way for every store."""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final

from nexios.adapters.persistence.errors import PlaceholderMismatch

CACHED_TEXTS: Final = 1000

_START: Final = {
    "postgresql": re.compile(r"""['"$?]|--|/\*"""),
    "sqlite": re.compile(r"""['"`$?\[]|--|/\*"""),
}
_COMMENT_EDGE: Final = re.compile(r"/\*|\*/")
# PostgreSQL 4.1.2.4: a tag is an identifier without "$", and may not touch a word before it.
_DOLLAR_QUOTE: Final = re.compile(r"(?<![\w$])\$(?:[^\W\d]\w*)?\$")
_NUMBERED: Final = re.compile(r"(?<![\w$])\$\d+|\?\d+")
_NAMED: Final = re.compile(r"(?<![:\w]):[^\W\d]\w*")
_ESCAPED: Final = re.compile(r"(?:[^'\\]|\\.|'')*'", re.DOTALL)


class Store(Enum):
    """The databases Nexios speaks to."""

    POSTGRESQL = "postgresql"
    SQLITE = "sqlite"


@dataclass(frozen=True, slots=True)
class Placeholders:
    """One text as the driver wants it.

    Attributes:
        text: ``$1 ... $n`` on PostgreSQL, ``?`` on SQLite; ``??`` became ``?``.
        positions: Where each ``?`` stood in the text that was given.
    """

    text: str
    positions: tuple[int, ...]

    @property
    def count(self) -> int:
        return len(self.positions)


@lru_cache(maxsize=CACHED_TEXTS)
def scan(sql: str, store: Store) -> Placeholders:
    """Return ``sql`` in the store's own placeholder style.

    Quoted text, quoted names, comments and dollar quotes are passed over.

    Raises:
        PlaceholderMismatch: The text numbers its parameters (``$1``, ``?1``).
    """
    pieces: list[str] = []
    positions: list[int] = []
    last = 0
    for at in _question_marks(sql, store):
        pieces.append(sql[last:at])
        if sql.startswith("??", at):
            pieces.append("?")
            last = at + 2
            continue
        positions.append(at)
        pieces.append(f"${len(positions)}" if store is Store.POSTGRESQL else "?")
        last = at + 1
    pieces.append(sql[last:])
    return Placeholders("".join(pieces), tuple(positions))


def check_count(sql: str, found: Placeholders, args: Sequence[object]) -> None:
    """Refuse a text and values that do not belong together, before anything is sent.

    Raises:
        PlaceholderMismatch: The numbers differ, or ``args`` is no list.
    """
    if isinstance(args, Mapping | Set):
        raise PlaceholderMismatch(
            f"args is a {type(args).__name__}, which has no order; write [value, ...]",
            sql,
            found.positions,
        )
    if isinstance(args, str | bytes):
        raise PlaceholderMismatch(
            f"args is a {type(args).__name__}; write [{args!r}]", sql, found.positions
        )
    if len(args) == found.count:
        return
    named = _NAMED.search(sql)
    hint = f"; found {named.group()}, write ? for each value" if named else ""
    raise PlaceholderMismatch(
        f"{_plural(found.count, 'placeholder')}, {_plural(len(args), 'value')}{hint}",
        sql,
        found.positions,
    )


def _question_marks(sql: str, store: Store) -> Iterator[int]:
    """Yield where each ``?`` or ``??`` stands that is not part of a quote or a comment."""
    start = _START[store.value]
    at = 0
    while (found := start.search(sql, at)) is not None:
        at = found.start()
        match found.group():
            case "?":
                _refuse_numbered(sql, at)
                yield at
                at += 2 if sql.startswith("??", at) else 1
            case "$":
                at = _after_dollar(sql, at, store)
            case "--":
                at = _after(sql, "\n", at)
            case "/*":
                at = _after_comment(sql, at, nested=store is Store.POSTGRESQL)
            case "[":
                at = _after(sql, "]", at + 1)
            case "'" if store is Store.POSTGRESQL and _is_escape_string(sql, at):
                closed = _ESCAPED.match(sql, at + 1)
                at = closed.end() if closed else len(sql)
            case quote:
                # A doubled quote ends one piece here and starts the next: the same skipping.
                at = _after(sql, quote, at + 1)


def _after(sql: str, end: str, start: int) -> int:
    at = sql.find(end, start)
    return len(sql) if at < 0 else at + len(end)


def _after_comment(sql: str, at: int, *, nested: bool) -> int:
    if not nested:
        return _after(sql, "*/", at + 2)
    depth = 0
    for edge in _COMMENT_EDGE.finditer(sql, at):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(sql)


def _after_dollar(sql: str, at: int, store: Store) -> int:
    _refuse_numbered(sql, at)
    if store is Store.POSTGRESQL and (tag := _DOLLAR_QUOTE.match(sql, at)) is not None:
        return _after(sql, tag.group(), tag.end())
    return at + 1


def _is_escape_string(sql: str, at: int) -> bool:
    before = sql[max(0, at - 2) : at]
    if before[-1:] not in ("e", "E"):
        return False
    return len(before) == 1 or not (before[0].isalnum() or before[0] in "_$")


def _refuse_numbered(sql: str, at: int) -> None:
    if (numbered := _NUMBERED.match(sql, at)) is not None:
        raise PlaceholderMismatch(
            f"{numbered.group()} at {at}; write ? for each value, bound left to right", sql, (at,)
        )


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
