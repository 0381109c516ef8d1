"""Reads multipart forms within their limits; the door of python-multipart (RFC 7578)."""

import logging
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from nexios.adapters.asgi.types import RawHeader
from nexios.adapters.http.errors import FormTooLarge, MalformedBody
from nexios.adapters.http.uploads import UploadedFile
from nexios.application.limits import Limits

Pair = tuple[str, str | UploadedFile]

# RFC 2046, 5.1.1; never ends with a space.
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]*[0-9A-Za-z'()+_,./:=?-]")
_PARAMETER: Final = re.compile(
    r"\s*;\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s;\"]*))", re.DOTALL
)
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_ESCAPED: Final = re.compile(r"\\([\"\\])")
_ENCODINGS: Final = frozenset((b"7bit", b"8bit", b"binary"))

# The library logs what was sent, once for each broken form; our answer says enough.
_QUIET: Final = logging.getLogger("nexios.http.multipart")
_QUIET.disabled = True


def parameters_of(value: str) -> tuple[str, dict[str, str]]:
    """Return what stands before the first ``;`` in lower case, and the parameters.

    Raises:
        MalformedBody: A parameter is not written as such, or comes twice.
    """
    head, semicolon, _ = value.partition(";")
    found: dict[str, str] = {}
    position = len(head)
    end = len(value.rstrip("; \t")) if semicolon else position
    while position < end:
        match = _PARAMETER.match(value, position)
        if match is None or match[1].lower() in found:
            raise MalformedBody("a header of the form is not readable")
        quoted = match[2]
        text = match[3] if quoted is None else _ESCAPED.sub(r"\1", quoted)
        found[match[1].lower()] = text
        position = match.end()
    return head.strip().lower(), found


def boundary_of(content_type: str, limits: Limits) -> bytes:
    """Return the boundary of a form.

    Raises:
        MalformedBody: There is none, it is over ``limits.boundary``, or is not written as one.
    """
    boundary = parameters_of(content_type)[1].get("boundary", "")
    if len(boundary) > limits.boundary or _BOUNDARY.fullmatch(boundary) is None:
        raise MalformedBody("the form has no usable boundary")
    return boundary.encode("ascii")


async def read_multipart(
    chunks: AsyncIterator[bytes], boundary: bytes, limits: Limits
) -> list[Pair]:
    """Return the fields and files of a form in their order. Files stand at their start.

    Whatever ends this early has closed the files that came before.

    Raises:
        FormTooLarge: Too many parts, or one is too large.
        MalformedBody: Its framing is broken, or it has no closing boundary.
        StorageFull: A file found no room on the disk.
    """
    form = _Form(boundary, limits)
    try:
        async for chunk in chunks:
            form.feed(chunk)
            for file, data in form.take_written():
                await file.write(data)
        form.finish()
        for file in form.files:
            await file.seek(0)
    except BaseException:
        for file in form.files:
            file.discard()
        raise
    return form.pairs


class _Form:
    """What the parser has told so far. Nothing here waits: bytes of files are handed on."""

    def __init__(self, boundary: bytes, limits: Limits) -> None:
        # Loaded by the first form that comes.
        from python_multipart.exceptions import FormParserError
        from python_multipart.multipart import MultipartParser

        self.pairs: list[Pair] = []
        self.files: list[UploadedFile] = []
        self._limits = limits
        self._refused = FormParserError
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._last,
            },
            max_header_count=limits.part_headers,
            max_header_size=limits.part_header_bytes,
        )
        self._parser.logger = _QUIET
        self._delimiter = b"--" + boundary
        self._closing = self._delimiter + b"--"
        self._head: bytes | None = b""  # what may still be the preamble
        self._tail = b""  # the last bytes of the chunk before, where the closing line may begin
        self._chunk = b""
        self._read_to = 0
        self._ended = False
        self._epilogue = 0
        self._fields = self._named = 0
        self._memory = 0
        self._key = bytearray()
        self._header = bytearray()
        self._headers: list[RawHeader] = []
        self._name = ""
        self._text: bytearray | None = None
        self._file: UploadedFile | None = None
        self._written: list[tuple[UploadedFile, bytes]] = []

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        if self._head is not None:
            chunk = self._after_preamble(chunk)
            if not chunk:
                return
        if self._ended:
            self._epilogue += len(chunk)
        else:
            self._parse(chunk)
        # The line end of the closing line is part of it (RFC 2046, 5.1.1).
        if self._epilogue > self._limits.preamble + 2:
            raise MalformedBody("the form goes on behind its end")

    def _parse(self, chunk: bytes) -> None:
        self._chunk, self._read_to = chunk, 0
        try:
            self._parser.write(chunk)
        except self._refused:
            raise MalformedBody("the form is not readable") from None
        if self._ended:
            self._epilogue = self._behind_closing_line(chunk)
        self._tail = (self._tail + chunk)[-len(self._closing) :]

    def take_written(self) -> list[tuple[UploadedFile, bytes]]:
        """Return what is to be written to files since the last call."""
        written, self._written = self._written, []
        return written

    def finish(self) -> None:
        """Refuse a form without a closing boundary; no body at all is an empty form."""
        if not self._ended and self._head != b"":
            raise MalformedBody("the form has no closing boundary")

    def _after_preamble(self, chunk: bytes) -> bytes:
        """Return what begins with the first boundary; nothing while that has not come."""
        head = (self._head or b"") + chunk
        if head.startswith(self._delimiter):
            start = 0
        else:
            found = head.find(b"\r\n" + self._delimiter)
            start = found + 2 if found >= 0 else -1
        # Its last line end belongs to the boundary.
        if start - 2 > self._limits.preamble or (
            start < 0 and len(head) >= self._limits.preamble + len(self._delimiter) + 2
        ):
            raise MalformedBody("the form does not begin with its boundary")
        self._head = head if start < 0 else None
        return b"" if start < 0 else head[start:]

    def _behind_closing_line(self, chunk: bytes) -> int:
        if self._read_to == 0:
            chunk = self._tail + chunk
        return len(chunk) - chunk.find(self._closing, self._read_to) - len(self._closing)

    # What the parser tells.

    def _begin(self) -> None:
        self._headers = []

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._key += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._read_to = end
        self._header += data[start:end]

    def _header_end(self) -> None:
        if _CONTROL.search(self._header):
            raise MalformedBody("a header of the form is not readable")
        self._headers.append((bytes(self._key).lower(), bytes(self._header).strip()))
        self._key.clear()
        self._header.clear()

    def _headers_end(self) -> None:
        headers = _once(self._headers)
        name, filename = _names(headers.get(b"content-disposition", b""))
        limits = self._limits
        if len(name.encode()) > limits.key_bytes:
            raise FormTooLarge(limits.key_bytes, "bytes in the name of a field")
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        encoding = headers.get(b"content-transfer-encoding", b"binary").lower()
        if kind.startswith(b"multipart/") or encoding not in _ENCODINGS:
            raise MalformedBody("the form has a part of a kind that is not read")
        self._name = name
        # A file input left empty sends a part with a file name of no letters: no file.
        self._named += bool(filename)
        self._fields += not filename
        if self._named > limits.files:
            raise FormTooLarge(limits.files, "files")
        if self._fields > limits.fields:
            raise FormTooLarge(limits.fields, "fields")
        if filename is None:
            self._text = bytearray()
            return
        self._file = UploadedFile(
            filename,
            content_type=kind.decode("latin-1"),
            headers=self._headers,
            spool=limits.spool,
        )
        self.files.append(self._file)

    def _data(self, data: bytes, start: int, end: int) -> None:
        if data is self._chunk:  # else it is the beginning of a boundary that was none
            self._read_to = end
        if self._file is not None:
            self._written.append((self._file, data[start:end]))
            return
        text = self._text
        if text is None:
            return
        size = end - start
        self._memory += size
        if len(text) + size > self._limits.field_bytes:
            raise FormTooLarge(self._limits.field_bytes, "bytes in one field")
        if self._memory > self._limits.form_memory:
            raise FormTooLarge(self._limits.form_memory, "bytes in its fields")
        text += data[start:end]

    def _end(self) -> None:
        file, text = self._file, self._text
        self._file = self._text = None
        if text is not None:
            self.pairs.append((self._name, _decoded(bytes(text), "a field of the form")))
        elif file is not None and (file.filename or self._has_bytes(file)):
            self.pairs.append((self._name, file))

    def _has_bytes(self, file: UploadedFile) -> bool:
        return file.size > 0 or any(one is file for one, _ in self._written)

    def _last(self) -> None:
        self._ended = True


def _once(headers: list[RawHeader]) -> Mapping[bytes, bytes]:
    found = dict(headers)
    if len(found) != len(headers):
        raise MalformedBody("a part of the form has a header twice")
    return found


def _names(disposition: bytes) -> tuple[str, str | None]:
    """Return the name of a part, and its file name: None for a field."""
    kind, found = parameters_of(_decoded(disposition, "a header of the form"))
    name = found.get("name")
    if kind != "form-data" or name is None:
        raise MalformedBody("a part of the form has no usable name")
    filename: Any = found.get("filename")
    if filename is None:
        return name, None
    # Old browsers sent whole paths, of either kind.
    base = filename.replace("\\", "/").rpartition("/")[2]
    return name, "" if base in (".", "..") else base


def _decoded(data: bytes, what: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedBody(f"{what} is not UTF-8") from None
