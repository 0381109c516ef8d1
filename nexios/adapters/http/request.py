"""``Request``: one HTTP request, read when it is asked and then kept."""

import base64
import binascii
import codecs
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Mapping
from typing import Any, Final, Generic, Protocol, TypeVar
from urllib.parse import urlencode

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.nul import may_hold_nul
from nexios.adapters.asgi.types import Receive, Scope, Send
from nexios.adapters.asgi.url import URL, URLPath, quote_path
from nexios.adapters.http.body import BodyReader, content_length, parse_json
from nexios.adapters.http.errors import MalformedBody, RequestInvalid, UnsupportedMediaType
from nexios.adapters.http.faults import nul_in_body
from nexios.application.limits import Limits

T = TypeVar("T")

_BASIC: Final = re.compile(r"basic +([A-Za-z0-9+/]+={0,2})", re.IGNORECASE)
_BEARER: Final = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*)", re.IGNORECASE)
# Codecs of Python that are no charsets: they make lone surrogates, or take quadratic time.
_NO_CHARSETS: Final = frozenset(
    ("idna", "punycode", "raw-unicode-escape", "unicode-escape", "utf-7")
)
_PUSHED: Final = (b"accept", b"accept-encoding", b"accept-language", b"cache-control")


class Exchanging(Protocol):
    """What a request shares with the binding: one reader, one set of limits."""

    @property
    def limits(self) -> Limits: ...

    @property
    def reader(self) -> BodyReader: ...


class Later(Generic[T]):
    """A value to be awaited, with or without calling it: ``await x`` and ``await x()``."""

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._read = read

    def __await__(self) -> Generator[Any, Any, T]:
        return self._read().__await__()

    def __call__(self) -> Awaitable[T]:
        """Return the same, for those who write the brackets."""
        return self


class Request(Connection):
    """One HTTP request. As a mapping it is the scope; reading never writes to that."""

    __slots__ = ("_exchange", "_json", "_reader", "_send", "receive")

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send | None = None,
        *,
        limits: Limits | None = None,
        exchange: Exchanging | None = None,
    ) -> None:
        """Read one request.

        Args:
            send: For server push alone.
            limits: Instead of the app's.
            exchange: The request on its way through the house; its limits are the route's once
                there is one.
        """
        super().__init__(scope, limits=limits)
        self.receive = receive
        self._send = send
        self._exchange = exchange
        self._reader: BodyReader | None = None
        self._json: tuple[Any] | None = None

    @property
    def limits(self) -> Limits:
        """The limits that hold now: of the route, else of the app."""
        return super().limits if self._exchange is None else self._exchange.limits

    @property
    def method(self) -> str:
        """The method as it stands on the wire."""
        method: str = self.scope["method"]
        return method

    # The body.

    @property
    def body_reader(self) -> BodyReader:
        """What reads the wire; the binding of parameters shares it."""
        if self._exchange is not None:
            return self._exchange.reader
        if self._reader is None:
            self._reader = BodyReader(self.receive, self.scope["headers"], self.limits)
        return self._reader

    @property
    def body(self) -> Later[bytes]:
        """``await request.body``: all of it, read once.

        Raises:
            BodyTooLarge: Over the limit.
            BodyStalled: No byte for ``limits.body_idle_s``.
            ClientDisconnect: The peer left.
        """
        return Later(self.body_reader.read)

    @property
    def text(self) -> Later[str]:
        """``await request.text``, in the charset of the content type, UTF-8 without one.

        Raises:
            MalformedBody: It is no text in that charset.
            UnsupportedMediaType: There is no such charset.
        """
        return Later(self._read_text)

    @property
    def json(self) -> Later[Any]:
        """``await request.json``: the value, decoded once; an empty body is ``{}``.

        Raises:
            MalformedBody: It is no JSON in UTF-8, or too complex.
            RequestInvalid: A text in it holds U+0000.
        """
        return Later(self._read_json)

    def stream(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives, never more than the limit."""
        return self.body_reader.stream()

    async def _read_text(self) -> str:
        body = await self.body_reader.read()
        charset = _parameter(self.headers.get("content-type") or "", "charset") or "utf-8"
        try:
            if codecs.lookup(charset).name in _NO_CHARSETS:
                raise LookupError
            return body.decode(charset)
        except UnicodeDecodeError:
            raise MalformedBody(f"the body is not text in {charset[:40]}") from None
        except (LookupError, ValueError):  # a name with NUL is a ValueError
            raise UnsupportedMediaType("the charset of the body is not known") from None

    async def _read_json(self) -> Any:
        if self._json is None:
            body = await self.body_reader.read()
            value = parse_json(body, self.limits)
            if may_hold_nul(body):
                faults, total = nul_in_body(value, self.limits.errors)
                if total:
                    raise RequestInvalid(faults, total)
            self._json = (value,)
        return self._json[0]

    # What it says about itself.

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters; "" when there is none."""
        return (self.headers.get("content-type") or "").partition(";")[0].strip().lower()

    @property
    def content_length(self) -> int:
        """The declared length of the body; 0 when there is none."""
        return content_length(self.scope["headers"]) or 0

    @property
    def has_body(self) -> bool:
        """Whether a body is announced."""
        return self.content_length > 0 or self.raw_header(b"transfer-encoding") is not None

    @property
    def is_json(self) -> bool:
        """Whether the body says it is JSON."""
        kind = self.content_type
        return kind == "application/json" or (
            kind.startswith("application/") and kind.endswith("+json")
        )

    @property
    def is_urlencoded(self) -> bool:
        """Whether the body says it is a urlencoded form."""
        return self.content_type == "application/x-www-form-urlencoded"

    @property
    def is_multipart(self) -> bool:
        """Whether the body says it is a multipart form."""
        return self.content_type == "multipart/form-data"

    @property
    def is_form(self) -> bool:
        """Whether the body says it is a form of either kind."""
        return self.is_urlencoded or self.is_multipart

    @property
    def is_ajax(self) -> bool:
        """Whether a script says it sent this (``X-Requested-With``)."""
        return (self.headers.get("x-requested-with") or "").lower() == "xmlhttprequest"

    @property
    def accepts_json(self) -> bool:
        """Whether the client takes JSON; it does when it does not say."""
        return self._accepts("application", "json")

    @property
    def accepts_html(self) -> bool:
        """Whether the client takes HTML; it does when it does not say."""
        return self._accepts("text", "html")

    @property
    def origin(self) -> str:
        """``Origin``, else the own scheme and host; never empty, so no proof of anything."""
        return self.headers.get("origin") or f"{self.scheme}://{self.host}"

    @property
    def user_agent(self) -> str:
        """``User-Agent``, or ""."""
        return self.headers.get("user-agent", "")

    @property
    def referrer(self) -> str:
        """``Referer``, or ""."""
        return self.headers.get("referer", "")

    @property
    def last_event_id(self) -> str:
        """``Last-Event-ID`` of a client that resumes an event stream, or ""."""
        return self.headers.get("last-event-id", "")

    # Who sent it.

    @property
    def is_authenticated(self) -> bool:
        """Whether somebody was proven; a user without that attribute counts when a scheme was."""
        user = self.user
        return bool(getattr(user, "is_authenticated", bool(user) and self.auth != "no-auth"))

    @property
    def basic_auth(self) -> tuple[str, str]:
        """User name and password of ``Authorization: Basic``; two empty texts when malformed."""
        match = _BASIC.fullmatch(self._authorization())
        if match is None:
            return "", ""
        try:
            text = base64.b64decode(match[1], validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        name, colon, password = text.partition(":")
        return (name, password) if colon else ("", "")

    @property
    def bearer_token(self) -> str:
        """The token of ``Authorization: Bearer``; "" when absent or malformed."""
        match = _BEARER.fullmatch(self._authorization())
        return "" if match is None else match[1]

    def _authorization(self) -> str:
        # Two of them prove nothing: which one would the proxy in front have looked at?
        told = self.headers.getlist("authorization")
        return told[0].strip() if len(told) == 1 else ""

    # Questions.

    def get_header(self, key: str, default: str | None = None) -> str | None:
        """Return a header, or ``default``."""
        return self.headers.get(key, default)

    def has_header(self, key: str) -> bool:
        """Return whether a header came."""
        return key in self.headers

    def has_cookie(self, name: str) -> bool:
        """Return whether a cookie came."""
        return name in self.cookies

    def is_method(self, method: str) -> bool:
        """Return whether this is the method, in any case."""
        return self.method == method.upper()

    def get_query_params(self, flat: bool = True) -> Mapping[str, str] | Mapping[str, list[str]]:
        """Return the query as a dict: the last value of each name, or with ``flat=False`` all."""
        query = self.query_params
        if flat:
            return dict(query.items())
        return {name: query.getlist(name) for name in query}

    def valid(self) -> bool:
        """Return whether the scope has what every request has: a method and a path."""
        return bool(self.scope.get("method")) and "path" in self.scope

    def build_absolute_uri(
        self, path: str = "", query_params: Mapping[str, object] | None = None
    ) -> str:
        """Return an address on this host; without ``path`` that of this request's path.

        The result never leaves this host, whatever ``path`` holds.
        """
        if not path:
            path = self.path
        elif not path.startswith("/"):
            path = f"{self.base_url.path}{path}"
        query = f"?{urlencode(dict(query_params))}" if query_params else ""
        return f"{self.scheme}://{self.host}{quote_path(path)}{query}"

    def url_for(self, name: str, /, **params: object) -> URLPath:
        """Return the path of a named route of this app, below the server's root path.

        Raises:
            ValueError: There is no such route, or the values do not fit it.
        """
        root = quote_path(self.scope.get("root_path", "").rstrip("/"))
        return URLPath(f"{root}{self.app.url_for(name, **params)}", "http", self.host)

    async def is_disconnected(self) -> bool:
        """Return whether the client has gone, without waiting."""
        return await self.body_reader.left()

    async def send_push_promise(self, path: str) -> None:
        """Offer the client another resource, where the server speaks HTTP/2 push."""
        if self._send is None or "http.response.push" not in self.scope.get("extensions", {}):
            return
        headers = [pair for pair in self.scope["headers"] if pair[0] in _PUSHED]
        await self._send({"type": "http.response.push", "path": path, "headers": headers})

    def _accepts(self, kind: str, subtype: str) -> bool:
        told = self.headers.getlist("accept")
        if not told:
            return True
        ranges: dict[str, bool] = {}
        for part in ",".join(told).split(",", self.limits.list_items)[: self.limits.list_items]:
            media, _, rest = part.partition(";")
            ranges[media.strip().lower()] = _parameter(f";{rest}", "q") not in _ZERO
        # RFC 9110, 12.5.1: the more specific range decides.
        for media in (f"{kind}/{subtype}", f"{kind}/*", "*/*"):
            if media in ranges:
                return ranges[media]
        return False

    def __repr__(self) -> str:
        return f"<Request {self.method} {URL(quote_path(self.path))}>"


_ZERO: Final = frozenset(("0", "0.", "0.0", "0.00", "0.000"))


def _parameter(value: str, name: str) -> str:
    for part in value.split(";")[1:]:
        key, _, text = part.partition("=")
        if key.strip().lower() == name:
            return text.strip().strip('"').lower()
    return ""
