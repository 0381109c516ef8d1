"""WebSocket frames as a server writes them (RFC 6455, 5.2), and the extension that takes them."""

from collections.abc import Iterator
from struct import pack, unpack_from
from typing import Final
from zlib import DEFLATED, Z_SYNC_FLUSH, compressobj

EXTENSION: Final = "nexios.frames"
"""Under this name our engine offers what passes ASGI by, in ``scope["extensions"]``.

``write(frames: bytes) -> bool`` takes whole frames without waiting; False, and nothing written,
when the socket is closing or its peer reads too slowly. With ``"deflates": True`` messages that
are sent are compressed; frames are written as they are, and with ``"inflates": True`` they may be
those of `squeezed`.

``arrival() -> Future[None] | None`` is what to await before ``take()`` has a message, None when it
has one; only for one reader at a time.

``send`` and ``receive`` are the ASGI callables the scope was served with: whoever was given others
has middleware before it that wants to see messages.
"""

TEXT: Final = 1
BINARY: Final = 2

WINDOW_BITS: Final = 12
"""Window of what is compressed for all: a peer that was promised less cannot read it."""

SQUEEZED_FROM: Final = 512
"""Below so many bytes compressing costs more than it saves."""

MEMORY: Final = 5
"""zlib's ``memLevel``: 16 KiB while a message is compressed."""

_FIN: Final = 0x80
_RSV1: Final = 0x40


def frame(opcode: int, payload: bytes) -> bytes:
    """Return a whole message as one unmasked frame."""
    size = len(payload)
    if size < 126:
        return pack("!BB", _FIN | opcode, size) + payload
    if size < 65536:
        return pack("!BBH", _FIN | opcode, 126, size) + payload
    return pack("!BBQ", _FIN | opcode, 127, size) + payload


def squeezed(opcode: int, payload: bytes) -> bytes:
    """Return a message as one frame, compressed where that saves something (RFC 7692, 7.2.1).

    It stands by itself, so it is the same for every peer that was promised
    ``server_no_context_takeover`` and `WINDOW_BITS`; such peers read plain frames as well.
    """
    if len(payload) < SQUEEZED_FROM:
        return frame(opcode, payload)
    squeezer = compressobj(method=DEFLATED, wbits=-WINDOW_BITS, memLevel=MEMORY)
    small = squeezer.compress(payload) + squeezer.flush(Z_SYNC_FLUSH)
    if len(small) - 4 >= len(payload):
        return frame(opcode, payload)
    return frame(_RSV1 | opcode, small[:-4])


def messages_in(frames: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield opcode and payload of whole frames as `frame` makes them."""
    place = 0
    while place < len(frames):
        opcode, size = frames[place] & 0x0F, frames[place + 1]
        place += 2
        if size == 126:
            (size,) = unpack_from("!H", frames, place)
            place += 2
        elif size == 127:
            (size,) = unpack_from("!Q", frames, place)
            place += 8
        yield opcode, frames[place : place + size]
        place += size
