"""Two processes of one app in one loop, over each carrier of channels there is."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import pytest

from nexios.adapters.asgi.types import ASGIApp
from nexios.adapters.messaging.memory_backplane import MemoryBackplane
from nexios.adapters.messaging.nats_backplane import NatsBackplane
from nexios.adapters.messaging.postgres_backplane import PostgresBackplane
from nexios.adapters.messaging.redis_backplane import RedisBackplane
from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.tables import create_tables
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.backplane import Backplane
from nexios.application.caller import Caller
from nexios.application.limits import Limits
from nexios.testing.sockets import SocketSession, websocket_connect
from nexios.websockets.channel import Channel
from nexios.websockets.frames import SUBPROTOCOL
from nexios.websockets.hub import Hub
from tests.support.backplanes import Linked
from tests.support.sockets import FakeApp, running_hub, served

IN = "in"
CARRIERS = ("linked", "redis", "nats", "postgresql")


class Processes:
    """Two of them; ``here`` and ``there`` stand for what each runs."""

    def __init__(self) -> None:
        self.here, self.there = FakeApp(), FakeApp()
        self.hub: Hub
        self.other: Hub


Carried = Callable[[], Any]
"""Opens two processes, in an ``async with``."""


@pytest.fixture(params=CARRIERS)
def processes(request: pytest.FixtureRequest) -> Carried:
    kind = request.param
    ask = {"redis": "nexios_redis", "nats": "nexios_nats", "postgresql": "nexios_database_url"}
    url = request.getfixturevalue(ask[kind]) if kind in ask else ""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Processes]:
        async with AsyncExitStack() as stack:
            one, two = await _carriers(kind, url, stack)
            both = Processes()
            both.hub = await stack.enter_async_context(running_hub(both.here, backplane=one))
            both.other = await stack.enter_async_context(running_hub(both.there, backplane=two))
            yield both

    return opened


async def _carriers(kind: str, url: str, stack: AsyncExitStack) -> tuple[Backplane, Backplane]:
    space = f"t{secrets.token_hex(6)}"
    if kind == "redis":
        return RedisBackplane(url, namespace=space), RedisBackplane(url, namespace=space)
    if kind == "nats":
        return (
            NatsBackplane(url, namespace=space, reply_s=10.0),
            NatsBackplane(url, namespace=space, reply_s=10.0),
        )
    if kind == "postgresql":
        here = await stack.enter_async_context(Database(url))
        there = await stack.enter_async_context(Database(url))
        await create_tables(here)
        return (
            PostgresBackplane(here, namespace=space),
            PostgresBackplane(there, namespace=space),
        )
    store = MemoryBackplane()
    return Linked(store), Linked(store)


def staying(
    channel: Channel[Any],
    app: FakeApp,
    room: str | None = None,
    *,
    limits: Limits | None = None,
    gate: anyio.Event | None = None,
    **options: Any,
) -> ASGIApp:
    """Serve sockets that stay in the channel or a group; ``?as=ada`` is who they are.

    With ``gate`` they say that they are in, wait for it, and only then join.
    """

    async def stay(websocket: WebSocket) -> None:
        who = websocket.query_params.get("as")
        websocket.scope["caller"] = Caller(actor=who)
        if gate is not None:
            await websocket.accept()
            await websocket.send_text(IN)
            await gate.wait()
        if room is None:
            await channel.connect(websocket, **options)
        else:
            await channel.group(room).join(websocket, **options)
        if gate is None:
            await websocket.send_text(IN)
        await websocket.receive()

    return served(stay, app=app, limits=limits)


async def enter(
    stack: AsyncExitStack, app: ASGIApp, who: str | None = None, *, tagged: bool = False
) -> SocketSession:
    """Connect somebody, and wait until it says that it is in."""
    url = "/ws" if who is None else f"/ws?as={who}"
    asked = [SUBPROTOCOL] if tagged else []
    peer = await stack.enter_async_context(websocket_connect(app, url, subprotocols=asked))
    while await peer.receive_text() != IN:
        pass  # what it is told before, where it stands
    return peer


async def until(true: Callable[[], bool]) -> None:
    """Wait until something holds."""
    with anyio.fail_after(10):
        while not true():  # noqa: ASYNC110  # of what is watched nothing tells
            await anyio.sleep(0.005)
