"""The first step of a socket into a channel: the handshake, and where its client left."""

from collections.abc import Mapping

from nexios.adapters.websocket.socket import WebSocket
from nexios.application.backplane import Position
from nexios.websockets.frames import SUBPROTOCOL
from nexios.websockets.resume import BadPosition, positions_in


async def accepted(socket: WebSocket) -> Mapping[str, Position]:
    """Accept, in the richer form when the client offers it; return where it left, by topic.

    Raises:
        WebSocketDisconnect: A position is none: 400 before the handshake, 4400 after it.
    """
    connected = socket.is_connected()
    richer = socket.subprotocol == SUBPROTOCOL if connected else SUBPROTOCOL in socket.subprotocols
    asked: Mapping[str, Position] = {}
    if richer:  # otherwise ``at`` is a word of the application's own
        try:
            asked = positions_in(socket.query_params.getlist("at"))
        except BadPosition:
            if connected:
                await socket.refuse(4400, "unusable position")
            await socket.deny(400)
            socket.raise_if_ended()
    if not connected:
        await socket.accept(SUBPROTOCOL if richer else None)
    return asked
