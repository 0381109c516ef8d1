"""Endpoints: what a handler may return and when its scope closes."""

import re
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from nexios import Depend, HTMLResponse, JSONResponse, Module, Request, Response
from nexios.adapters.http.exchange import Exchange
from nexios.adapters.http.response import Accepted, Created, NoContent
from nexios.adapters.http.router import Router
from nexios.application.caller import ANONYMOUS, Caller
from tests.support.asgi import Answer, Served

pytestmark = pytest.mark.asyncio


class Out(BaseModel):
    a: int


class Wide(Out):
    secret: str = "s"


@dataclass
class Point:
    x: int


def answering(value: Any, **options: Any) -> Router:
    router = Router()

    @router.get("/", **options)
    async def handler():  # type: ignore[no-untyped-def]
        return value

    return router


# Hostile values.


class Odd:
    pass


@pytest.mark.parametrize(
    "value", [Odd(), {"a": [Odd()]}, [1, {"b": Odd()}], object, lambda: None, b"\xff".decode]
)
async def test_what_cannot_be_encoded_is_a_500_without_a_word_of_it(value: Any) -> None:
    async with Served(answering(value)) as served:
        answer = await served.get("/")
        assert answer.status == 500
        assert b"Odd" not in answer.body
        ((error, error_id, where),) = served.reports
    assert "GET /" in str(error)
    assert where == "/"
    assert answer.json()["error_id"] == error_id


async def test_a_circle_in_a_value_is_a_500() -> None:
    value: dict[str, Any] = {}
    value["self"] = value
    async with Served(answering(value)) as served:
        assert (await served.get("/")).status == 500


# Every row of the table.


@pytest.mark.parametrize(
    ("value", "status", "kind", "body"),
    [
        ("text", 200, "text/plain; charset=utf-8", b"text"),
        (b"\x00\xff", 200, "application/octet-stream", b"\x00\xff"),
        ({"a": 1}, 200, "application/json", b'{"a":1}'),
        ([1, 2], 200, "application/json", b"[1,2]"),
        ({1}, 200, "application/json", b"[1]"),
        (5, 200, "application/json", b"5"),
        (False, 200, "application/json", b"false"),
        (float("nan"), 200, "application/json", b"null"),
        (Out(a=1), 200, "application/json", b'{"a":1}'),
        (Point(1), 200, "application/json", b'{"x":1}'),
        ((Out(a=1), 201), 201, "application/json", b'{"a":1}'),
        (("t", 202, {"x-a": "b"}), 202, "text/plain; charset=utf-8", b"t"),
        ((1, 2, 3), 200, "application/json", b"[1,2,3]"),
        (Created({"a": 1}, location="/x"), 201, "application/json", b'{"a":1}'),
        (Accepted({"a": 1}), 202, "application/json", b'{"a":1}'),
        (NoContent(), 204, None, b""),
        (None, 204, None, b""),
        (HTMLResponse("<p>"), 200, "text/html; charset=utf-8", b"<p>"),
        (JSONResponse([1], status_code=203), 203, "application/json", b"[1]"),
    ],
)
async def test_every_return_type(value: Any, status: int, kind: str | None, body: bytes) -> None:
    async with Served(answering(value)) as served:
        answer = await served.get("/")
        assert (answer.status, answer.header("content-type"), answer.body) == (status, kind, body)
        length = None if status == 204 else str(len(body))
        assert answer.header("content-length") == length
        if isinstance(value, Created):
            assert answer.header("location") == "/x"


async def test_status_by_builder_then_route_then_marker() -> None:
    router = Router()

    @router.get("/a", status=202)
    async def by_route() -> dict[str, int]:
        return {}

    @router.get("/b", status=202)
    async def by_builder(response: Response) -> dict[str, int]:
        response.status(203)
        return {}

    @router.get("/c", status=202)
    async def by_tuple(response: Response) -> Any:
        response.status(203)
        return {}, 206

    @router.get("/d", status=202)
    async def by_final(response: Response) -> Any:
        response.status(203)
        return JSONResponse({}, status_code=207)

    @router.get("/e", status=202)
    async def marker() -> Any:
        return Created({})

    @router.get("/f", status=202)
    async def nothing() -> None: ...

    async with Served(router) as served:
        found = {path: (await served.get(f"/{path}")).status for path in "abcdef"}
    assert found == {"a": 202, "b": 203, "c": 206, "d": 207, "e": 202, "f": 202}


async def test_none_after_touching_the_builder() -> None:
    router = Router()

    @router.get("/a")
    async def touched(response: Response) -> None:
        response.text("x").set_header("x-a", "1")

    @router.get("/b")
    async def untouched(response: Response) -> None: ...

    @router.get("/c")
    async def joined(response: Response) -> JSONResponse:
        response.set_header("x-a", "1").set_cookie("c", "1")
        return JSONResponse([1], headers={"x-b": "2"})

    async with Served(router) as served:
        one = await served.get("/a")
        assert (one.status, one.text, one.header("x-a")) == (200, "x", "1")
        assert (await served.get("/b")).status == 204
        three = await served.get("/c")
        assert (three.json(), three.header("x-a"), three.header("x-b")) == ([1], "1", "2")
        assert len(three.headers("set-cookie")) == 1


async def test_annotation_filters_fields() -> None:
    router = Router()

    @router.get("/subclass")
    async def subclass() -> Out:
        return Wide(a=1)

    @router.get("/dict")
    async def as_dict() -> Out:
        return {"a": 1, "secret": "s"}  # type: ignore[return-value]

    @router.get("/list")
    async def as_list() -> list[Out]:
        return [Wide(a=1)]

    async with Served(router) as served:
        for path in ("subclass", "dict", "list"):
            answer = await served.get(f"/{path}")
            assert b"secret" not in answer.body
            assert answer.status == 200


async def test_one_final_returned_by_many_requests_sends_the_same_headers() -> None:
    final = JSONResponse({"a": 1}, headers={"x-a": "1"})
    router = Router()

    @router.get("/a")
    async def shared() -> JSONResponse:
        return final

    @router.get("/b")
    async def joined(response: Response) -> JSONResponse:
        response.set_header("x-b", "1")
        return final

    async with Served(router) as served:
        first = await served.get("/a")
        first.raw.append((b"x-wrapper", b"1"))
        first.messages[0]["headers"].append((b"x-wrapper", b"1"))
        await served.get("/b")
        second = await served.get("/a")
    assert second.raw == first.raw[:-1]


async def test_head_has_the_headers_and_no_body() -> None:
    router = answering({"a": 1})

    @router.head("/own")
    async def own(response: Response) -> Response:
        return response.set_header("x-head", "1")

    @router.get("/own")
    async def get_own() -> str:
        return "get"

    async with Served(router) as served:
        get, head = await served.get("/"), await served.call("HEAD", "/")
        assert head.raw == get.raw
        assert head.body == b""
        assert (await served.call("HEAD", "/own")).header("x-head") == "1"


async def test_options_is_automatic_and_an_own_one_wins() -> None:
    router = answering("a")

    @router.options("/own")
    async def own() -> str:
        return "own"

    async with Served(router) as served:
        auto = await served.call("OPTIONS", "/")
        assert (auto.status, auto.header("allow"), auto.body) == (204, "GET, HEAD, OPTIONS", b"")
        assert (await served.call("OPTIONS", "/own")).text == "own"
        assert (await served.call("OPTIONS", "/none")).status == 404


# The scope.


async def test_the_scope_closes_before_the_answer_goes_out() -> None:
    events: list[str] = []

    async def session() -> AsyncIterator[str]:
        events.append("open")
        yield "session"
        events.append("closed")

    router = Router()

    @router.get("/")
    async def handler(s: str = Depend(session)) -> str:
        events.append("handler")
        return s

    async with Served(router) as served:
        from tests.support.asgi import Peer, ask

        class Watching(Peer):
            async def send(self, message: Any) -> None:
                events.append(message["type"])
                await super().send(message)

        await ask(served.gateway, "GET", "/", peer=Watching())
    assert events == [
        "open",
        "handler",
        "closed",
        "http.response.start",
        "http.response.body",
    ]


async def test_a_failing_clean_up_is_an_error_answer() -> None:
    async def session() -> AsyncIterator[str]:
        yield "session"
        raise RuntimeError("the commit failed")

    router = Router()

    @router.get("/")
    async def handler(s: str = Depend(session)) -> str:
        return "fine"

    async with Served(router) as served:
        answer = await served.get("/")
    assert answer.status == 500
    assert b"fine" not in answer.body


async def test_handler_and_encoder_errors_reach_the_generator() -> None:
    seen: list[str] = []

    async def session() -> AsyncIterator[str]:
        try:
            yield "session"
        except BaseException as error:
            seen.append(type(error).__name__)
            raise
        else:
            seen.append("committed")

    router = Router()

    @router.get("/raise")
    async def failing(s: str = Depend(session)) -> None:
        raise KeyError("x")

    @router.get("/encode")
    async def unencodable(s: str = Depend(session)) -> Any:
        return Odd()

    @router.get("/fine")
    async def fine(s: str = Depend(session)) -> None: ...

    async with Served(router) as served:
        assert (await served.get("/raise")).status == 500
        assert (await served.get("/encode")).status == 500
        assert (await served.get("/fine")).status == 204
    assert seen == ["KeyError", "Unencodable", "committed"]


async def test_cancellation_is_not_answered_and_clean_ups_run() -> None:
    events: list[str] = []
    begun = anyio.Event()

    async def session() -> AsyncIterator[str]:
        try:
            yield "session"
        finally:
            await anyio.lowlevel.checkpoint()
            events.append("cleaned")

    async def passing(request: Request, response: Response, call_next: Any) -> Any:
        try:
            return await call_next()
        except Exception:
            events.append("caught")
            raise

    router = Router()

    @router.get("/")
    async def handler(s: str = Depend(session)) -> None:
        begun.set()
        await anyio.sleep_forever()

    async with Served(router, middleware=[passing]) as served:
        answers: list[Answer] = []

        async def one() -> None:
            answers.append(await served.get("/"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one)
            await begun.wait()
            tasks.cancel_scope.cancel()
        assert answers == []
        assert served.reports == []
    assert events == ["cleaned"]


# Threads, given values, and what is not made.


async def test_def_handlers_run_in_a_worker_thread_unless_told_otherwise() -> None:
    router = Router()

    @router.get("/thread")
    def in_thread(n: int = 0) -> list[Any]:
        return [threading.current_thread() is threading.main_thread(), n]

    @router.get("/loop", threaded=False)
    def on_loop() -> bool:
        return threading.current_thread() is threading.main_thread()

    @router.get("/raise")
    def failing() -> None:
        raise ValueError("in a thread")

    async with Served(router) as served:
        assert (await served.get("/thread?n=4")).json() == [False, 4]
        assert (await served.get("/loop")).json() is True
        assert (await served.get("/raise")).status == 500


async def test_two_def_handlers_run_at_once() -> None:
    meeting = threading.Barrier(2, timeout=20)
    router = Router()

    @router.get("/")
    def waiting() -> int:
        return meeting.wait()

    async with Served(router) as served:
        found: list[int] = []

        async def one() -> None:
            found.append((await served.get("/")).json())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one)
            tasks.start_soon(one)
    assert sorted(found) == [0, 1]


async def test_services_are_given_request_builder_and_caller() -> None:
    class Service:
        def __init__(self, request: Request, response: Response, caller: Caller) -> None:
            self.parts = request, response, caller

    module = Module("m")
    module.bind(Service)
    module.export(Service)
    router = Router()

    @router.get("/")
    async def handler(
        request: Request, response: Response, service: Service = Depend()
    ) -> list[bool]:
        mine, built, caller = service.parts
        return [mine is request, built is response, caller is ANONYMOUS]

    async with Served(router, modules=[module]) as served:
        assert (await served.get("/")).json() == [True, True, True]


async def test_builder_and_request_are_not_shared_between_requests_in_flight() -> None:
    seen: list[tuple[Request, Response]] = []
    both = anyio.Event()
    router = Router()

    @router.get("/")
    async def handler(request: Request, response: Response) -> Response:
        seen.append((request, response))
        if len(seen) == 2:
            both.set()
        await both.wait()
        request.state.mark = request.query_params["n"]
        return response.json(request.state.mark)

    async with Served(router) as served:
        answers: list[str] = []

        async def one(n: int) -> None:
            answers.append((await served.get(f"/?n={n}")).json())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one, 1)
            tasks.start_soon(one, 2)
    assert sorted(answers) == ["1", "2"]
    assert seen[0][0] is not seen[1][0]
    assert seen[0][1] is not seen[1][1]


async def test_no_request_or_builder_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def trap(*_args: object) -> None:
        raise AssertionError("made without being asked for")

    router = Router()

    @router.post("/{n:int}")
    async def handler(n: int, out: Out, page: int = 1) -> Out:
        return out

    async with Served(router) as served:
        monkeypatch.setattr(Exchange, "request", property(trap))
        monkeypatch.setattr(Exchange, "response", property(trap))
        answer = await served.post("/5?page=2", as_json={"a": 1})
    assert (answer.status, answer.json()) == (200, {"a": 1})


async def test_no_signature_work_per_request(monkeypatch: pytest.MonkeyPatch) -> None:
    import inspect

    async def noted() -> int:
        return 1

    router = Router()

    @router.post("/{n:int}")
    async def handler(n: int, out: Out, page: int = 1, one: int = Depend(noted)) -> Out:
        return out

    def trap(*_args: object, **_keywords: object) -> None:
        raise AssertionError("signature work on the way")

    async with Served(router) as served:
        with monkeypatch.context() as traps:
            traps.setattr(inspect, "signature", trap)
            traps.setattr(re, "compile", trap)
            statuses = {
                (await served.post("/5?page=2", as_json={"a": 1})).status for _ in range(1000)
            }
    assert statuses == {200}
