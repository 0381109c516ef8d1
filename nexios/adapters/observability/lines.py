"""Makes lines of log records: JSON for machines, text for people; no value begins a line.

Neither shows what says of itself that it is a secret, by its name or by its shape.
"""

import json
import logging
import math
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from nexios.application.scrub import masked, may_hold_secret, scrubbed_line

Context = Callable[[], Mapping[str, object]]
"""What is known of the request a record belongs to."""

FIELDS: Final = ("request_id", "trace_id", "route", "actor", "duration_ms", "status", "error_id")

_DEPTH: Final = 6
_MOST_ITEMS: Final = 100
_MOST_CHARACTERS: Final = 8_000
_MOST_TRACEBACK: Final = 32_000
_MOST_BITS: Final = 1_024  # json.dumps refuses numbers of more than 4,300 digits
# The attributes of every record, which are no extra; color_message is uvicorn's.
_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
# Control characters of both sets, what moves text about, and what ends a line anywhere.
_CONTROL: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


_quoted: Final = json.encoder.encode_basestring_ascii
_KNOWN_REQUESTS: Final = 1_024


class _Asked(NamedTuple):
    """What `Lines.of_request` was told and found; ``words`` are all that came from outside."""

    name: str
    method: str
    route: str | None
    status: int
    known: list[tuple[str, str]]
    path: str
    took_ms: float
    words: str


class Lines(logging.Formatter, ABC):
    """What lines of both kinds have in common.

    Args:
        context: Asked for each record.
    """

    def __init__(self, context: Context = dict) -> None:
        super().__init__()
        self._context = context

    def of_request(
        self, name: str, *, method: str, route: str | None, status: int, path: str, took_ms: float
    ) -> str | None:
        """Return the line of a request without a record, as `format` makes it; 45 -> 4 us.

        Args:
            name: Of the logger.
            method: One of those known.
            route: Its template.
            status: Of the answer.
            path: As it came.
            took_ms: In milliseconds.

        Returns:
            None where a closer look is needed: something may be a secret, is long, or no text.
        """
        context: Mapping[str, Any] = self._context()
        known = [
            (key, value)
            for key in ("request_id", "trace_id", "actor")
            if (value := context.get(key)) is not None
        ]
        try:
            words = " ".join([path, *(value for _, value in known)])
        except TypeError:
            return None
        if len(words) > _MOST_CHARACTERS or may_hold_secret(words):
            return None
        return self._line(_Asked(name, method, route, status, known, path, took_ms, words))

    @abstractmethod
    def _line(self, asked: "_Asked") -> str | None:
        """Return the line; None where a closer look is needed."""


class JsonLines(Lines):
    """One JSON object a record, in ASCII.

    Args:
        context: Asked for each record.
    """

    def __init__(self, context: Context = dict) -> None:
        super().__init__(context)
        self._requests: dict[tuple[str, str | None, int], tuple[str, str, str]] = {}

    def _line(self, asked: "_Asked") -> str | None:
        name, method, route, status, known, path, took_ms, _ = asked
        told = self._requests.get((method, route, status))
        message, of_route, quoted = told or self._repeated(method, route, status)
        ids = actor = ""
        for key, value in known:
            if key == "actor":
                actor = f', "actor": {_quoted(value)}'
            else:
                ids += f', "{key}": {_quoted(value)}'
        return (
            f'{{"time": "{_moment(time.time())}", "level": "info", "logger": {_quoted(name)}, '
            f'"message": {message}{ids}{of_route}{actor}, "duration_ms": {took_ms!r}, '
            f'"status": {status}, "extra": {{"method": {quoted}, "path": {_quoted(path)}}}}}'
        )

    def _repeated(self, method: str, route: str | None, status: int) -> tuple[str, str, str]:
        """Return what is the same in all lines of such requests: message, route and method."""
        message = scrubbed_line(f"{method} {route or '-'} {status}"[:_MOST_CHARACTERS])
        shown = "" if route is None else f', "route": {_dumped_text(route)}'
        if len(self._requests) >= _KNOWN_REQUESTS:
            self._requests.clear()
        told = _quoted(message), shown, _dumped_text(method)
        self._requests[method, route, status] = told
        return told

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        told: dict[str, object] = {
            "time": _moment(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        extra = {name: value for name, value in vars(record).items() if name not in _OWN}
        known = {**self._context(), **extra}
        told |= {name: known[name] for name in FIELDS if known.get(name) is not None}
        more = {name: value for name, value in extra.items() if name not in FIELDS}
        if more:
            told["extra"] = more
        text = _traceback(self, record)
        if text:
            told["exception"] = _without_middle(text)
        try:
            return _dumped(told)
        except Exception as error:  # of a mapping's own making
            told["extra"] = f"cannot be shown: {type(error).__name__}"
            return _dumped({name: value for name, value in told.items() if name not in FIELDS})


class TextLines(Lines):
    """A line a record for a terminal, what belongs to it indented below.

    Args:
        context: Asked for each record.
    """

    def _line(self, asked: "_Asked") -> str | None:
        name, method, route, status, known, path, took_ms, words = asked
        message = f"{method} {route or '-'} {status}"
        if _CONTROL.search(words) or _CONTROL.search(message) or may_hold_secret(message):
            return None
        pairs = "".join([f" {key}={value}" for key, value in known])
        return (
            f"{_of_day(time.time())} INFO     {name}: {message}{pairs} duration_ms={took_ms} "
            f"status={status} method={method} path={path}"
        )

    def format(self, record: logging.LogRecord) -> str:
        """Return the text, without its last line end."""
        extra = {name: value for name, value in vars(record).items() if name not in _OWN}
        known = {**self._context(), **extra}
        head = f"{_of_day(record.created)} {record.levelname:<8} {record.name}"
        # Only a record's own text may have lines; what came from outside is one value in it.
        first, *below = _message(record).split("\n")
        pairs = "".join(
            f" {name}={_escaped(scrubbed_line(_text(masked(value, name))))}"
            for name, value in known.items()
            if value is not None and name != "route"
        )
        lines = [f"{head}: {_escaped(first)}{pairs}"]
        below += _traceback(self, record).splitlines()
        lines += [f"    {_escaped(line)}" for line in below]
        return "\n".join(lines)


def _dumped(told: Mapping[str, object]) -> str:
    return json.dumps(_plain(told, _DEPTH), ensure_ascii=True, allow_nan=False)


def _dumped_text(text: str) -> str:
    return _quoted(scrubbed_line(text[:_MOST_TRACEBACK]))


class _Clock:
    """Writes seconds; each is written once."""

    __slots__ = ("_known", "_write")

    def __init__(self, write: Callable[[datetime], str]) -> None:
        self._write = write
        self._known = (0, "")

    def __call__(self, moment: float) -> str:
        whole = int(moment)
        second, text = self._known
        if second != whole:
            text = self._write(datetime.fromtimestamp(whole, UTC))
            self._known = whole, text
        return text


_second: Final = _Clock(lambda moment: f"{moment:%Y-%m-%dT%H:%M:%S}")
_of_day: Final = _Clock(lambda moment: f"{moment.astimezone():%H:%M:%S}")


def _moment(moment: float) -> str:
    return f"{_second(moment)}.{int(moment % 1 * 1000):03d}+00:00"


def _message(record: logging.LogRecord) -> str:
    try:
        return scrubbed_line(record.getMessage()[:_MOST_CHARACTERS])
    except Exception as error:  # whatever a value's own __str__ raises: the line is not lost
        shown = scrubbed_line(_text(record.msg)[:200])
        return f"{shown} (its values cannot be shown: {type(error).__name__})"


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info and record.exc_info[0] is not None:
        parts.append(scrubbed_line(formatter.formatException(record.exc_info)))
    elif record.exc_text:
        parts.append(record.exc_text)  # scrubbed already, by whoever logged it
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "\n".join(parts)


def _without_middle(text: str) -> str:
    half = _MOST_TRACEBACK // 2
    return text if len(text) <= _MOST_TRACEBACK else f"{text[:half]} ... {text[-half + 5 :]}"


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def _plain(value: object, depth: int) -> Any:
    """Return what JSON can say of a value; never raises."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return scrubbed_line(str.__str__(value)[:_MOST_TRACEBACK])
    if isinstance(value, int):
        small = value.bit_length() <= _MOST_BITS
        return int(value) if small else f"a number of {value.bit_length()} bits"
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else repr(float(value))
    if depth and isinstance(value, Mapping):
        items = list(value.items())[:_MOST_ITEMS]
        return {_text(key): _plain(masked(one, key), depth - 1) for key, one in items}
    if depth and isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(one, depth - 1) for one in list(value)[:_MOST_ITEMS]]
    return scrubbed_line(_text(value))


def _text(value: object) -> str:
    try:
        return str(value)[:_MOST_CHARACTERS]
    except Exception as error:  # of the value's own making
        return f"<{type(value).__name__}, which cannot be shown: {type(error).__name__}>"
