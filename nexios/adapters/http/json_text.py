"""Checks JSON before it is parsed: its depth, its tokens, and numbers that are none."""

import math
import re
from typing import Any, Final

from pydantic_core import from_json

from nexios.adapters.http.errors import JsonTooComplex, MalformedBody
from nexios.application.limits import Limits

_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
# A number beyond a float's range has a long exponent, or very many digits before a short one.
# With every digit a zero that is found in 2 us a KiB, against 6 by a pattern (CPython 3.11);
# so is the "1e234" within an identifier, hence the pattern: it stands where a value may.
# Brackets become one as well: what may be too deep is counted in the same copy.
_FOLDED: Final = bytes.maketrans(b"123456789E{", b"000000000e[")
_MANY_DIGITS: Final = b"0" * 200
_N, _I, _BACKSLASH = b"NI\\"
_FAR: Final = re.compile(rb"(?:^|[\[,:\s])-?(?:[0-9][0-9.]*+[eE]\+?[0-9]{3}|[0-9]{200})")
_NUMBER: Final = re.compile(rb"[0-9]++(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?")
_BRACKET: Final = re.compile(rb"[\[\]{}]")
_EMPTY: Final = re.compile(rb"\[\s*\]|\{\s*\}")
_STRUCTURE: Final = (b",", b":", b"[", b"{")


def check_json(body: bytes, limits: Limits) -> None:
    """Refuse JSON that is too complex, or holds NaN or what would become an infinity.

    The engine refuses everything else that is no JSON. A few C-level scans decide almost always;
    only a body that may be over a limit is looked at more closely.

    Raises:
        JsonTooComplex: Over ``limits.json_depth`` or ``limits.json_tokens``.
        MalformedBody: There is a NaN or an infinity, which are no JSON, or a number such as
            ``1e999`` that no float holds (RFC 8259, 6).
    """
    # Without the plus sign there is one word to look for instead of two.
    folded = body.translate(_FOLDED, b"+")
    deep = folded.count(b"[") > limits.json_depth
    # Each token is a byte at least, so most bodies are too short to have too many.
    many = len(body) > limits.json_tokens and sum(map(body.count, _STRUCTURE)) > limits.json_tokens
    odd = _may_hold_nan(body)
    far = (b"0e000" in folded or _MANY_DIGITS in folded) and _FAR.search(body) is not None
    if not (deep or many or odd or far):
        return
    bare = _STRING.sub(b'""', body)
    if odd and (b"NaN" in bare or b"Infinity" in bare):
        raise MalformedBody("the body is not JSON")
    if many and sum(map(bare.count, _STRUCTURE)) > limits.json_tokens:
        raise JsonTooComplex(f"the body has more than {limits.json_tokens} JSON tokens")
    if deep and _deeper_than(limits.json_depth, bare):
        raise JsonTooComplex(f"the body is nested deeper than {limits.json_depth} levels")
    if far and any(map(_is_infinite, _NUMBER.findall(bare))):
        raise MalformedBody("the body holds a number that is too large")


def is_plain(body: bytes) -> bool:
    """Tell whether no NaN, infinity or U+0000 may stand in it by name, be it within a text."""
    # The most of bodies have no such byte: 0.2 us a KiB for all three.
    return not (
        (_N in body and b"NaN" in body)
        or (_I in body and b"Infinity" in body)
        or (_BACKSLASH in body and b"\\u0000" in body)
    )


def _may_hold_nan(body: bytes) -> bool:
    # One letter is found in a tenth of the time of a word.
    return (_N in body and b"NaN" in body) or (_I in body and b"Infinity" in body)


def _is_infinite(number: bytes) -> bool:
    # Whole numbers without an exponent are read exactly, however many digits they have.
    return not number.isdigit() and math.isinf(float(number))


def _deeper_than(limit: int, bare: bytes) -> bool:
    # An empty one holds no value that would lie within it.
    depth = 0
    for bracket in _BRACKET.finditer(_EMPTY.sub(b"0", bare)):
        depth += 1 if bracket.group() in b"[{" else -1
        if depth > limit:
            return True
        if depth < 0:  # no JSON; the engine says so
            return False
    return False


def parse_json(body: bytes, limits: Limits) -> Any:
    """Return the JSON value of a body; an empty body is ``{}``. Any: it may be any value.

    Raises:
        MalformedBody: It is no JSON in UTF-8, or too complex.
    """
    if not body:
        return {}
    check_json(body, limits)
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError:
        raise MalformedBody("the body is not JSON") from None
