"""What goes to one socket or to one user, wherever they are, and nobody else."""

from contextlib import AsyncExitStack

import anyio
import pytest

from nexios.adapters.messaging.memory_backplane import MemoryBackplane
from nexios.adapters.websocket.closing import WebSocketDisconnect
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.backplane import Keep
from nexios.application.caller import Caller
from nexios.application.errors import Forbidden, Unavailable
from nexios.application.limits import Limits
from nexios.testing.sockets import SocketDenied, SocketSession
from nexios.websockets.channel import Channel
from nexios.websockets.errors import MessageInvalid, UnknownSocket, UsersOff
from nexios.websockets.post import POST
from nexios.websockets.wire import pack
from tests.support.backplanes import Linked
from tests.support.processes import IN, Carried, enter, processes, staying, until
from tests.support.sockets import FakeApp, running_hub, served

__all__ = ["processes"]

pytestmark = pytest.mark.anyio

# What talks to brokers runs there only.
on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"])


async def code_of(peer: SocketSession) -> int:
    """Return what a socket ends with, past what it is told before."""
    with pytest.raises(WebSocketDisconnect) as end:
        while True:
            await peer.receive()
    return end.value.code


@on_asyncio
async def test_send_to_one_reaches_other_processes(processes: Carried) -> None:
    chat = Channel[object]("chat")
    async with processes() as both, AsyncExitStack() as stack:
        here, there = chat.of(both.here), chat.of(both.there)
        ada = await enter(stack, staying(chat, both.there))
        bob = await enter(stack, staying(chat, both.there))
        await until(lambda: len(there.members) == 2)
        one = there.members[0]
        for number in range(20):
            await here.send(one.socket, number)
        await here.send(one.socket, b"\x00bytes\n")
        assert [await ada.receive_json() for _ in range(20)] == list(range(20))
        assert await ada.receive_bytes() == b"\x00bytes\n"
        await there.send(one, "near")
        assert await ada.receive_json() == "near"
        await here.broadcast("all")
        assert await bob.receive_json() == "all"
        await here.send("nobody", "lost")  # who holds it is known to nobody
        with pytest.raises(UnknownSocket):
            await here.send(one, "a member of elsewhere")


async def test_a_message_to_one_is_a_frame_without_a_place() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app), AsyncExitStack() as stack:
        ada = await enter(stack, staying(chat, app), tagged=True)
        await chat.send(chat.members[0], {"to": "you"})
        await chat.send(chat.members[0], b"\x00")
        told = [await ada.receive_json() for _ in range(2)]
    assert [(one["type"], one["topic"], one["data"]) for one in told] == [
        ("message", "chat", {"to": "you"}),
        ("message", "chat", "AA=="),
    ]
    assert [set(one) & {"at", "degraded", "encoding"} for one in told] == [set(), {"encoding"}]


async def test_a_socket_that_is_nowhere_is_unknown_in_one_process() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app):
        with pytest.raises(UnknownSocket, match="'nobody'"):
            await chat.send("nobody", 1)


async def test_a_message_too_large_for_the_way_is_refused_to_the_sender() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app, backplane=Linked(MemoryBackplane())):
        with pytest.raises(MessageInvalid, match="bytes"):
            await chat.send("elsewhere", "x" * 2**20)


async def test_who_is_out_of_reach_is_said_to_the_sender() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    link = Linked(MemoryBackplane())
    async with running_hub(app, backplane=link):
        link.lose()
        with pytest.raises(Unavailable):
            await chat.send("elsewhere", 1)


@on_asyncio
async def test_letters_are_followed_while_a_socket_is_here_and_heal(processes: Carried) -> None:
    chat = Channel[object]("chat")
    async with processes() as both:
        assert both.hub.known("chat") is None
        for _ in range(3):
            async with AsyncExitStack() as stack:
                ada = await enter(stack, staying(chat, both.here))
                await chat.of(both.there).send(chat.of(both.here).members[0].socket, "x")
                assert await ada.receive_json() == "x"
            await until(lambda: not both.hub.sockets)


async def test_letters_go_on_after_the_broker_was_away() -> None:
    chat, link = Channel[object]("chat", users=True), Linked(MemoryBackplane())
    app = FakeApp()
    async with running_hub(app, backplane=link), AsyncExitStack() as stack:
        ada = await enter(stack, staying(chat, app), "ada")
        link.lose()
        link.heal()
        await chat.user("ada").broadcast("back")
        assert await ada.receive_json() == "back"


@on_asyncio
async def test_a_user_is_told_on_all_sockets_and_nobody_else(processes: Carried) -> None:
    chat = Channel[object]("chat", users=True)
    async with processes() as both, AsyncExitStack() as stack:
        phone = await enter(stack, staying(chat, both.here, "tea"), "ada", tagged=True)
        desk = await enter(stack, staying(chat, both.there), "ada")
        bob = await enter(stack, staying(chat, both.there), "bob")
        guest = await enter(stack, staying(chat, both.there))
        await until(lambda: len(chat.of(both.there).user("ada").members) == 1)
        receipt = await chat.of(both.there).user("ada").broadcast("yours")
        told = await phone.receive_json()
        assert (told["topic"], told["at"], told["data"]) == (
            "chat:user/ada",
            str(receipt.position),
            "yours",
        )
        assert await desk.receive_json() == "yours"
        await chat.of(both.here).broadcast("all")
        assert [await one.receive_json() for one in (bob, guest, desk)] == ["all"] * 3
        kept = await chat.of(both.here).user("ada").history()
        assert [one.data for one in kept.messages] == ["yours"]
        assert (await chat.of(both.here).user("bob").history()).messages == ()


async def test_a_group_named_as_a_user_is_another_topic() -> None:
    app, chat = FakeApp(), Channel[object]("chat", users=True)
    async with running_hub(app), AsyncExitStack() as stack:
        eve = await enter(stack, staying(chat, app, "ada"), "eve")
        ada = await enter(stack, staying(chat, app), "ada")
        await chat.user("ada").broadcast("private")
        await chat.group("ada").broadcast("public")
        assert await ada.receive_json() == "private"
        assert await eve.receive_json() == "public"


async def test_who_left_everything_is_none_of_its_users_sockets() -> None:
    app, chat = FakeApp(), Channel[object]("chat", users=True)
    counts: list[int] = []

    async def handler(websocket: WebSocket) -> None:
        websocket.scope["caller"] = Caller(actor="ada")
        await chat.connect(websocket)
        await chat.group("tea").join(websocket)
        counts.append(len(chat.user("ada").members))
        await chat.group("tea").leave(websocket)
        counts.append(len(chat.user("ada").members))
        await chat.disconnect(websocket)
        counts.append(len(chat.user("ada").members))
        await chat.group("tea").join(websocket)
        await chat.group("tea").leave(websocket)
        counts.append(len(chat.user("ada").members))
        await websocket.send_text(IN)

    async with running_hub(app), AsyncExitStack() as stack:
        await enter(stack, served(handler, app=app))
    assert counts == [1, 1, 0, 0]


@pytest.mark.parametrize("name", ["", "a" * 201, "a\nb"])
async def test_a_user_who_cannot_be_named_is_in_the_channel_all_the_same(name: str) -> None:
    app, chat = FakeApp(), Channel[object]("chat", users=True)

    async def handler(websocket: WebSocket) -> None:
        websocket.scope["caller"] = Caller(actor=name)
        await chat.connect(websocket)
        await websocket.send_text(IN)
        await websocket.receive()

    async with running_hub(app), AsyncExitStack() as stack:
        await enter(stack, served(handler, app=app))
        assert len(chat.members) == 1
        with pytest.raises(ValueError, match="a user is named by"):
            chat.user(name)


async def test_topics_of_users_do_not_count_against_the_limit() -> None:
    app, chat = FakeApp(), Channel[object]("chat", users=True)

    async def handler(websocket: WebSocket) -> None:
        websocket.scope["caller"] = Caller(actor="ada")
        for number in range(3):
            await chat.group(str(number)).join(websocket)
        await websocket.send_text(IN)
        await chat.group("3").join(websocket)

    async with running_hub(app), AsyncExitStack() as stack:
        limits = Limits(topics_per_socket=3)
        peer = await enter(stack, served(handler, app=app, limits=limits))
        assert await code_of(peer) == 4429


@on_asyncio
async def test_a_single_socket_replaces_its_users_older_one(processes: Carried) -> None:
    chat = Channel[object]("chat")
    async with processes() as both, AsyncExitStack() as stack:
        first = await enter(stack, staying(chat, both.here, single=True), "ada")
        bob = await enter(stack, staying(chat, both.here, single=True), "bob")
        other = await enter(stack, staying(chat, both.here, "tea", single=True), "ada")
        await enter(stack, staying(chat, both.there, single=True), "ada")
        assert await code_of(first) == 4409
        await until(lambda: len(chat.of(both.here).members) == 1)
        assert len(chat.of(both.there).members) == 1
        await chat.of(both.there).group("tea").broadcast("still in tea")
        assert await other.receive_json() == "still in tea"
        await chat.of(both.there).broadcast("all")
        assert await bob.receive_json() == "all"


@on_asyncio
async def test_of_many_that_come_at_once_one_stays(processes: Carried) -> None:
    chat = Channel[object]("chat")
    async with processes() as both, AsyncExitStack() as stack:
        gate = anyio.Event()
        for number in range(10):
            app = (both.here, both.there)[number % 2]
            await enter(stack, staying(chat, app, gate=gate, single=True), "ada")
        gate.set()
        await anyio.sleep(0.05)
        here, there = chat.of(both.here), chat.of(both.there)
        await until(lambda: len(here.members) + len(there.members) == 1)
        await anyio.sleep(0.05)
        assert len(here.members) + len(there.members) == 1


@pytest.mark.parametrize("away", [True, False])
async def test_single_without_other_processes(away: bool) -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    link = Linked(MemoryBackplane())
    async with (
        running_hub(app, backplane=link if away else MemoryBackplane()),
        AsyncExitStack() as stack,
    ):
        ada = await enter(stack, staying(chat, app, single=True), "ada")
        if away:
            link.lose()
        again = await enter(stack, staying(chat, app, single=True), "ada")
        assert await code_of(ada) == 4409
        guests = [await enter(stack, staying(chat, app, single=True)) for _ in range(2)]
        assert len(chat.members) == 3
        await chat.broadcast("stays")
        assert [await one.receive_json() for one in (again, *guests)] == ["stays"] * 3


class Doors:
    """Who may be in which group."""

    def __init__(self) -> None:
        self.open = {("ada", "tea"), ("ada", None), ("bob", "tea")}
        self.fault: Exception = Forbidden("not in there")
        self.asked = 0

    async def __call__(self, websocket: WebSocket, group: str | None) -> None:
        self.asked += 1
        if (websocket.caller.actor, group) not in self.open:
            assert not websocket.is_connected() or self.asked > 1
            raise self.fault


async def test_joining_is_asked_before_the_handshake_is_answered() -> None:
    app, doors = FakeApp(), Doors()
    chat = Channel[object]("chat", joining=doors)
    refused: list[object] = []

    async def handler(websocket: WebSocket) -> None:
        websocket.scope["caller"] = Caller(actor=websocket.query_params["as"])
        try:
            await chat.connect(websocket)
            await websocket.send_text(IN)
        except Forbidden as error:
            refused.append((error.message, websocket.is_connected()))
            await websocket.deny(403)

    async with running_hub(app), AsyncExitStack() as stack:
        await enter(stack, served(handler, app=app), "ada")
        with pytest.raises(SocketDenied):
            await enter(stack, served(handler, app=app), "bob")
    assert refused == [("not in there", False)]


@pytest.mark.parametrize(
    ("fault", "code"), [(Forbidden("gone"), 4403), (LookupError("a fault of ours"), 1011)]
)
@on_asyncio
async def test_a_right_that_was_lost_closes_on_all_processes(
    processes: Carried, fault: Exception, code: int
) -> None:
    doors = Doors()
    chat = Channel[object]("chat", joining=doors)
    async with processes() as both, AsyncExitStack() as stack:
        ada = await enter(stack, staying(chat, both.here, "tea"), "ada")
        bob = await enter(stack, staying(chat, both.here, "tea"), "bob")
        desk = await enter(stack, staying(chat, both.there), "ada")
        assert doors.asked == 3
        doors.open.discard(("ada", "tea"))
        doors.fault = fault
        await chat.of(both.there).recheck("ada")
        assert await code_of(ada) == code
        await until(lambda: doors.asked == 5)
        await chat.of(both.there).group("tea").broadcast("still here")
        assert await bob.receive_json() == "still here"
        await chat.of(both.here).broadcast("you too")
        assert await desk.receive_json() == "you too"
        told, both.here.faults[:] = list(both.here.faults), []
        assert told == ([fault] if code == 1011 else [])


async def test_a_recheck_without_the_others_is_done_here_and_said() -> None:
    app, doors, link = FakeApp(), Doors(), Linked(MemoryBackplane())
    chat = Channel[object]("chat", joining=doors)
    async with running_hub(app, backplane=link), AsyncExitStack() as stack:
        ada = await enter(stack, staying(chat, app, "tea"), "ada")
        link.lose()
        doors.open.clear()
        with pytest.raises(Unavailable):
            await chat.recheck("ada")
        assert await code_of(ada) == 4403


async def test_a_recheck_in_one_process_asks_once() -> None:
    app, doors = FakeApp(), Doors()
    chat = Channel[object]("chat", joining=doors)
    async with running_hub(app), AsyncExitStack() as stack:
        await enter(stack, staying(chat, app, "tea"), "ada")
        await chat.recheck("ada")
        await until(lambda: doors.asked == 2)
        assert len(chat.group("tea").members) == 1


async def test_users_have_to_be_declared_and_cost_nothing_otherwise() -> None:
    app, chat, link = FakeApp(), Channel[object]("chat"), Linked(MemoryBackplane())
    async with running_hub(app, backplane=link), AsyncExitStack() as stack:
        ada = await enter(stack, staying(chat, app), "ada")
        assert link.following == 2  # the channel, and letters
        with pytest.raises(UsersOff, match=r"fix: Channel\('chat', users=True\)"):
            chat.user("ada")
        await chat.broadcast("all")
        assert await ada.receive_json() == "all"


async def test_who_left_while_it_was_asked_again_keeps_its_socket() -> None:
    app, refused = FakeApp(), anyio.Event()
    asking = anyio.Event()

    async def joining(_websocket: WebSocket, _group: str) -> None:
        if asking.is_set():
            await refused.wait()
            raise Forbidden("not any more")

    first, second = Channel[object]("first", joining=joining), Channel[object]("second")

    async def stay(websocket: WebSocket) -> None:
        websocket.scope["caller"] = Caller(actor="ada")
        await first.connect(websocket)
        await second.connect(websocket)
        await websocket.send_text(IN)
        await websocket.receive()
        await first.disconnect(websocket)
        await websocket.send_text("left")
        await websocket.receive()

    async with running_hub(app), AsyncExitStack() as stack:
        ada = await enter(stack, served(stay, app=app))
        asking.set()
        await first.of(app).recheck("ada")
        await ada.send_text("leave")
        assert await ada.receive_text() == "left"
        refused.set()
        await anyio.wait_all_tasks_blocked()
        await second.of(app).broadcast("still here")
        assert await ada.receive_json() == "still here"


async def test_a_letter_of_another_version_is_told_and_does_no_harm() -> None:
    app, chat, shared = FakeApp(), Channel[object]("chat"), Linked(MemoryBackplane())
    async with running_hub(app, backplane=shared), AsyncExitStack() as stack:
        ada = await enter(stack, staying(chat, app))
        for letter in (b"no json\n", b"{}\n", b'{"topic":["a"],"do":"send"}\n'):
            payload = pack(0, letter)
            await shared.publish(POST, payload, id=letter.hex(), key=None, keep=Keep(0, 0, 0.0))
        await chat.of(app).broadcast("still here")
        assert await ada.receive_json() == "still here"
