"""A JSON body that came as one message is taken at once; every other goes to the reader."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import BaseModel

from nexios.adapters.asgi.errors import ClientDisconnect
from nexios.adapters.asgi.types import Message
from nexios.adapters.http.builder import Response
from nexios.adapters.http.errors import BodyStalled, BodyTooLarge, HttpError, MalformedBody
from nexios.adapters.http.exchange import Exchange
from nexios.adapters.http.idle import Waits
from nexios.adapters.http.request import Request
from nexios.adapters.http.router import Router
from nexios.application.limits import Limits
from tests.support.asgi import Answer, Peer, Served, http_scope

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


# Within an application.


class Order(BaseModel):
    number: int


def shop(settled: bool) -> Served:
    """Return an application whose handlers of errors tell what the body was."""

    async def tell(request: Request, response: Response, error: Exception) -> Response:
        try:
            body = (await request.body).decode()
        except HttpError as refused:
            body = type(refused).__name__
        told = {"error": type(error).__name__, "body": body}
        return response.json(told, status_code=409)

    router = Router(exception_handlers={Exception: tell})

    @router.post("/orders")
    async def order(order: Order) -> dict[str, int]:
        if order.number == 1:
            raise LookupError
        if order.number == 2:
            await asyncio.sleep(0)
            raise LookupError
        if order.number == 3:
            return {"unwritable": object()}  # type: ignore[dict-item]  # which is what is tried
        return {"number": order.number}

    @router.post("/shops/{shop}/orders")
    async def placed(order: Order) -> dict[str, int]:
        return {"number": order.number}

    @router.post("/small", limits={"body": 20})
    async def small(order: Order) -> dict[str, int]:
        return {"number": order.number}

    served = Served(router)
    if settled:
        served.gateway.waits.settle()
    return served


async def spoken(served: Served, target: str, body: bytes, pieces: int, late: bool) -> Answer:
    """Send a body in pieces, at once or after a wait."""
    size = -(-len(body) // pieces)
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    messages = [part(chunk, more=chunk is not chunks[-1]) for chunk in chunks]
    wire, sent = Wire(*(() if late else messages)), Peer()
    scope = http_scope("POST", target, [("content-type", "application/json")])
    scope["headers"].append((b"content-length", b"%d" % len(body)))
    answering = asyncio.ensure_future(served.gateway(scope, wire.receive, sent.send))
    for message in messages if late else ():
        await wire.waiting.wait()
        wire.waiting.clear()
        wire.messages.put_nowait(message)
    await answering
    return sent.answer()


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("pieces", [1, 3])
async def test_handlers_of_errors_have_the_body_however_it_came(
    pieces: int, late: bool, settled: bool
) -> None:
    async with shop(settled) as served:
        for number, error in ((7, ""), (1, "LookupError"), (2, "LookupError"), (3, "Unencodable")):
            body = b'{"number": %d}' % number
            answer = await spoken(served, "/orders", body, pieces, late)
            if not error:
                assert answer.json() == {"number": 7}
                continue
            told = {"error": error, "body": body.decode()}
            assert (answer.status, answer.json()) == (409, told)
        for body, error in ((b'{"number": "x"}', "RequestInvalid"), (b"{'", "MalformedBody")):
            answer = await spoken(served, "/orders", body, min(pieces, 2), late)
            assert answer.json()["error"] == error
            assert answer.json()["body"] == body.decode()


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize("pieces", [1, 3])
async def test_a_body_over_the_routes_limit_is_the_routes_error(
    pieces: int, settled: bool
) -> None:
    async with shop(settled) as served:
        scope = http_scope("POST", "/small", [("content-type", "application/json")])
        scope["headers"].append((b"content-length", b"10"))  # less than comes
        chunk = b" " * (30 // pieces)
        wire, sent = Wire(*([part(chunk, more=True)] * pieces)), Peer()
        await served.gateway(scope, wire.receive, sent.send)
        assert sent.answer().json()["error"] == "BodyTooLarge"
        answer = await spoken(served, "/small", b'{"number": 123456789}', 1, False)
        assert answer.json()["error"] == "BodyTooLarge"
        answer = await spoken(served, "/small", b'{"number": 12345678}', 1, False)
        assert answer.json() == {"number": 12345678}


async def test_a_compressed_or_unnamed_body_is_refused_as_ever() -> None:
    async with shop(settled=True) as served:
        for headers in ({"content-encoding": "gzip"}, {}):
            pairs = {**headers, "content-type": "application/json" if headers else "text/plain"}
            answer = await served.post("/orders", body=b'{"number": 7}', headers=pairs)
            assert answer.json()["error"] == "UnsupportedMediaType"


@pytest.mark.parametrize("kind", [bytes, bytearray])
async def test_a_server_may_give_a_body_of_any_kind_of_bytes(kind: Any) -> None:
    async with shop(settled=True) as served:
        scope = http_scope("POST", "/orders", [("content-type", "application/json")])
        scope["headers"].append((b"content-length", b"13"))
        wire, sent = Wire(part(kind(b'{"number": 7}'))), Peer()
        await served.gateway(scope, wire.receive, sent.send)
        assert sent.answer().json() == {"number": 7}


async def test_values_of_the_path_are_in_the_scope_though_nobody_reads_them() -> None:
    async with shop(settled=True) as served:
        scope = http_scope("POST", "/shops/a/orders", [("content-type", "application/json")])
        scope["headers"].append((b"content-length", b"13"))
        wire, sent = Wire(part(b'{"number": 7}')), Peer()
        await served.gateway(scope, wire.receive, sent.send)
        assert sent.answer().json() == {"number": 7}
        assert scope["path_params"] == {"shop": "a"}


async def test_values_of_an_outer_place_stay_beside_those_of_the_path() -> None:
    router = Router()

    @router.get("/read/{id:int}")
    async def read(id: int) -> int:
        return id

    @router.post("/shops/{shop}/orders")
    async def placed(order: Order) -> dict[str, int]:
        return {"number": order.number}

    async with Served(router) as served:
        served.gateway.waits.settle()
        for root in ("", "/outer"):
            asked = [("GET", "/read/7", {"id": 7}), ("POST", "/shops/a/orders", {"shop": "a"})]
            for method, path, own in asked:
                scope = http_scope(method, root + path, [("content-type", "application/json")])
                scope |= {"root_path": root, "path_params": {"tenant": "t"}}
                scope["headers"].append((b"content-length", b"13"))
                wire, sent = Wire(part(b'{"number": 7}')), Peer()
                await served.gateway(scope, wire.receive, sent.send)
                assert sent.answer().status == 200
                assert scope["path_params"] == {"tenant": "t", **own}
