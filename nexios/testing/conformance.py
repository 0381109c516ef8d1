"""Holds an application to what ASGI 3.0 says about its answer to one HTTP request."""

import re
from collections.abc import Mapping
from typing import Final

from nexios.adapters.asgi.types import Message, Send

_LEGAL: Final[Mapping[tuple[str, str], str]] = {
    ("waiting", "http.response.start"): "started",
    ("started", "http.response.body"): "started",
}
_EXTENSIONS: Final = ("http.response.push", "http.response.debug", "http.response.early_hint")
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_BAD_VALUE: Final = re.compile(rb"[\x00\r\n]")


class AsgiViolation(AssertionError):
    """The application sent what a server would refuse or, worse, pass on."""


class Conformance:
    """Watches what one call of the application sends."""

    def __init__(self, method: str, send: Send) -> None:
        """Check messages for a request of ``method`` and hand them on to ``send``."""
        self._method = method
        self._send = send
        self._state = "waiting"
        self._declared: int | None = None
        self._sent = 0
        self._status = 0

    async def send(self, message: Message) -> None:
        """Check a message, then pass it on.

        Raises:
            AsgiViolation: It is none the application may send now.
        """
        kind = message.get("type")
        if kind not in _EXTENSIONS:
            step = _LEGAL.get((self._state, str(kind)))
            if step is None:
                raise AsgiViolation(f"the app sent {kind!r} on an answer that is {self._state}")
            self._state = step
            if kind == "http.response.start":
                self._check_head(message)
            else:
                self._check_body(message)
        await self._send(message)

    def finish(self) -> None:
        """Be told that the application returned.

        Raises:
            AsgiViolation: It did so before its answer was whole.
        """
        if self._state != "over":
            raise AsgiViolation(f"the app returned while its answer was {self._state}")

    def _check_head(self, message: Message) -> None:
        status = message.get("status")
        if type(status) is not int or not 100 <= status <= 599:
            raise AsgiViolation(f"the status is an int from 100 to 599, not {status!r}")
        self._status = status
        lengths = []
        for pair in message.get("headers", ()):
            name, value = pair
            if type(name) is not bytes or type(value) is not bytes:
                raise AsgiViolation(f"a header is two bytes objects, not {pair!r}")
            if _NAME.fullmatch(name) is None:
                raise AsgiViolation(f"a header name is a lower-case token, not {name!r}")
            if _BAD_VALUE.search(value) is not None:
                raise AsgiViolation(f"the header {name!r} holds CR, LF or NUL")
            if name == b"content-length":
                lengths.append(value)
        if len(lengths) > 1 or any(not value.isdigit() for value in lengths):
            raise AsgiViolation(f"there is one content-length and it is a number: {lengths!r}")
        self._declared = int(lengths[0]) if lengths else None

    def _check_body(self, message: Message) -> None:
        body = message.get("body", b"")
        if type(body) is not bytes:
            raise AsgiViolation(f"a body is bytes, not {type(body).__name__}")
        self._sent += len(body)
        bare = self._method == "HEAD" or self._status in (204, 304) or self._status < 200
        if bare and body:
            raise AsgiViolation(f"an answer {self._status} to {self._method} has no body")
        more = message.get("more_body", False)
        if type(more) is not bool:
            raise AsgiViolation(f"more_body is a bool, not {more!r}")
        declared = self._declared
        if not bare and declared is not None and self._sent > declared:
            raise AsgiViolation(f"the body is longer than its content-length {declared}")
        if not more:
            if not bare and declared is not None and self._sent != declared:
                raise AsgiViolation(f"{self._sent} bytes of a content-length {declared} came")
            self._state = "over"
