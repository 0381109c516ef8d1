"""A topic as an event stream: nothing missing, nothing twice, or a reset that says so."""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import pytest

from nexios import ServerSentEvent
from nexios.adapters.messaging.memory_backplane import MemoryBackplane
from nexios.application.limits import Limits
from nexios.websockets.channel import Channel
from nexios.websockets.errors import NoRunningApp
from nexios.websockets.options import History, Overflow
from tests.support.backplanes import Linked
from tests.support.processes import Carried, processes, until
from tests.support.sockets import FakeApp, running_hub

__all__ = ["processes"]

pytestmark = pytest.mark.anyio

# What talks to brokers runs there only.
on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"])

Events = AsyncIterator[ServerSentEvent[Any]]


async def next_of(events: Events, count: int = 1) -> list[ServerSentEvent[Any]]:
    with anyio.fail_after(10):
        return [await anext(events) for _ in range(count)]


async def data_of(events: Events, count: int) -> list[Any]:
    told = await next_of(events, count)
    assert {one.event for one in told} == {None}
    return [json.loads(one.data) for one in told]


@asynccontextmanager
async def stream(room: Any, after: Any = None) -> AsyncIterator[tuple[Events, Any]]:
    """A stream that has begun, and what it said first."""
    async with aclosing(room.events(after)) as events:
        (joined,) = await next_of(events)
        assert joined.event == "joined"
        yield events, joined


@on_asyncio
async def test_a_stream_goes_on_where_it_was_cut_on_another_process(processes: Carried) -> None:
    chat = Channel[object]("chat")
    async with processes() as both:
        here, there = (chat.of(app).group("tea") for app in (both.here, both.there))
        async with stream(here) as (events, joined):
            assert json.loads(joined.data) == {"recovered": False}
            receipts = [await there.broadcast({"number": number}) for number in range(3)]
            told = await next_of(events, 3)
        assert [one.id for one in told] == [str(one.position) for one in receipts]
        assert [json.loads(one.data)["number"] for one in told] == [0, 1, 2]
        for number in range(3, 300):
            await here.broadcast({"number": number})
        async with stream(there, told[0].id) as (events, joined):
            assert json.loads(joined.data) == {"recovered": True}
            await here.broadcast({"number": 300})
            got = await data_of(events, 300)
        assert got == [{"number": number} for number in range(1, 301)]
        # Who was cut before the first message goes on from where it began.
        async with stream(there, joined.id) as (events, _):
            assert (await data_of(events, 1))[0] == {"number": 1}


async def test_messages_published_during_the_replay_come_once() -> None:
    app, chat, link = FakeApp(), Channel[object]("chat"), Linked(MemoryBackplane())
    async with running_hub(app, backplane=link), anyio.create_task_group() as tasks:
        first = await chat.broadcast(0)
        await chat.broadcast(1)
        link.gate = anyio.Event()

        async def speak() -> None:
            while not link.reads:
                await anyio.lowlevel.checkpoint()
            await chat.broadcast(2)
            await chat.broadcast(3)
            link.gate.set()

        tasks.start_soon(speak)
        async with stream(chat, first.position) as (events, _):
            await chat.broadcast(4)
            assert await data_of(events, 4) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("after", "reason"),
    [("elsewhere:4", "epoch"), ("rubbish", "epoch"), ("", "epoch"), ("{epoch}:99", "ahead")],
)
async def test_what_cannot_be_resumed_is_one_reset_then_live(after: str, reason: str) -> None:
    app, chat = FakeApp(), Channel[object]("chat", history=History(count=2))
    async with running_hub(app):
        last = (await chat.broadcast("lost")).position
        assert last is not None
        async with stream(chat, after.format(epoch=last.epoch)) as (events, _):
            (reset,) = await next_of(events)
            assert (reset.event, json.loads(reset.data), reset.id) == (
                "reset",
                {"reason": reason},
                str(last),
            )
            await chat.broadcast("live")
            assert await data_of(events, 1) == ["live"]


async def test_an_offset_that_was_trimmed_is_a_reset() -> None:
    app, chat = FakeApp(), Channel[object]("chat", history=History(count=1))
    async with running_hub(app):
        first = await chat.broadcast(1)
        for number in (2, 3):
            await chat.broadcast(number)
        async with stream(chat, first.position) as (events, _):
            (reset,) = await next_of(events)
            assert json.loads(reset.data) == {"reason": "trimmed"}


async def test_bytes_come_as_base64_of_their_own_kind() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app), stream(chat) as (events, _):
        await chat.broadcast(b"\x00\x01")
        (told,) = await next_of(events)
        assert (told.event, told.data) == ("bytes", "AAE=")


async def test_what_the_broker_lost_meanwhile_is_a_reset_in_the_stream() -> None:
    link, chat = Linked(MemoryBackplane()), Channel[object]("chat", history=History(count=1))
    here, there = FakeApp(), FakeApp()
    async with (
        running_hub(here, backplane=link),
        running_hub(there, backplane=Linked(link._store)),
        stream(chat.of(here)) as (events, _),
    ):
        await chat.of(there).broadcast("before")
        link.lose()
        await chat.of(here).broadcast("alone")
        for number in range(3):
            await chat.of(there).broadcast(number)
        link.heal()
        before, alone, reset = await next_of(events, 3)
        await chat.of(there).broadcast("after")
        (after,) = await next_of(events)
        assert (json.loads(before.data), json.loads(alone.data), alone.id) == (
            "before",
            "alone",
            None,
        )
        assert (reset.event, json.loads(after.data)) == ("reset", "after")


async def test_a_stream_that_is_too_slow_ends_behind_what_it_has() -> None:
    app, chat = FakeApp(), Channel[object]("chat")
    async with running_hub(app, limits=Limits(queue_out=3)) as hub, stream(chat) as (events, _):
        for number in range(5):
            await chat.broadcast(number)
        assert await data_of(events, 3) == [0, 1, 2]
        with pytest.raises(StopAsyncIteration):
            await next_of(events)
        assert hub.feeds == set()


async def test_dropped_messages_are_announced_with_their_number() -> None:
    app = FakeApp()
    chat = Channel[object]("chat", overflow=Overflow.drop_oldest())
    async with running_hub(app, limits=Limits(queue_out=3)), stream(chat) as (events, _):
        for number in range(5):
            await chat.broadcast(number)
        (dropped,) = await next_of(events)
        assert (dropped.event, json.loads(dropped.data)) == ("dropped", {"count": 2})
        assert await data_of(events, 3) == [2, 3, 4]


async def test_the_latest_of_each_key_is_told() -> None:
    app = FakeApp()
    chat = Channel[Any]("chat", key=lambda told: told[0], overflow=Overflow.latest_by_key())
    async with running_hub(app), stream(chat) as (events, _):
        for told in ("a1", "b1", "a2", "a3"):
            await chat.broadcast(told)
        assert await data_of(events, 2) == ["b1", "a3"]


async def test_streams_end_with_the_app_and_leave_nothing_behind() -> None:
    app, chat, link = FakeApp(), Channel[object]("chat"), Linked(MemoryBackplane())
    async with running_hub(app, backplane=link) as hub, stream(chat) as (events, _):
        await chat.broadcast("last")
        await hub.stop()
        assert await data_of(events, 1) == ["last"]
        with pytest.raises(StopAsyncIteration):
            await next_of(events)
        assert link.following == 0
        with pytest.raises(NoRunningApp):
            chat.events()


async def test_who_leaves_a_stream_ends_its_subscription() -> None:
    app, chat, link = FakeApp(), Channel[object]("chat", users=True), Linked(MemoryBackplane())
    async with running_hub(app, backplane=link) as hub:
        async with stream(chat.user("ada")), stream(chat):
            assert link.following == 2
        await until(lambda: not link.following)
        assert hub.feeds == set()


async def test_what_was_told_here_and_stored_after_all_comes_once() -> None:
    link, chat, app = Linked(MemoryBackplane()), Channel[object]("chat"), FakeApp()
    async with running_hub(app, backplane=link), stream(chat.of(app)) as (events, _):
        link.unheard = True  # it is stored, and the publisher is not told so
        await chat.of(app).broadcast("once")
        link.unheard = False
        await chat.of(app).broadcast("then")
        assert await data_of(events, 2) == ["once", "then"]
