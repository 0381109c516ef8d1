"""Writes JSON answers with what the application was given in place of our own writer."""

from collections.abc import Callable
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from nexios.adapters.http.response import as_plain, unencodable

JsonWriter = Callable[[Any], bytes]


class NoCodec(TypeError):
    """``NexiosApp(json=...)`` was given what cannot write JSON."""

    def __init__(self, given: object) -> None:
        self.given = given
        super().__init__(given)

    def __str__(self) -> str:
        return (
            f"json={self.given!r} cannot write JSON\n"
            "  fix: a module with dumps(value), as json=orjson, or a function of that kind"
        )


def writer_of(codec: Any) -> JsonWriter | None:
    """Return what writes JSON answers; None where nothing was given and our own does.

    The codec is handed what the handler returned, in the shape of its return annotation. What
    it refuses comes again in values that JSON has: models as dicts, dates as text. NaN, too, is
    its own business.

    Args:
        codec: With ``dumps(value)``, as ``json`` and ``orjson`` have it, or such a function.

    Raises:
        NoCodec: It is neither.
    """
    if codec is None:
        return None
    dumps: Any = getattr(codec, "dumps", codec)
    if not callable(dumps):
        raise NoCodec(codec)

    def write(value: Any) -> bytes:
        try:
            text = dumps(value)
        except (TypeError, ValueError):
            text = dumps(_plain(value))
        return text if isinstance(text, bytes) else str(text).encode("utf-8")

    return write


def _plain(value: object) -> object:
    try:
        return to_jsonable_python(value, by_alias=True, inf_nan_mode="null", fallback=as_plain)
    except (PydanticSerializationError, ValueError, TypeError, RecursionError) as error:
        raise unencodable(value) from error
