"""Channels: named sets of sockets that get the same messages in the same order."""

from nexios.websockets.answers import Receipt, Slice, Told
from nexios.websockets.channel import Channel, Group
from nexios.websockets.errors import (
    AmbiguousApp,
    ChannelClash,
    ChannelError,
    MessageInvalid,
    NoRunningApp,
    PresenceOff,
    UnknownSocket,
)
from nexios.websockets.member import Member
from nexios.websockets.options import History, Overflow

__all__ = [
    "AmbiguousApp",
    "Channel",
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
]
