"""One request of uvicorn's httptools engine, with the usual answer written in one pass."""

import re
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from nexios.adapters.asgi.types import RawHeader

_LENGTH: Final = b"content-length"
_TELLING: Final = frozenset({b"connection", b"transfer-encoding"})  # more than a field
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")  # RFC 9110, 5.6.2; in lower case
_VALUE: Final = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")
_SIZE: Final = re.compile(rb"[0-9]{1,15}")
_KEPT: Final = 512
_KEPT_BYTES: Final = 256


class Cycle(RequestResponseCycle):
    """What uvicorn does for one request, without what the usual answer does not need.

    A whole answer of a known length, on a connection that stays open, is put together of fields
    that were looked at before and written once: 1.2 us for its two messages where uvicorn takes
    2.7 (three fields, CPython 3.11). Whatever is not such an answer is uvicorn's to send, or to
    refuse: it gets the message as if nobody had looked at it before.
    """

    transport: Any  # our wire, which holds a head until its body comes

    # What the server puts into every answer: as given, and as it stands in a head.
    _common: tuple[object, bytes | None] = (None, b"")

    async def send(self, message: Any) -> None:
        """Take one message of an answer."""
        if self.disconnected or self.flow.write_paused or self.access_log:
            await super().send(message)
        elif self.response_started:
            if not self._end(message):
                await super().send(message)
        elif not self._begin(message):
            await super().send(message)

    def _begin(self, message: Any) -> bool:
        """Hold the head of a usual answer; False where it is not one, and nothing has happened."""
        headers = message.get("headers")
        # Of anything else that is iterable uvicorn would find nothing left.
        if message["type"] != "http.response.start" or type(headers) is not list:
            return False
        status = STATUS_LINE.get(message.get("status"))
        if status is None or not self.keep_alive:
            return False
        given, common = self._common
        if given is not self.default_headers:
            common = self._block()
        if common is None:
            return False
        parts, length = [status, common], None
        try:
            for field in headers:
                line, size = _known.get(field) or _learned(field)
                parts.append(line)
                if size is not None:
                    if length is not None:
                        return False
                    length = size
        except (_Unusual, TypeError, ValueError):
            return False
        if length is None:
            return False
        parts.append(b"\r\n")
        self.response_started = True
        self.waiting_for_100_continue = False
        self.chunked_encoding = False
        self.expected_content_length = length
        self.transport.hold(b"".join(parts))
        return True

    def _end(self, message: Any) -> bool:
        """Write the whole of a body; False where it is not that, and nothing has happened."""
        if (
            self.response_complete
            or self.chunked_encoding is not False
            or message["type"] != "http.response.body"
            or message.get("more_body", False)
        ):
            return False
        body = message.get("body", b"")
        if self.scope["method"] == "HEAD":
            body = b""
        elif len(body) != self.expected_content_length:
            return False
        self.transport.write(body)
        self.expected_content_length = 0
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
        return True

    def _block(self) -> bytes | None:
        """Return what the server puts into every answer; it changes with the second.

        None where something in it says more than itself.
        """
        given = self.default_headers
        common: bytes | None
        try:
            lines = [_learned((name.lower(), value)) for name, value in given]
        except _Unusual:
            common = None
        else:
            told = any(length is not None for _, length in lines)
            common = None if told else b"".join(line for line, _ in lines)
        Cycle._common = given, common
        return common

    async def receive(self) -> Any:
        """Return what came of the body, or wait for it."""
        if (
            not self.message_event.is_set()
            or self.waiting_for_100_continue
            or self.disconnected
            or self.response_complete
            or self.flow.read_paused
        ):
            return await super().receive()
        self.message_event.clear()
        body, self.body = self.body, bytearray()
        return {"type": "http.request", "body": bytes(body), "more_body": self.more_body}


class _Unusual(Exception):  # within this file
    """A field that says more than itself, or is none."""


_Line = tuple[bytes, int | None]
"""A field as it stands in a head, and the length it tells."""

# Answers repeat their fields; what is new each time is looked at each time.
_known: Final[dict[RawHeader, _Line]] = {}


def _learned(field: RawHeader) -> _Line:
    """Look at a field that was not seen before.

    Raises:
        _Unusual: It is uvicorn's to deal with.
    """
    name, value = field
    sizeable = name != _LENGTH or _SIZE.fullmatch(value) is not None
    if name in _TELLING or not (_NAME.fullmatch(name) and _VALUE.fullmatch(value) and sizeable):
        raise _Unusual
    line = b"%b: %b\r\n" % field, int(value) if name == _LENGTH else None
    if len(line[0]) <= _KEPT_BYTES:
        if len(_known) >= _KEPT:
            _known.clear()
        _known[field] = line
    return line
