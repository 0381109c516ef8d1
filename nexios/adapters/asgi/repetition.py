"""Reads the key under which a client sends the same request again."""

import re
from typing import Final

from nexios.adapters.asgi.errors import RequestRefused
from nexios.adapters.asgi.types import Scope

_FIELD: Final = b"idempotency-key"
_SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
# The draft of the IETF wants a quoted string (RFC 9651, 3.3.3); most clients send it bare.
_QUOTED: Final = re.compile(rb'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BARE: Final = re.compile(rb"[\x21\x23-\x2b\x2d-\x7e]*")
_MAX_CHARS: Final = 255
_REASON: Final = (
    f"Idempotency-Key is one text of 1 to {_MAX_CHARS} visible ASCII characters, in quotes or bare"
)


def idempotency_key(scope: Scope) -> str | None:
    """Return the request's key, None without one and where a method changes nothing.

    Raises:
        RequestRefused: The field is there twice, or is no key.
    """
    if scope["type"] != "http" or scope["method"] in _SAFE:
        return None
    found = [value for name, value in scope["headers"] if name == _FIELD]
    if not found:
        return None
    key = _read(found[0].strip()) if len(found) == 1 else None
    if not key or len(key) > _MAX_CHARS:
        raise RequestRefused(400, "idempotency-key", _REASON)
    return key


def _read(value: bytes) -> str | None:
    quoted = _QUOTED.fullmatch(value)
    if quoted:
        return re.sub(rb'\\(["\\])', rb"\1", quoted[1]).decode("ascii")
    return value.decode("ascii") if _BARE.fullmatch(value) else None
