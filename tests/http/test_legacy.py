"""The handler decorators of 2.11: they keep working, stack, and say what to write instead."""

import logging
from typing import Any

import pytest
from pydantic import BaseModel

from nexios.adapters.http.builder import Response
from nexios.adapters.http.legacy import (
    after_request,
    allowed_methods,
    before_request,
    catch_exception,
)
from nexios.adapters.http.model_errors import add_pydantic_error_handler
from nexios.adapters.http.request import Request
from nexios.adapters.http.router import Router
from nexios.adapters.http.views import APIView
from nexios.container.depend import Depend
from tests.support.asgi import Served

pytestmark = pytest.mark.asyncio


class Order(BaseModel):
    qty: int
    lines: list["Line"] = []


class Line(BaseModel):
    sku: int


def number() -> int:
    return 7


async def test_each_warns_with_what_to_write() -> None:
    for use, instead in (
        (lambda: allowed_methods(["GET"]), "methods="),
        (lambda: catch_exception(KeyError, lambda *_: None), "add_exception_handler"),
        (before_request, "dependencies="),
        (after_request, "middleware="),
    ):
        with pytest.warns(DeprecationWarning, match=f"is deprecated: write .*{instead}") as told:
            use()
        assert told[0].filename == __file__


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_stacked_decorators_all_apply_and_binding_stays() -> None:
    log: list[str] = []

    async def before(request: Request, response: Response) -> None:
        log.append(f"before {request.path}")

    def after(request: Request, response: Response) -> None:
        log.append(f"after {response.status_code}")
        response.set_header("x-after", "yes")

    async def caught(request: Request, response: Response, error: KeyError) -> Any:
        return response.json({"missing": error.args[0]}, 404)

    router = Router()

    @router.route("/orders/{order_id:int}", ["GET", "POST"])
    @after_request(after)
    @before_request(before)
    @catch_exception(KeyError, caught)
    @allowed_methods(["get"])
    async def show(req, res, order_id: int, n: int = Depend(number)):  # type: ignore[no-untyped-def]
        if order_id == 0:
            raise KeyError("zero")
        return {"order": order_id, "n": n}

    async with Served(router) as app:
        found = await app.get("/orders/3")
        assert found.json() == {"order": 3, "n": 7}
        assert found.header("x-after") == "yes"
        missing = await app.get("/orders/0")
        assert (missing.status, missing.json()) == (404, {"missing": "zero"})
        refused = await app.post("/orders/3")
        assert (refused.status, refused.header("allow")) == (405, "GET")
        assert (await app.get("/orders/x")).status == 404
    assert log == [
        *("before /orders/3", "after 200"),
        *("before /orders/0", "after 404"),
        *("before /orders/3", "after 405"),
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_hooks_by_method_and_route_and_their_log(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    async def note(request: Request, response: Response) -> None:
        seen.append(request.method)

    router = Router()

    @router.route("/a", ["GET", "POST"])
    @router.route("/b", ["GET", "POST"])
    @before_request(note, only_methods=["post"], for_routes=["/a"], log_level="INFO")
    async def handler() -> str:
        return "done"

    with caplog.at_level(logging.INFO, "nexios.http"):
        async with Served(router) as app:
            for path in ("/a", "/b"):
                assert (await app.get(path)).text == "done"
                assert (await app.post(path)).text == "done"
    assert seen == ["POST"]
    assert [record.getMessage() for record in caplog.records] == [
        "before POST http://testserver/a"
    ]
    with pytest.raises(ValueError, match=r"there is no level 'LOUD'; known: .*INFO"):
        before_request(note, log_level="loud".upper())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_they_work_on_views_on_def_handlers_and_by_hand() -> None:
    calls: list[str] = []

    def note(request: Request, response: Response) -> None:
        calls.append(request.method)

    class View(APIView):
        @before_request(note)
        async def get(self, request: Request, response: Response, n: int) -> Any:
            assert self.request is request
            return {"n": n}

    router = Router()
    router.add_route(View.as_route("/{n:int}"))

    @router.get("/sync")
    @before_request(note)
    def sync() -> str:
        return "sync"

    async with Served(router) as app:
        assert (await app.get("/4")).json() == {"n": 4}
        assert (await app.get("/sync")).text == "sync"
    assert calls == ["GET", "GET"]

    @allowed_methods(["GET"])
    async def plain(request: Request, response: Response) -> str:
        return "by hand"

    scope: Any = {"type": "http", "method": "GET", "path": "/", "headers": []}
    request = Request(scope, None)  # type: ignore[arg-type]  # no body is read
    assert await plain(request, Response(scope)) == "by hand"
    with pytest.raises(TypeError, match="a request and a response"):
        await plain()  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("style", "errors"),
    [
        ("nested", {"qty": "Q", "lines": {"0": {"sku": "S"}}}),
        ("flat", {"qty": "Q", "lines.0.sku": "S"}),
        (
            "list",
            [{"field": "qty", "message": "Q"}, {"field": "lines.0.sku", "message": "S"}],
        ),
    ],
)
async def test_pydantic_errors_of_own_code(style: Any, errors: Any) -> None:
    router = Router()
    add_pydantic_error_handler(router, style, 409)

    @router.get("/")
    async def make() -> None:
        Order.model_validate({"qty": "secret-1", "lines": [{"sku": "secret-2"}]})

    async with Served(router) as app:
        answer = await app.get("/")
    assert answer.status == 409
    words = "Input should be a valid integer, unable to parse string as an integer"
    told = answer.text.replace(words, "Q", 1).replace(words, "S", 1)
    assert "secret" not in told
    import json

    assert json.loads(told) == {"error": "Validation Error", "errors": errors}


async def test_faults_of_the_whole_stand_beside_those_of_parts() -> None:
    from nexios.adapters.http.model_errors import _nested

    faults: Any = [
        {"loc": ("a",), "msg": "whole"},
        {"loc": ("a", "b"), "msg": "part"},
        {"loc": ("a",), "msg": "whole again"},
        {"loc": (), "msg": "root"},
    ]
    assert _nested(faults) == {"a": {"": "whole again", "b": "part"}, "": "root"}


async def test_an_unknown_style_is_refused_where_it_is_written() -> None:
    with pytest.raises(ValueError, match="there is no style 'deep'; known: nested, flat, list"):
        add_pydantic_error_handler(Router(), "deep")  # type: ignore[arg-type]
