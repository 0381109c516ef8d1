"""Sockets with a container around them, as the app puts them together."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from nexios.adapters.asgi.types import ASGIApp, Receive, Scope, Send
from nexios.adapters.routing.sockets import SocketRoute
from nexios.adapters.websocket.compiled import SocketSettings, compile_sockets
from nexios.adapters.websocket.gateway import SocketGateway
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.caller import Caller
from nexios.container.container import Container
from nexios.container.module import Module
from nexios.container.scope import Scope as Lifetime
from nexios.testing.sockets import SocketDenied, websocket_connect


class Served:
    """A gateway, and what it reported: each error with the id the client got."""

    def __init__(self, gateway: SocketGateway, faults: list[tuple[BaseException, str]]) -> None:
        self.gateway = gateway
        self.faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.gateway(scope, receive, send)


def everywhere() -> Module:
    shared = Module("everywhere")
    shared.bind(Caller).given()
    shared.bind(WebSocket, scope=Lifetime.CONNECTION).given()
    return shared.export(Caller, WebSocket)


def route(path: str, handler: Callable[..., Any], **options: Any) -> SocketRoute:
    return SocketRoute(path, handler, options, "tests/app.py:1")


@asynccontextmanager
async def serving(
    *routes: SocketRoute,
    module: Module | None = None,
    middleware: tuple[object, ...] = (),
    **settings: Any,
) -> AsyncIterator[Served]:
    """Serve the routes; ``settings`` are those of ``SocketSettings``."""
    options = SocketSettings(**settings)
    sockets = compile_sockets(routes, options)
    assert sockets.problems == []
    container = Container(module or Module("app"), entries=sockets.points, everywhere=everywhere())
    faults: list[tuple[BaseException, str]] = []
    async with container:
        gateway = SocketGateway(
            sockets,
            container,
            middleware=middleware,
            settings=options,
            report=lambda error, _connection, error_id: faults.append((error, error_id)),
        )
        yield Served(gateway, faults)


async def denial(app: ASGIApp, url: str, **options: Any) -> SocketDenied:
    """Return the refusal of a handshake that has to be refused."""
    with pytest.raises(SocketDenied) as denied:
        async with websocket_connect(app, url, **options):
            pass
    return denied.value
