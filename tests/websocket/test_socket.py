"""What a handler may do with its socket, and what it gets for doing it wrong."""

from dataclasses import dataclass

import anyio
import pytest
from pydantic import BaseModel, Field

from nexios.adapters.asgi.headers import InvalidHeader
from nexios.adapters.websocket.closing import WebSocketDisconnect
from nexios.adapters.websocket.protocol import ServerFault, SocketStateError
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.limits import Limits
from nexios.domain.errors import NotFound
from nexios.testing.sockets import SocketDenied, websocket_connect
from tests.support.sockets import served

pytestmark = pytest.mark.anyio


async def test_denial_carries_status_headers_and_problem() -> None:
    async def handler(websocket: WebSocket) -> None:
        await websocket.deny(401, headers={"WWW-Authenticate": "Bearer"})

    with pytest.raises(SocketDenied) as denied:
        async with websocket_connect(served(handler), "/ws"):
            pass

    assert denied.value.status == 401
    assert denied.value.headers["www-authenticate"] == "Bearer"
    assert denied.value.headers["content-type"] == "application/problem+json"
    assert denied.value.headers["connection"] == "close"
    assert denied.value.json() == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "Unauthorized",
        "instance": "/ws",
    }


async def test_without_the_extension_a_denial_is_a_close_before_accept() -> None:
    async def handler(websocket: WebSocket) -> None:
        await websocket.deny(401)

    with pytest.raises(SocketDenied) as denied:
        async with websocket_connect(served(handler), "/ws", denial=False):
            pass
    assert denied.value.status == 403


async def test_bad_accept_arguments_are_refused() -> None:
    refused: list[type[Exception]] = []

    async def handler(websocket: WebSocket) -> None:
        for arguments in (
            {"subprotocol": "soap"},
            {"headers": {"x-a": "1\r\nx-b: 2"}},
            {"headers": {"x-a": "1\0"}},
            {"headers": {"x a": "1"}},
            {"headers": {"Sec-WebSocket-Accept": "x"}},
        ):
            with pytest.raises((ValueError, InvalidHeader)) as refusal:
                await websocket.accept(**arguments)  # type: ignore[arg-type]  # on purpose
            refused.append(refusal.type)
        await websocket.accept("wamp", headers=[("Set-Cookie", "a=1"), ("X-A", "1")])

    async with websocket_connect(served(handler), "/", subprotocols=["mqtt", "wamp"]) as client:
        assert client.subprotocol == "wamp"
        assert client.headers == {"set-cookie": "a=1", "x-a": "1"}
    assert len(refused) == 5


async def test_the_route_chooses_its_first_offered_subprotocol() -> None:
    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()

    app = served(handler, subprotocols=("c", "b", "a"))
    async with websocket_connect(app, "/", subprotocols=["a", "b", "bearer.secret"]) as client:
        assert client.subprotocol == "b"
    async with websocket_connect(app, "/", subprotocols=["bearer.secret"]) as client:
        assert client.subprotocol is None


async def test_receive_before_accept_says_what_to_add() -> None:
    async def handler(websocket: WebSocket) -> None:
        for call in (websocket.receive, websocket.receive_json):
            with pytest.raises(SocketStateError, match=r"await websocket\.accept\(\)"):
                await call()
        with pytest.raises(SocketStateError, match=r"await websocket\.accept\(\)"):
            await websocket.send_text("x")
        await websocket.accept()
        with pytest.raises(SocketStateError, match="call it once"):
            await websocket.accept()
        await websocket.send_text("still usable")

    async with websocket_connect(served(handler), "/") as client:
        assert await client.receive_text() == "still usable"


async def test_disconnect_is_raised_on_every_later_call() -> None:
    ends: list[tuple[int, str | None]] = []

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        for call in (
            websocket.receive_text,
            websocket.receive_json,
            websocket.receive_bytes,
            lambda: websocket.send_text("x"),
            lambda: websocket.send_json({}),
        ):
            with pytest.raises(WebSocketDisconnect) as end:
                await call()
            ends.append((end.value.code, end.value.reason))
        await websocket.close()

    async with websocket_connect(served(handler), "/") as client:
        await client.close(4001, "bored")
    assert ends == [(4001, "bored")] * 5


async def test_iteration_ends_quietly() -> None:
    seen: list[object] = []

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        seen.extend([text async for text in websocket.iter_text()])
        seen.append("over")

    async with websocket_connect(served(handler), "/") as client:
        await client.send_text("a")
        await client.send_text("b")
    assert seen == ["a", "b", "over"]


async def test_close_is_idempotent_and_checked() -> None:
    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        for code in (999, 1004, 1005, 1006, 1015, 2999, 5000):
            with pytest.raises(ValueError, match=str(code)):
                await websocket.close(code)
        await websocket.close(4000, "a" + "é" * 70)
        await websocket.close(4001)

    async with websocket_connect(served(handler), "/") as client:
        end = await client.closed()
    assert end.code == 4000
    assert end.reason == "a" + "é" * 61
    assert len(end.reason.encode()) == 123


@pytest.mark.parametrize(("wanted", "sent"), [("text", b"x"), ("bytes", "x")])
async def test_wrong_kind_of_frame_closes_1003(wanted: str, sent: str | bytes) -> None:
    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        with pytest.raises(WebSocketDisconnect) as end:
            await (websocket.receive_text() if wanted == "text" else websocket.receive_bytes())
        assert end.value.code == 1003

    async with websocket_connect(served(handler), "/") as client:
        await (client.send_text(sent) if isinstance(sent, str) else client.send_bytes(sent))
        assert (await client.closed()).code == 1003


async def test_bad_json_is_answered_and_not_handed_on() -> None:
    seen: list[object] = []

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        seen.append(await websocket.receive_json())
        seen.append(await websocket.receive_json())

    async with websocket_connect(served(handler), "/") as client:
        await client.send_text('{"a": NaN}')
        assert await client.receive_json() == {
            "type": "error",
            "status": 400,
            "code": "malformed-json",
            "detail": "the message is not valid JSON",
        }
        await client.send_json({"n": 1})
        await client.send_bytes(b'{"n": 2}')
        assert (await client.closed()).code == 1000
    assert seen == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("model", [None, dict[str, str]])
async def test_nul_in_a_message_is_answered_and_not_handed_on(model: type | None) -> None:
    seen: list[object] = []

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        for _ in range(2):
            read = websocket.receive_json() if model is None else websocket.receive_as(model)
            seen.append(await read)

    async with websocket_connect(served(handler), "/") as client:
        await client.send_text(r'{"a": "x\u0000"}')
        frame = await client.receive_json()
        assert (frame["status"], frame["errors"][0]["pointer"]) == (422, "#/a")
        await client.send_bytes(rb'{"a": "\\u0000"}')
        await client.send_text('{"a": "b"}')
        assert (await client.closed()).code == 1000
    assert seen == [{"a": r"\u0000"}, {"a": "b"}]


class Post(BaseModel):
    text: str = Field(max_length=3)


async def test_what_is_not_the_model_is_named_without_its_value() -> None:
    seen: list[object] = []

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        seen.extend([post async for post in websocket.iter_as(Post)])

    async with websocket_connect(served(handler), "/") as client:
        await client.send_json({"text": "canary"})
        frame = await client.receive_json()
        await client.send_json({"text": "abc"})
    assert "canary" not in str(frame)
    assert frame["status"] == 422
    assert frame["errors"] == [
        {
            "name": "text",
            "pointer": "#/text",
            "code": "string_too_long",
            "detail": frame["errors"][0]["detail"],
        }
    ]
    assert seen == [Post(text="abc")]


class Seats(BaseModel):
    taken: dict[int, int]


async def test_messages_are_read_by_the_rules_of_json_bodies() -> None:
    seen: list[Seats] = []

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        seen.extend([seats async for seats in websocket.iter_as(Seats)])

    many = {str(n): 1 for n in range(Limits().keyed_items + 1)}
    async with websocket_connect(served(handler), "/") as client:
        await client.send_json({"taken": many})
        frame = await client.receive_json()
        assert (frame["errors"][0]["name"], frame["errors"][0]["code"]) == ("taken", "too_long")
        await client.send_json({"taken": {"1": True}})
        frame = await client.receive_json()
        assert frame["errors"][0]["code"] == "int_type"
        await client.send_json({"taken": {"1": 2}})
    assert seen == [Seats(taken={1: 2})]


async def test_third_bad_message_within_a_minute_closes_1007() -> None:
    now = [0.0]

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        async for _ in websocket.iter_json():
            pass

    app = served(handler, clock=lambda: now[0])
    async with websocket_connect(app, "/") as client:
        for moment in (0.0, 1.0, 60.1, 62.0):  # the first is forgotten by the third
            now[0] = moment
            await client.send_text("{")
            assert (await client.receive_json())["status"] == 400
        now[0] = 63.0
        await client.send_text("{")
        end = await client.closed()
    assert (end.code, end.reason) == (1007, "three invalid messages")


@pytest.mark.parametrize(
    ("text", "code"),
    [("x" * 9, 1000), ("x" * 10, 1000), ("x" * 11, 1009), ("é" * 5, 1000), ("é" * 5 + "x", 1009)],
)
async def test_message_one_byte_too_long_closes_1009(text: str, code: int) -> None:
    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        assert await websocket.receive_text() == text

    async with websocket_connect(served(handler, limits=Limits(message_bytes=10)), "/") as client:
        await client.send_text(text)
        assert (await client.closed()).code == code


@pytest.mark.parametrize("size", [10, 11])
async def test_bytes_and_json_have_the_same_limit(size: int) -> None:
    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_bytes()
        await websocket.receive_json()

    async with websocket_connect(served(handler, limits=Limits(message_bytes=10)), "/") as client:
        await client.send_bytes(b"x" * 10)
        await client.send_text("[" + " " * (size - 2) + "]")
        assert (await client.closed()).code == (1000 if size == 10 else 1009)


async def test_deep_and_many_parted_json_is_refused_as_too_complex() -> None:
    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_json()

    app = served(handler, limits=Limits(json_tokens=1000))
    async with websocket_connect(app, "/") as client:
        await client.send_text("[" * 500 + "]" * 500)
        assert (await client.receive_json())["code"] == "json-too-complex"
        await client.send_text("[" + "1," * 1000 + "1]")
        assert (await client.receive_json())["code"] == "json-too-complex"


async def test_values_without_a_json_form_are_refused_before_sending() -> None:
    @dataclass
    class Point:
        x: float

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        with pytest.raises(TypeError, match="JSON"):
            await websocket.send_json({"a": object()})
        await websocket.send_json({"a": Point(float("nan"))})
        await websocket.send_json([1], mode="binary")

    async with websocket_connect(served(handler), "/") as client:
        assert await client.receive_text() == '{"a":{"x":null}}'
        assert await client.receive_bytes() == b"[1]"


async def test_error_frames_speak_the_words_of_the_error() -> None:
    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_error(NotFound("no such room", room="tea"), ref="c-1")
        await websocket.send_error(RuntimeError("canary"))

    async with websocket_connect(served(handler), "/") as client:
        assert await client.receive_json() == {
            "type": "error",
            "ref": "c-1",
            "status": 404,
            "code": "not-found",
            "detail": "no such room",
            "details": {"room": "tea"},
        }
        assert "canary" not in await client.receive_text()


async def test_a_cut_line_is_1006_at_the_next_send() -> None:
    cut = anyio.Event()
    codes: list[int] = []

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        await cut.wait()
        with pytest.raises(WebSocketDisconnect) as end:
            await websocket.send_text("x")
        codes.append(end.value.code)

    async with websocket_connect(served(handler), "/") as client:
        client.cut()
        cut.set()
        await client.ended()
    assert codes == [1006]


async def test_a_server_out_of_order_is_told() -> None:
    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive()

    with pytest.raises(ServerFault, match="websocket"):
        async with websocket_connect(served(handler), "/") as client:
            await client.send({"type": "websocket.connect"})
            await client.ended()


async def test_those_who_wait_for_the_end_are_woken_once_it_is_seen() -> None:
    order: list[str] = []

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        websocket.when_gone(lambda: order.append("gone"))
        async with anyio.create_task_group() as tasks:

            async def beside() -> None:
                await websocket.wait_closed()
                order.append("woken")

            tasks.start_soon(beside)
            with pytest.raises(WebSocketDisconnect):
                await websocket.receive()
        websocket.when_gone(lambda: order.append("late"))

    async with websocket_connect(served(handler), "/") as client:
        await client.close()
        await client.ended()
    assert order == ["gone", "woken", "late"]


async def test_ids_are_long_and_never_shared() -> None:
    ids: list[str] = []

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        ids.extend((websocket.id, websocket.id))

    for _ in range(2):
        async with websocket_connect(served(handler), "/"):
            pass
    assert ids[0] == ids[1]
    assert ids[0] != ids[2]
    assert len(ids[0]) >= 22


async def test_a_loop_over_messages_can_be_left_and_gone_on_with() -> None:
    seen: list[object] = []

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            seen.append(text)
            break
        seen.append(await websocket.receive_text())
        seen.extend([data async for data in websocket.iter_bytes()])
        seen.extend([text async for text in websocket.iter_text()])
        seen.append("over")

    async with websocket_connect(served(handler), "/ws") as peer:
        for text in ("one", "two"):
            await peer.send_text(text)
        await peer.send_bytes(b"three")
        await peer.send_text("the wrong kind ends a loop over bytes")
        assert (await peer.closed()).code == 1003
        await peer.ended()
    assert seen == ["one", "two", b"three", "over"]


async def test_a_loop_before_accept_says_what_to_add() -> None:
    refused: list[SocketStateError] = []

    async def handler(websocket: WebSocket) -> None:
        try:
            async for _ in websocket.iter_text():
                pass
        except SocketStateError as error:
            refused.append(error)

    with pytest.raises(SocketDenied):
        async with websocket_connect(served(handler), "/ws"):
            pass
    assert "accept()" in str(refused[0])
