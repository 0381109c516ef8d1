"""Whom to believe about the client's address and scheme."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

from nexios.adapters.asgi.headers import Headers

DEFAULT_TRUSTED: Final[tuple[str, ...]] = (
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fc00::/7",
    "testclient",
)
"""Loopback, private networks and the test client's host."""

_HOPS: Final = 64  # limits.list_items: further entries of a list header are not read


class TrustedProxies:
    """The peers that may speak for others through ``X-Forwarded-*`` and ``X-Real-IP``.

    Only a direct peer in the list is believed. ``X-Forwarded-Host`` is never read.
    """

    __slots__ = ("_names", "_networks", "_trusted")

    def __init__(self, entries: Iterable[str] = DEFAULT_TRUSTED) -> None:
        """Read networks (``10.0.0.0/8``), addresses, and names a server gives (``testclient``).

        An empty list trusts nobody; the entry ``unix`` stands for a peer on a Unix socket.
        """
        networks: list[IPv4Network | IPv6Network] = []
        names: set[str] = set()
        for entry in entries:
            try:
                networks.append(ip_network(entry, strict=False))
            except ValueError:
                names.add(entry)
        self._networks = tuple(networks)
        self._names = frozenset(names)
        # Peers are few and asked about at every request.
        self._trusted = lru_cache(maxsize=1024)(self._decide)

    @staticmethod
    def of(entries: Iterable[str] | None) -> "TrustedProxies":
        """Return the one made from these entries before; None means the default."""
        return _of(DEFAULT_TRUSTED if entries is None else tuple(entries))

    def trusts(self, host: str | None) -> bool:
        """Return whether ``host``, the address of a direct peer, is a trusted proxy."""
        return self._trusted(host)

    def _decide(self, host: str | None) -> bool:
        if host is None:
            return "unix" in self._names
        if host in self._names:
            return True
        address = _address(host)
        return address is not None and any(address in network for network in self._networks)

    def client(self, peer: str | None, headers: Headers) -> str:
        """Return the client's address: the rightmost hop that is not trusted.

        The leftmost if all are trusted; an entry that is no address ends the walk.

        Args:
            peer: The host at the other end of the connection; None on a Unix socket.
            headers: Of the request.
        """
        if not self._trusted(peer):
            return peer or ""
        known = peer or ""
        hops = ",".join(headers.getlist("x-forwarded-for")).rsplit(",", _HOPS)[-_HOPS:]
        for text in reversed(hops):
            address = _address(text.strip())
            if address is None:
                break
            known = str(address)
            if not self._trusted(known):
                return known
        if known == (peer or ""):
            real = _address((headers.get("x-real-ip") or "").strip())
            return known if real is None else str(real)
        return known

    def scheme(self, peer: str | None, scheme: str, headers: Headers) -> str:
        """Return the scheme the client used: the last hop's word, if the peer is trusted."""
        if not self._trusted(peer):
            return scheme
        told = (headers.get("x-forwarded-proto") or "").rpartition(",")[2].strip().lower()
        if told not in ("http", "https", "ws", "wss"):
            return scheme
        secure = told in ("https", "wss")
        if scheme in ("ws", "wss"):
            return "wss" if secure else "ws"
        return "https" if secure else "http"


@lru_cache(maxsize=64)
def _of(entries: tuple[str, ...]) -> TrustedProxies:
    return TrustedProxies(entries)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped
