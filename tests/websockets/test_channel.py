"""Channels in one process: who gets what, in which order, and what nobody can break."""

import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import anyio
import anyio.lowlevel
import pytest
from pydantic import BaseModel, field_serializer

from nexios.adapters.asgi.types import ASGIApp
from nexios.adapters.messaging.memory_backplane import MemoryBackplane
from nexios.adapters.websocket.closing import WebSocketDisconnect
from nexios.adapters.websocket.socket import WebSocket
from nexios.testing.sockets import SocketSession, websocket_connect
from nexios.websockets.channel import Channel
from nexios.websockets.errors import (
    AmbiguousApp,
    ChannelClash,
    MessageInvalid,
    NoRunningApp,
    UnknownSocket,
)
from nexios.websockets.options import History, Overflow
from tests.support.chat import Quote, chatting, joined, members
from tests.support.sockets import FakeApp, running_hub, served

pytestmark = pytest.mark.anyio

Enter = Callable[[ASGIApp], Awaitable[SocketSession]]


async def test_plain_json_chat_works() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app), AsyncExitStack() as stack:
        ada, bob = await joined(stack, chatting(chat, app), 2)
        await members(chat, 2)
        await ada.send_json("hello")
        assert await ada.receive_json() == {"message": "hello"}
        assert await bob.receive_json() == {"message": "hello"}
        await bob.close()
        await bob.ended()
        await ada.send_json("alone")
        assert await ada.receive_json() == {"message": "alone"}
        assert len(chat.members) == 1
    with pytest.raises(NoRunningApp, match="chat"):
        await chat.broadcast("nobody")


async def test_membership_ends_with_the_handler() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    go = anyio.Event()

    async def failing(websocket: WebSocket) -> None:
        await chat.connect(websocket)
        await chat.group("tea").join(websocket)
        await go.wait()
        raise LookupError("the handler broke")

    async with running_hub(app):
        with pytest.raises(LookupError):
            async with websocket_connect(served(failing, app=app), "/") as client:
                await members(chat, 1)
                go.set()
                await client.ended()
        assert chat.members == ()
        assert chat.group("tea").members == ()


async def test_joining_and_leaving_twice_is_harmless() -> None:
    app, chat = FakeApp(), Channel[object]("chat")

    async def handler(websocket: WebSocket) -> None:
        first = await chat.connect(websocket, meta={"name": "ada"})
        assert await chat.connect(websocket) is first
        assert first.meta == {"name": "ada"}
        await chat.broadcast("once")
        await chat.disconnect(websocket)
        await chat.disconnect(websocket)
        await chat.broadcast("never")
        await websocket.send_text("own")

    async with running_hub(app), AsyncExitStack() as stack:
        (peer,) = await joined(stack, served(handler, app=app), 1)
        assert await peer.receive_json() == "once"
        assert await peer.receive_text() == "own"
        assert (await peer.closed()).code == 1000


async def test_disconnect_after_the_end_of_the_app_is_harmless() -> None:
    app, chat = FakeApp(), Channel[object]("chat")

    async def handler(websocket: WebSocket) -> None:
        await chat.connect(websocket)
        try:
            await websocket.receive()
        except WebSocketDisconnect:
            await chat.disconnect(websocket)

    async with running_hub(app) as hub, AsyncExitStack() as stack:
        (peer,) = await joined(stack, served(handler, app=app), 1)
        await members(chat, 1)
        await hub.stop()
        await peer.close()
        await peer.ended()


async def test_new_member_gets_nothing_published_before_it_joined() -> None:
    app, chat = FakeApp(), Channel[object]("chat")

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        await chat.broadcast("before")
        await chat.connect(websocket)
        await chat.broadcast("after")

    async with running_hub(app), AsyncExitStack() as stack:
        (peer,) = await joined(stack, served(handler, app=app), 1)
        assert await peer.receive_json() == "after"
        assert (await peer.closed()).code == 1000


async def test_recent_messages_come_first_and_once() -> None:
    app, chat = FakeApp(), Channel[object]("chat")

    async def handler(websocket: WebSocket) -> None:
        await chat.connect(websocket, recent=2)
        await chat.broadcast("live")

    async with running_hub(app), AsyncExitStack() as stack:
        for number in range(5):
            await chat.broadcast(number)
        (peer,) = await joined(stack, served(handler, app=app), 1)
        assert [await peer.receive_json() for _ in range(3)] == [3, 4, "live"]


async def test_reply_never_overtakes_channel_messages() -> None:
    app, chat = FakeApp(), Channel[object]("chat")

    async def handler(websocket: WebSocket) -> None:
        await chat.connect(websocket)
        async for number in websocket.iter_json():
            await chat.broadcast({"told": number})
            await chat.broadcast({"again": number})
            await websocket.send_json({"reply": number})

    async with running_hub(app), AsyncExitStack() as stack:
        (peer,) = await joined(stack, served(handler, app=app), 1)
        peer.stall()
        await peer.send_json(1)
        await anyio.wait_all_tasks_blocked()
        peer.resume()
        await peer.send_json(2)
        got = [await peer.receive_json() for _ in range(6)]
    assert got == [
        {"told": 1}, {"again": 1}, {"reply": 1}, {"told": 2}, {"again": 2}, {"reply": 2},
    ]  # fmt: skip


async def test_what_was_broadcast_before_a_close_still_arrives() -> None:
    app, chat = FakeApp(), Channel[object]("chat")

    async def handler(websocket: WebSocket) -> None:
        await chat.connect(websocket)
        await chat.broadcast("bye")
        await websocket.close(4000)
        with pytest.raises(WebSocketDisconnect):
            await chat.connect(websocket)

    async with running_hub(app), AsyncExitStack() as stack:
        (peer,) = await joined(stack, served(handler, app=app), 1)
        assert await peer.receive_json() == "bye"
        assert (await peer.closed()).code == 4000


async def test_group_members_get_only_their_group() -> None:
    app, chat = FakeApp(), Channel[object]("chat")

    def room(name: str) -> ASGIApp:
        async def handler(websocket: WebSocket) -> None:
            await chat.group(name).join(websocket)
            await websocket.receive()

        return served(handler, app=app)

    async with running_hub(app), AsyncExitStack() as stack:
        (tea,) = await joined(stack, room("tea"), 1)
        (odd,) = await joined(stack, room("a/b*. 🍵"), 1)
        (all_,) = await joined(stack, chatting(chat, app), 1)
        await members(chat, 1)
        await chat.group("tea").broadcast(1)
        await chat.group("a/b*. 🍵").broadcast(2)
        await chat.broadcast(3)
        assert [await peer.receive_json() for peer in (tea, odd, all_)] == [1, 2, 3]
        assert [peer.buffered for peer in (tea, odd, all_)] == [0, 0, 0]


@pytest.mark.parametrize("name", ["", "a" * 201, "a\nb", "\0", "é" * 101])
async def test_bad_group_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="group name"):
        Channel("chat").group(name)


@pytest.mark.parametrize("name", ["", "Chat", "-a", "a b", "a/b", "a" * 65, "ä"])
async def test_bad_channel_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="channel name"):
        Channel(name)


async def test_excluded_members_get_nothing() -> None:
    app, chat = FakeApp(), Channel[object]("chat")

    async def handler(websocket: WebSocket) -> None:
        member = await chat.connect(websocket)
        async for number in websocket.iter_json():
            await chat.broadcast(
                number, exclude=[random.choice([websocket, member, member.socket])]
            )

    async with running_hub(app), AsyncExitStack() as stack:
        ada, bob = await joined(stack, served(handler, app=app), 2)
        await members(chat, 2)
        await ada.send_json(1)
        assert await bob.receive_json() == 1
        await bob.send_json(2)
        assert await ada.receive_json() == 2
        assert (ada.buffered, bob.buffered) == (0, 0)


async def test_send_reaches_one_socket_in_order() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app), AsyncExitStack() as stack:
        ada, bob = await joined(stack, chatting(chat, app), 2)
        await members(chat, 2)
        first = chat.members[0]
        await chat.broadcast(1)
        await chat.send(first, 2)
        await chat.send(first.socket, 3)
        await chat.send(first.websocket, b"\x00")
        assert [await ada.receive_json() for _ in range(3)] == [1, 2, 3]
        assert await ada.receive_bytes() == b"\x00"
        assert await bob.receive_json() == 1
        assert bob.buffered == 0
        with pytest.raises(UnknownSocket):
            await chat.send("nobody", 1)


async def test_everybody_sees_one_order_of_concurrent_broadcasts() -> None:
    app, chat = FakeApp(), Channel[object]("chat")

    async def speak(name: int) -> None:
        for number in range(20):
            await chat.broadcast([name, number])
            for _ in range(random.randrange(3)):
                await anyio.lowlevel.checkpoint()

    async with running_hub(app), AsyncExitStack() as stack:
        peers = await joined(stack, chatting(chat, app), 4)
        await members(chat, 4)
        async with anyio.create_task_group() as tasks:
            for name in range(5):
                tasks.start_soon(speak, name)
        seen = [[await peer.receive_json() for _ in range(100)] for peer in peers]
        told = [one.data for one in (await chat.history()).messages]
    assert seen[0] == seen[1] == seen[2] == seen[3] == told
    for name in range(5):
        assert [number for who, number in seen[0] if who == name] == list(range(20))


async def test_one_encoding_per_message() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    made: list[int] = []

    class Watched(BaseModel):
        n: int

        @field_serializer("n")
        def watched(self, n: int) -> int:
            made.append(n)
            return n

    async with running_hub(app), AsyncExitStack() as stack:
        peers = await joined(stack, chatting(chat, app), 50)
        await members(chat, 50)
        await chat.broadcast(Watched(n=1))
        for peer in peers:
            assert await peer.receive_json() == {"n": 1}
    assert made == [1]


async def test_typed_channel_refuses_a_wrong_message() -> None:
    app = FakeApp()
    quotes = Channel("quotes", message=Quote)
    async with running_hub(app):
        with pytest.raises(MessageInvalid, match="price"):
            await quotes.broadcast({"symbol": "A", "price": "canary"})  # type: ignore[arg-type]
        await quotes.broadcast({"symbol": "A", "price": 1})  # type: ignore[arg-type]
        await quotes.broadcast(Quote(symbol="B", price=2))
        told = await quotes.history()
    assert [one.data for one in told.messages] == [
        Quote(symbol="A", price=1), Quote(symbol="B", price=2),
    ]  # fmt: skip


async def test_what_has_no_json_form_is_refused_to_the_publisher() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app):
        with pytest.raises(MessageInvalid, match="chat"):
            await chat.broadcast(object())
        with pytest.raises(MessageInvalid, match="bytes"):
            await chat.broadcast("x" * 2**20)
        assert (await chat.history()).messages == ()


async def test_same_id_is_sent_once() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app), AsyncExitStack() as stack:
        (peer,) = await joined(stack, chatting(chat, app), 1)
        await members(chat, 1)
        first = await chat.broadcast("a", id="7")
        again = await chat.broadcast("a", id="7")
        other = await chat.broadcast("b")
        assert [await peer.receive_json() for _ in range(2)] == ["a", "b"]
    assert (first.id, first.duplicate) == ("7", False)
    assert (again.duplicate, again.position) == (True, first.position)
    assert other.position.offset == first.position.offset + 1


async def test_history_is_what_was_declared() -> None:
    app = FakeApp()
    chat = Channel[object]("chat", history=History(count=2))
    mute = Channel[object]("mute", history=History.off())
    async with running_hub(app):
        receipts = [await chat.broadcast(number) for number in range(4)]
        await mute.broadcast(1)
        kept = await chat.history()
        assert [one.data for one in kept.messages] == [2, 3]
        after = await chat.history(after=receipts[2].position)
        assert ([one.data for one in after.messages], after.complete) == ([3], True)
        lost = await chat.history(after=receipts[0].position)
        assert ([one.data for one in lost.messages], lost.complete) == ([2, 3], False)
        assert (await mute.history()).messages == ()


async def test_two_apps_on_one_loop_share_nothing() -> None:
    one, two, chat = FakeApp(), FakeApp(), Channel[object]("chat")
    async with running_hub(one), running_hub(two), AsyncExitStack() as stack:
        (ada,) = await joined(stack, chatting(chat.of(one), one), 1)
        (bob,) = await joined(stack, chatting(chat.of(two), two), 1)
        await members(chat.of(one), 1)
        await members(chat.of(two), 1)
        with pytest.raises(AmbiguousApp, match=r"channel\.of\(app\)"):
            await chat.broadcast("who")
        await chat.of(one).broadcast(1)
        await chat.of(two).group("tea").broadcast(0)
        await chat.of(two).broadcast(2)
        assert [await ada.receive_json(), await bob.receive_json()] == [1, 2]
        assert (ada.buffered, bob.buffered) == (0, 0)


async def test_same_name_with_other_options_is_a_clash() -> None:
    app = FakeApp()
    first = Channel[object]("chat")
    same = Channel[object]("chat")
    other = Channel[object]("chat", overflow=Overflow.drop_oldest())
    async with running_hub(app):
        await first.broadcast(1)
        await same.broadcast(2)
        with pytest.raises(ChannelClash) as clash:
            await other.broadcast(3)
    places = [place.rpartition(":") for place in clash.value.places]
    assert [path.endswith("test_channel.py") for path, _, _ in places] == [True, True]
    assert int(places[1][2]) == int(places[0][2]) + 2


async def test_the_last_member_leaving_ends_the_subscription() -> None:
    app, chat, backplane = FakeApp(), Channel[object]("chat"), MemoryBackplane()

    async def handler(websocket: WebSocket) -> None:
        for number in range(200):
            await chat.group(str(number % 7)).join(websocket)
            await chat.group(str(number % 7)).leave(websocket)

    async with running_hub(app, backplane=backplane) as hub, AsyncExitStack() as stack:
        (peer,) = await joined(stack, served(handler, app=app), 1)
        assert (await peer.closed()).code == 1000
        await peer.ended()
        await anyio.wait_all_tasks_blocked()
        followers = [log.followers for log in backplane._logs.values()]
        assert followers == [()] * len(followers)
        assert len(hub._errands) == 2  # the watch, and what writes at the end of turns
