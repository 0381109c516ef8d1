"""The id of a request: the one that came, if nothing in it can break a line of a log."""

import re
import secrets
from collections.abc import Iterable
from typing import Final

_GOOD: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")


def request_id_of(headers: Iterable[tuple[bytes, bytes]], name: bytes = b"x-request-id") -> str:
    """Return the id a request came with, or 128 random bits as text."""
    return told_id(headers, name) or secrets.token_hex(16)


def told_id(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    """Return the id that came in this field; None for one that cannot be used.

    Of a repeated field the last one counts.
    """
    found = None
    for key, value in headers:
        if key == name:
            found = value
    text = "" if found is None else found.decode("latin-1")
    return text if _GOOD.fullmatch(text) else None
