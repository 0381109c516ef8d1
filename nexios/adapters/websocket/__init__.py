"""The mechanics of WebSockets: handshake, messages, scopes, the end."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

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
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names.split()}

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


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(home), name)
    return found
