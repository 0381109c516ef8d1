"""Channels on a server that takes prepared frames: encoded once, one write a socket and turn."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest

from nexios.adapters.asgi.frames import BINARY, TEXT, frame, messages_in
from nexios.adapters.asgi.types import ASGIApp, Message
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.backplane import Arrived, Position, Topic
from nexios.application.limits import Limits
from nexios.testing.sockets import SocketSession, websocket_connect
from nexios.websockets.channel import Channel
from nexios.websockets.crowd import Crowd
from nexios.websockets.due import Due
from nexios.websockets.options import Overflow
from nexios.websockets.row import Row
from nexios.websockets.turn import FRAMES, Turn
from nexios.websockets.walk import Walk
from nexios.websockets.wire import Delivery, pack
from tests.support.chat import chatting, members
from tests.support.sockets import FakeApp, running_hub, served

pytestmark = pytest.mark.asyncio


async def taking(stack: AsyncExitStack, app: ASGIApp, count: int) -> list[SocketSession]:
    """Connect clients of a server that takes prepared frames."""
    return [
        await stack.enter_async_context(websocket_connect(app, "/ws", frames=True))
        for _ in range(count)
    ]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
async def test_a_frame_is_read_back_as_it_was_made(size: int) -> None:
    both = frame(TEXT, b"x" * size) + frame(BINARY, b"y")
    assert list(messages_in(both)) == [(TEXT, b"x" * size), (BINARY, b"y")]


async def test_the_messages_of_one_turn_are_one_write_for_each_member() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app), AsyncExitStack() as stack:
        peers = await taking(stack, chatting(chat, app), 3)
        await members(chat, 3)
        for number in range(5):
            await chat.broadcast(number)
        for peer in peers:
            assert [await peer.receive_json() for _ in range(5)] == [0, 1, 2, 3, 4]
            assert peer.writes == 1


async def test_a_publisher_that_never_waits_is_written_out_in_between() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app), AsyncExitStack() as stack:
        (peer,) = await taking(stack, chatting(chat, app), 1)
        await members(chat, 1)
        for number in range(FRAMES * 10):
            await chat.broadcast(number)
        assert peer.writes >= 9
        assert [await peer.receive_json() for _ in range(FRAMES * 10)] == list(range(FRAMES * 10))


async def test_a_reply_and_a_close_come_behind_what_was_broadcast_before() -> None:
    app, chat = FakeApp(), Channel[object]("chat")

    async def handler(websocket: WebSocket) -> None:
        await chat.connect(websocket)
        await chat.broadcast("first")
        await websocket.send_json("reply")
        await chat.broadcast("third")
        await chat.send(websocket, "fourth")
        await chat.broadcast("fifth")
        await websocket.close(4000)

    async with running_hub(app), AsyncExitStack() as stack:
        (peer,) = await taking(stack, served(handler, app=app), 1)
        got = [await peer.receive_json() for _ in range(5)]
        assert got == ["first", "reply", "third", "fourth", "fifth"]
        assert (await peer.closed()).code == 4000


async def test_a_member_that_stalls_falls_behind_and_comes_back_in_step() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app), AsyncExitStack() as stack:
        slow, other = await taking(stack, chatting(chat, app), 2)
        await members(chat, 2)
        slow.stall()
        for number in range(50):
            await chat.broadcast(number)
        assert [await other.receive_json() for _ in range(50)] == list(range(50))
        assert slow.writes == 0
        slow.resume()
        assert [await slow.receive_json() for _ in range(50)] == list(range(50))
        await anyio.wait_all_tasks_blocked()
        await chat.broadcast("in step")
        assert await slow.receive_json() == "in step"
        assert slow.writes == 1


async def test_a_member_that_stands_still_is_given_up_at_the_end_of_a_turn_too() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app), AsyncExitStack() as stack:
        slow, other = await taking(stack, chatting(chat, app, limits=Limits(queue_out=2)), 2)
        await members(chat, 2)
        slow.stall()
        for number in range(8):  # less than a turn takes
            await chat.broadcast(number)
        assert [await other.receive_json() for _ in range(8)] == list(range(8))
        assert len(chat.members) == 1
        slow.resume()
        assert (await slow.closed()).code == 1013


async def test_a_member_that_stands_still_is_given_up_by_the_policy() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app), AsyncExitStack() as stack:
        slow, other = await taking(stack, chatting(chat, app, limits=Limits(queue_out=8)), 2)
        await members(chat, 2)
        slow.stall()
        for number in range(100):
            await chat.broadcast(number)
        assert len(chat.members) == 1
        assert [await other.receive_json() for _ in range(100)] == list(range(100))
        slow.resume()
        assert (await slow.closed()).code == 1013


async def test_drop_oldest_keeps_the_newest_of_a_member_that_stalls() -> None:
    app = FakeApp()
    chat = Channel[object]("chat", overflow=Overflow.drop_oldest())
    async with running_hub(app), AsyncExitStack() as stack:
        (peer,) = await taking(stack, chatting(chat, app, limits=Limits(queue_out=3)), 1)
        await members(chat, 1)
        peer.stall()
        for number in range(10):
            await chat.broadcast(number)
        await anyio.wait_all_tasks_blocked()
        peer.resume()
        assert [await peer.receive_json() for _ in range(4)] == [0, 7, 8, 9]


async def test_excluded_members_and_those_of_other_topics_get_nothing() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app), AsyncExitStack() as stack:
        one, other = await taking(stack, chatting(chat, app), 2)
        await members(chat, 2)
        await chat.broadcast(1)
        await chat.broadcast(2, exclude=[chat.members[0]])
        await chat.broadcast(3)
        assert [await one.receive_json() for _ in range(2)] == [1, 3]
        assert [await other.receive_json() for _ in range(3)] == [1, 2, 3]
        assert one.buffered == 0


async def test_whoever_leaves_in_mid_turn_gets_what_was_before_and_nothing_after() -> None:
    app, chat = FakeApp(), Channel[object]("chat")

    async def handler(websocket: WebSocket) -> None:
        await chat.connect(websocket)
        await chat.broadcast("before")
        await chat.disconnect(websocket)
        await chat.broadcast("after")
        await websocket.send_json("end")

    async with running_hub(app), AsyncExitStack() as stack:
        (peer,) = await taking(stack, served(handler, app=app), 1)
        assert [await peer.receive_json() for _ in range(2)] == ["before", "end"]


async def test_a_peer_that_is_cut_in_mid_turn_costs_nobody_else_anything() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app), AsyncExitStack() as stack:
        peers = await taking(stack, chatting(chat, app), 20)
        await members(chat, 20)
        await chat.broadcast(1)
        for peer in peers[:10]:
            peer.cut()
        await chat.broadcast(2)
        for peer in peers[10:]:
            assert [await peer.receive_json() for _ in range(2)] == [1, 2]
        await members(chat, 10)


async def test_middleware_before_the_server_sees_every_message() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    seen: list[str] = []
    inner = chatting(chat, app)

    async def watching(scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Message) -> None:
            seen.append(message["type"])
            await send(message)

        await inner(scope, receive, sending)

    async with running_hub(app), AsyncExitStack() as stack:
        (peer,) = await taking(stack, watching, 1)
        await members(chat, 1)
        await chat.broadcast("seen")
        assert await peer.receive_json() == "seen"
        assert peer.writes == 0
    assert seen.count("websocket.send") == 1


class Framed:
    """A socket whose server takes prepared frames, or fails."""

    apart = False
    framed = True
    inflates = False
    tagged = False
    most = FRAMES

    def __init__(self, id: str, *, broken: bool = False) -> None:
        self.id = id
        self._broken = broken
        self.written: list[bytes] = []
        self.taken: list[Due] = []
        self.error: Exception | None = None

    async def put(self, message: Message) -> None:
        raise AssertionError(message)

    def write(self, frames: bytes) -> bool:
        if self._broken:
            raise RuntimeError("the handler is closed")
        self.written.append(frames)
        return True

    def take(self, dues: Sequence[Due]) -> None:
        self.taken += dues

    def give_up(self, error: Exception) -> None:
        self.error = error

    def held(self, scope: anyio.CancelScope, since: float, left: Sequence[Due]) -> None:
        raise AssertionError

    def let_go(self) -> None:
        raise AssertionError


def no_walk() -> Walk:
    """A walk for sockets that need none."""

    def begin(work: object) -> None:
        raise AssertionError(work)

    return Walk(begin, lambda: 0.0)


TOPIC = Topic("chat", None)
POLICY = Overflow.disconnect()


async def test_a_server_that_fails_for_one_socket_fails_for_no_other() -> None:
    turn, broken, good = Turn(no_walk()), Framed("broken", broken=True), Framed("good")
    message: Message = {"type": "websocket.send", "text": "x"}
    for socket in (broken, good):
        turn.offer(socket, message, 1, TOPIC, POLICY, None)
    turn.flush()
    assert str(broken.error) == "the handler is closed"
    assert good.written == [frame(TEXT, b"x")]
    assert not turn.waits


async def test_one_message_is_encoded_once_for_all() -> None:
    turn, sockets = Turn(no_walk()), [Framed(str(number)) for number in range(500)]
    message: Message = {"type": "websocket.send", "text": "x"}
    for socket in sockets:
        turn.offer(socket, message, 1, TOPIC, POLICY, None)
    turn.flush()
    assert len({id(one.written[0]) for one in sockets}) == 1
    large: Message = {"type": "websocket.send", "bytes": bytes(10_000)}
    for inflates in (True, False):
        due = Due(large, 10_000, TOPIC, POLICY, None)
        for socket in sockets:
            socket.written.clear()
            socket.inflates = inflates
        Row(sockets).hand_out([Due(message, 1, TOPIC, POLICY, None), due], no_walk())
        assert len({id(one.written[0]) for one in sockets}) == 1
        assert sockets[0].written[0].endswith(due.squeezed if inflates else due.wire)
    assert len(due.squeezed) < 100 < len(due.wire)
    assert Due(message, 1, TOPIC, POLICY, None).squeezed == frame(TEXT, b"x")


async def test_a_crowd_writes_each_row_once_and_leaves_out_whom_it_is_told_to() -> None:
    turn, sockets = Turn(no_walk()), [Framed("a"), Framed("b")]
    crowd = Crowd(sockets, TOPIC, POLICY, turn)
    for number, exclude in enumerate(["", "", "a", "ab", ""]):
        crowd.offer(arrived(str(number)), frozenset(exclude))
    turn.flush()
    assert sockets[0].written == [framed("0", "1"), framed("4")]
    assert sockets[1].written == [framed("0", "1"), framed("2"), framed("4")]
    assert sockets[0].written[0] is sockets[1].written[0]


async def test_what_is_due_to_one_comes_between_what_is_due_to_all() -> None:
    turn, socket = Turn(no_walk()), Framed("a")
    crowd = Crowd([socket], TOPIC, POLICY, turn)
    for number in range(4):
        if number % 2:
            message: Message = {"type": "websocket.send", "text": str(number)}
            turn.offer(socket, message, 1, TOPIC, POLICY, None)
        else:
            crowd.offer(arrived(str(number)), frozenset())
    turn.flush()
    assert b"".join(socket.written) == framed("0", "1", "2", "3")


async def test_one_that_stands_apart_takes_what_the_others_are_written() -> None:
    turn, apart, other = Turn(no_walk()), Framed("apart"), Framed("other")
    apart.apart = True
    Crowd([apart, other], TOPIC, POLICY, turn).offer(arrived("1"), frozenset())
    turn.flush()
    assert [one.message["text"] for one in apart.taken] == ["1"]
    assert (apart.written, other.written) == ([], [framed("1")])


async def test_a_small_queue_makes_the_turn_short() -> None:
    turn, socket = Turn(no_walk()), Framed("a")
    socket.most = 2
    crowd = Crowd([socket], TOPIC, POLICY, turn)
    for number in range(3):
        crowd.offer(arrived(str(number)), frozenset())
    assert socket.written == [framed("0", "1")]
    assert turn.waits


def arrived(body: str) -> Delivery:
    return Delivery(Arrived(Position("e", 1), 0, "id", None, pack(0, body.encode())))


def framed(*bodies: str) -> bytes:
    return b"".join(frame(TEXT, body.encode()) for body in bodies)


async def test_one_frame_for_two_topics_goes_under_the_policy_of_each() -> None:
    turn, first, second = Turn(no_walk()), Framed("a"), Framed("b")
    first.apart = second.apart = True
    message = {"type": "websocket.send", "text": "tick"}
    other, drop = Topic("other"), Overflow.drop_oldest()
    turn.offer(first, message, 1, TOPIC, POLICY, None)
    turn.offer(second, message, 1, other, drop, None)
    turn.flush()
    assert [(due.topic, due.policy) for due in first.taken] == [(TOPIC, POLICY)]
    assert [(due.topic, due.policy) for due in second.taken] == [(other, drop)]
