"""What a final and the builder both do to header fields."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Self
from urllib.parse import quote

from nexios.adapters.asgi.cookies import SameSite, serialize_cookie
from nexios.adapters.asgi.headers import InvalidHeader, MutableHeaders

YEAR_S: Final = 365 * 24 * 3600
_CODINGS: Final = 64  # further ones are not read

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
# Browsers take any number of slashes, none too, for two: "http:evil" leaves a page of https.
_WITH_HOST: Final = re.compile(r"//[^/?#]")


class Head:
    """Header fields and cookies that can be set. Every setter returns the object itself."""

    __slots__ = ()

    @property
    def headers(self) -> MutableHeaders:
        """The header fields, live: changing them changes the answer."""
        raise NotImplementedError

    def _noted(self, key: str) -> None:
        """Be told that the field ``key`` was set."""

    def _cookie_limit(self) -> int:
        return 4096

    def set_header(
        self, key: str, value: str, overide: bool | None = None, *, override: bool | None = None
    ) -> Self:
        """Set a header; ``override=False`` (2.11: ``overide``) adds one beside those present.

        ``Set-Cookie`` is always added, ``Vary`` always merged.

        Raises:
            InvalidHeader: The name or value could break out of its line.
        """
        replace = override is not False and overide is not False
        put_header(self.headers, key, value, replace=replace)
        self._noted(key)
        return self

    def set_headers(self, headers: Mapping[str, str], overide_all: bool = False) -> Self:
        """Set many headers; ``overide_all=True`` takes every other one away first."""
        if overide_all:
            self.headers.raw.clear()
        for key, value in headers.items():
            self.set_header(key, value)
        return self

    def remove_header(self, key: str) -> Self:
        """Take a header away; an absent one is no error."""
        del self.headers[key]
        self._noted(key)
        return self

    def has_header(self, key: str) -> bool:
        """Return whether a header is set."""
        return key in self.headers

    def add_vary(self, name: str) -> Self:
        """Name a request header the answer depends on."""
        return self.set_header("vary", name)

    def add_csp_header(self, policy: str) -> Self:
        """Set ``Content-Security-Policy``."""
        return self.set_header("content-security-policy", policy)

    def set_cookie(
        self,
        key: str,
        value: str = "",
        max_age: int | None = None,
        expires: float | datetime | str | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = True,
        httponly: bool = True,
        samesite: SameSite | None = "lax",
        partitioned: bool = False,
    ) -> Self:
        """Add a cookie; ``expires`` is seconds from now, a moment, or finished text.

        Raises:
            InvalidCookie: A name, value or attribute is not allowed, or they contradict.
        """
        text = serialize_cookie(
            key,
            value,
            max_age=max_age,
            expires=expires,
            path=path,
            domain=domain,
            secure=secure,
            httponly=httponly,
            samesite=samesite,
            partitioned=partitioned,
            max_bytes=self._cookie_limit(),
        )
        return self.set_header("set-cookie", text)

    def set_cookies(self, cookies: Iterable[Mapping[str, Any]]) -> Self:
        """Add several; each mapping holds the arguments of ``set_cookie``, hence Any."""
        for cookie in cookies:
            self.set_cookie(**cookie)
        return self

    def set_permanent_cookie(self, key: str, value: str = "", **attributes: Any) -> Self:
        """Add a cookie for ten years, the attributes as for ``set_cookie``, hence Any."""
        return self.set_cookie(key, value, **{"max_age": 10 * YEAR_S, **attributes})

    def delete_cookie(
        self,
        key: str,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = True,
        httponly: bool = True,
        samesite: SameSite | None = "lax",
        partitioned: bool = False,
    ) -> Self:
        """Tell the browser to forget a cookie set with the same path, domain and flags."""
        return self.set_cookie(
            key, "", 0, 0, path, domain, secure, httponly, samesite, partitioned
        )


def put_header(headers: MutableHeaders, key: str, value: str, *, replace: bool = True) -> None:
    """Set a header; ``Set-Cookie`` is always added and ``Vary`` always merged."""
    name = key.lower()
    if name == "vary":
        headers.add_vary(value)
    elif replace and name != "set-cookie":
        headers[key] = value
    else:
        headers.append(key, value)


def cache_control(max_age: int, private: bool) -> str:
    """Return the value of ``Cache-Control`` for an answer that may be kept."""
    return f"{'private' if private else 'public'}, max-age={max_age}"


def location(url: str) -> str:
    """Return the value of ``Location`` for an address.

    Raises:
        InvalidHeader: It holds a control character, would leave this site by ``//`` or a
            backslash, which browsers read as a slash, is of a scheme that runs code, or has
            a scheme and no host.
    """
    text = str(url)
    if any(ord(char) < 0x20 or ord(char) == 0x7F for char in text):
        raise InvalidHeader("location", "an address holds no control characters")
    if text.startswith("//") or "\\" in text:
        raise InvalidHeader("location", "an address does not begin with // or hold a backslash")
    scheme = _SCHEME.match(text)
    if scheme is not None and scheme[1].lower() not in ("http", "https"):
        raise InvalidHeader("location", f"an address is http or https, not {scheme[1]}")
    if scheme is not None and _WITH_HOST.match(text, scheme.end()) is None:
        raise InvalidHeader("location", "an address with a scheme goes on with // and a host")
    return quote(text, safe="/:@!$&'()*+,;=~-._?#[]%")


def accepts_encoding(accepted: str, coding: str) -> bool:
    """Return whether ``Accept-Encoding`` takes this content coding (RFC 9110, 12.5.3).

    Args:
        accepted: The header's value, several joined by commas; "" when there is none.
        coding: ``gzip`` or ``br``.
    """
    anything = False
    for part in accepted.lower().split(",", _CODINGS)[:_CODINGS]:
        name, _, parameters = part.partition(";")
        named = name.strip().removeprefix("x-")
        if named not in (coding, "*"):
            continue
        weight = parameters.replace(" ", "").removeprefix("q=")
        wanted = not parameters.strip() or weight.strip("0.") != ""
        if named == coding:
            return wanted
        anything = wanted
    return anything
