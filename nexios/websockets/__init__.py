"""Channels: named sets of sockets that get the same messages in the same order."""

from typing import TYPE_CHECKING, Final

from nexios.faces import handing_on

if TYPE_CHECKING:
    from nexios.adapters.websocket.closing import WebSocketDisconnect
    from nexios.adapters.websocket.socket import WebSocket
    from nexios.websockets.answers import Receipt, Slice, Told
    from nexios.websockets.channel import Channel
    from nexios.websockets.errors import (
        AmbiguousApp,
        BlockNeedsOneProcess,
        ChannelClash,
        ChannelError,
        MessageInvalid,
        NoRunningApp,
        PresenceOff,
        UnknownSocket,
        UsersOff,
    )
    from nexios.websockets.legacy import ChannelBox, WebSocketConsumer
    from nexios.websockets.member import Member
    from nexios.websockets.options import History, Overflow
    from nexios.websockets.room import Group, UserSockets

# Loaded where they are used: who needs one file of this room does not pay for the others.
_HOMES: Final = {
    "nexios.adapters.websocket.closing": "WebSocketDisconnect",
    "nexios.adapters.websocket.socket": "WebSocket",
    "nexios.websockets.answers": "Receipt Slice Told",
    "nexios.websockets.channel": "Channel",
    "nexios.websockets.errors": "AmbiguousApp BlockNeedsOneProcess ChannelClash "
    "ChannelError MessageInvalid NoRunningApp PresenceOff UnknownSocket UsersOff",
    "nexios.websockets.legacy": "ChannelBox WebSocketConsumer",
    "nexios.websockets.member": "Member",
    "nexios.websockets.options": "History Overflow",
    "nexios.websockets.room": "Group UserSockets",
}

__all__ = [
    "AmbiguousApp",
    "BlockNeedsOneProcess",
    "Channel",
    "ChannelBox",
    "ChannelClash",
    "ChannelError",
    "Group",
    "History",
    "Member",
    "MessageInvalid",
    "NoRunningApp",
    "Overflow",
    "PresenceOff",
    "Receipt",
    "Slice",
    "Told",
    "UnknownSocket",
    "UserSockets",
    "UsersOff",
    "WebSocket",
    "WebSocketConsumer",
    "WebSocketDisconnect",
]

__getattr__ = handing_on(globals(), _HOMES)
