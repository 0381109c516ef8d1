"""The mechanics of WebSockets: handshake, messages, scopes, the end."""

from nexios.adapters.websocket.closing import WebSocketDisconnect, WebSocketException
from nexios.adapters.websocket.controller import WebSocketController, on
from nexios.adapters.websocket.line import WebSocketState
from nexios.adapters.websocket.protocol import ServerFault, SocketStateError
from nexios.adapters.websocket.socket import WebSocket

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
