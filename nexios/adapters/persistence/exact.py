"""Column values as JSON and back, without losing what they were."""

import base64
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column

from nexios.adapters.persistence.errors import DatabaseError


def to_json(value: Any, column: Column[Any]) -> Any:
    """Return a value as JSON. Text, int, bool and None are themselves; others name their kind.

    ``{"$decimal": "1.50"}``, ``{"$uuid": "..."}``; so what comes back needs no column to be read.

    Raises:
        DatabaseError: There is no exact form for it.
    """
    if value is None or type(value) in (str, int, bool):
        return value
    if isinstance(value, Enum):
        return {"$enum": value.name}
    if isinstance(value, list | tuple):
        return [to_json(one, column) for one in value]
    if isinstance(value, Mapping):
        found = {str(key): to_json(one, column) for key, one in value.items()}
        return {"$dict": found} if _looks_tagged(found) else found
    for kind in type(value).__mro__:
        if kind in _KINDS:
            tag, dump, _ = _KINDS[kind]
            return dump(value) if tag is None else {tag: dump(value)}
    where, kind = f"{column.table.name}.{column.name}", type(value)
    raise DatabaseError(
        f"{where}: {kind.__name__} has no exact form in the audit",
        fix='Column(..., info={"nx_audit": False}) keeps it out',
    )


def from_json(data: Any, column: Column[Any]) -> Any:
    """Return the value that ``to_json`` was given; an Enum's member by the column's type."""
    if isinstance(data, list):
        return [from_json(one, column) for one in data]
    if not isinstance(data, dict):
        return data
    if not _looks_tagged(data):
        return {key: from_json(one, column) for key, one in data.items()}
    ((tag, inner),) = data.items()
    if tag == "$dict":
        return {key: from_json(one, column) for key, one in inner.items()}
    if tag == "$enum":
        kind: Any = column.type
        return kind.enum_class[inner]
    return _LOADS[tag](inner)


def _looks_tagged(data: Mapping[str, Any]) -> bool:
    return len(data) == 1 and next(iter(data)).startswith("$")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)


def _span(microseconds: int) -> timedelta:
    return timedelta(microseconds=microseconds)


_Kind = tuple[str | None, Callable[[Any], Any], Callable[[Any], Any]]
_KINDS: Final[Mapping[type, _Kind]] = {
    # Subclasses of what JSON has: a StrEnum was seen above, an int of a class of its own here.
    str: (None, str, str),
    int: (None, int, int),
    # JSON of a database makes 1e22 a whole number and forgets the sign of zero.
    float: ("$float", repr, float),
    UUID: ("$uuid", lambda value: str(UUID(int=value.int)), UUID),
    Decimal: ("$decimal", str, Decimal),
    datetime: ("$datetime", datetime.isoformat, datetime.fromisoformat),
    date: ("$date", date.isoformat, date.fromisoformat),
    time: ("$time", time.isoformat, time.fromisoformat),
    timedelta: ("$microseconds", lambda value: value // timedelta(microseconds=1), _span),
    bytes: ("$bytes", lambda value: base64.b64encode(value).decode(), _bytes),
    bytearray: ("$bytes", lambda value: base64.b64encode(value).decode(), _bytes),
    memoryview: ("$bytes", lambda value: base64.b64encode(value).decode(), _bytes),
}
_LOADS: Final = {tag: load for tag, _, load in _KINDS.values() if tag is not None}
