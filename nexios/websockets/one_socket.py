"""The channel of Nexios 2.11: one socket with a way to write to it, for `ChannelBox`."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import UUID, uuid4

from nexios.adapters.websocket.closing import WebSocketDisconnect
from nexios.adapters.websocket.socket import WebSocket


class PayloadTypeEnum(Enum):
    """How a channel writes what it is given."""

    JSON = "json"
    TEXT = "text"
    BYTES = "bytes"


class ChannelAddStatusEnum(Enum):
    """What became of an addition: the first of its group, or one more."""

    CHANNEL_ADDED = "CHANNEL_ADDED"
    CHANNEL_EXIST = "CHANNEL_EXIST"


class ChannelRemoveStatusEnum(Enum):
    """What became of a removal."""

    CHANNEL_REMOVED = "CHANNEL_REMOVED"
    CHANNEL_DOES_NOT_EXIST = "CHANNEL_DOES_NOT_EXIST"
    GROUP_REMOVED = "GROUP_REMOVED"
    GROUP_DOES_NOT_EXIST = "GROUP_DOES_NOT_EXIST"


class GroupSendStatusEnum(Enum):
    """Whether a group has members on this process."""

    GROUP_SEND = "GROUP_SEND"
    NO_SUCH_GROUP = "NO_SUCH_GROUP"


@dataclass
class ChannelMessageDC:
    """One message of a group's history, with an id and a time of its own."""

    payload: Any
    uuid: UUID = field(default_factory=uuid4)
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


class OneSocketChannel:
    """What ``Channel(websocket, ...)`` makes.

    Attributes:
        websocket: The socket.
        payload_type: ``json``, ``text`` or ``bytes``.
        expires: Seconds without a message after which the box forgets it; None or 0 for never.
        uuid: Its id, for ``send_to``.
        created: Unix time of the last message, at first of the beginning.
    """

    def __init__(
        self, websocket: WebSocket, payload_type: str = "json", expires: int | None = None
    ) -> None:
        """Take a socket.

        Raises:
            ValueError: There is no such payload type.
        """
        self.websocket = websocket
        self.payload_type = PayloadTypeEnum(payload_type).value
        self.expires = expires
        self.uuid = uuid4()
        self.created = time.time()

    @property
    def expired(self) -> bool:
        """Whether nothing was sent for longer than ``expires``."""
        return bool(self.expires) and self.created + (self.expires or 0) < time.time()

    async def send(self, payload: Any) -> None:
        """Write a payload to this socket alone; a peer that is gone gets nothing.

        Raises:
            TypeError: The payload is not of the channel's type.
        """
        try:
            if self.payload_type == "json":
                await self.websocket.send_json(payload)
            elif isinstance(payload, bytes):
                await self.websocket.send_bytes(payload)
            elif self.payload_type == "text" and isinstance(payload, str):
                await self.websocket.send_text(payload)
            else:
                raise TypeError(f"a channel of {self.payload_type} cannot send {type(payload)}")
        except WebSocketDisconnect:
            return
        self.touch()

    _send = send

    def touch(self) -> None:
        """Note that something was sent."""
        self.created = time.time()

    def __repr__(self) -> str:
        return f"<Channel {self.uuid} {self.payload_type} expires={self.expires}>"
