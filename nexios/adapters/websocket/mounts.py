"""Sockets below a mounted ASGI application: checked like our own, then handed over whole."""

from collections.abc import Awaitable, Callable

from nexios.adapters.asgi.sublife import scope_below
from nexios.adapters.asgi.types import ASGIApp, Message
from nexios.adapters.routing.sockets import SocketRoute
from nexios.adapters.routing.template import Template
from nexios.adapters.websocket.closing import WebSocketDisconnect
from nexios.adapters.websocket.endpoint import SocketEndpoint, SocketOptions, endpoint_of, entry_of
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.limits import Limits


def compile_mount(route: SocketRoute, limits: Limits) -> SocketEndpoint:
    """Describe a mount as an endpoint that takes every socket at and below its path.

    Args:
        route: Its handler is the application; guards and middleware stand in its options.
        limits: Of the app.

    Raises:
        InvalidTemplate: The path cannot be read.
        UnknownSocketOption: An option does not exist.
    """
    options = SocketOptions.read(route.options, route.where)
    template = Template.parse(route.path, where=route.where, mount=True)
    handler = _handing_over(route.handler, len(route.path.split("/")) - 1)
    point = entry_of(handler, template, options, internal=True)
    return endpoint_of(route, template, options, limits, point)


def _handing_over(app: ASGIApp, depth: int) -> Callable[[WebSocket], Awaitable[None]]:
    async def mount(websocket: WebSocket) -> None:
        line = _Line(websocket)
        try:
            await app(scope_below(websocket.scope, depth), line.receive, line.send)
        except OSError:
            # It was told that its peer has gone, and let that end it.
            if not websocket.protocol.ended:
                raise

    return mount


class _Line:
    """One socket in the words of ASGI 3.0, as a server would speak them."""

    __slots__ = ("_connected", "_socket")

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._connected = False

    async def receive(self) -> Message:
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        try:
            return await self._socket.receive()
        except WebSocketDisconnect as gone:
            return {"type": "websocket.disconnect", "code": gone.code, "reason": gone.reason or ""}

    async def send(self, message: Message) -> None:
        socket = self._socket
        if message["type"] in ("websocket.send", "websocket.close"):
            handing = socket.send(message)
        else:
            handing = self._open_or_deny(message)
        try:
            await handing
        except WebSocketDisconnect:
            # ASGI 2.4: so the application learns that its peer has gone.
            raise OSError("the socket is closed") from None

    async def _open_or_deny(self, message: Message) -> None:
        socket = self._socket
        socket.raise_if_ended()
        socket.protocol.sending(message)
        await socket.transmit(message)
        if message["type"] == "websocket.accept":
            socket.subprotocol = message.get("subprotocol")
            socket.accepted()
