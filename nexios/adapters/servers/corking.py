"""Lets the head of an answer leave together with what follows it in the same turn of the loop."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

_HEAD: Final = b"HTTP/1."


class Turn:
    """The wires that hold something in this turn of the event loop: one callback ends it for all.

    A callback for each answer costs 0.3 us.
    """

    __slots__ = ("_holding", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin with none; the wires live on ``loop``."""
        self._loop = loop
        self._holding: list[CorkedTransport] = []

    def add(self, wire: "CorkedTransport") -> None:
        """Flush this one at the end of the turn."""
        if not self._holding:
            self._loop.call_soon(self._end)
        self._holding.append(wire)

    def _end(self) -> None:
        holding = self._holding
        try:
            while holding:
                holding.pop().flush()
        finally:
            if holding:  # one that failed does not keep the others
                self._loop.call_soon(self._end)


class CorkedTransport:
    """A transport that holds the head of an answer until its body is written.

    Servers write head and body each by itself, two system calls and often two packets. A head
    whose body does not come in the same turn of the event loop, as of a stream, leaves at the end
    of that turn. Everything else is the transport's own.
    """

    __slots__ = ("_held", "_transport", "_turn", "raw", "write_plain")

    def __init__(self, transport: asyncio.Transport, turn: Turn) -> None:
        """Stand before ``transport``, which lives on the loop of ``turn``."""
        self._transport: Final[Any] = transport
        self._turn = turn
        self._held = b""
        self.raw = transport
        self.write_plain = transport.write

    def write(self, data: bytes) -> None:
        """Write, or hold what begins an answer."""
        held = self._held
        if held:
            self._held = b""
            self.write_plain(held + data)
        elif bytes(data[: len(_HEAD)]) == _HEAD:  # of whatever kind of bytes
            self.hold(data)
        else:
            self.write_plain(data)

    def writelines(self, parts: Iterable[bytes]) -> None:
        """Write what is whole already, behind what is held."""
        held, self._held = self._held, b""
        self.write_plain(held + b"".join(parts))

    def hold(self, head: bytes) -> None:
        """Hold the head of an answer until more is written, to the end of the turn at most."""
        if self._held:
            self.flush()
        self._held = head
        self._turn.add(self)

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
