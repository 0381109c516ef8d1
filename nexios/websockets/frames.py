"""The frames of ``nexios.v1``: one JSON object each, told apart by its ``type``."""

import base64
import secrets
from collections.abc import Mapping
from typing import Final

from pydantic_core import to_json

from nexios.adapters.asgi.types import Message
from nexios.application.backplane import Position, Topic

SUBPROTOCOL: Final = "nexios.v1"

_COMES_BACK: Final = frozenset({1012, 1013})  # restart, overload
# As for event streams: clients come back one after the other, not all at once.
_BACK_MS: Final = (1000, 5000)

TICK: Final[Message] = {"type": "websocket.send", "text": '{"type":"tick"}'}
"""Tells a browser, which sees no pings, that the server is there."""


def frame(kind: str, topic: Topic, **fields: object) -> Message:
    """Return the ASGI message of one object."""
    told = {"type": kind, "topic": str(topic), **fields}
    return {"type": "websocket.send", "text": to_json(told).decode()}


def joined_frame(topic: Topic, at: Position | None, *, recovered: bool, replayed: int) -> Message:
    """Say where a member stands; without a place the broker is away."""
    place = {} if at is None else {"at": str(at)}
    return frame("joined", topic, **place, recovered=recovered, replayed=replayed)


def reset_frame(topic: Topic, at: Position, reason: str) -> Message:
    """Say that something was lost: reload the state, go on from ``at``."""
    return frame("reset", topic, at=str(at), reason=reason)


def link_frame(topic: Topic, *, up: bool) -> Message:
    """Say whether other processes can be reached."""
    return frame("link", topic, state="up" if up else "degraded")


def dropped_frame(topic: Topic, count: int) -> Message:
    """Say how many messages gave way."""
    return frame("dropped", topic, count=count)


def bye_frame(code: int) -> Message | None:
    """Say before a close when to come back, each client at another time; None for other codes."""
    if code not in _COMES_BACK:
        return None
    low, high = _BACK_MS
    told = {
        "type": "bye",
        "code": code,
        "reconnect_after_s": (low + secrets.randbelow(high - low + 1)) / 1000,
    }
    return {"type": "websocket.send", "text": to_json(told).decode()}


def message_frame(
    topic: Topic, at: Position | None, id: str, body: bytes, *, binary: bool
) -> Message:
    """Return one message of the topic; without a place it was told here only.

    Bytes have no JSON form, so they come as Base64 with ``"encoding": "base64"``.
    """
    place: Mapping[str, object] = {"degraded": True} if at is None else {"at": str(at)}
    return _message(topic, id, place, body, binary=binary)


def direct_frame(topic: Topic, id: str, body: bytes, *, binary: bool) -> Message:
    """Return a message to one socket: it has no place in the topic's order."""
    return _message(topic, id, {}, body, binary=binary)


def _message(
    topic: Topic, id: str, place: Mapping[str, object], body: bytes, *, binary: bool
) -> Message:
    start = to_json({"type": "message", "topic": str(topic), "id": id, **place})[:-1]
    if binary:
        data = b',"encoding":"base64","data":"' + base64.b64encode(body) + b'"}'
    else:
        data = b',"data":' + body + b"}"
    return {"type": "websocket.send", "text": (start + data).decode()}
