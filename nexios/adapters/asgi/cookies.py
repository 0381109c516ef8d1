"""Cookies, read from a request and written for an answer (RFC 6265bis).

The reader is linear and forgiving, the writer strict. ``http.cookies`` does neither: it drops
everything behind the first pair it cannot read, and un-quotes octal escapes.
"""

import math
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Literal

from nexios.adapters.asgi.dates import http_date
from nexios.adapters.asgi.errors import CookiesTooLarge
from nexios.adapters.asgi.headers import InvalidHeader

SameSite = Literal["lax", "strict", "none"]

_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# RFC 6265, 4.1.1: cookie-octet, optionally within one pair of quotes.
_VALUE: Final = re.compile(r'("?)[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*\1')
_ATTRIBUTE: Final = re.compile(r"[\x20-\x3a\x3c-\x7e]*")
_SAME_SITE: Final = {"lax": "lax", "strict": "strict", "none": "none"}


class InvalidCookie(InvalidHeader):
    """A cookie that must not be set."""

    def __str__(self) -> str:
        return f"cookie {self.name!r} was refused: {self.reason}"


def parse_cookies(
    header: str,
    *,
    max_bytes: int | None = None,
    max_pairs: int | None = None,
    secure: bool = True,
) -> dict[str, str]:
    """Read a ``Cookie`` header: split at ``;``, then at the first ``=``.

    The first of two cookies with one name wins (browsers send the more specific first); what has
    no name is ignored; one pair of outer quotes is taken off, nothing else is decoded.

    Args:
        header: The value; several headers joined by ``; ``.
        max_bytes: ``limits.cookie_bytes``.
        max_pairs: ``limits.cookie_pairs``.
        secure: Whether the request came over TLS. If not, names beginning with ``__Host-`` or
            ``__Secure-`` in any case are ignored: anybody on the way could have set them.

    Raises:
        CookiesTooLarge: A limit is passed. Nothing has been read.
    """
    if max_bytes is not None and len(header) > max_bytes:
        raise CookiesTooLarge(max_bytes, "bytes")
    if max_pairs is not None and header.count(";") >= max_pairs:
        raise CookiesTooLarge(max_pairs, "pairs")
    cookies: dict[str, str] = {}
    for pair in header.split(";"):
        name, equals, value = pair.partition("=")
        name = name.strip(" \t")
        if not equals or not name or name in cookies:
            continue
        if not secure and name.lower().startswith(("__host-", "__secure-")):
            continue
        value = value.strip(" \t")
        if len(value) > 1 and value[0] == '"' == value[-1]:
            value = value[1:-1]
        cookies[name] = value
    return cookies


def serialize_cookie(
    key: str,
    value: str = "",
    *,
    max_age: int | None = None,
    expires: float | datetime | str | None = None,
    path: str | None = "/",
    domain: str | None = None,
    secure: bool = True,
    httponly: bool = True,
    samesite: SameSite | None = "lax",
    partitioned: bool = False,
    max_bytes: int | None = 4096,
    now: Callable[[], float] = time.time,
) -> str:
    """Return the value of a ``Set-Cookie`` header, attributes in the standard library's order.

    Args:
        expires: Seconds from now, a moment (without zone it is UTC), or finished text.
        max_bytes: ``limits.cookie_out_bytes``; browsers drop longer ones without a word.
        now: Seconds since the epoch, for ``expires`` in seconds.

    Raises:
        InvalidCookie: A name, value or attribute is not allowed, or they contradict each other.
    """
    _check_text(key, value, path, domain)
    same_site = _check_rules(
        key, path=path, domain=domain, secure=secure, samesite=samesite, partitioned=partitioned
    )
    parts = [f"{key}={value}"]
    if domain:
        parts.append(f"Domain={domain}")
    if expires is not None:
        parts.append(f"expires={_moment(key, expires, now)}")
    if httponly:
        parts.append("HttpOnly")
    if max_age is not None:
        parts.append(f"Max-Age={int(max_age)}")
    if partitioned:
        parts.append("Partitioned")
    if path:
        parts.append(f"Path={path}")
    if same_site is not None:
        parts.append(f"SameSite={same_site}")
    if secure:
        parts.append("Secure")
    text = "; ".join(parts)
    if max_bytes is not None and len(text) > max_bytes:
        raise InvalidCookie(key, f"it has {len(text)} bytes, limits.cookie_out_bytes {max_bytes}")
    return text


def _check_text(key: str, value: str, path: str | None, domain: str | None) -> None:
    if _NAME.fullmatch(key) is None:
        raise InvalidCookie(key, "a name is letters, digits and !#$%&'*+-.^_`|~")
    if _VALUE.fullmatch(value) is None:
        raise InvalidCookie(
            key,
            "a value holds printable ASCII without space, comma, semicolon, quote or backslash; "
            "fix: urllib.parse.quote(value)",
        )
    for name, text in (("path", path), ("domain", domain)):
        if text and _ATTRIBUTE.fullmatch(text) is None:
            raise InvalidCookie(key, f"{name} holds a semicolon or a control character")


def _check_rules(
    key: str,
    *,
    path: str | None,
    domain: str | None,
    secure: bool,
    samesite: str | None,
    partitioned: bool,
) -> str | None:
    same_site = None if samesite is None else _SAME_SITE.get(samesite.lower())
    if samesite is not None and same_site is None:
        raise InvalidCookie(key, f"samesite is lax, strict or none, not {samesite!r}")
    if same_site == "none" and not secure:
        raise InvalidCookie(key, 'samesite="none" needs secure=True')
    if partitioned and not secure:
        raise InvalidCookie(key, "partitioned=True needs secure=True")
    prefix = key.lower()
    if prefix.startswith(("__host-", "__secure-")) and not secure:
        raise InvalidCookie(key, "the prefix of this name needs secure=True")
    if prefix.startswith("__host-") and (domain or path != "/"):
        raise InvalidCookie(key, '__Host- needs path="/" and no domain')
    return same_site


def _moment(key: str, expires: float | datetime | str, now: Callable[[], float]) -> str:
    if isinstance(expires, str):
        if _ATTRIBUTE.fullmatch(expires) is None:
            raise InvalidCookie(key, "expires holds a semicolon or a control character")
        return expires
    if isinstance(expires, datetime):
        aware = expires if expires.tzinfo is not None else expires.replace(tzinfo=UTC)
        return http_date(aware.timestamp())
    if not math.isfinite(expires):
        raise InvalidCookie(key, "expires is not a finite number of seconds")
    return http_date(now() + expires)
