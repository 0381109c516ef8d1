"""Reads the form of one request, urlencoded or multipart, once."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote_to_bytes

import anyio

from nexios.adapters.asgi.multidict import FormData
from nexios.adapters.asgi.types import RawHeader
from nexios.adapters.http.body import BodyReader
from nexios.adapters.http.errors import FormTooLarge, MalformedBody, UnsupportedMediaType
from nexios.adapters.http.multipart import boundary_of, parameters_of, read_multipart
from nexios.adapters.http.uploads import UploadedFile
from nexios.application.limits import Limits

URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
FORM_TYPES: Final = frozenset((URLENCODED, MULTIPART))

_UTF8: Final = frozenset(("utf-8", "utf8", "us-ascii"))


class FormReader:
    """The form of one request. It is read once, whoever asks and how often.

    Attributes:
        data: What was read; None before.
    """

    __slots__ = ("_body", "_error", "_headers", "_limits", "_lock", "data")

    def __init__(self, body: BodyReader, headers: Iterable[RawHeader], limits: Limits) -> None:
        self._body = body
        self._headers = headers
        self._limits = limits
        self._lock: anyio.Lock | None = None
        self._error: Exception | None = None
        self.data: FormData | None = None

    async def read(self) -> FormData:
        """Return the form; empty when the body is none.

        Raises:
            BodyTooLarge: The body, or a part of the form, is over its limit.
            BodyStalled: No byte came for ``limits.body_idle_s``.
            MalformedBody: It says it is a form and is not.
            UnsupportedMediaType: It is compressed, or not in UTF-8.
            StorageFull: A file found no room on the disk.
            ClientDisconnect: The peer left before the end.
        """
        if self.data is None:
            if self._lock is None:
                self._lock = anyio.Lock()
            async with self._lock:
                await self._read()
        return FormData() if self.data is None else self.data

    async def _read(self) -> None:
        if self.data is not None:
            return
        if self._error is not None:
            # What was read of the body is gone: asking again cannot end better.
            raise self._error
        try:
            self.data = FormData(await self._pairs())
        except Exception as error:
            self._error = error
            raise

    async def _pairs(self) -> list[tuple[str, str | UploadedFile]]:
        content_type = self._header(b"content-type")
        kind = content_type.partition(";")[0].strip().lower()
        if kind not in FORM_TYPES:
            return []
        if self._header(b"content-encoding").strip().lower() not in ("", "identity"):
            raise UnsupportedMediaType("the body must not be compressed")
        if kind == MULTIPART:
            boundary = boundary_of(content_type, self._limits)
            self._body.widen(self._limits.multipart, self._limits.spool)
            return await read_multipart(self._body.stream(), boundary, self._limits)
        charset = parameters_of(content_type)[1].get("charset", "utf-8")
        if charset.lower() not in _UTF8:
            raise UnsupportedMediaType("the form must be in UTF-8")
        return list(parse_urlencoded(await self._body.read(), self._limits))

    @property
    def files(self) -> list[tuple[str, UploadedFile]]:
        """Names and files of what was read."""
        pairs = self.data.multi_items() if self.data is not None else []
        return [(name, value) for name, value in pairs if isinstance(value, UploadedFile)]

    @property
    def nul_names(self) -> list[str]:
        """Names of texts with U+0000, which no SQL store takes."""
        pairs = self.data.multi_items() if self.data is not None else []
        return [name for name, value in pairs if isinstance(value, str) and "\x00" in value]

    def close(self) -> None:
        """Close every file, without waiting."""
        for _, file in self.files:
            file.discard()

    def _header(self, name: bytes) -> str:
        found = b""
        for key, value in self._headers:
            if key == name:
                found = value
        return found.decode("latin-1")


def parse_urlencoded(body: bytes, limits: Limits) -> list[tuple[str, str]]:
    """Return the fields, decoded once (WHATWG URL, 5.1).

    Raises:
        FormTooLarge: Over ``limits.urlencoded_fields`` or ``limits.key_bytes``; nothing has been
            decoded.
        MalformedBody: It is not UTF-8, or a name holds U+0000.
    """
    if not body:
        return []
    if body.count(b"&") >= limits.urlencoded_fields:
        raise FormTooLarge(limits.urlencoded_fields, "fields")
    pairs = [field.partition(b"=") for field in body.split(b"&") if field]
    for name, _, _ in pairs:
        if len(name) > limits.key_bytes:
            raise FormTooLarge(limits.key_bytes, "bytes in the name of a field")
        if b"%00" in name or b"\x00" in name:
            raise MalformedBody("a field of the form has no usable name")
    return [(_decoded(name), _decoded(value)) for name, _, value in pairs]


def _decoded(data: bytes) -> str:
    try:
        return unquote_to_bytes(data.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedBody("a field of the form is not UTF-8") from None
