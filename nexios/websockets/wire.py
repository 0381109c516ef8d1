"""What travels on the backplane, and the two forms in which clients get it.

A payload is one byte of flags, then with ``EXCLUDES`` two bytes of length and the excluded socket
ids joined by commas, then the body: JSON text, with ``BINARY`` the bytes themselves, with ``TEXT``
text that is no JSON.
"""

from collections.abc import Collection
from typing import Any, Final

import pydantic
from pydantic_core import PydanticSerializationError, from_json, to_json

from nexios.adapters.asgi.types import Message
from nexios.application.backplane import PAYLOAD_BYTES, Arrived, Position, Topic
from nexios.websockets.frames import frame, message_frame

BINARY: Final = 1
EXCLUDES: Final = 2
PRESENCE: Final = 4
TEXT: Final = 8


class Text(str):
    """Text that goes out as it is in the bare form, not as JSON; for channels of 2.11."""

    __slots__ = ()


def encode(message: object) -> tuple[int, bytes]:
    """Return flags and body of a message; NaN and infinity become null.

    Raises:
        ValueError: It has no JSON form.
    """
    if isinstance(message, bytes | bytearray | memoryview):
        return BINARY, bytes(message)
    if isinstance(message, Text):
        return TEXT, message.encode("utf-8", "replace")
    try:
        return 0, to_json(message, inf_nan_mode="null")
    except PydanticSerializationError as error:
        raise ValueError(str(error)) from error


def pack(flags: int, body: bytes, exclude: Collection[str] = ()) -> bytes:
    """Return the payload for the backplane.

    Raises:
        ValueError: It is over what every backplane takes.
    """
    if not exclude:
        payload = bytes((flags,)) + body
    else:
        names = ",".join(exclude).encode("ascii")
        if len(names) > 0xFFFF:
            raise ValueError("too many sockets to exclude; use a group instead")
        payload = bytes((flags | EXCLUDES,)) + len(names).to_bytes(2, "big") + names + body
    if len(payload) > PAYLOAD_BYTES:
        raise ValueError(f"it has {len(payload)} bytes, and {PAYLOAD_BYTES} are the most")
    return payload


class Delivery:
    """One message on its way to the members of a topic; frames are made once, when first asked."""

    __slots__ = (
        "_body",
        "_frame",
        "_tagged",
        "binary",
        "exclude",
        "id",
        "key",
        "position",
        "presence",
        "size",
        "text",
    )

    def __init__(self, arrived: Arrived, *, degraded: bool = False) -> None:
        """Read what came from the backplane, or with ``degraded`` did not: it has no place."""
        payload = arrived.payload
        flags, start = payload[0], 1
        self.exclude: frozenset[str] = frozenset()
        if flags & EXCLUDES:
            start = 3 + int.from_bytes(payload[1:3], "big")
            self.exclude = frozenset(payload[3:start].decode("ascii").split(","))
        self.binary = bool(flags & BINARY)
        self.id = arrived.id
        self.key = arrived.key
        self.position: Position | None = None if degraded else arrived.position
        self.presence = bool(flags & PRESENCE)
        self.text = bool(flags & TEXT)
        self.size = len(payload)
        self._body = payload[start:]
        self._frame: Message | None = None
        self._tagged: Message | None = None

    @property
    def body(self) -> bytes:
        """The JSON text in UTF-8, or the bytes of a binary message."""
        return self._body

    @property
    def frame(self) -> Message:
        """The ASGI message of the bare form; one object for all members, never to be changed."""
        if self._frame is None:
            self._frame = bare(self._body, binary=self.binary)
        return self._frame

    def tagged(self, topic: Topic) -> Message:
        """The ASGI message of ``nexios.v1``, as above."""
        if self._tagged is None:
            if self.presence:
                self._tagged = frame("presence", topic, **from_json(self._body))
            else:
                body = to_json(self._body.decode("utf-8")) if self.text else self._body
                self._tagged = message_frame(
                    topic, self.position, self.id, body, binary=self.binary
                )
        return self._tagged


def bare(body: bytes, *, binary: bool) -> Message:
    """Return the ASGI message of the bare form: the message and nothing else."""
    if binary:
        return {"type": "websocket.send", "bytes": body}
    return {"type": "websocket.send", "text": body.decode("utf-8")}


def decode(delivery: Delivery, adapter: "pydantic.TypeAdapter[Any] | None" = None) -> Any:
    """Return the value that was broadcast; ``adapter`` gives it its type back."""
    if delivery.binary:
        return delivery.body
    if delivery.text:
        return delivery.body.decode("utf-8")
    return from_json(delivery.body) if adapter is None else adapter.validate_json(delivery.body)
