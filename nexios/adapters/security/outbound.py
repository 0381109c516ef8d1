"""Asks servers that may be hostile: bounded in bytes, time and address. A door of httpx2."""

import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import anyio

from nexios.adapters.security.claims import json_object
from nexios.application.errors import Unavailable
from nexios.application.tokens import TokenError

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives every address of a host; raises OSError when there is none."""

_ADDRESSES: Final = 4
_LAST_PORT: Final = 65_535
_GLOBAL_V6: Final = ipaddress.IPv6Network("2000::/3")
# Inside global space, and still no host of the internet: IETF protocols (Teredo among them),
# documentation, and the two ways of 6to4, which wrap an IPv4 address.
_NOT_GLOBAL: Final = tuple(
    ipaddress.ip_network(text)
    for text in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16", "3fff::/20")
)


class Reason(Enum):
    """Why there is no answer, in our own words."""

    URL = "the URL is none to ask"
    SCHEME = "only https is asked"
    ADDRESS = "its address is not on the public internet"
    UNREACHABLE = "it could not be reached, or broke off"
    SLOW = "it took too long"
    TOO_BIG = "its answer is too big"
    ENCODED = "its answer is compressed, which was not asked for"
    STATUS = "it answered with another status than 200"
    MALFORMED = "its answer is no JSON object"
    ISSUER = "it speaks for another issuer than the one asked"
    ENDPOINT = "it names no place of its keys, or an endpoint that is not https"
    KEYS = "its key set is none to use"


class OutboundError(Unavailable):
    """An outside server gave no answer that may be used.

    Clients read that a service is not available; ``str`` says more, to us.

    Attributes:
        reason: Which rule was broken; nothing the server said.
        host: Whom we wanted to ask; empty when the URL names nobody.
    """

    def __init__(self, reason: Reason, host: str = "") -> None:
        self.reason = reason
        self.host = host
        super().__init__(code="unavailable")

    def __str__(self) -> str:
        return f"cannot use {self.host or 'a URL'}: {self.reason.value}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said: names of ``headers`` in lower case, repeated ones joined by commas."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Outbound:
    """A client for servers one does not trust; every request has a connection of its own.

    A host is resolved once. Unless every address of it is public it is refused, and the address
    that was checked is the one connected to, while TLS and ``Host`` keep the name. Nothing is
    redirected, kept, decompressed or taken from the environment.

    Args:
        allow_private: Ask hosts of private networks too, and loopback over plain http.
        connect_s: For resolving, and again for connecting with TLS.
        total_s: For all of it, to the last byte of the answer.
        max_bytes: Of an answer's body, counted while it comes.
        tls: Whom to trust instead of the well-known authorities.
        resolve: How a host's addresses are found; the system's resolver when absent.

    Raises:
        ImportError: The extra ``oauth`` is not installed.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        connect_s: float = 3.0,
        total_s: float = 5.0,
        max_bytes: int = 256 * 2**10,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        try:
            import httpx2
        except ImportError as missing:
            raise ImportError(
                "asking other servers needs httpx2; fix: pip install 'nexios[oauth]'"
            ) from missing
        self._allow_private = allow_private
        self._connect_s = connect_s
        self._total_s = total_s
        self._max_bytes = max_bytes
        self._tls = tls or httpx2.create_ssl_context(trust_env=False)
        self._resolve = resolve or _addresses

    async def get_json(
        self, url: str, *, headers: Mapping[str, str] | None = None, max_bytes: int | None = None
    ) -> dict[str, object]:
        """Return the JSON object at ``url``.

        Args:
            max_bytes: Lowers the limit of this answer.

        Raises:
            OutboundError: It could not be had, came with another status than 200, or is none.
        """
        asked = {"accept": "application/json", **(headers or {})}
        answer = await self.request("GET", url, headers=asked)
        host = _url(url).host
        if max_bytes is not None and len(answer.body) > max_bytes:
            raise OutboundError(Reason.TOO_BIG, host)
        if answer.status != 200:
            raise OutboundError(Reason.STATUS, host)
        try:
            return json_object(answer.body)
        except TokenError:
            raise OutboundError(Reason.MALFORMED, host) from None

    async def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """Return the answer, whatever its status; a redirect is an answer like any other.

        Raises:
            OutboundError: There is none within the limits.
        """
        import httpx2

        request = httpx2.Request(method, _url(url), headers=dict(headers or {}), content=content)
        response = await self._exchange(request)
        return Answer(response.status_code, dict(response.headers), response.content)

    def transport(self) -> Any:
        """Return an ``httpx2.AsyncBaseTransport`` with these rules, for a client of one's own.

        Answers arrive whole. What breaks a rule raises `OutboundError`, no error of httpx2.
        Whether redirects are followed is the client's setting; each is checked like the first.
        """
        import httpx2

        exchange = self._exchange

        class Transport(httpx2.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
                response: httpx2.Response = await exchange(request)
                return response

        return Transport()

    async def _exchange(self, request: Any) -> Any:
        """Answer one ``httpx2.Request``; the one way out of this process."""
        import httpx2

        # As it is written on the wire, so that the resolver and TLS mean the same name.
        host: str = request.url.raw_host.decode("ascii")
        try:
            with anyio.fail_after(self._total_s):
                addresses = await self._checked(request.url.scheme, host, request.url.port)
                return await self._asked(request, addresses)
        except (TimeoutError, httpx2.TimeoutException):
            raise OutboundError(Reason.SLOW, host) from None
        except (httpx2.HTTPError, OSError):
            raise OutboundError(Reason.UNREACHABLE, host) from None

    async def _checked(self, scheme: str, host: str, port: int | None) -> Sequence[str]:
        """Return the addresses of a host that may be asked."""
        if scheme not in {"https", "http"} or (scheme == "http" and not self._allow_private):
            raise OutboundError(Reason.SCHEME, host)
        if not host or (port or 0) > _LAST_PORT:
            raise OutboundError(Reason.URL, host)
        try:
            with anyio.fail_after(self._connect_s):
                found = await self._resolve(host, port or 443)
            addresses = [_address(text) for text in found]
        except ValueError:  # a name no resolver takes (UnicodeError), or what is no address
            raise OutboundError(Reason.UNREACHABLE, host) from None
        if not addresses:
            raise OutboundError(Reason.UNREACHABLE, host)
        if not self._allow_private and not all(is_public(one) for one in addresses):
            raise OutboundError(Reason.ADDRESS, host)
        if scheme == "http" and not all(one.is_loopback for one in addresses):
            raise OutboundError(Reason.SCHEME, host)
        return [str(one) for one in addresses[:_ADDRESSES]]

    async def _asked(self, request: Any, addresses: Sequence[str]) -> Any:
        """Try the addresses in turn; each has its share of the time to connect."""
        import httpx2

        for address in addresses[:-1]:
            try:
                return await self._sent(request, address, self._connect_s / len(addresses))
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        return await self._sent(request, addresses[-1], self._connect_s / len(addresses))

    async def _sent(self, request: Any, address: str, connect_s: float) -> Any:
        import httpx2

        headers = httpx2.Headers(request.headers)
        headers["accept-encoding"] = "identity"
        headers["connection"] = "close"
        sent = httpx2.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=headers,
            stream=request.stream,
            extensions={
                "timeout": {"connect": connect_s, "read": self._total_s, "write": self._total_s},
                "sni_hostname": request.url.raw_host.decode("ascii"),
            },
        )
        # Not pooled: a connection to a shared address was proven for one name only.
        async with httpx2.AsyncHTTPTransport(verify=self._tls, trust_env=False) as transport:
            response = await transport.handle_async_request(sent)
            body = await self._read(response, sent.extensions["sni_hostname"])
        told = [
            (name, value)
            for name, value in response.headers.multi_items()
            if name not in {"content-length", "transfer-encoding", "content-encoding"}
        ]
        return httpx2.Response(response.status_code, headers=told, content=body, request=request)

    async def _read(self, response: Any, host: str) -> bytes:
        if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise OutboundError(Reason.ENCODED, host)
        length = response.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length[:19]) > self._max_bytes:
            raise OutboundError(Reason.TOO_BIG, host)
        body = bytearray()
        async for part in response.stream:
            body += part
            if len(body) > self._max_bytes:
                raise OutboundError(Reason.TOO_BIG, host)
        return bytes(body)


def _url(text: str) -> Any:
    """Return the ``httpx2.URL`` of a text that may come from a hostile document."""
    import httpx2

    try:
        return httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError):
        raise OutboundError(Reason.URL) from None


async def _addresses(host: str, port: int) -> list[str]:
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(place[0]) for *_, place in found]


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Read an address; one of IPv4 that is written as IPv6 is one of IPv4."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address
    return address


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Return whether an address is that of a host of the internet."""
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_V6:
        return False
    return not any(address in network for network in _NOT_GLOBAL)
