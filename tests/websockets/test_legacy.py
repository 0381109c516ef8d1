"""The names of 2.11: what they did, and where they did wrong, what is right."""

import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from nexios.adapters.messaging.memory_backplane import MemoryBackplane
from nexios.adapters.websocket.closing import WebSocketDisconnect
from nexios.adapters.websocket.socket import WebSocket
from nexios.app import NexiosApp
from nexios.testing.server import ServedLifespan
from nexios.testing.sockets import SocketSession, websocket_connect
from nexios.websockets import Channel, ChannelBox, History, Member, WebSocketConsumer
from nexios.websockets.errors import AmbiguousApp, MessageInvalid, NoRunningApp
from nexios.websockets.one_socket import (
    ChannelAddStatusEnum,
    ChannelRemoveStatusEnum,
    GroupSendStatusEnum,
    OneSocketChannel,
)
from tests.support.backplanes import Linked
from tests.support.sockets import FakeApp, running_hub, served

pytestmark = pytest.mark.anyio


class Rooms:
    """Puts each socket that comes into a group, as code of 2.11 did."""

    def __init__(self, app: FakeApp) -> None:
        self.app = app
        self.channels: list[Any] = []

    async def enter(self, stack: AsyncExitStack, kind: str, group: str = "tea") -> SocketSession:
        async def handler(websocket: WebSocket) -> None:
            await websocket.accept()
            channel: Any = Channel(websocket=websocket, payload_type=kind, expires=60)  # type: ignore[call-arg]  # of 2.11
            self.channels.append(channel)
            await ChannelBox.add_channel_to_group(channel, group)
            there.set()
            await websocket.receive()

        there = anyio.Event()
        app = served(handler, app=self.app)
        peer = await stack.enter_async_context(websocket_connect(app, "/ws"))
        await there.wait()
        return peer


@pytest.fixture
async def rooms() -> AsyncIterator[Rooms]:
    app = FakeApp()
    async with running_hub(app):
        yield Rooms(app)


async def test_a_socket_as_first_argument_makes_the_old_channel() -> None:
    made: list[Any] = []

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        made.append(Channel(websocket, "json"))  # type: ignore[arg-type,call-arg]  # of 2.11
        made.append(Channel(websocket, "text", 60))  # type: ignore[arg-type,call-arg]
        with pytest.raises(ValueError, match="'xml' is not a valid PayloadTypeEnum"):
            Channel(websocket, "xml")  # type: ignore[arg-type,call-arg]
        await made[0].send({"n": 1})
        await made[1].send("plain")
        with pytest.raises(TypeError):
            await made[1].send({"n": 1})

    async with websocket_connect(served(handler), "/ws") as peer:
        assert await peer.receive_json() == {"n": 1}
        assert await peer.receive_text() == "plain"
    one, two = made
    assert isinstance(one, OneSocketChannel)
    assert (one.payload_type, one.expires, two.expires) == ("json", None, 60)
    assert isinstance(one.uuid, uuid.UUID)
    assert one.uuid != two.uuid
    assert isinstance(Channel("news"), Channel)
    await one.send({"n": 2})  # the peer is gone, and nothing happens


async def test_each_channel_gets_a_payload_in_its_own_way(rooms: Rooms) -> None:
    async with AsyncExitStack() as stack:
        as_json = await rooms.enter(stack, "json")
        as_text = await rooms.enter(stack, "text")
        as_bytes = await rooms.enter(stack, "bytes")

        assert await ChannelBox.group_send("tea", "hi") is GroupSendStatusEnum.GROUP_SEND
        assert await as_json.receive_json() == "hi"
        assert await as_text.receive_text() == "hi"
        await ChannelBox.group_send("tea", b"raw")
        assert await as_text.receive_bytes() == b"raw"
        assert await as_bytes.receive_bytes() == b"raw"
        await ChannelBox.group_send("tea", {"a": [1]})
        assert await as_json.receive_json() == {"a": [1]}
        await ChannelBox.group_send("tea")
        assert await as_json.receive_json() == {}
        with pytest.raises(MessageInvalid):
            await ChannelBox.group_send("tea", object())
        nobody = await ChannelBox.group_send("coffee", "hi")
        assert nobody is GroupSendStatusEnum.NO_SUCH_GROUP


async def test_statuses_are_those_of_2_11(rooms: Rooms) -> None:
    added, removed = ChannelAddStatusEnum, ChannelRemoveStatusEnum
    seen: list[Any] = []

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        one = OneSocketChannel(websocket, "json")
        two = OneSocketChannel(websocket, "text")
        seen.append(await ChannelBox.add_channel_to_group(one))
        seen.append(await ChannelBox.add_channel_to_group(two))
        seen.append(set(await ChannelBox.show_groups()) == {"default"})
        other = OneSocketChannel(websocket, "json")
        for channel, group in (
            (other, "default"),
            (one, "none"),
            (one, "default"),
            (two, "default"),
        ):
            seen.append(await ChannelBox.remove_channel_from_group(channel, group))
        seen.append(await ChannelBox.show_groups())
        assert websocket.is_connected()

    async with websocket_connect(served(handler, app=rooms.app), "/ws") as peer:
        await peer.ended()
    assert seen == [
        added.CHANNEL_ADDED,
        added.CHANNEL_EXIST,
        True,
        removed.CHANNEL_DOES_NOT_EXIST,
        removed.GROUP_DOES_NOT_EXIST,
        removed.CHANNEL_REMOVED,
        removed.GROUP_REMOVED,
        {},
    ]


async def test_a_dead_peer_does_not_stop_group_send(rooms: Rooms) -> None:
    async with AsyncExitStack() as stack:
        gone = await rooms.enter(stack, "json")
        stays = await rooms.enter(stack, "json")
        gone.cut()

        assert await ChannelBox.group_send("tea", 1) is GroupSendStatusEnum.GROUP_SEND
        assert await stays.receive_json() == 1
        (left,) = (await ChannelBox.show_groups())["tea"]
        assert left is rooms.channels[1]


async def test_who_waited_too_long_leaves_at_the_next_removal(rooms: Rooms) -> None:
    async with AsyncExitStack() as stack:
        old = await rooms.enter(stack, "json")
        await rooms.enter(stack, "json")
        third = await rooms.enter(stack, "json")
        rooms.channels[0].created -= 61

        await ChannelBox.remove_channel_from_group(rooms.channels[1], "tea")

        assert list((await ChannelBox.show_groups())["tea"]) == [rooms.channels[2]]
        await ChannelBox.group_send("tea", "late")
        assert await third.receive_json() == "late"
        await rooms.channels[0].send("still open")
        assert await old.receive_json() == "still open"


async def test_history_items_have_an_id_and_a_time_of_their_own(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ChannelBox.group_send("tea", "one", save_history=True)
    await ChannelBox.group_send("tea", "lost")
    await ChannelBox.group_send("tea", {"two": 2}, save_history=True)
    await ChannelBox.group_send("milk", b"three", save_history=True)

    one, two = await ChannelBox.show_history("tea")

    assert (one.payload, two.payload) == ("one", {"two": 2})
    assert one.uuid != two.uuid
    assert one.created < two.created
    assert set(await ChannelBox.show_history()) == {"tea", "milk"}
    monkeypatch.setattr(ChannelBox, "HISTORY_SIZE", 20)
    for number in range(30):
        await ChannelBox.group_send("tea", number, save_history=True)
    assert [kept.payload for kept in await ChannelBox.show_history("tea")] == list(range(20, 30))
    await ChannelBox.flush_history()
    assert await ChannelBox.show_history() == {}


async def test_the_box_belongs_to_the_app_and_not_to_the_class() -> None:
    with pytest.raises(NoRunningApp):
        await ChannelBox.group_send("tea", "nobody")
    one, two = FakeApp(), FakeApp()
    async with running_hub(one), AsyncExitStack() as stack:
        await Rooms(one).enter(stack, "json")
        assert set(await ChannelBox.show_groups()) == {"tea"}
        async with running_hub(two):
            with pytest.raises(AmbiguousApp):
                await ChannelBox.show_groups()
    async with running_hub(two):
        assert await ChannelBox.show_groups() == {}


async def test_groups_reach_other_processes() -> None:
    store, one, two = MemoryBackplane(), FakeApp(), FakeApp()
    async with (
        running_hub(one, backplane=Linked(store)),
        running_hub(two, backplane=Linked(store)),
        _echoing(two) as far,
        _echoing(one) as near,
    ):
        while len(_members(one)) + len(_members(two)) < 2:
            await anyio.lowlevel.checkpoint()
        await far.send_text("hello")
        assert await near.receive_text() == "hello"
        assert await far.receive_text() == "hello"


@asynccontextmanager
async def living(consumer: type[WebSocketConsumer], path: str = "/ws") -> AsyncIterator[NexiosApp]:
    app = NexiosApp()
    app.add_ws_route(consumer.as_route(path))
    life = ServedLifespan(app)
    await life.start()
    yield app
    await life.stop()


def _members(app: FakeApp) -> tuple[Member, ...]:
    return Channel[Any]("nexios-box-text", history=History.off()).of(app).group("all").members


class Echo(WebSocketConsumer):
    """Tells everybody what one says."""

    encoding = "text"

    async def on_connect(self, websocket: WebSocket) -> None:
        await super().on_connect(websocket)
        await self.join_group("all")

    async def on_receive(self, websocket: WebSocket, data: str) -> None:
        await super().on_receive(websocket, data)
        await self.broadcast(data, "all", save_history=True)


def _echoing(app: FakeApp) -> Any:
    return websocket_connect(served(Echo.as_route("/ws").handler, app=app), "/ws")


async def test_flushing_lets_go_and_closing_closes_everybody(rooms: Rooms) -> None:
    async with AsyncExitStack() as stack:
        one = await rooms.enter(stack, "json")
        await ChannelBox.flush_groups()
        assert await ChannelBox.show_groups() == {}
        await ChannelBox.group_send("tea", "nobody")
        await rooms.channels[0].send("open")
        assert await one.receive_json() == "open"
        two = await rooms.enter(stack, "json", "milk")
        three = await rooms.enter(stack, "text", "milk")

        await ChannelBox.close_all_connections()

        assert [(await peer.closed()).code for peer in (two, three)] == [1000, 1000]
        assert await ChannelBox.show_groups() == {}


class Noting(WebSocketConsumer):
    """Notes what happens to it."""

    seen: list[Any] = []  # noqa: RUF012  # of the test

    async def on_receive(self, websocket: WebSocket, data: Any) -> None:
        if data == "fail":
            raise LookupError("the handler broke")
        self.seen.append(data)
        await self.channel.send("ok")  # type: ignore[union-attr]  # there is one by now

    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
        await super().on_disconnect(websocket, close_code)
        self.seen.append(close_code)


@pytest.mark.parametrize(
    ("coding", "sent", "taken", "wrong"),
    [
        ("text", "hi", "hi", b"hi"),
        ("bytes", b"hi", b"hi", "hi"),
        ("json", '{"a": 1}', {"a": 1}, "{"),
        ("json", b"[1]", [1], b"\xff"),
        (None, "hi", "hi", None),
        (None, b"hi", b"hi", None),
    ],
)
async def test_encoding_says_what_is_taken(coding: str, sent: Any, taken: Any, wrong: Any) -> None:
    class Coded(Noting):
        encoding = coding
        seen: list[Any] = []  # noqa: RUF012

    async with living(Coded) as app, websocket_connect(app, "/ws") as peer:
        await (peer.send_text(sent) if isinstance(sent, str) else peer.send_bytes(sent))
        assert (await peer.receive_text()).strip('"') == "ok"
        if wrong is None:
            await peer.close(1000)
        else:
            await (peer.send_text(wrong) if isinstance(wrong, str) else peer.send_bytes(wrong))
            assert (await peer.closed()).code == 1003
        await peer.ended()
    assert Coded.seen == [taken, 1000 if wrong is None else 1003]


async def test_on_disconnect_runs_once_however_it_ends() -> None:
    class Counting(Noting):
        encoding = "text"
        seen: list[Any] = []  # noqa: RUF012

    async with living(Counting) as app:
        async with websocket_connect(app, "/ws") as peer:
            await peer.close(4000)
            await peer.ended()
        async with websocket_connect(app, "/ws") as peer:
            peer.cut()
            await peer.ended()
        async with websocket_connect(app, "/ws") as peer:
            await peer.send_text("fail")
            assert (await peer.closed()).code == 1011
    assert Counting.seen == [4000, 1006, 1011]


async def test_send_to_finds_one_channel_by_its_id(
    rooms: Rooms, caplog: pytest.LogCaptureFixture
) -> None:
    class Telling(WebSocketConsumer):
        encoding = "text"

        async def on_receive(self, websocket: WebSocket, data: str) -> None:
            await self.send_to(uuid.UUID(data), "for you")
            assert await self.group("tea") == rooms.channels
            await self.leave_group("tea")  # it is in none
            await websocket.close()

    async with AsyncExitStack() as stack:
        await rooms.enter(stack, "json")
        meant = await rooms.enter(stack, "json")
        app = served(Telling.as_route("/ws").handler, app=rooms.app)
        for target in (rooms.channels[1].uuid, uuid.uuid4()):
            teller = await stack.enter_async_context(websocket_connect(app, "/ws"))
            await teller.send_text(str(target))
            await teller.ended()
        assert await meant.receive_json() == "for you"
        assert f"there is no channel {target}" in caplog.text


async def test_payloads_are_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    app = FakeApp()
    with caplog.at_level(logging.DEBUG):
        async with running_hub(app), _echoing(app) as peer:
            await peer.send_text("canary")
            assert await peer.receive_text() == "canary"
            await peer.close()
            await peer.ended()
    assert "a message came" in caplog.text
    assert "joined the group all" in caplog.text
    assert "canary" not in caplog.text


async def test_a_quiet_consumer_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Quiet(Echo):
        def __init__(self) -> None:
            super().__init__(logging_enabled=False)

    app = FakeApp()
    with caplog.at_level(logging.INFO, "nexios"):
        handler = Quiet.as_route("/ws").handler
        async with running_hub(app), websocket_connect(served(handler, app=app), "/ws") as peer:
            await peer.send_text("x")
            await peer.receive_text()
    assert [one for one in caplog.records if one.name == "nexios"] == []


async def test_a_consumer_serves_its_route_with_middleware_and_path_values() -> None:
    class Counted:
        asked = 0

        async def handshake(self, websocket: WebSocket) -> None:
            self.asked += 1

    counted = Counted()

    class RoomConsumer(WebSocketConsumer):
        """One room."""

        middleware = (counted,)
        encoding = "json"

        async def on_connect(self, websocket: WebSocket) -> None:
            await websocket.accept()
            await self.join_group(websocket.path_params["room"])

        async def on_receive(self, websocket: WebSocket, data: Any) -> None:
            await self.broadcast(data, websocket.path_params["room"])

    async with (
        living(RoomConsumer, "/rooms/{room}") as app,
        websocket_connect(app, "/rooms/tea") as one,
        websocket_connect(app, "/rooms/tea") as two,
    ):
        await one.send_json([1])
        assert await one.receive_json() == [1]
        await two.send_json([2])
        assert await two.receive_json() in ([1], [2])
    assert counted.asked == 2
    channel = app.docs.channels()["channels"]["room"]
    assert channel["summary"] == "One room."


async def test_leaving_is_harmless_when_everything_is_over() -> None:
    made: list[Echo] = []

    class Kept(Echo):
        async def on_connect(self, websocket: WebSocket) -> None:
            made.append(self)
            await super().on_connect(websocket)

    app = FakeApp()
    handler = Kept.as_route("/ws").handler
    async with running_hub(app):
        async with websocket_connect(served(handler, app=app), "/ws") as peer:
            await peer.close()
            await peer.ended()
        await made[0].leave_group("all")
        await made[0].broadcast("nobody", "all")
    await made[0].leave_group("all")
    with pytest.raises(WebSocketDisconnect):
        await made[0].websocket.receive()
