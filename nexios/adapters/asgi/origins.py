"""Origins, parsed once and compared whole (RFC 6454; Fetch standard, 2.2.5)."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from nexios.adapters.asgi.url import DEFAULT_PORTS, parse_authority

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+\-.]*")
_HEADER_BYTES: Final = 2048  # no browser sends a longer one
_HTTP_OF: Final = {"ws": "http", "wss": "https"}


class Origin(NamedTuple):
    """Scheme and host in lower case, the port made explicit (0 where a scheme has no default)."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        if DEFAULT_PORTS.get(self.scheme, 0) == self.port:
            return f"{self.scheme}://{self.host}"
        return f"{self.scheme}://{self.host}:{self.port}"


def parse_origin(text: str) -> Origin | None:
    """Read ``scheme://host[:port]``; None for ``null``, a path, userinfo, or trailing text."""
    if len(text) > _HEADER_BYTES:
        return None
    scheme, separator, rest = text.partition("://")
    if not separator or _SCHEME.fullmatch(scheme) is None or rest.endswith(":"):
        return None
    authority = parse_authority(rest)
    if authority is None:
        return None
    scheme = scheme.lower()
    port = DEFAULT_PORTS.get(scheme, 0) if authority.port is None else authority.port
    return Origin(scheme, authority.host, port)


def own_origin(scheme: str, host: str) -> Origin | None:
    """Return the origin of a request: ``ws`` counts as ``http``, ``wss`` as ``https``.

    Args:
        scheme: As the client used it, proxies minded.
        host: The value of the ``Host`` header.
    """
    return parse_origin(f"{_HTTP_OF.get(scheme, scheme)}://{host}")


def suggest_origin(text: str) -> str | None:
    """Return the origin a malformed entry most likely meant, or None."""
    bare = text.strip()
    scheme, separator, rest = bare.partition("//")
    if separator and not scheme.endswith(":"):
        bare = f"{scheme.rstrip(':') or 'https'}://{rest}"
    elif not separator:
        head, colon, tail = bare.partition(":/")
        bare = f"{head}://{tail}" if colon else f"https://{bare}"
    bare = bare.partition("://")[0] + "://" + bare.partition("://")[2].partition("/")[0]
    return bare if bare != text and parse_origin(bare.replace("://*.", "://", 1)) else None


def has_same_origin(
    *,
    fetch_site: str | None,
    origin: str | None,
    own: Origin | None,
    trusted: "OriginSet",
    required: bool,
) -> bool:
    """Return whether a request that may change something comes from a page of ours.

    Args:
        fetch_site: The field ``Sec-Fetch-Site`` (W3C Fetch Metadata); scripts cannot set it.
        origin: The field ``Origin``.
        own: The origin under which the client knows us.
        trusted: Pages of these count as ours.
        required: Whether a client that sends neither field, so no browser, has to prove it too.
    """
    if fetch_site in ("same-origin", "none"):
        return True
    if origin is not None and trusted.allows(origin):
        return True
    if fetch_site is not None:
        return False
    if origin is None:
        return not required
    return own is not None and parse_origin(origin) == own


class OriginSet:
    """The origins of a setting.

    ``https://*.example.org`` is one label in front, decided by a suffix test; ``null`` is allowed
    only when it is listed; ``*`` allows every origin that is one, ``null`` not.
    """

    __slots__ = ("_exact", "_null", "_suffixes", "any", "malformed")

    def __init__(self, entries: Iterable[str]) -> None:
        """Parse the entries; what is no origin can only deny and is kept in ``malformed``."""
        exact: set[Origin] = set()
        suffixes: list[Origin] = []
        malformed: list[str] = []
        self._null = False
        self.any = False
        for entry in entries:
            if entry == "*":
                self.any = True
            elif entry == "null":
                self._null = True
            elif (label := entry.replace("://*.", "://", 1)) != entry:
                origin = parse_origin(label)
                if origin is None or "*" in label:
                    malformed.append(entry)
                else:
                    suffixes.append(origin._replace(host=f".{origin.host}"))
            else:
                origin = parse_origin(entry)
                if origin is None or "*" in entry:
                    malformed.append(entry)
                else:
                    exact.add(origin)
        self._exact = frozenset(exact)
        self._suffixes = tuple(suffixes)
        self.malformed = tuple(malformed)

    def allows(self, text: str) -> bool:
        """Return whether the ``Origin`` header ``text`` is one of these."""
        if text == "null":
            return self._null
        origin = parse_origin(text)
        if origin is None:
            return False
        return self.any or origin in self._exact or self._below_a_suffix(origin)

    def _below_a_suffix(self, origin: Origin) -> bool:
        for scheme, suffix, port in self._suffixes:
            if (scheme, port) == (origin.scheme, origin.port) and origin.host.endswith(suffix):
                label = origin.host[: -len(suffix)]
                if label and "." not in label:
                    return True
        return False

    def __bool__(self) -> bool:
        return self.any or self._null or bool(self._exact) or bool(self._suffixes)
