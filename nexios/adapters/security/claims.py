"""Reads what a token says: base64url, JSON, dates and names, each in its one strict form."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final, NoReturn

from nexios.application.tokens import TokenError

_PADDING: Final = ("", "", "==", "=")
_LAST: Final = ("", "", "AQgw", "AEIMQUYcgkosw048")
_SUBJECT_CHARACTERS: Final = 255
_LAST_SECOND: Final = 253_402_300_799  # the end of the year 9999


def decoded(segment: str) -> bytes:
    """Decode base64url without padding, in its one canonical spelling (RFC 7515, appendix C).

    Args:
        segment: Characters of the alphabet, which the caller has seen to.
    """
    left = len(segment) % 4
    # The last character carries bits that nothing reads: they are zero, or it is another token.
    if left == 1 or (left and segment[-1] not in _LAST[left]):
        raise TokenError
    try:
        return urlsafe_b64decode(segment + _PADDING[left])
    except ValueError:
        raise TokenError from None


def json_object(data: bytes) -> dict[str, object]:
    """Read one JSON object: UTF-8, no double names, no NaN, no text a store would choke on."""
    try:
        found = _DECODER.decode(data.decode("utf-8"))
        if b"\\" in data:
            # Without an escape there is neither a NUL nor half of a surrogate pair.
            told = json.dumps(found, ensure_ascii=False)
            told.encode("utf-8")
            if "\\u0000" in told:
                raise TokenError
    except (ValueError, RecursionError):
        raise TokenError from None
    if not isinstance(found, dict):
        raise TokenError
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(text)
    return number


def _refused(text: str) -> NoReturn:
    raise ValueError(text)


def _single_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name comes twice")
    return found


_DECODER: Final = json.JSONDecoder(
    parse_constant=_refused, parse_float=_finite, object_pairs_hook=_single_names
)


def date(claims: Mapping[str, object], name: str) -> float | None:
    """Return a date as seconds, None when absent; what is no date of the calendar is refused."""
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TokenError
    if not 0 <= value <= _LAST_SECOND:
        raise TokenError
    return float(value)


def check_subject(claims: Mapping[str, object]) -> None:
    """Accept a text or, as 2.11's users mint them, an integer; absent in the plain profile."""
    subject = claims.get("sub", 0)
    if isinstance(subject, str) and 0 < len(subject) <= _SUBJECT_CHARACTERS:
        return
    if not isinstance(subject, int) or isinstance(subject, bool):
        raise TokenError


def audiences(value: object) -> list[str]:
    told: list[object] = value if isinstance(value, list) else [value]
    audiences = [one for one in told if isinstance(one, str)]
    if len(audiences) < len(told):
        raise TokenError
    return audiences
