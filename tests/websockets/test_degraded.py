"""What becomes of channels while other processes cannot be reached, and afterwards."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import pytest

from nexios.adapters.messaging.memory_backplane import MemoryBackplane
from nexios.application.errors import OutcomeUnknown, Unavailable
from nexios.websockets.channel import Channel
from nexios.websockets.errors import PresenceOff
from nexios.websockets.hub import Hub
from nexios.websockets.options import History
from tests.support.backplanes import Linked
from tests.support.chat import members
from tests.support.sockets import FakeApp, running_hub
from tests.websockets.test_resume import enter, staying, told

pytestmark = pytest.mark.anyio


class Two:
    """Two processes on one store."""

    def __init__(self) -> None:
        self.store = MemoryBackplane()
        self.here, self.there = FakeApp(), FakeApp()
        self.link, self.other = Linked(self.store), Linked(self.store)
        self.hub: Hub


@asynccontextmanager
async def two() -> AsyncIterator[Two]:
    both = Two()
    async with (
        running_hub(both.here, backplane=both.link) as both.hub,
        running_hub(both.there, backplane=both.other),
    ):
        yield both


async def test_broker_loss_keeps_the_sockets_and_heals_without_a_gap() -> None:
    chat = Channel[object]("chat")
    async with two() as both, AsyncExitStack() as stack:
        ada = await enter(stack, staying(chat, both.here, None))
        await ada.receive_json()
        await chat.of(both.there).broadcast("before")
        assert await told(ada, 1) == ["before"]
        both.link.lose()
        assert await ada.receive_json() == {"type": "link", "topic": "chat", "state": "degraded"}
        assert both.hub.degraded
        receipt = await chat.of(both.here).broadcast("alone")
        assert (receipt.degraded, receipt.position) == (True, None)
        alone = await ada.receive_json()
        assert (alone["degraded"], alone["data"], "at" in alone) == (True, "alone", False)
        for number in range(3):
            await chat.of(both.there).broadcast(number)
        both.link.heal()
        assert await ada.receive_json() == {"type": "link", "topic": "chat", "state": "up"}
        await chat.of(both.there).broadcast("after")
        assert await told(ada, 4) == [0, 1, 2, "after"]
        assert not both.hub.degraded


async def test_what_was_trimmed_while_the_broker_was_away_is_a_reset() -> None:
    chat = Channel[object]("chat", history=History(count=2))
    async with two() as both, AsyncExitStack() as stack:
        ada = await enter(stack, staying(chat, both.here, None))
        await ada.receive_json()
        both.link.lose()
        await ada.receive_json()
        for number in range(5):
            head = await chat.of(both.there).broadcast(number)
        both.link.heal()
        await ada.receive_json()
        reset = await ada.receive_json()
        await chat.of(both.there).broadcast("live")
        assert await told(ada, 1) == ["live"]
    assert (reset["type"], reset["reason"], reset["at"]) == (
        "reset",
        "trimmed",
        str(head.position),
    )


async def test_a_degraded_message_that_was_stored_after_all_comes_once() -> None:
    chat = Channel[object]("chat")
    async with two() as both, AsyncExitStack() as stack:
        ada = await enter(stack, staying(chat, both.here, None))
        bob = await enter(stack, staying(chat, both.there, None))
        for peer in (ada, bob):
            await peer.receive_json()
        both.link.unheard = True
        # It goes through, and arrives here as well before the publisher is told nothing.
        receipt = await chat.of(both.here).broadcast("x", id="7")
        assert receipt.degraded
        both.link.unheard = False
        await chat.of(both.here).broadcast("y")
        assert await told(bob, 2) == ["x", "y"]
        assert await told(ada, 2) == ["x", "y"]


async def test_one_that_arrives_after_it_was_told_here_goes_to_who_has_it_not() -> None:
    chat = Channel[object]("chat")
    async with two() as both, AsyncExitStack() as stack:
        ada = await enter(stack, staying(chat, both.here, None))
        await ada.receive_json()
        both.link.lose()
        await ada.receive_json()
        await chat.of(both.here).broadcast("x", id="7")
        assert (await ada.receive_json())["degraded"]
        late = await enter(stack, staying(chat, both.here, None))
        assert (await late.receive_json())["type"] == "joined"
        # The publisher repeats it elsewhere, as one does whose outcome is unknown.
        await chat.of(both.there).broadcast("x", id="7")
        both.link.heal()
        for peer in (ada, late):
            assert (await peer.receive_json())["type"] == "link"
        await chat.of(both.there).broadcast("y")
        assert await told(ada, 1) == ["y"]
        assert await told(late, 2) == ["x", "y"]


async def test_refuse_tells_nobody() -> None:
    chat = Channel[object]("chat", when_degraded="refuse")
    async with two() as both, AsyncExitStack() as stack:
        ada = await enter(stack, staying(chat, both.here, None))
        await ada.receive_json()
        both.link.unheard = True
        with pytest.raises(OutcomeUnknown):
            await chat.of(both.here).broadcast("perhaps", id="1")
        assert await told(ada, 1) == ["perhaps"]
        both.link.lose()
        await ada.receive_json()
        with pytest.raises(Unavailable):
            await chat.of(both.here).broadcast("never")
        both.link.heal()
        assert (await ada.receive_json())["type"] == "link"
        await chat.of(both.there).broadcast("after")
        assert await told(ada, 1) == ["after"]


async def test_who_joins_while_the_broker_is_away_gets_a_place_later() -> None:
    chat = Channel[object]("chat")
    async with two() as both, AsyncExitStack() as stack:
        both.link.lose()
        await chat.of(both.there).broadcast("missed")
        ada = await enter(stack, staying(chat, both.here, None))
        hello = await ada.receive_json()
        assert (hello["type"], "at" in hello) == ("joined", False)
        await chat.of(both.here).broadcast("alone")
        assert (await ada.receive_json())["degraded"]
        both.link.heal()
        frames = [await ada.receive_json(), await ada.receive_json()]
        assert sorted(one["type"] for one in frames) == ["link", "reset"]
        await chat.of(both.there).broadcast("live")
        assert await told(ada, 1) == ["live"]


async def test_an_app_may_start_without_its_broker() -> None:
    app, chat, link = FakeApp(), Channel[object]("chat"), Linked(MemoryBackplane(), up=False)
    with pytest.raises(ExceptionGroup) as refusal:
        async with running_hub(app, backplane=link):
            raise AssertionError("it started")
    assert refusal.group_contains(Unavailable)
    async with running_hub(app, backplane=link, required=False) as hub:
        assert (await chat.broadcast("alone")).degraded
        link.heal()
        assert not hub.degraded
        assert (await chat.broadcast("heard")).position is not None


async def test_the_last_member_leaving_ends_the_subscription() -> None:
    chat = Channel[object]("chat")
    async with two() as both:
        for number in range(50):
            async with AsyncExitStack() as stack:
                peer = await enter(stack, staying(chat, both.here, f"g{number % 3}"))
                await peer.receive_json()
                assert both.link.following == 2  # the group, and letters to its sockets
            with anyio.fail_after(5):
                while both.link.following:
                    await anyio.lowlevel.checkpoint()


async def test_presence_is_known_on_all_processes() -> None:
    chat = Channel[object]("chat", presence=True)
    async with two() as both, AsyncExitStack() as stack:
        ada = await enter(stack, staying(chat, both.here))
        await ada.receive_json()
        seen: dict[str, Any] = {"joined": [], "left": []}

        async def until(what: str, count: int) -> None:
            with anyio.fail_after(10):
                while len(seen[what]) < count:
                    frame = await ada.receive_json()
                    assert (frame["type"], frame["topic"]) == ("presence", "chat/tea")
                    seen["joined"] += frame["joined"]
                    seen["left"] += frame["left"]

        await until("joined", 1)
        async with AsyncExitStack() as other:
            await enter(other, staying(chat, both.there))
            await until("joined", 2)
            for app in (both.here, both.there):
                found = await chat.of(app).present("tea")
                assert [one.socket for one in found] == [one["socket"] for one in seen["joined"]]
        await until("left", 1)
        assert seen["left"] == seen["joined"][1:]
        assert len(await chat.of(both.there).present("tea")) == 1
        assert list(await chat.of(both.there).present()) == []
        await members(chat.of(both.here), 0)


async def test_presence_has_to_be_declared() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app):
        with pytest.raises(PresenceOff, match="presence=True"):
            await chat.present()
