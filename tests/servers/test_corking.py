"""Head and body in one write, and nothing held longer than a turn of the loop."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from nexios import NexiosApp
from nexios.adapters.servers.corking import CorkedTransport, Turn
from tests.support.server import serving

pytestmark = pytest.mark.asyncio


class Wire:
    """A transport that notes what is done with it."""

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.closing = False

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def close(self) -> None:
        self.done.append("close")

    def abort(self) -> None:
        self.done.append("abort")

    def is_closing(self) -> bool:
        return self.closing


def corked() -> tuple[Wire, CorkedTransport]:
    wire: Any = Wire()
    return wire, CorkedTransport(wire, Turn(asyncio.get_running_loop()))


HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


async def test_head_and_body_of_one_turn_are_one_write() -> None:
    wire, transport = corked()
    transport.write(HEAD)
    transport.write(b"ok")
    transport.write(b"more")
    assert wire.done == [HEAD + b"ok", b"more"]
    await asyncio.sleep(0)
    assert wire.done == [HEAD + b"ok", b"more"]


async def test_a_head_alone_leaves_at_the_end_of_the_turn() -> None:
    wire, transport = corked()
    transport.write(HEAD)
    assert wire.done == []
    await asyncio.sleep(0)
    assert wire.done == [HEAD]
    transport.write(b"chunk")
    assert wire.done == [HEAD, b"chunk"]


async def test_what_is_whole_leaves_at_once_behind_what_is_held() -> None:
    wire, transport = corked()
    transport.writelines([HEAD, b"ok"])
    transport.write(HEAD)
    transport.writelines([b"ok", HEAD, b"ok"])
    assert wire.done == [HEAD + b"ok", HEAD + b"ok" + HEAD + b"ok"]
    await asyncio.sleep(0)
    assert len(wire.done) == 2


async def test_two_answers_of_one_turn_keep_their_order() -> None:
    wire, transport = corked()
    for _ in range(2):
        transport.write(HEAD)
        transport.write(b"ok")
    transport.write(HEAD)
    transport.write(HEAD)
    await asyncio.sleep(0)
    assert b"".join(wire.done) == (HEAD + b"ok") * 2 + HEAD * 2


async def test_what_is_held_leaves_before_the_end_and_not_after_a_cut() -> None:
    wire, transport = corked()
    transport.write(HEAD)
    transport.close()
    assert wire.done == [HEAD, "close"]

    wire, transport = corked()
    transport.write(HEAD)
    transport.abort()
    await asyncio.sleep(0)
    assert wire.done == ["abort"]


async def test_the_rest_is_the_transports_own() -> None:
    wire, transport = corked()
    wire.closing = True
    assert transport.is_closing()
    assert transport.raw is wire


async def test_on_the_wire_a_stream_does_not_wait_for_its_end() -> None:
    app, go_on = NexiosApp(), threading.Event()

    @app.get("/plain")
    async def plain() -> str:
        return "plain"

    @app.get("/stream")
    async def stream() -> AsyncIterator[str]:
        yield "first"
        await anyio.to_thread.run_sync(go_on.wait)
        yield "second"

    with serving(app) as place:
        host, _, port = place.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        request = b"GET %b HTTP/1.1\r\nhost: testserver\r\n\r\n"
        writer.write(request % b"/plain" + request % b"/plain")
        answers = b""
        while answers.count(b"\r\n\r\nplain") < 2:
            answers += await asyncio.wait_for(reader.read(4096), 5)
        assert answers.count(b"HTTP/1.1 200") == 2
        writer.write(request % b"/stream")
        head = await asyncio.wait_for(reader.readuntil(b"first"), 5)
        assert head.startswith(b"HTTP/1.1 200")
        go_on.set()
        assert b"second" in await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 5)
        writer.close()


async def test_a_wire_that_fails_does_not_keep_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Wire):
        def write(self, data: bytes) -> None:
            raise RuntimeError("the handle is closed")

    turn = Turn(asyncio.get_running_loop())
    wires: list[Any] = [Wire(), Broken(), Wire()]
    for wire in wires:
        CorkedTransport(wire, turn).write(HEAD)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [wire.done for wire in wires] == [[HEAD], [], [HEAD]]
    assert "the handle is closed" in caplog.text
