"""Conditions and ranges of requests, pure (RFC 9110, 13 and 14)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Final

from nexios.adapters.asgi.headers import Headers
from nexios.records import dataclass

_READING: Final = frozenset(("GET", "HEAD"))
# Longer than any file is large; what has more digits is never converted.
_DIGITS: Final = 18
_HUGE: Final = 10**_DIGITS


class Verdict(Enum):
    """What the conditions of a request allow."""

    SEND = "send"
    NOT_MODIFIED = "not modified"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of a file, ``end`` exclusive."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """The number of bytes."""
        return self.end - self.start

    def within(self, size: int) -> str:
        """Return the value of ``Content-Range`` for a file of ``size`` bytes."""
        return f"bytes {self.start}-{self.end - 1}/{size}"


class Unsatisfiable(Exception):
    """None of the ranges asked for lies in the file."""


def quoted_tag(tag: str) -> str:
    """Return an entity tag as it stands in a header."""
    return f'"{tag}"'


def matches_tag(asked: str, tag: str, *, limit: int = 64) -> bool:
    """Return whether ``If-None-Match`` names ``tag``, weakly compared (RFC 9110, 8.8.3.2).

    Args:
        asked: The header's value, several joined by commas.
        tag: The tag of the answer, in quotes.
        limit: ``limits.list_items``; further tags are not read.
    """
    wanted = tag.removeprefix("W/")
    return any(part == "*" or part.removeprefix("W/") == wanted for part in _listed(asked, limit))


def matches_strongly(asked: str, tag: str, *, limit: int = 64) -> bool:
    """Return whether ``If-Match`` names ``tag``: a weak tag never matches (RFC 9110, 13.1.1)."""
    return any(
        part == "*" or (part == tag and not tag.startswith("W/")) for part in _listed(asked, limit)
    )


def _listed(asked: str, limit: int) -> list[str]:
    return [part.strip() for part in asked.split(",", limit)[:limit]]


def verdict(
    method: str,
    headers: Headers,
    tag: str | None,
    modified_s: int | None = None,
    *,
    limit: int = 64,
) -> Verdict:
    """Return what the conditions say, in the order of RFC 9110, 13.2.2.

    Args:
        method: Of the request.
        headers: Of the request.
        tag: Of the answer, in quotes.
        modified_s: When the content changed, in whole seconds since 1970.
        limit: ``limits.list_items``.
    """
    told = headers.getlist("if-match")
    if told:
        if tag is None or not matches_strongly(", ".join(told), tag, limit=limit):
            return Verdict.FAILED
    elif modified_s is not None:
        since = _moment(headers["if-unmodified-since"])
        if since is not None and modified_s > since:
            return Verdict.FAILED
    reading = method in _READING
    told = headers.getlist("if-none-match")
    if told:
        if tag is not None and matches_tag(", ".join(told), tag, limit=limit):
            return Verdict.NOT_MODIFIED if reading else Verdict.FAILED
    elif reading and modified_s is not None:
        since = _moment(headers["if-modified-since"])
        if since is not None and modified_s <= since:
            return Verdict.NOT_MODIFIED
    return Verdict.SEND


def _moment(text: str | None) -> int | None:
    """Return the seconds since 1970 of a date; None where there is none, or it is no date."""
    if text is None:
        return None
    # Reads all forms of old (RFC 9110, 5.6.7); its package is 8 ms that no start needs.
    from email.utils import parsedate_to_datetime

    try:
        moment: datetime = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return int(moment.timestamp())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def wanted_spans(
    method: str,
    headers: Headers,
    size: int,
    tag: str,
    modified_s: int,
    *,
    limit: int = 16,
) -> tuple[Span, ...]:
    """Return the parts of a file to send in ascending order; none when it is sent whole.

    What is no range, of another unit, or would not be less than the file is ignored, as
    RFC 9110, 14.2 allows.

    Args:
        method: Of the request.
        headers: Of the request.
        size: Of the file, in bytes.
        tag: Of the file, in quotes.
        modified_s: When it changed, in whole seconds since 1970.
        limit: ``limits.ranges``: the parts of one answer, after merging.

    Raises:
        Unsatisfiable: No range lies in the file: 416.
    """
    told = headers.getlist("range")
    if method != "GET" or len(told) != 1 or not _holds(headers["if-range"], tag, modified_s):
        return ()
    spans = parse_ranges(told[0], size)
    return spans if len(spans) <= limit else ()


def _holds(asked: str | None, tag: str, modified_s: int) -> bool:
    """Return whether ``If-Range`` allows parts: strong comparison (RFC 9110, 13.1.5)."""
    if asked is None:
        return True
    if asked.startswith(('"', "W/")):
        return asked == tag and not tag.startswith("W/")
    return _moment(asked) == modified_s


def parse_ranges(value: str, size: int) -> tuple[Span, ...]:
    """Return the ranges of a ``Range`` header: cut to the file, sorted, merged where they touch.

    Returns:
        Nothing where the header is to be ignored.

    Raises:
        Unsatisfiable: It is understood, and nothing of it lies in the file.
    """
    unit, equals, listed = value.partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return ()
    found: list[Span] = []
    asked = False
    for part in listed.split(","):
        text = part.strip(" \t")
        if not text:
            continue
        first, dash, last = text.partition("-")
        numbers = _number(first), _number(last)
        if not dash or (first and numbers[0] is None) or (last and numbers[1] is None):
            return ()
        asked = True
        span = _span(*numbers, size)
        if span is None:
            return ()
        if span.size > 0:
            found.append(span)
    if not asked:
        return ()
    if not found:
        if size == 0:
            return ()
        raise Unsatisfiable
    return _merged(found)


def _span(first: int | None, last: int | None, size: int) -> Span | None:
    """Return one range, empty when it lies outside; None when it is nonsense."""
    if first is None:
        return None if last is None else Span(max(0, size - last), size)
    if last is None:
        return Span(first, max(first, size))
    if last < first:
        return None
    return Span(first, max(first, min(last + 1, size)))


def _number(text: str) -> int | None:
    # int() takes Arabic-Indic digits and underscores, and refuses more than 4,300 digits.
    if not text.isascii() or not text.isdigit():
        return None
    bare = text.lstrip("0")
    return _HUGE if len(bare) > _DIGITS else int(bare or "0")


def _merged(spans: Sequence[Span]) -> tuple[Span, ...]:
    merged: list[Span] = []
    for span in sorted(spans, key=lambda one: one.start):
        if merged and span.start <= merged[-1].end:
            last = merged[-1]
            merged[-1] = Span(last.start, max(last.end, span.end))
        else:
            merged.append(span)
    return tuple(merged)
