"""``Response``: the answer of one request while it is being made."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Self
from urllib.parse import urlsplit

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.headers import InvalidHeader, MutableHeaders
from nexios.adapters.asgi.types import HeaderBlock, Scope
from nexios.adapters.asgi.url import quote_path
from nexios.adapters.http.carrying import Carrying
from nexios.adapters.http.conditions import conditional
from nexios.adapters.http.files import FileResponse
from nexios.adapters.http.head import cache_control, location, put_header
from nexios.adapters.http.ranges import quoted_tag
from nexios.adapters.http.response import (
    BYTES_BLOCK,
    HTML_BLOCK,
    JSON_BLOCK,
    NO_BLOCK,
    TEXT_BLOCK,
    BaseResponse,
    Parts,
    checked_status,
    encode_json,
    has_no_body,
)
from nexios.adapters.http.stream import StreamingResponse

Hook = HeaderBlock | Callable[[MutableHeaders], None]
"""What is added to whatever answer is sent: a prebuilt block, or a change of the headers."""

_OF_A_BODY: Final = (
    "content-type",
    "content-length",
    "content-encoding",
    "content-disposition",
    "etag",
    "last-modified",
    "cache-control",
)


class Response(Carrying):
    """Made for one request and never shared. Every method but the readers returns it.

    Status, headers and cookies stay whatever is done to the body, and the order of the chain
    does not matter. What cannot be encoded or sent is refused where it is set.

    Attributes:
        hooks: What ``on_send`` was given; whoever sends the answer runs them.
        touched: Whether anything was set, so that a handler may return nothing.
    """

    __slots__ = (
        "_block",
        "_body",
        "_carrier",
        "_headers",
        "_scope",
        "_status",
        "_tag",
        "_typed",
        "hooks",
        "touched",
    )

    def __init__(self, scope: Scope | None = None) -> None:
        """Begin an empty answer; the scope of the request is for conditions and redirects."""
        self._scope = scope
        self.hooks: list[Hook] | None = None
        self.tasks = None
        self._status: int | None = None
        self._body = b""
        self._block = NO_BLOCK
        self._headers: MutableHeaders | None = None
        self._carrier: BaseResponse | None = None
        self._tag: str | None = None
        self._typed = False  # a content type was set by name and outlives the content
        self.touched = False

    # Readers.

    @property
    def status_code(self) -> int:
        """The status as it stands; 200 until one is set."""
        return 200 if self._status is None else self._status

    @property
    def status_set(self) -> bool:
        """Whether a status was set."""
        return self._status is not None

    @property
    def json_writer(self) -> Callable[[Any], bytes] | None:
        """What the application writes JSON with instead of our own writer, if it does."""
        scope = self._scope
        return None if scope is None else getattr(scope.get("app"), "json_writer", None)

    @property
    def is_streamed(self) -> bool:
        """Whether the content is made while it is sent."""
        return isinstance(self._carrier, StreamingResponse)

    @property
    def headers(self) -> MutableHeaders:
        """The header fields, live: changing them changes the answer."""
        if self._headers is None:
            self._headers = MutableHeaders(list(self._block))
        return self._headers

    @property
    def body(self) -> bytes:
        """The content as it stands."""
        return self._body if self._carrier is None else self._carrier.body

    @property
    def content_type(self) -> str | None:
        """The value of ``Content-Type``."""
        return self.headers["content-type"]

    @property
    def content_length(self) -> int:
        """The length of the content in bytes."""
        return len(self.body)

    @property
    def cookies(self) -> list[str]:
        """The ``Set-Cookie`` values so far."""
        return self.headers.getlist("set-cookie")

    # Content.

    def json(
        self,
        data: object,
        status_code: int | None = None,
        headers: Mapping[str, str] | None = None,
        indent: int | None = None,
        ensure_ascii: bool = False,
    ) -> Self:
        """Answer with JSON in UTF-8; NaN and infinity become null.

        Where the app has a codec of its own, that one writes and ``indent`` is its business.

        Raises:
            Unencodable: Something in ``data`` is no JSON; the error says where.
        """
        write = self.json_writer
        if write is None:
            body = encode_json(data, indent=indent, ensure_ascii=ensure_ascii)
        else:
            body = write(data)
        return self._content(body, JSON_BLOCK, status_code, headers)

    def text(
        self,
        content: str,
        status_code: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Self:
        """Answer with plain text in UTF-8."""
        return self._content(str(content).encode("utf-8"), TEXT_BLOCK, status_code, headers)

    def html(
        self,
        content: str,
        status_code: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Self:
        """Answer with HTML in UTF-8; nothing is escaped."""
        return self._content(str(content).encode("utf-8"), HTML_BLOCK, status_code, headers)

    def empty(
        self, status_code: int | None = None, headers: Mapping[str, str] | None = None
    ) -> Self:
        """Answer without content; 204 unless a status is given or was set."""
        status = status_code if status_code is not None or self.status_set else 204
        return self._content(b"", NO_BLOCK, status, headers)

    def resp(
        self,
        body: str | bytes = "",
        status_code: int | None = None,
        headers: Mapping[str, str] | None = None,
        content_type: str = "text/plain",
    ) -> Self:
        """Answer with this content of this type; text is written in UTF-8 and says so."""
        if isinstance(body, str):
            if content_type.startswith("text/") and "charset" not in content_type:
                content_type = f"{content_type}; charset=utf-8"
            body = body.encode("utf-8")
        self._content(bytes(body), NO_BLOCK, status_code, None)
        if not self._typed:
            self.headers["content-type"] = content_type
        return self.set_headers(headers or {})

    def set_body(self, body: bytes) -> Self:
        """Replace the content and keep everything else; without a type it is bytes."""
        block = NO_BLOCK if self.has_header("content-type") else BYTES_BLOCK
        self._forget_carried()
        self._body = bytes(body)
        self.headers.raw.extend(block)
        self.touched = True
        return self

    def fill(self, body: bytes, status: int, block: HeaderBlock) -> bool:
        """Take finished parts of a plain value as a whole answer, where no header was set here.

        A status set here holds.

        Returns:
            False where headers were set: the parts have to become an answer that is joined.
        """
        if self._headers is not None:
            return False
        self._block = block
        self._carrier = None
        self._typed = False
        self._body = body
        if self._status is None:
            self._status = status
        self.touched = True
        return True

    @property
    def parts(self) -> Parts | None:
        """Body, status and header block; None where they are not all there is to it."""
        if self._headers is not None or self._carrier is not None or self._tag is not None:
            return None
        status = self._status or 200
        if status != 200 and has_no_body(status):
            return None
        return self._body, status, self._block

    def make_response(self, final: BaseResponse) -> Self:
        """Take over a finished answer: its status and content, its headers over those set here."""
        if self._headers is None:
            block = final.own_block
            self._block = tuple(final.headers.raw) if block is None else block
        else:
            fields = final.headers.multi_items()
            lost = {"content-type", "content-length"} | {name for name, _ in fields}
            for name in lost - {"set-cookie", "vary"}:
                del self._headers[name]
            for name, value in fields:
                put_header(self._headers, name, value, replace=False)
        self._carrier = final
        self._typed = False
        self._body = b""
        self._status = final.status_code
        self.touched = True
        return self

    def _carry(self, final: BaseResponse, status_code: int | None = None) -> Self:
        kept = None if self._typed else final.content_type
        self._content(b"", NO_BLOCK, status_code, None)
        for name, value in final.headers.multi_items():
            if name != "content-type":
                put_header(self.headers, name, value)
        if kept is not None:
            self.headers["content-type"] = kept
        self._carrier = final
        return self

    def _content(
        self,
        body: bytes,
        block: HeaderBlock,
        status_code: int | None,
        headers: Mapping[str, str] | None,
    ) -> Self:
        self._forget_carried()
        self._body = body
        self.touched = True
        if status_code is not None:
            self._status = checked_status(status_code)
        if self._headers is None:
            self._block = block
        elif not self._typed:
            del self._headers["content-type"]
            self._headers.raw.extend(block)
        if headers:
            self.set_headers(headers)
        return self

    def _forget_carried(self) -> None:
        """Take back what the content before this one set, unless it was changed since."""
        carrier, self._carrier = self._carrier, None
        if carrier is not None and self._headers is None:
            self._headers = self.headers  # those it brought along are the answer's own by now
        if isinstance(carrier, (FileResponse, StreamingResponse)):
            for name, value in carrier.headers.multi_items():
                if name != "content-type" and self.headers[name] == value:
                    del self.headers[name]

    # Redirects.

    def redirect(
        self,
        url: str | None = None,
        status_code: int = 302,
        *,
        name: str | None = None,
        external: bool = False,
        allow_hosts: Iterable[str] = (),
        **params: object,
    ) -> Self:
        """Send the client elsewhere.

        Args:
            url: A path, or an address of this host. It is percent-encoded, not twice.
            status_code: 300 to 399.
            name: A route's name instead of ``url``; ``params`` are its path values.
            external: ``url`` is a literal of the handler, so another host is meant.
            allow_hosts: Other hosts ``url`` may name.

        Raises:
            InvalidHeader: ``url`` holds a control character or a backslash, begins with ``//``,
                is of another scheme than http and https, or names a host that is not allowed.
            ValueError: The status is no redirect, or there is no such route.
        """
        if not 300 <= status_code <= 399:
            raise ValueError(f"a redirect has a status from 300 to 399, not {status_code}")
        if name is not None:
            url = self._url_for(name, params)
        elif url is None or params:
            raise ValueError("redirect() needs an url, or the name of a route and its values")
        target = location(url)
        host = urlsplit(target).netloc
        if host and not external and host not in allow_hosts and host != self._own_host():
            reason = f"{host!r} is another host; fix: external=True or allow_hosts=[...]"
            raise InvalidHeader("location", reason)
        self._content(b"", NO_BLOCK, status_code, None)
        self.headers["location"] = target
        return self

    def _own_host(self) -> str | None:
        return None if self._scope is None else Connection(self._scope).host

    def _url_for(self, name: str, params: Mapping[str, object]) -> str:
        if self._scope is None or "app" not in self._scope:
            raise ValueError(f"there is no app to look {name!r} up in; fix: give an url")
        root = quote_path(self._scope.get("root_path", "").rstrip("/"))
        return f"{root}{self._scope['app'].url_for(name, **params)}"

    # Status and headers.

    def status(self, code: int) -> Self:
        """Set the status, 100 to 599."""
        self._status = checked_status(code)
        self.touched = True
        return self

    def _noted(self, key: str) -> None:
        self.touched = True
        if key.lower() == "content-type":
            self._typed = True

    def _cookie_limit(self) -> int:
        # Connection finds the limits of the app, or the default ones without an app.
        return Connection(self._scope or {}).limits.cookie_out_bytes

    # Caching.

    def cache(self, max_age: int = 3600, private: bool = True) -> Self:
        """Let the answer be kept, and tag the content that is sent in the end."""
        self.set_header("cache-control", cache_control(max_age, private))
        return self if self._tag is not None else self.etag()

    def no_cache(self) -> Self:
        """Forbid keeping the answer anywhere."""
        self._tag = None
        return self.set_header("cache-control", "no-store")

    def etag(self, value: str | None = None) -> Self:
        """Tag the answer: with ``value``, else with a digest of the content sent in the end.

        A GET or HEAD whose ``If-None-Match`` has the tag gets 304, one whose ``If-Match`` lacks
        it 412 (RFC 9110, 13.1). A file has a tag of its own, a stream only one that is given.

        Raises:
            InvalidHeader: ``value`` holds a quote inside or a control character.
        """
        if value is not None:
            bare = value.removeprefix("W/").strip('"')
            if '"' in bare:
                raise InvalidHeader("etag", "a tag holds no quote")
            value = f"W/{quoted_tag(bare)}" if value.startswith("W/") else quoted_tag(bare)
            self.headers["etag"] = value
        self._tag = value or ""
        self.touched = True
        return self

    # The end.

    def on_send(self, block: Hook) -> Self:
        """Add header fields to whatever answer is sent, a 404 and a 500 included.

        Args:
            block: A prebuilt tuple of byte pairs, or a callable that changes the headers.
        """
        if self.hooks is None:
            self.hooks = []
        self.hooks.append(block)
        return self

    def drop_body(self) -> Self:
        """Forget status, content, what described it, and its work; headers and cookies stay."""
        if self._carrier is not None and self._headers is None:
            self._headers = self.headers
        self._carrier = None
        self.tasks = None
        self._body = b""
        self._block = NO_BLOCK
        self._tag = None
        self._typed = False
        if self._headers is not None:
            for name in _OF_A_BODY:
                del self._headers[name]
        self._status = None
        return self

    def get_response(self) -> BaseResponse:
        """Return the answer as it stands, ready to be sent.

        Raises:
            PreconditionFailed: It has a tag, and the request's ``If-Match`` names another.
        """
        carrier = self._carrier
        status = self.status_code
        fields = None if self._headers is None else MutableHeaders(list(self._headers.raw))
        final = BaseResponse.made(self._body, status, self._block) if carrier is None else carrier
        if fields is None and final.own_block is not self._block:
            fields = MutableHeaders(list(self._block))
        if carrier is not None or fields is not None:
            final = final.with_head(status, fields)
        if self._tag is None or not 200 <= status < 300 or isinstance(carrier, FileResponse):
            return final  # a file looks at its own conditions when it is opened
        return conditional(final, self._tag, self._scope)
