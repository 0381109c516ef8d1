"""Compresses answers for clients that take gzip: ``app.wrap_asgi(GZipMiddleware)``."""

import zlib
from typing import Final, Protocol

from anyio import to_thread

from nexios.adapters.asgi.headers import Headers, MutableHeaders
from nexios.adapters.asgi.types import ASGIApp, Message, Receive, Scope, Send
from nexios.adapters.http.files import PATHSEND
from nexios.adapters.http.head import accepts_encoding

_GZIP: Final = 16 + zlib.MAX_WBITS
# Above it a chunk is worth the way to a worker thread: 64 KiB of JSON take about 1 ms.
_BLOCKING_BYTES: Final = 65536
_BODILESS: Final = frozenset((204, 205, 206, 304))
# Compressed by their format already; a second time only costs.
_PACKED: Final = (
    "image/",
    "audio/",
    "video/",
    "font/woff",
    "application/zip",
    "application/gzip",
    "application/pdf",
    "application/x-7z-compressed",
    "application/octet-stream",
    "text/event-stream",
)


class _Packer(Protocol):
    """A compressor of ``zlib``, whose class has no name there."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self, mode: int, /) -> bytes: ...


class GZipMiddleware:
    """An ASGI application around another one.

    Left as they are: answers under ``minimum_size``, encoded ones, parts of files, event
    streams, those marked ``no-transform``, and kinds that are compressed by themselves. Of what
    it may compress it sets ``Vary``, for caches in between, whoever asked.
    """

    def __init__(self, app: ASGIApp, minimum_size: int = 500, compresslevel: int = 6) -> None:
        """Stand around ``app``.

        Args:
            minimum_size: Bytes; below it the head of gzip eats what it saves.
            compresslevel: 1 is fast, 9 is small.

        Raises:
            ValueError: There is no such level.
        """
        if not 1 <= compresslevel <= 9:
            raise ValueError(f"compresslevel is 1 to 9, not {compresslevel}")
        self._app = app
        self._minimum_size = minimum_size
        self._level = compresslevel

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope; sockets and the lifespan pass untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        accepted = ", ".join(Headers(scope["headers"]).getlist("accept-encoding"))
        wanted = accepts_encoding(accepted, "gzip") and scope["method"] != "HEAD"
        if wanted and PATHSEND in (scope.get("extensions") or {}):
            # A file the server sends by itself would pass by this.
            left = {key: one for key, one in scope["extensions"].items() if key != PATHSEND}
            scope = {**scope, "extensions": left}
        answer = _Answer(send, wanted, self._minimum_size, self._level)
        await self._app(scope, receive, answer.send)


class _Answer:
    """One answer on its way out; its head waits for the first part of its body."""

    __slots__ = ("_head", "_level", "_minimum_size", "_packer", "_send", "_wanted")

    def __init__(self, send: Send, wanted: bool, minimum_size: int, level: int) -> None:
        self._send = send
        self._wanted = wanted
        self._minimum_size = minimum_size
        self._level = level
        self._head: Message | None = None
        self._packer: _Packer | None = None

    async def send(self, message: Message) -> None:
        """Take one message of the application."""
        if message["type"] == "http.response.start":
            self._head = {**message}  # it may be a constant of the application
            return
        head, self._head = self._head, None
        if head is not None:
            if message["type"] == "http.response.body":
                self._decide(head, message)
            await self._send(head)
        if self._packer is not None and message["type"] == "http.response.body":
            more = message.get("more_body", False)
            packed = await self._pack(self._packer, message.get("body", b""), more)
            message = {**message, "body": packed}
        await self._send(message)

    def _decide(self, head: Message, first: Message) -> None:
        headers = MutableHeaders(list(head.get("headers", ())))
        if not _compressible(head["status"], headers):
            return
        headers.add_vary("Accept-Encoding")
        head["headers"] = headers.raw
        whole = not first.get("more_body", False)
        size = len(first.get("body", b"")) if whole else _length(headers)
        if not self._wanted or (size is not None and size < self._minimum_size):
            return
        self._packer = zlib.compressobj(self._level, zlib.DEFLATED, _GZIP)
        headers["content-encoding"] = "gzip"
        del headers["content-length"]
        del headers["accept-ranges"]
        tag = headers["etag"]
        if tag is not None and not tag.startswith("W/"):
            # The same content in other bytes (RFC 9110, 8.8.1).
            headers["etag"] = f"W/{tag}"

    async def _pack(self, packer: _Packer, chunk: bytes, more: bool) -> bytes:
        if len(chunk) > _BLOCKING_BYTES:
            return await to_thread.run_sync(_packed, packer, chunk, more)
        return _packed(packer, chunk, more)


def _packed(packer: _Packer, chunk: bytes, more: bool) -> bytes:
    # Each chunk is flushed: a stream's reader waits for it.
    return packer.compress(chunk) + packer.flush(zlib.Z_SYNC_FLUSH if more else zlib.Z_FINISH)


def _compressible(status: int, headers: Headers) -> bool:
    if status < 200 or status in _BODILESS:
        return False
    if "content-encoding" in headers or "content-range" in headers:
        return False
    if "no-transform" in (headers["cache-control"] or ""):
        return False
    kind = (headers["content-type"] or "").lower()
    return kind.startswith("image/svg") or not kind.startswith(_PACKED)


def _length(headers: Headers) -> int | None:
    told = headers["content-length"]
    return int(told) if told is not None and told.isdigit() else None
