"""Lets the head of an answer leave together with what follows it in the same turn of the loop."""

import asyncio
from typing import Any, Final

_HEAD: Final = b"HTTP/1."


class CorkedTransport:
    """A transport that holds the head of an answer until its body is written.

    Servers write head and body each by itself, two system calls and often two packets. A head
    whose body does not come in the same turn of the event loop, as of a stream, leaves at the end
    of that turn. Everything else is the transport's own.
    """

    __slots__ = ("_held", "_loop", "_transport", "raw", "write_plain")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Stand before ``transport``, which lives on ``loop``."""
        self._transport: Final[Any] = transport
        self._loop = loop
        self._held = b""
        self.raw = transport
        self.write_plain = transport.write

    def write(self, data: bytes) -> None:
        """Write, or hold what begins an answer."""
        held = self._held
        if held:
            self._held = b""
            self.write_plain(held + data)
        elif data.startswith(_HEAD):
            self._held = data
            self._loop.call_soon(self.flush)
        else:
            self.write_plain(data)

    def flush(self) -> None:
        """Write what is held."""
        held, self._held = self._held, b""
        if held:
            self.write_plain(held)

    def close(self) -> None:
        """Close after what was written."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Cut the line; what is held is gone with it."""
        self._held = b""
        self._transport.abort()

    def __getattr__(self, name: str) -> Any:
        # The rest of the interface; asked seldom.
        return getattr(self._transport, name)
