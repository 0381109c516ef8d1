"""Files from disk as answers: conditions, ranges, and never the whole file in memory."""

import io
import mimetypes
import os
import secrets
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

from anyio import to_thread

from nexios.adapters.asgi.connection import DEFAULT_LIMITS
from nexios.adapters.asgi.dates import http_date
from nexios.adapters.asgi.headers import Headers, MutableHeaders
from nexios.adapters.asgi.types import RawHeader, Receive, Scope, Send
from nexios.adapters.http.errors import (
    NotFoundException,
    PreconditionFailed,
    RangeNotSatisfiable,
)
from nexios.adapters.http.ranges import (
    Span,
    Unsatisfiable,
    Verdict,
    quoted_tag,
    verdict,
    wanted_spans,
)
from nexios.adapters.http.response import BaseResponse
from nexios.adapters.http.stream import body, until_gone, with_charset
from nexios.application.limits import Limits
from nexios.records import dataclass

Disposition = Literal["inline", "attachment"]

PATHSEND: Final = "http.response.pathsend"
"""ASGI extension: the server sends the file itself."""

_OF_A_BODY: Final = frozenset((b"content-length", b"content-type", b"content-encoding"))
# A name that cannot be a file: too long, NUL in it, a loop of links, a part that is no folder.
_NO_FILE: Final = (OSError, ValueError)

# The tables of the machine differ from one to the next, so only Python's own is read.
_TYPES: Final = mimetypes.MimeTypes()
for _suffix, _kind in {
    ".avif": "image/avif",
    ".js": "text/javascript",
    ".map": "application/json",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}.items():
    _TYPES.add_type(_kind, _suffix)


class FileShrank(RuntimeError):
    """A file lost bytes while it was sent; its length was told already."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(path)

    def __str__(self) -> str:
        return f"{self.path!r} became shorter while it was sent"


@dataclass(frozen=True, slots=True)
class Opened:
    """A regular file, open for reading.

    Attributes:
        tag: Of size and time, without quotes.
        modified_s: In whole seconds since 1970.
    """

    file: io.FileIO
    size: int
    tag: str
    modified_s: int


def open_file(path: str) -> Opened:
    """Open a file and look at what was opened, so that nothing can change in between.

    Raises:
        NotFoundException: There is no file, it is a folder or a device, or it cannot be read.
    """
    # A pipe without a writer would be waited for.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        file = io.FileIO(os.open(path, flags | getattr(os, "O_CLOEXEC", 0)), "rb")
    except _NO_FILE:
        raise NotFoundException from None
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode):
        file.close()
        raise NotFoundException
    tag = f"{found.st_mtime_ns:x}-{found.st_size:x}"
    return Opened(file, found.st_size, tag, int(found.st_mtime))


@dataclass(slots=True)
class _Plan:
    """What goes out: a head, then texts and parts of the file."""

    status: int
    fields: list[RawHeader]
    pieces: Sequence[bytes | Span]
    file: io.FileIO | None

    @property
    def whole(self) -> bool:
        return self.status == 200 and len(self.pieces) == 1


class FileResponse(BaseResponse):
    """A file, opened and looked at when it is sent.

    A missing one is 404. On a 200 it answers the conditions of RFC 9110, 13 with 304 and 412,
    and on GET ``Range`` with 206 and 416. It is read in worker threads, chunk by chunk.

    Attributes:
        path: Of the file, absolute.
        variant: Told apart by the tag, where several files stand for one.
        chunk_size: How many bytes are read at once.
    """

    __slots__ = ("path", "variant")

    chunk_size = 65536

    def __init__(
        self,
        path: str | os.PathLike[str],
        filename: str | None = None,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        content_disposition_type: Disposition = "inline",
    ) -> None:
        """Make an answer of a file; it may be sent many times.

        Args:
            path: Chosen by the application. What a client names belongs to `StaticFiles`.
            filename: Under which the client saves it; its folders are cut off.
            content_disposition_type: ``attachment`` makes a browser save it.

        Raises:
            ValueError: The disposition is neither ``inline`` nor ``attachment``.
        """
        super().__init__(b"", status_code)
        self.path = os.path.abspath(path)  # noqa: PTH100  # Path would ask the disk
        self.variant = ""
        self.headers["content-type"] = type_of(filename or self.path)
        if filename is not None or content_disposition_type != "inline":
            name = Path(self.path).name if filename is None else filename
            self.headers["content-disposition"] = disposition(name, content_disposition_type)
        if headers:
            self.headers.update(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, as an ASGI application.

        Raises:
            NotFoundException: There is no such file; nothing was sent.
            PreconditionFailed: By ``If-Match`` or ``If-Unmodified-Since``; nothing was sent.
            RangeNotSatisfiable: Nothing was sent.
            ClientDisconnect: The peer left before the end.
            FileShrank: The head is out, and the file is shorter than it said.
        """
        method: str = scope["method"]
        asked, limits = Headers(scope["headers"]), _limits(scope)
        plan = await to_thread.run_sync(self._plan, method, asked, limits)
        file = plan.file
        try:
            head = {"type": "http.response.start", "status": plan.status, "headers": plan.fields}
            if file is None or method == "HEAD":
                await send(head)
                await send({"type": "http.response.body", "body": b""})
                return
            if plan.whole and PATHSEND in (scope.get("extensions") or {}):
                await send(head)
                await send({"type": PATHSEND, "path": self.path})
                return
            await send(head)
            await until_gone(lambda: self._pump(plan.pieces, file, send), receive)
        finally:
            if file is not None:
                file.close()

    async def _pump(self, pieces: Sequence[bytes | Span], file: io.FileIO, send: Send) -> None:
        for piece in pieces:
            if isinstance(piece, bytes):
                await send(body(piece))
                continue
            at = piece.start
            while at < piece.end:
                wanted = min(self.chunk_size, piece.end - at)
                chunk = await to_thread.run_sync(_read_at, file, at, wanted)
                if not chunk:
                    raise FileShrank(self.path)
                at += len(chunk)
                await send(body(chunk))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _plan(self, method: str, asked: Headers, limits: Limits) -> _Plan:
        """Open the file and decide; runs in a worker thread."""
        opened = open_file(self.path)
        try:
            plan = self._decide(method, asked, opened, limits)
        except BaseException:
            opened.file.close()
            raise
        if plan.file is None:
            opened.file.close()
        return plan

    def _decide(self, method: str, asked: Headers, opened: Opened, limits: Limits) -> _Plan:
        headers = MutableHeaders(list(self.headers.raw))
        size, whole = opened.size, (Span(0, opened.size),)
        if self.status_code != 200:
            return _planned(self.status_code, headers, whole, opened.file)
        tag = headers.setdefault("etag", quoted_tag(f"{opened.tag}{self.variant}"))
        headers.setdefault("last-modified", http_date(opened.modified_s))
        headers.setdefault("accept-ranges", "bytes")
        modified_s = opened.modified_s
        outcome = verdict(method, asked, tag, modified_s, limit=limits.list_items)
        if outcome is Verdict.FAILED:
            raise PreconditionFailed
        if outcome is Verdict.NOT_MODIFIED:
            left = [field for field in headers.raw if field[0] not in _OF_A_BODY]
            return _Plan(304, left, (), None)
        try:
            spans = wanted_spans(method, asked, size, tag, modified_s, limit=limits.ranges)
        except Unsatisfiable:
            raise RangeNotSatisfiable(size) from None
        if len(spans) == 1:
            headers["content-range"] = spans[0].within(size)
            return _planned(206, headers, spans, opened.file)
        if spans:
            pieces, boundary = _multipart(spans, size, str(headers["content-type"]))
            if sum(map(_size, pieces)) < size:
                headers["content-type"] = f"multipart/byteranges; boundary={boundary}"
                return _planned(206, headers, pieces, opened.file)
        return _planned(200, headers, whole, opened.file)


def _limits(scope: Scope) -> Limits:
    # Files are also served below other frameworks, whose app has none.
    limits = getattr(scope.get("app"), "limits", None)
    return limits if isinstance(limits, Limits) else DEFAULT_LIMITS


def _planned(
    status: int, headers: MutableHeaders, pieces: Sequence[bytes | Span], file: io.FileIO
) -> _Plan:
    headers["content-length"] = str(sum(map(_size, pieces)))
    return _Plan(status, headers.raw, pieces, file)


def _size(piece: bytes | Span) -> int:
    return piece.size if isinstance(piece, Span) else len(piece)


def _multipart(
    spans: Sequence[Span], size: int, content_type: str
) -> tuple[list[bytes | Span], str]:
    """Return the parts of several ranges and what stands between them (RFC 9110, 14.6)."""
    boundary = secrets.token_hex(16)
    pieces: list[bytes | Span] = []
    for span in spans:
        head = (
            f"--{boundary}\r\ncontent-type: {content_type}\r\n"
            f"content-range: {span.within(size)}\r\n\r\n"
        )
        pieces += [head.encode("latin-1"), span, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return pieces, boundary


def _read_at(file: io.FileIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size) or b""


def type_of(path: str) -> str:
    """Return the content type a file name stands for; unknown ones are bytes."""
    kind, packed = _TYPES.guess_type(Path(path).name, strict=False)
    if packed is not None:
        return "application/gzip" if packed == "gzip" else "application/octet-stream"
    return with_charset(kind or "application/octet-stream")


def disposition(name: str, kind: Disposition = "attachment") -> str:
    """Return the value of ``Content-Disposition`` for a file name (RFC 6266).

    The name is cut to its last part, and control characters in it become ``_``. What every
    client reads alike stands in ``filename``; ``filename*`` is added where that is not all of it.

    Raises:
        ValueError: ``kind`` is neither ``inline`` nor ``attachment``.
    """
    if kind not in ("inline", "attachment"):
        raise ValueError(f"a disposition is inline or attachment, not {kind!r}")
    last = name.replace("\\", "/").rpartition("/")[2]
    clean = "".join(char if char.isprintable() else "_" for char in last).strip() or "file"
    plain = "".join("_" if char in '"\\%' or not char.isascii() else char for char in clean)
    value = f'{kind}; filename="{plain}"'
    if plain != clean:
        value += f"; filename*=UTF-8''{quote(clean.encode('utf-8', 'replace'), safe='')}"
    return value
