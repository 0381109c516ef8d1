"""``ChannelBox`` and ``WebSocketConsumer`` of Nexios 2.11, on top of channel groups."""

import json
import logging
import os
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final
from weakref import WeakKeyDictionary

import anyio
from anyio.lowlevel import RunVar

from nexios.adapters.asgi.controllers import short_name
from nexios.adapters.asgi.types import Message
from nexios.adapters.http.socket_router import WebsocketRoutes
from nexios.adapters.websocket.closing import WebSocketDisconnect, WebSocketException
from nexios.adapters.websocket.messages import BadMessage, parse_json
from nexios.adapters.websocket.socket import WebSocket
from nexios.websockets.channel import Channel
from nexios.websockets.errors import NoRunningApp
from nexios.websockets.hub import RUNNING, Hub
from nexios.websockets.one_socket import (
    ChannelAddStatusEnum,
    ChannelMessageDC,
    ChannelRemoveStatusEnum,
    GroupSendStatusEnum,
    OneSocketChannel,
    PayloadTypeEnum,
)
from nexios.websockets.options import History
from nexios.websockets.room import Group
from nexios.websockets.wire import Text

_FINISH_S: Final = 5.0
_NAME: Final = "nexios-box"
_HISTORY_BYTES: Final = 1_048_576

# One topic for each way of writing: every member of it gets the same frame.
_TOPICS: Final[Mapping[str, Channel[Any]]] = {
    kind.value: Channel(f"{_NAME}-{kind.value}", history=History.off()) for kind in PayloadTypeEnum
}


class _Box:
    """The groups of one app on one loop."""

    def __init__(self) -> None:
        self.groups: dict[str, dict[OneSocketChannel, Any]] = {}
        self.history: dict[str, list[ChannelMessageDC]] = {}

    def prune(self) -> None:
        """Forget channels whose peer has gone or that have expired, and groups without any."""
        for name, channels in tuple(self.groups.items()):
            for channel in tuple(channels):
                if not channel.websocket.is_connected():
                    del channels[channel]
            if not channels:
                del self.groups[name]


_BOXES: Final[RunVar[WeakKeyDictionary[Hub, _Box]]] = RunVar(_NAME)


def _box(app: object | None) -> _Box:
    """Return the box of an app, for None of the only one that runs on this loop.

    Raises:
        NoRunningApp: None runs here.
        AmbiguousApp: Several do.
    """
    boxes = _BOXES.get(None)
    if boxes is None:
        boxes = WeakKeyDictionary()
        _BOXES.set(boxes)
    box = boxes.setdefault(RUNNING.of(app, "ChannelBox"), _Box())
    box.prune()
    return box


class ChannelBox:
    """Groups of one-socket channels, as Nexios 2.11 had them.

    They belong to the app that runs on this event loop, never to the class. A group is one of
    channels: messages reach its members on all processes, no slow or dead member holds back
    another, and a member leaves by itself when its socket ends. What is told of groups
    (statuses, ``show_groups``, history) is about this process. New code uses ``Channel("name")``.

    Attributes:
        HISTORY_SIZE: Bytes of payloads kept for each group, the oldest go first; the environment
            says it by ``CHANNEL_BOX_HISTORY_SIZE``.
    """

    HISTORY_SIZE: ClassVar[int] = int(os.getenv("CHANNEL_BOX_HISTORY_SIZE", _HISTORY_BYTES))

    @classmethod
    async def add_channel_to_group(
        cls, channel: OneSocketChannel, group_name: str = "default"
    ) -> ChannelAddStatusEnum:
        """Add a channel to a group, accepting its socket if needed.

        Raises:
            ValueError: The name is no group name.
            WebSocketDisconnect: The socket is over.
        """
        group = _group(channel, group_name)
        await group.join(channel.websocket)
        box = _box(channel.websocket.app)
        known = group_name in box.groups
        box.groups.setdefault(group_name, {})[channel] = ...
        return ChannelAddStatusEnum.CHANNEL_EXIST if known else ChannelAddStatusEnum.CHANNEL_ADDED

    @classmethod
    async def remove_channel_from_group(
        cls, channel: OneSocketChannel, group_name: str
    ) -> ChannelRemoveStatusEnum:
        """Take a channel out of a group; its socket stays open. Harmless when the peer is gone."""
        box = _box(channel.websocket.app)
        channels = box.groups.get(group_name)
        status = ChannelRemoveStatusEnum.GROUP_DOES_NOT_EXIST
        if channels is not None:
            status = ChannelRemoveStatusEnum.CHANNEL_DOES_NOT_EXIST
        if channels is not None and channel in channels:
            await _leave(channels, channel, group_name)
            status = ChannelRemoveStatusEnum.CHANNEL_REMOVED
        await cls._clean_expired(box)
        if channels == {}:
            status = ChannelRemoveStatusEnum.GROUP_REMOVED
        return status

    @classmethod
    async def group_send(
        cls,
        group_name: str = "default",
        payload: Any = None,
        save_history: bool = False,
    ) -> GroupSendStatusEnum:
        """Send a payload to a group; it never raises for a member.

        Channels of ``json`` get it as JSON, those of ``text`` and ``bytes`` what they can write.

        Args:
            payload: ``{}`` when left out.
            save_history: Keep it for ``show_history``.

        Raises:
            MessageInvalid: Nobody could write it.
            NoRunningApp: No app runs on this loop.
            AmbiguousApp: Several do.
        """
        return await _send(None, group_name, {} if payload is None else payload, save_history)

    @classmethod
    async def show_groups(cls) -> dict[str, dict[OneSocketChannel, Any]]:
        """Return group to channels, of this process."""
        return {name: dict(channels) for name, channels in _box(None).groups.items()}

    @classmethod
    async def flush_groups(cls) -> None:
        """Let everybody go; the sockets stay open."""
        for name, channels in tuple(_box(None).groups.items()):
            for channel in tuple(channels):
                await _leave(channels, channel, name)

    @classmethod
    async def show_history(cls, group_name: str = "") -> Any:
        """Return what was kept: a list for one group, without a name group to list."""
        history = _box(None).history
        if group_name:
            return list(history.get(group_name, ()))
        return {name: list(kept) for name, kept in history.items()}

    @classmethod
    async def flush_history(cls) -> None:
        """Forget what was kept."""
        _box(None).history.clear()

    @classmethod
    async def close_all_connections(cls) -> None:
        """Close all sockets that are in groups; one that cannot be closed stops no other."""
        box = _box(None)
        sockets = {channel.websocket for channels in box.groups.values() for channel in channels}
        box.groups.clear()
        async with anyio.create_task_group() as tasks:
            for socket in sockets:
                tasks.start_soon(_close, socket)

    @classmethod
    async def _clean_expired(cls, box: _Box) -> None:
        for name, channels in tuple(box.groups.items()):
            for channel in tuple(channels):
                if channel.expired:
                    await _leave(channels, channel, name)
        box.prune()


def _group(channel: OneSocketChannel, name: str) -> Group[Any]:
    return _TOPICS[channel.payload_type].of(channel.websocket.app).group(name)


async def _leave(
    channels: dict[OneSocketChannel, Any], channel: OneSocketChannel, name: str
) -> None:
    channels.pop(channel, None)
    # Another channel of the socket may write the same way, and needs the membership still.
    twins = (one for one in channels if one.websocket is channel.websocket)
    if not any(one.payload_type == channel.payload_type for one in twins):
        await _group(channel, name).leave(channel.websocket)


async def _close(socket: WebSocket) -> None:
    try:
        await socket.close()
    except WebSocketDisconnect:
        return


async def _send(
    app: object | None, group_name: str, payload: Any, save_history: bool
) -> GroupSendStatusEnum:
    box = _box(app)
    for kind, message in _written(payload).items():
        topic = _TOPICS[kind] if app is None else _TOPICS[kind].of(app)
        await topic.group(group_name).broadcast(message)
    if save_history:
        _keep(box.history.setdefault(group_name, []), payload)
    channels = box.groups.get(group_name, {})
    for channel in channels:
        channel.touch()
    return GroupSendStatusEnum.GROUP_SEND if channels else GroupSendStatusEnum.NO_SUCH_GROUP


def _written(payload: Any) -> dict[str, Any]:
    """Return the payload as each kind of channel writes it."""
    if isinstance(payload, bytes):
        return {"text": payload, "bytes": payload}
    if isinstance(payload, str):
        return {"json": payload, "text": Text(payload)}
    return {"json": payload}


def _keep(history: list[ChannelMessageDC], payload: Any) -> None:
    history.append(ChannelMessageDC(payload))
    total = 0
    for number, kept in enumerate(reversed(history)):
        total += _size(kept.payload)
        if total > ChannelBox.HISTORY_SIZE:
            del history[: len(history) - number]
            return


def _size(payload: Any) -> int:
    if isinstance(payload, bytes):
        return len(payload)
    return len(json.dumps(payload, default=str))


class WebSocketConsumer:
    """A class whose methods serve one socket, as Nexios 2.11 had it.

    ``app.add_ws_route(Chat.as_route("/ws"))`` makes an object for each socket. Payloads are
    never logged. New code uses ``WebSocketController``.

    Attributes:
        encoding: ``text``, ``bytes`` or ``json``: what ``on_receive`` gets, everything else is
            closed with 1003; None hands on what came.
        middleware: Objects with ``async handshake(websocket)``, for its route.
        channel: The socket as a channel, once there is one.
        websocket: The socket.
    """

    encoding: str | None = None
    middleware: ClassVar[Sequence[Any]] = ()
    channel: OneSocketChannel | None = None
    websocket: WebSocket

    def __init__(self, logging_enabled: bool = True, logger: logging.Logger | None = None) -> None:
        """Make the object of one socket.

        Args:
            logging_enabled: Whether joins, messages and ends are noted; never what was sent.
            logger: Where; ``nexios`` unless given.
        """
        self.logging_enabled = logging_enabled
        self.logger = logger or logging.getLogger("nexios")

    @classmethod
    def as_route(cls, path: str) -> WebsocketRoutes:
        """Return the route that serves each socket at ``path`` by an object of this class."""

        async def handler(websocket: WebSocket) -> None:
            await cls()(websocket)

        handler.__name__ = short_name(cls, "Consumer")
        handler.__doc__ = vars(cls).get("__doc__")
        return WebsocketRoutes(path, handler, middleware=tuple(cls.middleware))

    async def __call__(self, ws: WebSocket) -> None:
        """Serve a socket to its end."""
        self.websocket = ws
        kind = PayloadTypeEnum.JSON if self.encoding == "json" else PayloadTypeEnum.TEXT
        self.channel = OneSocketChannel(ws, kind.value, expires=3600)
        await self.on_connect(ws)
        code = 1011
        try:
            while True:
                await self.on_receive(ws, await self.decode(ws, await ws.receive()))
        except (WebSocketDisconnect, WebSocketException) as end:
            code = end.code
            raise
        finally:
            with anyio.move_on_after(_FINISH_S, shield=True):
                await self.on_disconnect(ws, code)

    async def decode(self, websocket: WebSocket, message: Message) -> Any:
        """Return what a message holds, by ``encoding``.

        Raises:
            WebSocketException: It is of another kind; 1003.
            ValueError: There is no such encoding.
        """
        text, data = message.get("text"), message.get("bytes")
        if self.encoding is None:
            return data if text is None else text
        if self.encoding == "text":
            if text is None:
                raise WebSocketException(1003, "text is expected")
            return text
        if self.encoding == "bytes":
            if data is None:
                raise WebSocketException(1003, "bytes are expected")
            return data
        if self.encoding != "json":
            raise ValueError(f"encoding is text, bytes, json or None, not {self.encoding!r}")
        try:
            return parse_json(data or b"" if text is None else text, websocket.limits)
        except BadMessage:
            raise WebSocketException(1003, "JSON is expected") from None

    async def on_connect(self, websocket: WebSocket) -> None:
        """Accept the socket; override it to do more, or to refuse."""
        await websocket.accept()
        self._note("a socket connected")

    async def on_receive(self, websocket: WebSocket, data: Any) -> None:  # noqa: ARG002  # 2.11's
        """Take a message; override it."""
        self._note("a message came")

    async def on_disconnect(
        self,
        websocket: WebSocket,  # noqa: ARG002  # 2.11's
        close_code: int,
    ) -> None:
        """Clean up; override it. Called once, however a connected socket ended."""
        self._note("a socket ended with %s", close_code)

    async def broadcast(
        self, payload: Any, group_name: str = "default", save_history: bool = False
    ) -> None:
        """Send to a group; see `ChannelBox.group_send`."""
        await _send(self.websocket.app, group_name, payload, save_history)
        self._note("sent to the group %s", group_name)

    async def send_to(self, channel_id: uuid.UUID, payload: Any) -> None:
        """Send to the one channel in any group of this process that has this id."""
        for channels in _box(self.websocket.app).groups.values():
            for channel in channels:
                if channel.uuid == channel_id:
                    await channel.send(payload)
                    self._note("sent to the channel %s", channel_id)
                    return
        if self.logging_enabled:
            self.logger.warning("there is no channel %s", channel_id)

    async def group(self, group_name: str) -> list[OneSocketChannel]:
        """Return the channels of a group, of this process."""
        return list(_box(self.websocket.app).groups.get(group_name, ()))

    async def join_group(self, group_name: str) -> None:
        """Join a group."""
        if self.channel is not None:
            await ChannelBox.add_channel_to_group(self.channel, group_name)
            self._note("joined the group %s", group_name)

    async def leave_group(self, group_name: str) -> None:
        """Leave a group; harmless when the peer is gone."""
        if self.channel is not None:
            try:
                await ChannelBox.remove_channel_from_group(self.channel, group_name)
            except NoRunningApp:
                return  # the app has stopped, and let everybody go when it did
            self._note("left the group %s", group_name)

    def _note(self, text: str, *values: object) -> None:
        if self.logging_enabled:
            self.logger.info(text, *values)
