"""A JSON body that came as one message is taken at once; every other goes to the reader."""

import asyncio
from collections.abc import Sequence

import pytest

from nexios.adapters.asgi.errors import ClientDisconnect
from nexios.adapters.asgi.types import Message
from nexios.adapters.http.errors import BodyStalled, BodyTooLarge, MalformedBody
from nexios.adapters.http.exchange import Exchange
from nexios.adapters.http.idle import Waits
from nexios.application.limits import Limits

pytestmark = pytest.mark.asyncio

JSON = (b"content-type", b"application/json")


class Wire:
    """A server's side: hands out messages, each there at once or when it is let go."""

    def __init__(self, *messages: Message) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.asked = 0
        self.waiting = asyncio.Event()
        for message in messages:
            self.messages.put_nowait(message)

    async def receive(self) -> Message:
        self.asked += 1
        self.waiting.set()
        return await self.messages.get()

    async def send(self, message: Message) -> None:
        raise AssertionError(f"nothing is sent here: {message}")


def part(body: bytes, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


GONE: Message = {"type": "http.disconnect"}


def exchange_over(
    wire: Wire, length: int, limits: Limits | None = None, more: Sequence[tuple[bytes, bytes]] = ()
) -> Exchange:
    waits = Waits()
    waits.settle()
    headers = [JSON, (b"content-length", str(length).encode()), *more]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    return Exchange(scope, wire.receive, wire.send, limits or Limits(), waits)


async def test_a_body_of_one_message_is_read_again_by_whoever_asks() -> None:
    wire = Wire(part(b"[1]"))
    exchange = exchange_over(wire, 3)

    assert await exchange.read_json() == b"[1]"
    assert await exchange.read_json() == b"[1]"
    assert await exchange.reader.read() == b"[1]"
    assert await exchange.request.body == b"[1]"
    assert [chunk async for chunk in exchange.reader.stream()] == [b"[1]"]
    assert await exchange.receive_again()() == part(b"[1]")
    assert wire.asked == 1


async def test_an_application_below_hears_the_rest_of_the_wire_after_the_body() -> None:
    wire = Wire(part(b"[1]"), GONE)
    exchange = exchange_over(wire, 3)
    await exchange.read_json()

    again = exchange.receive_again()

    assert [await again(), await again()] == [part(b"[1]"), GONE]


async def test_a_body_that_is_still_to_come_is_waited_for() -> None:
    wire = Wire()
    exchange = exchange_over(wire, 4)
    reading = asyncio.ensure_future(exchange.read_json())
    await wire.waiting.wait()

    wire.messages.put_nowait(part(b"[1", more=True))
    wire.messages.put_nowait(part(b"2]"))

    assert await reading == b"[12]"
    assert wire.asked == 2


async def test_a_body_of_several_messages_is_put_together() -> None:
    wire = Wire(part(b"[1", more=True), part(b"", more=True), part(b"2]"))
    exchange = exchange_over(wire, 4)

    assert await exchange.read_json() == b"[12]"
    assert await exchange.reader.read() == b"[12]"


async def test_another_reader_is_not_robbed_while_the_first_message_is_waited_for() -> None:
    wire = Wire()
    exchange = exchange_over(wire, 2)
    first = asyncio.ensure_future(exchange.read_json())
    await wire.waiting.wait()
    second = asyncio.ensure_future(exchange.reader.read())
    await asyncio.sleep(0)

    wire.messages.put_nowait(part(b"{}"))

    assert [await first, await second] == [b"{}", b"{}"]
    assert wire.asked == 1


@pytest.mark.parametrize("more", [False, True])
async def test_more_than_was_said_is_refused_over_the_limit(more: bool) -> None:
    wire = Wire(part(b"[1234]", more=more))

    with pytest.raises(BodyTooLarge):
        await exchange_over(wire, 3, Limits(body=5)).read_json()


async def test_a_length_over_the_limit_is_refused_before_a_byte_is_read() -> None:
    wire = Wire(part(b"[1234]"))

    with pytest.raises(BodyTooLarge):
        await exchange_over(wire, 6, Limits(body=5)).read_json()
    assert wire.asked == 0


async def test_two_lengths_that_differ_are_refused() -> None:
    exchange = exchange_over(Wire(part(b"{}")), 2, more=[(b"content-length", b"3")])

    with pytest.raises(MalformedBody):
        await exchange.read_json()


async def test_a_peer_that_left_sends_no_body() -> None:
    with pytest.raises(ClientDisconnect):
        await exchange_over(Wire(GONE), 2).read_json()


async def test_a_body_that_never_comes_stalls() -> None:
    with pytest.raises(BodyStalled):
        await exchange_over(Wire(), 2, Limits(body_idle_s=0.01)).read_json()


async def test_a_cancelled_wait_ends_the_servers_receive_too() -> None:
    wire = Wire()
    ended = asyncio.Event()

    async def receive() -> Message:
        try:
            return await wire.receive()
        finally:
            ended.set()

    exchange = exchange_over(wire, 2)
    exchange.receive = receive
    reading = asyncio.ensure_future(exchange.read_json())
    await wire.waiting.wait()

    reading.cancel()

    with pytest.raises(asyncio.CancelledError):
        await reading
    assert ended.is_set()
