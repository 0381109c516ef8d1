"""``Request``: one HTTP request, read when it is asked and then kept."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from nexios.adapters.asgi.url import URL, URLPath, quote_path
from nexios.adapters.http.body import content_length
from nexios.adapters.http.errors import HTTPException
from nexios.adapters.http.request_body import RequestBody, parameter

_BASIC: Final = re.compile(r"basic +([A-Za-z0-9+/]+={0,2})", re.IGNORECASE)
_BEARER: Final = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*)", re.IGNORECASE)
_EVENT_ID_BYTES: Final = 256
_PUSHED: Final = (b"accept", b"accept-encoding", b"accept-language", b"cache-control")


class Request(RequestBody):
    """One HTTP request. As a mapping it is the scope; reading never writes to that."""

    __slots__ = ()

    @property
    def method(self) -> str:
        """The method as it stands on the wire."""
        method: str = self.scope["method"]
        return method

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
    def has_files(self) -> bool:
        """Whether the form holds files; before it is read, whether it is of the kind that can."""
        reader = self.form_reader
        return self.is_multipart if reader.data is None else bool(reader.files)

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
    def last_event_id(self) -> str | None:
        """The last event a client saw that resumes a stream; None for one that begins.

        From ``Last-Event-ID``, else from the query's ``last-event-id``: a page that opens its
        own `EventSource` again cannot set headers.

        Raises:
            HTTPException: 400, it is over 256 bytes.
        """
        told = self.headers["last-event-id"]
        if told is None:
            told = self.query_params.get("last-event-id")
        if told is not None and len(told.encode("utf-8", "surrogatepass")) > _EVENT_ID_BYTES:
            raise HTTPException(400, "the id of the last event is too long")
        return told

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
        path = f"{root}{self.app.url_for(name, **params)}"
        return URLPath(path, "http", self.host, whole=True)

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
            ranges[media.strip().lower()] = parameter(f";{rest}", "q") not in _ZERO
        # RFC 9110, 12.5.1: the more specific range decides.
        for media in (f"{kind}/{subtype}", f"{kind}/*", "*/*"):
            if media in ranges:
                return ranges[media]
        return False

    def __repr__(self) -> str:
        return f"<Request {self.method} {URL(quote_path(self.path))}>"


_ZERO: Final = frozenset(("0", "0.", "0.0", "0.00", "0.000"))
