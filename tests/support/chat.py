"""The chat of the seed page, for many clients at once."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import anyio
import anyio.lowlevel
from pydantic import BaseModel

from nexios.adapters.asgi.types import ASGIApp
from nexios.adapters.websocket.closing import WebSocketDisconnect
from nexios.adapters.websocket.socket import WebSocket
from nexios.testing.sockets import SocketSession, websocket_connect
from nexios.websockets.channel import Channel
from tests.support.sockets import FakeApp, served

Enter = Callable[[ASGIApp], Awaitable[SocketSession]]


def chatting(channel: Channel[object], app: FakeApp, **options: object) -> ASGIApp:
    """The chat of the seed page, without the page."""

    async def handler(websocket: WebSocket) -> None:
        await channel.connect(websocket)
        try:
            while True:
                await channel.broadcast({"message": await websocket.receive_json()})
        except WebSocketDisconnect:
            await channel.disconnect(websocket)

    return served(handler, app=app, **options)  # type: ignore[arg-type]  # test helper


async def joined(stack: AsyncExitStack, app: ASGIApp, count: int) -> list[SocketSession]:
    return [await stack.enter_async_context(websocket_connect(app, "/ws")) for _ in range(count)]


async def members(channel: Channel[object], count: int) -> None:
    """Wait until the channel has so many members."""
    with anyio.fail_after(5):
        while len(channel.members) != count:
            await anyio.lowlevel.checkpoint()


class Quote(BaseModel):
    symbol: str
    price: float
