"""Turns Python values into what SQLite stores, and refuses what it would falsify."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from nexios.adapters.persistence.errors import BadParameter

_STORED_AS_IS: Final = frozenset({int, float, str, bytes, type(None)})


def to_sqlite(args: Sequence[object], sql: str) -> Sequence[object]:
    """Return ``args`` as SQLite stores them; the same object when nothing changes.

    UUID becomes its 36 characters, an aware datetime UTC text with six digits, a date its ISO
    form, a bool 0 or 1.

    Raises:
        BadParameter: A value has no exact form in SQLite.
    """
    for value in args:
        if type(value) not in _STORED_AS_IS:
            return [_converted(value, n, len(args), sql) for n, value in enumerate(args, 1)]
    return args


def _converted(value: object, n: int, total: int, sql: str) -> object:
    if type(value) in _STORED_AS_IS:
        return value
    for kind in type(value).__mro__:
        if (convert := _CONVERTERS.get(kind)) is not None:
            if isinstance(value, datetime) and value.tzinfo is None:
                raise _naive(value, n, total, sql)
            return convert(value)
    says = f"value {n} of {total}: {type(value).__name__} has no exact form in SQLite"
    raise BadParameter(says, sql, fix=_FIXES.get(type(value), _CORE))


def _naive(value: datetime, n: int, total: int, sql: str) -> BadParameter:
    return BadParameter(
        f"value {n} of {total}: {value!r} is a datetime without a timezone",
        sql,
        fix="datetime.now(UTC), or value.replace(tzinfo=...)",
    )


def _utc_text(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(" ", "microseconds")


# Looked up along the type's own order, so a subclass (Identity, StrEnum) finds its base.
_CONVERTERS: Final[Mapping[type, Callable[..., object]]] = {
    bool: int,
    datetime: _utc_text,
    date: date.isoformat,
    UUID: lambda value: str(UUID(int=value.int)),
    int: int,
    float: float,
    str: str,
    bytes: bytes,
    bytearray: bytes,
    memoryview: bytes,
}
_CORE: Final = "a SQLAlchemy Core statement, whose column has a type; or pass text"
_FIXES: Final[Mapping[type, str]] = {
    Decimal: "a Core statement over an ExactDecimal column, or str(value)",
    dict: "json.dumps(value)",
    list: "json.dumps(value)",
    time: "value.isoformat()",
    timedelta: "value.total_seconds()",
}
