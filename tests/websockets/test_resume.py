"""Clients that speak ``nexios.v1``: where they stand, what they missed, and on which process."""

from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import quote

import anyio
import anyio.lowlevel
import pytest

from nexios.adapters.asgi.types import ASGIApp
from nexios.adapters.messaging.memory_backplane import MemoryBackplane
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.limits import Limits
from nexios.testing.sockets import SocketDenied, SocketSession, websocket_connect
from nexios.websockets.channel import Channel
from nexios.websockets.frames import SUBPROTOCOL
from nexios.websockets.options import History, Overflow
from tests.support.backplanes import Linked
from tests.support.chat import Quote, members
from tests.support.sockets import FakeApp, running_hub, served

pytestmark = pytest.mark.anyio


def staying(
    channel: Channel[Any], app: FakeApp, room: str | None = "tea", **limits: int
) -> ASGIApp:
    async def stay(websocket: WebSocket) -> None:
        if room is None:
            await channel.connect(websocket)
        else:
            await channel.group(room).join(websocket)
        await websocket.receive()

    return served(stay, app=app, limits=Limits(**limits))


async def enter(stack: AsyncExitStack, app: ASGIApp, *at: str) -> SocketSession:
    url = "/ws?" + "&".join(f"at={quote(one)}" for one in at)
    return await stack.enter_async_context(websocket_connect(app, url, subprotocols=[SUBPROTOCOL]))


async def told(peer: SocketSession, count: int) -> list[Any]:
    frames = [await peer.receive_json() for _ in range(count)]
    assert {one["type"] for one in frames} == {"message"}
    return [one["data"] for one in frames]


async def test_a_client_resumes_on_the_other_process_without_a_gap() -> None:
    store = MemoryBackplane()
    one, two, chat = FakeApp(), FakeApp(), Channel[object]("chat")
    async with (
        running_hub(one, backplane=Linked(store)),
        running_hub(two, backplane=Linked(store)),
    ):
        here, there = chat.of(one).group("tea"), chat.of(two).group("tea")
        async with AsyncExitStack() as stack:
            ada = await enter(stack, staying(chat, one))
            hello = await ada.receive_json()
            assert (hello["type"], hello["topic"], hello["recovered"]) == (
                "joined",
                "chat/tea",
                False,
            )
            await here.broadcast("a")
            await there.broadcast("b")
            assert (await ada.receive_json())["data"] == "a"
            last = await ada.receive_json()
            assert last["data"] == "b"
        for number in range(300):
            await there.broadcast(number)
        async with AsyncExitStack() as stack:
            back = await enter(stack, staying(chat, two), f"chat/tea@{last['at']}")
            hello = await back.receive_json()
            assert hello == {
                "type": "joined",
                "topic": "chat/tea",
                "at": last["at"],
                "recovered": True,
                "replayed": 300,
            }
            await here.broadcast("live")
            assert await told(back, 301) == [*range(300), "live"]


async def test_messages_published_during_the_replay_come_once_and_in_order() -> None:
    store = MemoryBackplane()
    app, chat, link = FakeApp(), Channel[object]("chat"), Linked(store)
    async with (
        running_hub(app, backplane=link),
        anyio.create_task_group() as tasks,
        AsyncExitStack() as stack,
    ):
        room = chat.group("tea")
        first = await room.broadcast(0)
        for number in range(1, 4):
            await room.broadcast(number)
        link.gate = anyio.Event()

        async def speak() -> None:
            while not link.reads:
                await anyio.lowlevel.checkpoint()
            for number in range(4, 8):
                await room.broadcast(number)
            link.gate.set()

        tasks.start_soon(speak)
        peer = await enter(stack, staying(chat, app), f"chat/tea@{first.position}")
        assert (await peer.receive_json())["replayed"] == 3
        await room.broadcast(8)
        assert await told(peer, 8) == list(range(1, 9))


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        (lambda at: f"{at.epoch}:1", "trimmed"),
        (lambda at: f"{at.epoch}:99", "ahead"),
        (lambda at: f"elsewhere:{at.offset}", "epoch"),
    ],
)
async def test_what_cannot_be_resumed_is_one_reset_then_live(ask: Any, reason: str) -> None:
    app, chat = FakeApp(), Channel[object]("chat", history=History(count=2))
    async with running_hub(app), AsyncExitStack() as stack:
        for number in range(5):
            head = (await chat.broadcast(number)).position
        assert head is not None
        peer = await enter(stack, staying(chat, app, None), f"chat@{ask(head)}")
        hello, reset = await peer.receive_json(), await peer.receive_json()
        await chat.broadcast("live")
        assert await told(peer, 1) == ["live"]
    assert (hello["type"], hello["recovered"], hello["at"]) == ("joined", False, str(head))
    assert reset == {"type": "reset", "topic": "chat", "at": str(head), "reason": reason}


@pytest.mark.parametrize("at", ["", "chat", "chat@", "chat@a:b", "chat@:1", "chat@é:1", "a" * 999])
async def test_a_garbage_position_is_400_before_accept(at: str) -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app), AsyncExitStack() as stack:
        with pytest.raises(SocketDenied) as refusal:
            await enter(stack, staying(chat, app), at)
    assert refusal.value.status == 400


async def test_at_is_the_applications_own_word_for_bare_clients() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app), AsyncExitStack() as stack:
        url = "/ws?at=noon"
        peer = await stack.enter_async_context(websocket_connect(staying(chat, app, None), url))
        await members(chat, 1)
        await chat.broadcast("x")
        assert await peer.receive_json() == "x"


async def test_a_position_found_after_the_handshake_closes_4400() -> None:
    app, chat = FakeApp(), Channel[object]("chat")

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept(SUBPROTOCOL)
        await chat.connect(websocket)

    async with running_hub(app), AsyncExitStack() as stack:
        peer = await enter(stack, served(handler, app=app), "garbage")
        assert (await peer.closed()).code == 4400


async def test_a_bare_client_gets_messages_alone_and_can_be_resumed_by_its_handler() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app), AsyncExitStack() as stack:
        first = (await chat.broadcast(0)).position
        await chat.broadcast(1)

        async def handler(websocket: WebSocket) -> None:
            await chat.connect(websocket, after=first)
            await chat.broadcast(2)
            await websocket.receive()

        peer = await stack.enter_async_context(websocket_connect(served(handler, app=app), "/"))
        assert [await peer.receive_json() for _ in range(2)] == [1, 2]
        assert peer.subprotocol is None


async def test_bytes_have_a_place_in_the_richer_form() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app), AsyncExitStack() as stack:
        peer = await enter(stack, staying(chat, app, None))
        await peer.receive_json()
        receipt = await chat.broadcast(b"\x00\xff")
        frame = await peer.receive_json()
    assert (frame["at"], frame["encoding"], frame["data"]) == (
        str(receipt.position),
        "base64",
        "AP8=",
    )


async def test_dropped_messages_are_announced_with_their_number() -> None:
    app = FakeApp()
    chat = Channel[object]("chat", overflow=Overflow.drop_oldest())
    async with running_hub(app), AsyncExitStack() as stack:
        peer = await enter(stack, staying(chat, app, None, queue_out=4))
        await peer.receive_json()
        peer.stall()
        for number in range(10):
            await chat.broadcast(number)
        peer.resume()
        await anyio.wait_all_tasks_blocked()
        await chat.broadcast("end")
        frames = [await peer.receive_json()]
        while frames[-1].get("data") != "end":
            frames.append(await peer.receive_json())
    notes = [one for one in frames if one["type"] == "dropped"]
    got = [one["data"] for one in frames if one["type"] == "message"]
    assert sum(one["count"] for one in notes) == 11 - len(got)
    assert got == sorted(got, key=lambda data: 99 if data == "end" else data)


async def test_a_full_buffer_while_joining_is_a_reset() -> None:
    app, chat, link = FakeApp(), Channel[object]("chat"), Linked(MemoryBackplane())
    async with (
        running_hub(app, backplane=link),
        anyio.create_task_group() as tasks,
        AsyncExitStack() as stack,
    ):
        first = (await chat.broadcast(0)).position
        link.gate = anyio.Event()

        async def speak() -> None:
            while not link.reads:
                await anyio.lowlevel.checkpoint()
            for number in range(1, 10):
                await chat.broadcast(number)
            link.gate.set()

        tasks.start_soon(speak)
        peer = await enter(stack, staying(chat, app, None, queue_out=4), f"chat@{first}")
        assert (await peer.receive_json())["type"] == "joined"
        reset = await peer.receive_json()
        head = await chat.broadcast("live")
        live = await peer.receive_json()
    assert (reset["type"], reset["reason"]) == ("reset", "overflow")
    assert (live["data"], live["at"]) == ("live", str(head.position))


async def test_typed_messages_keep_their_type_between_processes() -> None:
    store = MemoryBackplane()
    one, two = FakeApp(), FakeApp()
    quotes = Channel("quotes", message=Quote)
    async with (
        running_hub(one, backplane=Linked(store)),
        running_hub(two, backplane=Linked(store)),
    ):
        await quotes.of(one).broadcast(Quote(symbol="A", price=1.5))
        kept = await quotes.of(two).history()
    assert [item.data for item in kept.messages] == [Quote(symbol="A", price=1.5)]
