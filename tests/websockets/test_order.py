"""What members get is in order, whoever stalls, leaves or is answered in between."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from nexios.adapters.asgi.frames import EXTENSION, messages_in
from nexios.adapters.asgi.types import ASGIApp, Message
from nexios.adapters.websocket.socket import WebSocket
from nexios.testing.sockets import SocketSession, websocket_connect
from nexios.websockets.channel import Channel
from tests.support.chat import members
from tests.support.sockets import FakeApp, running_hub, served

pytestmark = pytest.mark.anyio


class Server:
    """As servers do, its ``send`` returns without waiting unless its peer stands still."""

    def __init__(self, inner: ASGIApp, *, frames: bool) -> None:
        self._inner = inner
        self._frames = frames
        self.gate: anyio.Event | None = None
        self.got: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Message) -> None:
            if message["type"] != "websocket.send":
                await send(message)
                return
            if self.gate is not None:
                await self.gate.wait()
            self.got.append(message["text"])

        def write(frames: bytes) -> bool:
            if self.gate is not None:
                return False
            self.got += [payload.decode() for _, payload in messages_in(frames)]
            return True

        if self._frames:
            offer = {"send": sending, "write": write}
            scope["extensions"] = {**scope["extensions"], EXTENSION: offer}
        await self._inner(scope, receive, sending)

    def stall(self) -> None:
        if self.gate is None:
            self.gate = anyio.Event()

    def resume(self) -> None:
        gate, self.gate = self.gate, None
        if gate is not None:
            gate.set()


@asynccontextmanager
async def peers(
    inner: ASGIApp, count: int, *, frames: bool
) -> AsyncIterator[list[tuple[Server, SocketSession]]]:
    async with AsyncExitStack() as stack:
        servers = [Server(inner, frames=frames) for _ in range(count)]
        yield [
            (server, await stack.enter_async_context(websocket_connect(server, "/ws")))
            for server in servers
        ]


@pytest.mark.parametrize("frames", [True, False], ids=["frames", "plain"])
async def test_a_reply_and_a_close_come_behind_what_was_broadcast_before(frames: bool) -> None:
    app, chat = FakeApp(), Channel[object]("chat")

    async def handler(websocket: WebSocket) -> None:
        await chat.connect(websocket)
        await chat.broadcast(1)
        await websocket.send_text("2")
        await chat.broadcast(3)
        await chat.send(websocket, 4)
        await chat.broadcast(5)
        await chat.broadcast(6)
        await websocket.close(4000)

    async with running_hub(app), peers(served(handler, app=app), 1, frames=frames) as found:
        server, session = found[0]
        assert (await session.closed()).code == 4000
        assert server.got == list("123456")


@pytest.mark.parametrize("frames", [True, False], ids=["frames", "plain"])
async def test_whoever_leaves_in_mid_turn_gets_what_was_before_and_nothing_after(
    frames: bool,
) -> None:
    app, chat = FakeApp(), Channel[object]("chat")

    async def handler(websocket: WebSocket) -> None:
        await chat.connect(websocket)
        if len(chat.members) < 2:
            await websocket.receive()
        await chat.broadcast(1)
        await chat.disconnect(websocket)
        await chat.broadcast(2)
        await websocket.send_text("end")
        await websocket.receive()

    async with running_hub(app), peers(served(handler, app=app), 2, frames=frames) as found:
        (stayed, _), (left, _) = found
        await anyio.wait_all_tasks_blocked()
        assert left.got == ["1", "end"]
        assert stayed.got == ["1", "2"]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("frames", [True, False], ids=["frames", "plain"])
async def test_any_mix_of_stalls_replies_and_leaving_keeps_the_order(
    frames: bool, seed: int
) -> None:
    app, chat, chance = FakeApp(), Channel[object]("chat"), random.Random(seed)
    told: list[int] = []

    async def handler(websocket: WebSocket) -> None:
        await chat.connect(websocket)
        async for text in websocket.iter_text():
            if text == "leave":
                break
            await websocket.send_text(f"reply {len(told)}")
        await chat.disconnect(websocket)
        await websocket.receive()

    async with running_hub(app), peers(served(handler, app=app), 6, frames=frames) as found:
        await members(chat, 6)
        stayed = found[1:]
        acts: list[Callable[[], Any]] = [
            lambda: chance.choice(found)[0].stall(),
            lambda: chance.choice(found)[0].resume(),
        ]
        for step in range(200):
            if chance.random() < 0.5:
                told.append(len(told))
                await chat.broadcast(told[-1])
            elif chance.random() < 0.5:
                chance.choice(acts)()
            else:
                await chance.choice(stayed)[1].send_text("say")
            if step == 120:
                await found[0][1].send_text("leave")
            if chance.random() < 0.3:
                await anyio.lowlevel.checkpoint()
        for server, _ in found:
            server.resume()
        await anyio.wait_all_tasks_blocked()
        for server, _ in stayed:
            assert [int(one) for one in server.got if one.isdigit()] == told
            assert _replies_are_in_place(server.got)
        left = [int(one) for one in found[0][0].got]
        assert left == list(range(len(left)))
        assert len(chat.members) == 5


def _replies_are_in_place(got: list[str]) -> bool:
    """Tell whether each reply comes behind what had been broadcast when it was made."""
    told = 0
    for one in got:
        if one.isdigit():
            told += 1
        elif told < int(one.split()[1]):
            return False
    return True
