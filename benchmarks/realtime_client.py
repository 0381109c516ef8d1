"""The client of benchmarks/realtime.py.

It counts bytes where frames have one size, because reading them would cost more than what is
measured.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any, Final

OFFER: Final = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"


class Frames:
    """Counts a server's frames of less than 64 KiB, of any size."""

    def __init__(self) -> None:
        self._rest = b""
        self._left = 0

    def count(self, data: bytes) -> int:
        """Return how many frames end in what came."""
        number = 0
        data, self._rest = self._rest + data, b""
        place, end = 0, len(data)
        while place < end:
            if not self._left:
                long = end - place > 1 and data[place + 1] == 126
                if end - place < (4 if long else 2):
                    self._rest = data[place:]
                    break
                length = data[place + 2 : place + 4] if long else data[place + 1 : place + 2]
                self._left = 2 + 2 * long + int.from_bytes(length, "big")
            step = min(self._left, end - place)
            place += step
            self._left -= step
            number += not self._left
        return number


class Client(asyncio.Protocol):
    """One socket; ``arrived`` is told how many bytes came after the handshake."""

    transport: asyncio.Transport

    def __init__(self, arrived: Callable[["Client", bytes], None]) -> None:
        self._arrived = arrived
        self._head: bytes | None = b""
        self.frames = Frames()
        self.open: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self._head is None:
            self._arrived(self, data)
            return
        self._head += data
        if b"\r\n\r\n" in self._head:
            head, _, rest = self._head.partition(b"\r\n\r\n")
            self._head = None
            if b" 101 " not in head:
                self.open.set_exception(ConnectionError(head.decode()))
                return
            self.open.set_result(None)
            if rest:
                self._arrived(self, rest)

    def say(self, payload: bytes) -> None:
        self.transport.write(masked(payload))


def masked(payload: bytes) -> bytes:
    """Return a text frame under a mask of zeros, which is one of the 2**32."""
    size = len(payload)
    length = struct.pack("!B", 128 | size) if size < 126 else struct.pack("!BH", 254, size)
    return b"\x81" + length + bytes(4) + payload


async def connected(
    port: int,
    path: str,
    arrived: Callable[[Client, bytes], None],
    *,
    buffer: int | None = None,
    offer: str = "",
) -> Client:
    """Open a socket; ``offer`` is a header line."""
    line = socket.socket()
    if buffer is not None:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    line.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(line, ("127.0.0.1", port))
    _, client = await loop.create_connection(lambda: Client(arrived), sock=line)
    client.transport.write(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"{offer}Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    await client.open
    return client
