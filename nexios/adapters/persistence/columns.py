"""What a value must be to go into a column: the same on every store.

Left to themselves they differ where money and time are concerned: PostgreSQL cuts 1.5 to 1 for
an integer and rounds a NUMERIC, SQLite keeps any text in a VARCHAR(5) and forgets the timezone.
"""

import json
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    Time,
    Uuid,
)
from sqlalchemy.types import TypeEngine

Check = Callable[[Any], str | None]
"""Says what is wrong with a value that is not NULL, or None."""

# SQLite keeps a NUMERIC as a float, which holds so many digits.
_FLOAT_DIGITS: Final = 15


def check_of(column: Column[Any], store: str) -> Check | None:
    """Return what to ask of a column's values before they are bound.

    Types that decorate another one, ours among them, check for themselves.

    Args:
        column: With its type.
        store: ``postgresql``, ``sqlite`` or ``memory``: named gaps of a store are closed there.
    """
    kind = column.type
    # Enum and Boolean first: they are a String and no Integer in SQLAlchemy.
    if isinstance(kind, Enum):
        return _member(kind)
    for family, make in _FAMILIES.items():
        if isinstance(kind, family):
            return make(kind, store)
    return None


def _member(kind: Enum) -> Check:
    known = {*kind.enums, *(kind.enum_class or ())}
    return lambda value: None if value in known else _odd(value, f"one of {kind.enums}")


def _boolean(_kind: Any, _store: str) -> Check:
    return lambda value: None if isinstance(value, bool) else _odd(value, "true or false")


def _integer(kind: Any, _store: str) -> Check:
    bits = 16 if isinstance(kind, SmallInteger) else 64 if isinstance(kind, BigInteger) else 32
    bound = 2 ** (bits - 1)

    def check(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int):
            return _odd(value, "a whole number")
        return None if -bound <= value < bound else f"{bits} bits are too few"

    return check


def _text(kind: Any, _store: str) -> Check:
    length: int | None = kind.length

    def check(value: Any) -> str | None:
        if not isinstance(value, str):
            return _odd(value, "text")
        if "\x00" in value:
            return "text with U+0000"
        if length is not None and len(value) > length:
            return f"{len(value)} characters, the column has {length}"
        return None if value.isascii() else _unencodable(value)

    return check


def _unencodable(value: str) -> str | None:
    try:
        value.encode()
    except UnicodeEncodeError:
        return "text with half of a surrogate pair"
    return None


def _number(kind: Any, store: str) -> Check:
    precision: int | None = kind.precision
    scale: int = kind.scale or 0
    plain = (int, Decimal) if kind.asdecimal else (int, Decimal, float)

    def check(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, plain):
            return _odd(value, "a Decimal")
        number = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
        if not number.is_finite():
            return _odd(value, "a number")
        if precision is not None:
            if number and number.adjusted() >= precision - scale:
                return f"{value}: more than {precision - scale} digits before the point"
            if number != round(number, scale):
                return f"{value}: more than {scale} digits after the point"
        if store == "sqlite" and len(number.normalize().as_tuple().digits) > _FLOAT_DIGITS:
            return f"{value}: SQLite keeps {_FLOAT_DIGITS} digits here, use ExactDecimal"
        return None

    return check


def _float(_kind: Any, _store: str) -> Check:
    def check(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            return _odd(value, "a number")
        # SQLite has no NaN, it would be NULL.
        return None if value == value else _odd(value, "a number")

    return check


def _date(_kind: Any, _store: str) -> Check:
    def check(value: Any) -> str | None:
        # A datetime is a date to Python; its time would be lost.
        fits = isinstance(value, date) and not isinstance(value, datetime)
        return None if fits else _odd(value, "a date")

    return check


def _instant(kind: Any, store: str) -> Check:
    zoned: bool = kind.timezone

    def check(value: Any) -> str | None:
        if not isinstance(value, datetime):
            return _odd(value, "a datetime")
        if zoned and store == "sqlite":
            return "SQLite forgets the timezone, use UtcDateTime"
        if zoned is (value.tzinfo is None):
            return f"a datetime {'without' if zoned else 'with'} a timezone"
        return None

    return check


def _json(_kind: Any, store: str) -> Check | None:
    if store == "postgresql":
        return None

    def check(value: Any) -> str | None:
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            return str(error)
        return None

    return check


def _instance(*kinds: type) -> Callable[[Any, str], Check]:
    def make(_kind: Any, _store: str) -> Check:
        wanted = " or ".join(kind.__name__ for kind in kinds)
        return lambda value: None if isinstance(value, kinds) else _odd(value, wanted)

    return make


def _uuid(kind: Any, _store: str) -> Check:
    return _instance(UUID if kind.as_uuid else str)(kind, _store)


def _odd(value: object, wanted: str) -> str:
    return f"{value!r} ({type(value).__name__}), the column wants {wanted}"


_FAMILIES: Final[dict[type[TypeEngine[Any]], Callable[[Any, str], Check | None]]] = {
    Boolean: _boolean,
    Integer: _integer,
    String: _text,
    Float: _float,
    Numeric: _number,
    DateTime: _instant,
    Date: _date,
    Time: _instance(time),
    Interval: _instance(timedelta),
    Uuid: _uuid,
    LargeBinary: _instance(bytes, bytearray, memoryview),
    JSON: _json,
}
