"""The mechanics of WebSockets: handshake, messages, scopes, the end."""

from typing import TYPE_CHECKING, Final

from nexios.faces import handing_on

if TYPE_CHECKING:
    from nexios.adapters.websocket.closing import WebSocketDisconnect, WebSocketException
    from nexios.adapters.websocket.controller import WebSocketController, on
    from nexios.adapters.websocket.line import WebSocketState
    from nexios.adapters.websocket.protocol import ServerFault, SocketStateError
    from nexios.adapters.websocket.socket import WebSocket

# Loaded where they are used: who needs one file of this room does not pay for the others.
_HOMES: Final = {
    "nexios.adapters.websocket.closing": "WebSocketDisconnect WebSocketException",
    "nexios.adapters.websocket.controller": "WebSocketController on",
    "nexios.adapters.websocket.line": "WebSocketState",
    "nexios.adapters.websocket.protocol": "ServerFault SocketStateError",
    "nexios.adapters.websocket.socket": "WebSocket",
}

__all__ = [
    "ServerFault",
    "SocketStateError",
    "WebSocket",
    "WebSocketController",
    "WebSocketDisconnect",
    "WebSocketException",
    "WebSocketState",
    "on",
]

__getattr__ = handing_on(globals(), _HOMES)
