"""A WebSocket client that sends any frame there is, legal or not, and shows each that comes."""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

_KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it stood on the wire."""

    opcode: int
    data: bytes
    fin: bool = True
    rsv: int = 0

    @property
    def code(self) -> int:
        """The code of a close; 1005 where it has none."""
        return struct.unpack("!H", self.data[:2])[0] if len(self.data) >= 2 else 1005


def masked(
    opcode: int, data: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bool = True
) -> bytes:
    """Return a frame as clients send it."""
    head = bytes(((fin << 7) | (rsv << 4) | opcode,))
    flag, size = (0x80 if mask else 0), len(data)
    if size < 126:
        head += bytes((flag | size,))
    elif size < 65536:
        head += struct.pack("!BH", flag | 126, size)
    else:
        head += struct.pack("!BQ", flag | 127, size)
    if not mask:
        return head + data
    key = os.urandom(4)
    spread = (key * (size // 4 + 1))[:size]
    mixed = int.from_bytes(data, "big") ^ int.from_bytes(spread, "big")
    return head + key + mixed.to_bytes(size, "big")


class Peer:
    """One connection after its handshake.

    Attributes:
        line: The TCP connection itself.
        head: What answered the handshake.
    """

    def __init__(self, line: socket.socket, head: bytes, held: bytes) -> None:
        self.line = line
        self.head = head
        self._held = held

    @property
    def status(self) -> int:
        """Of the answer to the handshake."""
        return int(self.head.split(b" ")[1])

    def send(self, *frames: bytes) -> None:
        """Send bytes, all at once."""
        self.line.sendall(b"".join(frames))

    def receive(self) -> Frame | None:
        """Return the next frame, None at the end of the connection."""
        head = self._take(2)
        if len(head) < 2:
            return None
        size = head[1] & 0x7F
        if size == 126:
            size = struct.unpack("!H", self._take(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", self._take(8))[0]
        data = self._take(size)
        return Frame(head[0] & 0x0F, data, bool(head[0] & 0x80), (head[0] >> 4) & 7)

    def until_closed(self) -> list[Frame]:
        """Return every frame that still comes, and see the connection end in order."""
        frames = []
        while (frame := self.receive()) is not None:
            frames.append(frame)
        return frames

    def close_code(self) -> int:
        """Return the code of the close that comes, whatever comes before it."""
        while True:
            frame = self.receive()
            assert frame is not None, "the connection ended without a close"
            if frame.opcode == CLOSE:
                return frame.code

    def _take(self, size: int) -> bytes:
        while len(self._held) < size:
            chunk = self.line.recv(65536)
            if not chunk:
                break
            self._held += chunk
        taken, self._held = self._held[:size], self._held[size:]
        return taken


@contextmanager
def peer(
    port: int, path: str, *fields: str, buffer: int | None = None, patience_s: float = 20.0
) -> Iterator[Peer]:
    """Connect and shake hands.

    Args:
        fields: Further header lines.
        buffer: Bytes the kernel may hold for us.
    """
    with socket.socket() as line:
        if buffer is not None:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        line.settimeout(patience_s)
        line.connect(("127.0.0.1", port))
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = (
            *(f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket"),
            *("Connection: Upgrade", f"Sec-WebSocket-Key: {_KEY}", "Sec-WebSocket-Version: 13"),
            *fields,
        )
        line.sendall("".join(f"{one}\r\n" for one in lines).encode() + b"\r\n")
        held = b""
        while b"\r\n\r\n" not in held:
            chunk = line.recv(65536)
            assert chunk, "the connection ended before the handshake was answered"
            held += chunk
        head, _, rest = held.partition(b"\r\n\r\n")
        yield Peer(line, head, rest)
