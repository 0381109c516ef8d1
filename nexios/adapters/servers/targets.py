"""Whom a request line names, where it names a host: seen by the server alone."""

from collections.abc import Iterable
from typing import Final

from nexios.adapters.asgi.types import RawHeader
from nexios.adapters.asgi.url import parse_authority

_PORTS: Final = {"http": 80, "https": 443}


class AnotherHost(ValueError):
    """The request line and the field ``Host`` name two hosts, so nobody can say which is meant."""


def insist_on_host(target: bytes, headers: Iterable[RawHeader]) -> None:
    """Refuse an absolute target (RFC 9112, 3.2.2) that is not on the host of its request.

    A target in another form says nothing of a host, and passes. Servers hand an application the
    path alone, so it cannot ask this itself.

    Args:
        target: As it stood on the request line.
        headers: Of the request, in lower case.

    Raises:
        AnotherHost: It names another host, a user, or a scheme that is not of the web.
    """
    scheme, apart, rest = target.partition(b"://")
    if target[:1] in (b"/", b"*") or not apart:
        return
    for end in (b"/", b"?", b"#"):
        rest = rest.partition(end)[0]
    default = _PORTS.get(scheme.decode("latin-1").lower())
    named = parse_authority(rest.decode("latin-1"))
    told = [value.decode("latin-1") for name, value in headers if name == b"host"]
    host = parse_authority(told[0]) if len(told) == 1 else None
    if named is None or host is None or default is None:
        raise AnotherHost
    if named.host != host.host or (named.port or default) != (host.port or default):
        raise AnotherHost


def origin_form(target: bytes) -> bytes:
    """Return path and query of a target that may be absolute."""
    scheme, apart, rest = target.partition(b"://")
    if target[:1] in (b"/", b"*") or not apart or b"?" in scheme:
        return target
    starts = [at for at in (rest.find(b"/"), rest.find(b"?")) if at >= 0]
    below = rest[min(starts) :] if starts else b""
    return below if below[:1] == b"/" else b"/" + below
