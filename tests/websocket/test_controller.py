"""Socket controllers: one object for each socket, one scope for each message."""

import random
from collections.abc import AsyncIterator
from typing import Annotated, Literal, NewType

import anyio
import anyio.lowlevel
import pytest
from pydantic import BaseModel, Field

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.params import Query
from nexios.adapters.http.compile import compile_routes
from nexios.adapters.http.router import Router
from nexios.adapters.http.settings import HttpSettings
from nexios.adapters.routing.sockets import SocketRoute
from nexios.adapters.websocket.closing import WebSocketDisconnect
from nexios.adapters.websocket.compiled import SocketSettings, compile_sockets
from nexios.adapters.websocket.controller import (
    SocketControllerError,
    WebSocketController,
    controller_route,
    on,
)
from nexios.adapters.websocket.socket import WebSocket
from nexios.application.caller import Caller
from nexios.application.errors import Forbidden, Unauthenticated, Unavailable
from nexios.application.limits import Limits
from nexios.container.depend import Depend
from nexios.container.module import Module
from nexios.container.scope import Scope
from nexios.domain.errors import Conflict, NotFound
from nexios.testing.sockets import websocket_connect
from tests.support.gateway import denial, route, serving

pytestmark = pytest.mark.anyio


class Post(BaseModel):
    type: Literal["post"] = "post"
    text: Annotated[str, Field(max_length=5)]


class Leave(BaseModel):
    type: Literal["leave"] = "leave"


class Posted(BaseModel):
    text: str
    room: str


def routed(controller: type[WebSocketController], module: Module | None = None) -> SocketRoute:
    return controller_route(controller, module)


async def test_models_are_picked_by_their_tag_and_replies_go_to_the_sender() -> None:
    class Room(WebSocketController, path="/ws/{room}"):
        @on(Post)
        async def post(self, message: Post, room: str) -> Posted:
            return Posted(text=message.text, room=room)

        @on(Leave)
        async def leave(self, websocket: WebSocket, bye: Leave) -> str:
            assert isinstance(bye, Leave)
            return f"bye from {websocket.path}"

    async with (
        serving(routed(Room)) as app,
        websocket_connect(app, "/ws/tea") as client,
    ):
        await client.send_json({"type": "post", "text": "hi"})
        assert await client.receive_json() == {"text": "hi", "room": "tea"}
        await client.send_json({"type": "leave"})
        assert await client.receive_text() == "bye from /ws/tea"
        await client.send_json({"type": "canary"})
        frame = await client.receive_json()
        assert (frame["status"], frame["code"]) == (422, "message-invalid")
        assert "canary" not in str(frame["errors"][0]["name"])
        await client.send_json({"type": "post", "text": "hello"})
        assert (await client.receive_json())["text"] == "hello"


@pytest.mark.parametrize(
    ("hint", "sent", "got"), [(str, "a", "a!"), (bytes, b"a", b"a!"), (None, "[1]", "[1,1]")]
)
async def test_a_single_on_message_takes_one_kind(
    hint: object, sent: str | bytes, got: str | bytes
) -> None:
    class Echo(WebSocketController, path="/ws"):
        async def on_message(self, message):  # type: ignore[no-untyped-def]
            if hint is None:
                return message * 2
            return message + ("!" if hint is str else b"!")

    if hint is not None:
        Echo.on_message.__annotations__["message"] = hint
    async with serving(routed(Echo)) as app, websocket_connect(app, "/ws") as client:
        await (client.send_text(sent) if isinstance(sent, str) else client.send_bytes(sent))
        message = await client.receive()
        assert got in (message.get("text"), message.get("bytes"))


Line = NewType("Line", str)


@pytest.mark.parametrize(
    ("hint", "sent", "got"),
    [
        (Annotated[str, "of a chat"], '"a"', '"a"'),
        (Annotated[str, Field(max_length=3)], "abc", "abc"),
        (Annotated[bytes, Field(max_length=3)], b"\xff", b"\xff"),
        (str | bytes, '{"a": 1}', '{"a": 1}'),
        (str | bytes, b"\xff", b"\xff"),
        (Annotated[str, "x"] | bytes, b"a", b"a"),
        (str | None, "null", "null"),
        (Line, "1", "1"),
        (str | int, '"a"', "a"),  # a union with anything else is JSON
    ],
)
async def test_text_and_bytes_are_never_read_as_json(
    hint: object, sent: str | bytes, got: str | bytes
) -> None:
    class Echo(WebSocketController, path="/ws"):
        async def on_message(self, message):  # type: ignore[no-untyped-def]
            return message

    Echo.on_message.__annotations__["message"] = hint
    async with serving(routed(Echo)) as app, websocket_connect(app, "/ws") as client:
        await (client.send_text(sent) if isinstance(sent, str) else client.send_bytes(sent))
        if isinstance(got, str):
            assert await client.receive_text() == got
        else:
            assert await client.receive_bytes() == got


async def test_text_that_breaks_its_bounds_is_answered_and_bytes_for_text_are_a_1003() -> None:
    taken: list[str] = []

    class Short(WebSocketController, path="/ws"):
        async def on_message(self, message: Annotated[str, Field(max_length=3)]) -> str:
            taken.append(message)
            return message

    async with serving(routed(Short)) as app, websocket_connect(app, "/ws") as client:
        await client.send_text("canary")
        frame = await client.receive_json()
        assert (frame["status"], frame["errors"][0]["code"]) == (422, "string_too_long")
        assert "canary" not in str(frame)
        await client.send_text("abc")
        assert await client.receive_text() == "abc"
        await client.send_bytes(b"abc")
        with pytest.raises(WebSocketDisconnect) as over:
            await client.receive_text()
    assert over.value.code == 1003
    assert taken == ["abc"]


async def test_either_kind_is_held_to_the_limit_of_size() -> None:
    class Echo(WebSocketController, path="/ws", limits={"message_bytes": 3}):
        async def on_message(self, message: str | bytes) -> str | bytes:
            return message

    async with serving(routed(Echo)) as app, websocket_connect(app, "/ws") as client:
        await client.send_bytes(b"abcd")
        with pytest.raises(WebSocketDisconnect) as over:
            await client.receive_bytes()
    assert over.value.code == 1009


class Draft:
    """Lives as long as its socket."""


class Unit:
    """Lives as long as its message."""


async def test_constructor_objects_live_per_socket() -> None:
    seen: list[tuple[object, object, object]] = []
    closed: list[object] = []

    async def unit() -> AsyncIterator[Unit]:
        made = Unit()
        yield made
        closed.append(made)

    async def draft() -> AsyncIterator[Draft]:
        made = Draft()
        try:
            yield made
        finally:
            closed.append(made)

    class Room(WebSocketController, path="/ws"):
        def __init__(self, draft: Draft) -> None:
            self._draft = draft

        async def on_message(self, message: str, unit: Unit = Depend()) -> str:
            seen.append((self, self._draft, unit))
            return "ok"

    module = Module("room")
    module.bind(Draft, scope=Scope.CONNECTION).to(draft)
    module.bind(Unit).to(unit)
    root = Module("app").include(module)
    async with serving(routed(Room, module), module=root) as app:
        for _ in range(2):
            async with websocket_connect(app, "/ws") as client:
                for count in range(3):
                    await client.send_text("x")
                    await client.receive_text()
                    assert len([one for one in closed if isinstance(one, Unit)]) >= count + 1
        assert app.faults == []
    selves, drafts, units = (list(dict.fromkeys(column)) for column in zip(*seen, strict=True))
    assert (len(selves), len(drafts), len(units)) == (2, 2, 6)
    assert {id(one) for one in closed} == {id(one) for one in (*drafts, *units)}


async def test_scope_is_closed_before_the_reply_leaves() -> None:
    order: list[str] = []

    async def unit() -> AsyncIterator[Unit]:
        yield Unit()
        order.append("commit")
        if len(order) > 2:
            raise Conflict("somebody was faster")

    class Room(WebSocketController, path="/ws"):
        async def on_message(self, message: str, unit: Unit = Depend()) -> str:
            order.append("handled")
            return "ok"

    module = Module("app")
    module.bind(Unit).to(unit)
    async with (
        serving(routed(Room), module=module) as app,
        websocket_connect(app, "/ws") as client,
    ):
        await client.send_text("x")
        assert await client.receive_text() == "ok"
        assert order == ["handled", "commit"]
        await client.send_text("x")
        frame = await client.receive_json()
        assert (frame["status"], frame["detail"]) == (409, "somebody was faster")
        assert client.buffered == 0


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFound("words"), 404, None),
        (Forbidden("words"), 403, None),
        (Unauthenticated("words"), None, 4401),
        (Unavailable("words"), None, 1013),
        (LookupError("canary"), None, 1011),
    ],
)
async def test_errors_in_a_message_are_frames_or_ends(
    error: Exception, status: int | None, code: int | None
) -> None:
    class Room(WebSocketController, path="/ws"):
        async def on_message(self, message: str) -> str:
            if message == "bad":
                raise error
            return message

    async with serving(routed(Room)) as app, websocket_connect(app, "/ws") as client:
        await client.send_text("bad")
        if code is None:
            assert (await client.receive_json())["status"] == status
            await client.send_text("good")
            assert await client.receive_text() == "good"
        else:
            end = await client.closed()
            assert end.code == code
            assert "canary" not in str(end.reason)
        assert len(app.faults) == (1 if code == 1011 else 0)


async def test_refusal_in_on_connect_is_http() -> None:
    ended: list[int] = []

    class Room(WebSocketController, path="/ws"):
        async def on_connect(self, who: str = Query()) -> None:
            if who != "ada":
                raise Forbidden("members only")

        async def on_disconnect(self, code: int) -> None:
            ended.append(code)

    async with serving(routed(Room)) as app:
        assert (await denial(app, "/ws?who=bob")).status == 403
        assert (await denial(app, "/ws")).status == 422
        async with websocket_connect(app, "/ws?who=ada") as client:
            await client.close(4002)
    assert ended == [4403, 4002]  # with the 422 on_connect was never entered


@pytest.mark.parametrize("how", ["close", "cut", "error", "policy", "shutdown"])
async def test_on_disconnect_runs_exactly_once(how: str) -> None:
    ended: list[int] = []
    awaited: list[bool] = []

    class Room(WebSocketController, path="/ws"):
        async def on_connect(self, websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.send_text("in")

        async def on_message(self, websocket: WebSocket, message: str) -> None:
            if message == "error":
                raise LookupError
            await websocket.close(4003)

        async def on_disconnect(self, code: int) -> None:
            ended.append(code)
            await anyio.lowlevel.checkpoint()
            awaited.append(True)

    async with (
        serving(routed(Room), limits=Limits(message_finish_s=0.05)) as app,
        websocket_connect(app, "/ws") as client,
    ):
        assert await client.receive_text() == "in"
        if how == "close":
            await client.close(4001)
        elif how == "cut":
            client.cut()
        elif how == "shutdown":
            await app.gateway.close()
        else:
            await client.send_text(how)
        await client.ended()
    codes = {"close": 4001, "cut": 1006, "error": 1011, "policy": 4003, "shutdown": 1012}
    assert ended == [codes[how]]
    assert awaited == [True]


async def test_on_disconnect_is_shielded_when_the_handler_is_cancelled() -> None:
    order: list[str] = []
    entered = anyio.Event()

    class Room(WebSocketController, path="/ws"):
        async def on_message(self, message: str) -> None:
            entered.set()
            await anyio.sleep_forever()

        async def on_disconnect(self, code: int) -> None:
            await anyio.lowlevel.checkpoint()
            order.append("ended")

    async with (
        serving(routed(Room), limits=Limits(message_finish_s=0.05)) as app,
        websocket_connect(app, "/ws") as client,
    ):
        await client.send_text("x")
        await entered.wait()
        await app.gateway.close()
        assert order == ["ended"]


async def test_messages_of_one_socket_are_handled_in_order() -> None:
    class Room(WebSocketController, path="/ws"):
        async def on_message(self, message: str) -> str:
            for _ in range(random.randrange(4)):
                await anyio.lowlevel.checkpoint()
            return message

    async with serving(routed(Room)) as app, websocket_connect(app, "/ws") as client:
        for number in range(50):
            await client.send_text(str(number))
        assert [await client.receive_text() for _ in range(50)] == [str(n) for n in range(50)]


async def test_message_timeout_is_an_error_frame() -> None:
    class Room(WebSocketController, path="/ws", message_timeout_s=0.01):
        async def on_message(self, message: str) -> str:
            if message == "slow":
                await anyio.sleep_forever()
            return message

    async with serving(routed(Room)) as app, websocket_connect(app, "/ws") as client:
        await client.send_text("slow")
        assert (await client.receive_json())["status"] == 504
        await client.send_text("quick")
        assert await client.receive_text() == "quick"


async def test_guards_and_keywords_are_inherited_and_the_caller_is_given() -> None:
    order: list[str] = []

    async def outer(connection: Connection) -> None:
        order.append("outer")
        connection.scope["caller"] = Caller(actor="ada")

    async def inner(connection: Connection) -> None:
        order.append("inner")

    class Base(WebSocketController, guards=[outer], subprotocols=["a"]):
        pass

    class Room(Base, path="/ws", guards=[inner]):
        def __init__(self, websocket: WebSocket) -> None:
            self._caller = websocket.caller

        async def on_connect(self, websocket: WebSocket, caller: Caller = Depend()) -> None:
            await websocket.accept()
            await websocket.send_json([self._caller.actor, caller.actor])

    async with (
        serving(routed(Room)) as app,
        websocket_connect(app, "/ws", subprotocols=["a"]) as client,
    ):
        assert await client.receive_json() == ["ada", "ada"]
        assert client.subprotocol == "a"
    assert order == ["outer", "inner"]


async def test_a_controller_that_takes_nothing_drops_what_comes() -> None:
    class Feed(WebSocketController, path="/ws"):
        async def on_disconnect(self, code: int) -> None:
            raise WebSocketDisconnect(code)

    async with serving(routed(Feed)) as app:
        async with websocket_connect(app, "/ws") as client:
            await client.send_text("x")
            await client.send_bytes(b"x")
        assert app.faults == []


class Untagged(BaseModel):
    text: str


class AlsoPost(BaseModel):
    type: Literal["post"] = "post"


@pytest.mark.parametrize(
    ("model", "says"), [(Untagged, "Untagged has no tag"), (AlsoPost, "that of first too")]
)
async def test_missing_and_clashing_tags_refuse_the_start(
    model: type[BaseModel], says: str
) -> None:
    class Room(WebSocketController, path="/ws"):
        @on(Post)
        async def first(self, message: Post) -> None: ...

        @on(model)
        async def second(self, message: BaseModel) -> None: ...

    compiled = compile_sockets([routed(Room)], SocketSettings())
    (problem,) = compiled.problems
    assert isinstance(problem, SocketControllerError)
    assert says in str(problem)
    assert "Room.second" in str(problem)


async def test_both_ways_of_taking_messages_refuse_the_start() -> None:
    class Room(WebSocketController, path="/ws"):
        @on(Post)
        async def post(self, message: Post) -> None: ...

        async def on_message(self, message: str) -> None: ...

    (problem,) = compile_sockets([routed(Room)], SocketSettings()).problems
    assert "on_message" in str(problem)


async def test_unknown_class_keywords_are_refused_with_the_nearest() -> None:
    with pytest.raises(TypeError, match="did you mean 'guards'"):
        type("Room", (WebSocketController,), {}, gaurds=[])


async def test_what_only_messages_read_is_checked_before_on_connect() -> None:
    entered: list[str] = []

    class Room(WebSocketController, path="/ws/{room}"):
        async def on_connect(self) -> None:
            entered.append("connect")

        async def on_message(self, message: str, room: Literal["tea", "milk"]) -> str:
            return room

        async def on_disconnect(self, page: int = 1) -> None:
            entered.append(f"page {page}")

    async with serving(routed(Room)) as app:
        refused = await denial(app, "/ws/sand")
        assert (refused.status, refused.json()["errors"][0]["name"]) == (422, "room")
        assert (await denial(app, "/ws/tea?page=x")).status == 422
        assert entered == []
        async with websocket_connect(app, "/ws/tea?page=3") as client:
            await client.send_text("x")
            assert await client.receive_text() == "tea"
    assert entered == ["connect", "page 3"]


def test_names_that_would_mean_something_else_are_refused() -> None:
    class Clash(WebSocketController, path="/a/{message}"):
        async def on_message(self, message: str) -> None: ...

    class Typo(WebSocketController, path="/b"):
        async def on_mesage(self, message: str) -> None: ...

    class Base(WebSocketController):
        @on(Post)
        async def post(self, message: Post) -> None: ...

    class Hidden(Base, path="/c"):
        async def post(self, message: Post) -> None: ...

    routes = [routed(one) for one in (Clash, Typo, Hidden)]
    problems = [str(one) for one in compile_sockets(routes, SocketSettings()).problems]
    assert "Clash.path: has a value named 'message'" in problems[0]
    assert "Typo.on_mesage: is never called\n  fix: write 'on_message'" in problems[1]
    assert "Hidden.post: hides an @on method" in problems[2]


def test_a_controller_without_a_path_is_refused_unless_its_base_or_its_route_has_one() -> None:
    class Nowhere(WebSocketController):
        async def on_message(self, message: str) -> None: ...

    class Base(WebSocketController, path="/rooms"):
        async def on_message(self, message: str) -> None: ...

    class Room(Base):
        pass

    (problem,) = compile_sockets([routed(Nowhere), routed(Room)], SocketSettings()).problems
    assert str(problem) == (
        f"{Nowhere.__qualname__}.path: is not given, so no client could ask for it\n"
        '  fix: class Nowhere(WebSocketController, path="/...")'
    )
    assert compile_sockets([route("/given", Nowhere)], SocketSettings()).problems == []


def test_what_has_no_self_is_refused() -> None:
    class OfClass(WebSocketController, path="/a"):
        @classmethod
        async def on_message(cls, message: str) -> None: ...

    class Static(WebSocketController, path="/b"):
        @staticmethod
        async def on_connect(websocket: WebSocket) -> None: ...

    class Marked(WebSocketController, path="/c"):
        @classmethod
        @on(Post)
        async def post(cls, message: Post) -> None: ...

    class Bare(WebSocketController, path="/d"):
        async def on_disconnect() -> None: ...  # type: ignore[misc]

    routes = [routed(one) for one in (OfClass, Static, Marked, Bare)]
    problems = [str(one) for one in compile_sockets(routes, SocketSettings()).problems]
    says = "is called on the object of one socket, so its first parameter is self"
    members = ("OfClass.on_message", "Static.on_connect", "Marked.post", "Bare.on_disconnect")
    for problem, member in zip(problems, members, strict=True):
        name = member.partition(".")[2]
        assert f"{member}: {says}\n  fix: def {name}(self, ...)" in problem


def test_a_name_belongs_to_one_class() -> None:
    class Base(WebSocketController, path="/a", name="a"):
        pass

    class Other(Base, path="/b"):
        pass

    assert routed(Base).options["name"] == "a"
    assert "name" not in routed(Other).options


def test_an_unknown_class_keyword_names_the_nearest() -> None:
    with pytest.raises(TypeError, match=r"has no class keyword 'gards'; did you mean 'guards'\?"):

        class Room(WebSocketController, path="/ws", gards=[]):
            pass


def test_checks_of_a_controller_and_of_where_it_is_registered_both_hold() -> None:
    async def outer() -> None: ...

    async def own() -> None: ...

    class Room(WebSocketController, path="/ws", guards=[own], tags=["rooms"]):
        async def on_message(self, message: str) -> None: ...

    router = Router("/chat", guards=[outer], tags=["chat"])
    router.websocket("/room")(Room)
    (placed,) = compile_routes(router, HttpSettings()).sockets
    endpoints = compile_sockets([placed, routed(Room)], SocketSettings()).endpoints

    assert [one.guards for one in endpoints] == [(outer, own), (own,)]
    assert [tuple(one.options.tags) for one in endpoints] == [("chat", "rooms"), ("rooms",)]


def test_a_controller_written_at_a_prompt_serves_too() -> None:
    names: dict[str, object] = {
        "__name__": "no_module",
        "WebSocketController": WebSocketController,
    }
    text = """
class Room(WebSocketController, path="/ws"):
    async def on_message(self, message: str) -> None: ...
"""
    exec(text, names)
    room: type[WebSocketController] = WebSocketController.__subclasses__()[-1]
    assert room is names["Room"]

    compiled = compile_sockets([routed(room)], SocketSettings())

    assert compiled.problems == []
    assert compiled.endpoints[0].where == "?:0"


class Named(BaseModel):
    type: Literal["named"] = "named"
    id: str | int | bool
    text: Annotated[str, Field(max_length=3)]


@pytest.mark.parametrize(
    ("name", "ref"), [("c-17", "c-17"), (17, 17), ("x" * 129, None), (True, None)]
)
async def test_the_answer_to_a_message_with_an_id_names_it(name: object, ref: object) -> None:
    class Room(WebSocketController, path="/ws"):
        @on(Named)
        async def named(self, message: Named) -> str:
            raise NotFound(f"no {message.text}")

    async with serving(routed(Room)) as app, websocket_connect(app, "/ws") as client:
        for text, status in (("tea", 404), ("too long", 422)):
            await client.send_json({"type": "named", "id": name, "text": text})
            frame = await client.receive_json()
            assert (frame["status"], frame.get("ref")) == (status, ref)
        await client.send_text("[1]")
        assert "ref" not in await client.receive_json()
