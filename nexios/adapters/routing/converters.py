"""Path segment to value and back."""

import math
import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

V = TypeVar("V")


class Convertor(Generic[V]):
    """Turns the text of one segment into a value, and a value into the text that gives it back.

    The text is the part between two slashes, percent-decoded. A text that ``regex`` does not
    match as a whole, or for which ``convert`` raises ValueError, is no match: the search goes on.

    Attributes:
        regex: A pattern without groups of its own that names or numbers are asked of.
        annotation: The type of the values, for documents.
    """

    regex: str = "[^/]+"
    annotation: object = str

    def convert(self, value: str) -> V:
        """Return the value of ``value``, which ``regex`` has matched.

        Raises:
            ValueError: It is none after all.
        """
        raise NotImplementedError

    def to_string(self, value: V) -> str:
        """Return the text of ``value``, not percent-encoded.

        Raises:
            ValueError: No text would give this value back.
        """
        raise NotImplementedError


class StringConvertor(Convertor[str]):
    """One whole segment; never empty, never with a slash."""

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        text = str(value)
        if "/" in text:
            raise ValueError("a value with a slash needs the converter path")
        return text


class PathConvertor(Convertor[str]):
    """All segments up to what follows in the template; may be empty."""

    regex = ".*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return str(value)


class IntegerConvertor(Convertor[int]):
    """ASCII digits; more than Python converts (4,300) do not match."""

    regex = "[0-9]+"
    annotation = int

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        number = int(value)
        if number < 0:
            raise ValueError("a negative int does not match")
        return str(number)


class FloatConvertor(Convertor[float]):
    """ASCII digits, optionally with a fraction; no sign, no exponent."""

    regex = r"[0-9]+(?:\.[0-9]+)?"
    annotation = float

    def convert(self, value: str) -> float:
        number = float(value)
        if math.isinf(number):
            raise ValueError("too large for a float")
        return number

    def to_string(self, value: float) -> str:
        number = float(value)
        if not math.isfinite(number) or math.copysign(1.0, number) < 0:
            raise ValueError("only finite floats from 0 match")
        # repr is the shortest text that gives the value back; Decimal takes its exponent off.
        return format(Decimal(repr(number)), "f")


class UUIDConvertor(Convertor[UUID]):
    """A UUID, with or without hyphens, in any case."""

    regex = "[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}"
    annotation = UUID

    def convert(self, value: str) -> UUID:
        return UUID(value)

    def to_string(self, value: UUID | str) -> str:
        return str(value if isinstance(value, UUID) else UUID(str(value)))


class SlugConvertor(Convertor[str]):
    """Lower-case letters and digits in words joined by single hyphens."""

    regex = "[a-z0-9]+(?:-[a-z0-9]+)*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return str(value)


class DateConvertor(Convertor[date]):
    """A day, ``2026-01-31``."""

    regex = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
    annotation = date

    def convert(self, value: str) -> date:
        return date.fromisoformat(value)

    def to_string(self, value: date) -> str:
        day = value.date() if isinstance(value, datetime) else value
        return day.isoformat()


class DateTimeConvertor(Convertor[datetime]):
    """A moment, ``2026-01-31T10:00:00``, with fraction and offset if there are any."""

    regex = (
        "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
        r"(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})?"
    )
    annotation = datetime

    def convert(self, value: str) -> datetime:
        return datetime.fromisoformat(value)

    def to_string(self, value: datetime) -> str:
        return value.isoformat()


# Any: the table holds converters of different value types.
CONVERTOR_TYPES: Final[dict[str, Convertor[Any]]] = {
    "str": StringConvertor(),
    "path": PathConvertor(),
    "int": IntegerConvertor(),
    "float": FloatConvertor(),
    "uuid": UUIDConvertor(),
    "slug": SlugConvertor(),
    "date": DateConvertor(),
    "datetime": DateTimeConvertor(),
}
"""Converter names of path templates, for the whole process: templates may be module-level."""


def register_url_convertor(key: str, convertor: Convertor[Any]) -> None:
    """Let templates say ``{name:key}``.

    Raises:
        ValueError: ``key`` is no identifier, or ``convertor.regex`` is no pattern or has groups
            that capture.
        TypeError: ``convertor`` lacks ``regex``, ``convert`` or ``to_string``.
    """
    if not key.isidentifier():
        raise ValueError(f"a converter's name is an identifier, not {key!r}")
    for needed in ("regex", "convert", "to_string"):
        if not hasattr(convertor, needed):
            raise TypeError(f"converter {key!r} has no {needed}; fix: subclass Convertor")
    try:
        groups = re.compile(convertor.regex).groups
    except re.error as error:
        raise ValueError(
            f"converter {key!r}: {convertor.regex!r} is no pattern: {error}"
        ) from error
    if groups:
        raise ValueError(f"converter {key!r}: write (?:...) instead of (...) in its regex")
    CONVERTOR_TYPES[key] = convertor
