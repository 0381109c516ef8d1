"""Small ASGI apps around one socket function, for tests that need no gateway."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

from nexios.adapters.asgi.types import ASGIApp, Receive, Scope, Send
from nexios.adapters.messaging.memory_backplane import MemoryBackplane
from nexios.adapters.websocket.closing import WebSocketDisconnect
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.backplane import Backplane
from nexios.application.limits import Limits
from nexios.websockets.hub import Hub

Handler = Callable[[WebSocket], Awaitable[None]]


def served(
    handler: Handler,
    *,
    app: object = None,
    limits: Limits | None = None,
    clock: Callable[[], float] = lambda: 0.0,
    subprotocols: tuple[str, ...] = (),
) -> ASGIApp:
    """Serve ``handler`` as the gateway does it, without routes, guards and container."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if app is not None:
            scope["app"] = app
        socket = WebSocket(
            scope,
            receive,
            send,
            limits=limits or Limits(),
            clock=clock,
            subprotocols=subprotocols,
        )
        try:
            await socket.begin()
            await handler(socket)
            await socket.close()
        except WebSocketDisconnect:
            pass
        finally:
            socket.end()
        if socket.parting is not None:
            await socket.parting.wait()

    return call


class FakeApp:
    """Stands in ``scope["app"]``: as much of an app as a socket and a hub look at."""

    def __init__(self) -> None:
        self.faults: list[BaseException] = []

    def report(self, error: BaseException, text: str) -> None:
        self.faults.append(error)


@asynccontextmanager
async def running_hub(
    app: FakeApp,
    *,
    limits: Limits | None = None,
    backplane: Backplane | None = None,
    required: bool = True,
    clock: Callable[[], float] = lambda: 0.0,
) -> AsyncIterator[Hub]:
    """Run a hub as the app's lifespan does; nothing may be left of it afterwards."""
    async with anyio.create_task_group() as tasks:
        hub = Hub(
            app,
            backplane=backplane or MemoryBackplane(),
            tasks=tasks,
            limits=limits or Limits(),
            report=app.report,
            required=required,
            clock=clock,
        )
        await hub.start()
        try:
            yield hub
        finally:
            await hub.stop()
    assert app.faults == []
