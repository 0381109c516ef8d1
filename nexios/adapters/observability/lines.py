"""Makes lines of log records: JSON for machines, text for people; no value begins a line.

Neither shows what says of itself that it is a secret, by its name or by its shape.
"""

import json
import logging
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from nexios.application.scrub import masked, scrubbed_line

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


class JsonLines(logging.Formatter):
    """One JSON object a record, in ASCII.

    Args:
        context: Asked for each record.
    """

    def __init__(self, context: Context = dict) -> None:
        super().__init__()
        self._context = context

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        told: dict[str, object] = {
            "time": _moment(record),
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


class TextLines(logging.Formatter):
    """A line a record for a terminal, what belongs to it indented below.

    Args:
        context: Asked for each record.
    """

    def __init__(self, context: Context = dict) -> None:
        super().__init__()
        self._context = context

    def format(self, record: logging.LogRecord) -> str:
        """Return the text, without its last line end."""
        extra = {name: value for name, value in vars(record).items() if name not in _OWN}
        known = {**self._context(), **extra}
        moment = datetime.fromtimestamp(record.created, UTC).astimezone()
        head = f"{moment:%H:%M:%S} {record.levelname:<8} {record.name}"
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


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


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
