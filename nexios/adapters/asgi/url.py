"""Addresses: whole URLs, paths made from route names, peers."""

import re
from collections.abc import Mapping
from ipaddress import IPv6Address
from typing import Final, NamedTuple, Self
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit, urlunsplit

# RFC 3986, 3.2.2: reg-name or IPv4 (unreserved, percent-encoded, sub-delims), or an IP literal.
_AUTHORITY: Final = re.compile(
    r"(?P<host>[0-9A-Za-z\-._~!$&'()*+,;=%]+|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5})?)?"
)
_PATH_SAFE: Final = "/:@!$&'()*+,;=~-._"
_QUERY_SAFE: Final = _PATH_SAFE + "?%[]"
_MASK: Final = "********"

DEFAULT_PORTS: Final[Mapping[str, int]] = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class Address(NamedTuple):
    """A peer: host and port."""

    host: str
    port: int


class Authority(NamedTuple):
    """``host[:port]``, the host in lower case."""

    host: str
    port: int | None


def parse_authority(text: str) -> Authority | None:
    """Read ``host[:port]`` of RFC 3986; None for anything else, userinfo included."""
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        return None
    port = match["port"]
    if port and int(port) > 65535:
        return None
    if text[0] == "[" and not _is_ipv6(match["host"][1:-1]):
        return None
    return Authority(match["host"].lower(), int(port) if port else None)


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def quote_path(path: str) -> str:
    """Percent-encode a decoded path, keeping its slashes."""
    return quote(path, safe=_PATH_SAFE)


def path_below(path: str, root: str) -> str:
    """Return a decoded path less the ``root_path`` before it; whole where that is not its prefix.

    Servers differ: some put the root before the path, as ASGI says, and some leave the path as a
    proxy has cut it. A root ends at a segment border, or with a slash of its own.
    """
    if root and path.startswith(root):
        rest = path[len(root) :]
        if not rest or rest[0] == "/":
            return rest or "/"
        if root[-1] == "/":
            return f"/{rest}"
    return path


def quote_query(query: bytes) -> str:
    """Percent-encode what may not stand in a query; what is encoded already stays."""
    return quote(query, safe=_QUERY_SAFE)


class URL:
    """A whole address, taken apart. Immutable; ``replace`` and its kin give a new one."""

    __slots__ = ("_parts", "_text")

    def __init__(self, url: str = "", **parts: str | int | None) -> None:
        """Read ``url``; keywords replace parts of it as in ``replace``."""
        text = str(URL(url).replace(**parts)) if parts else url
        self._text: str = text
        self._parts: SplitResult = urlsplit(text)

    @property
    def scheme(self) -> str:
        return self._parts.scheme

    @property
    def netloc(self) -> str:
        return self._parts.netloc

    @property
    def path(self) -> str:
        return self._parts.path

    @property
    def query(self) -> str:
        return self._parts.query

    @property
    def fragment(self) -> str:
        return self._parts.fragment

    @property
    def username(self) -> str | None:
        return self._parts.username

    @property
    def password(self) -> str | None:
        return self._parts.password

    @property
    def hostname(self) -> str | None:
        return self._parts.hostname

    @property
    def port(self) -> int | None:
        return self._parts.port

    @property
    def is_secure(self) -> bool:
        return self._parts.scheme in ("https", "wss")

    def replace(self, **parts: str | int | None) -> Self:
        """Return this address with parts replaced.

        Args:
            parts: ``scheme netloc path query fragment``, or ``username password hostname port``
                of the ``netloc``; None takes one away.

        Raises:
            TypeError: A keyword is none of these.
        """
        within = {"username", "password", "hostname", "port"} & parts.keys()
        known = set(SplitResult._fields) | {"username", "password", "hostname", "port"}
        if unknown := parts.keys() - known:
            raise TypeError(f"a URL has no {', '.join(sorted(unknown))}")
        if within:
            parts["netloc"] = self._netloc({name: parts.pop(name) for name in within})
        fresh = {name: str(value or "") for name, value in parts.items()}
        return type(self)(urlunsplit(self._parts._replace(**fresh)))

    def _netloc(self, parts: Mapping[str, str | int | None]) -> str:
        host = parts.get("hostname", self.hostname) or ""
        port = parts.get("port", self.port)
        user = parts.get("username", self.username)
        password = parts.get("password", self.password)
        text = str(host)
        if ":" in text and not text.startswith("["):
            text = f"[{text}]"
        if port is not None:
            text = f"{text}:{port}"
        if user is not None:
            secret = "" if password is None else f":{password}"
            text = f"{user}{secret}@{text}"
        return text

    def include_query_params(self, **params: object) -> Self:
        """Set these fields of the query, keeping the others."""
        kept = [pair for pair in self._query_pairs() if pair[0] not in params]
        added = [(name, str(value)) for name, value in params.items()]
        return self.replace(query=urlencode(kept + added))

    def replace_query_params(self, **params: object) -> Self:
        """Make the query of these fields alone."""
        return self.replace(query=urlencode([(name, str(v)) for name, v in params.items()]))

    def remove_query_params(self, keys: str | list[str] | tuple[str, ...]) -> Self:
        """Take fields out of the query."""
        gone = {keys} if isinstance(keys, str) else set(keys)
        return self.replace(
            query=urlencode([pair for pair in self._query_pairs() if pair[0] not in gone])
        )

    def _query_pairs(self) -> list[tuple[str, str]]:
        return parse_qsl(self._parts.query, keep_blank_values=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, URL | str) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(self._text)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        shown = str(self.replace(password=_MASK)) if self.password else self._text
        return f"URL({shown!r})"


class URLPath(str):
    """A path made from a route's name, already percent-encoded; a plain ``str`` to use."""

    __slots__ = ("host", "protocol", "whole")

    protocol: str
    host: str
    whole: bool

    def __new__(
        cls, path: str, protocol: str = "", host: str = "", *, whole: bool = False
    ) -> Self:
        """Make one for ``path``.

        Args:
            protocol: "http", "websocket" or empty.
            whole: The server's root path stands in it already.
        """
        made = super().__new__(cls, path)
        made.protocol = protocol
        made.host = host
        made.whole = whole
        return made

    def make_absolute_url(self, base: str | URL) -> URL:
        """Return the address below ``base``, with the scheme that fits the protocol.

        Of a ``whole`` path the root is not taken from ``base`` again.
        """
        root = URL(base) if isinstance(base, str) else base
        scheme = _SCHEMES[self.protocol][root.is_secure] if self.protocol else root.scheme
        return URL(
            urlunsplit(
                (
                    scheme,
                    self.host or root.netloc,
                    ("" if self.whole else root.path.rstrip("/")) + _before_query(self),
                    self.partition("?")[2],
                    "",
                )
            )
        )

    def include_query_params(self, **params: object) -> Self:
        """Return the path with these query fields set, others kept."""
        query = parse_qsl(self.partition("?")[2], keep_blank_values=True)
        pairs = [pair for pair in query if pair[0] not in params]
        pairs += [(name, str(value)) for name, value in params.items()]
        text = _before_query(self) + (f"?{urlencode(pairs)}" if pairs else "")
        return type(self)(text, self.protocol, self.host, whole=self.whole)

    def add_query_params(self, **params: object) -> Self:
        """Return the path with these query fields added beside those present."""
        added = urlencode([(name, str(value)) for name, value in params.items()])
        if not added:
            return self
        joint = "&" if "?" in self else "?"
        return type(self)(f"{self}{joint}{added}", self.protocol, self.host, whole=self.whole)


_SCHEMES: Final[Mapping[str, tuple[str, str]]] = {
    "http": ("http", "https"),
    "websocket": ("ws", "wss"),
}


def _before_query(path: str) -> str:
    return path.partition("?")[0]
