"""An id for each request."""

import re

import pytest

from nexios import NexiosApp, Request
from nexios.adapters.asgi.headers import InvalidHeader
from nexios.middleware import RequestIdMiddleware
from nexios.testing.sockets import SocketDenied, websocket_connect
from tests.support.asgi import ask

pytestmark = pytest.mark.asyncio


def app_with(middleware: RequestIdMiddleware) -> NexiosApp:
    app = NexiosApp()
    app.add_middleware(middleware)

    @app.get("/")
    async def index(request: Request) -> str:
        return str(request.scope["request_id"])

    @app.get("/broken")
    async def broken() -> None:
        raise LookupError

    return app


async def test_an_id_is_made_and_told_to_handler_and_client() -> None:
    app = app_with(RequestIdMiddleware())
    first, second = await ask(app, "GET", "/"), await ask(app, "GET", "/")
    assert re.fullmatch("[0-9a-f]{32}", first.text)
    assert first.header("x-request-id") == first.text != second.text


@pytest.mark.parametrize("path", ["/nothing", "/broken", "/a%00b"])
async def test_problems_and_refusals_carry_it_too(path: str) -> None:
    answer = await ask(app_with(RequestIdMiddleware()), "GET", path, headers={"X-Request-ID": "a"})
    assert answer.status >= 400
    assert answer.header("x-request-id") == answer.json()["request_id"] == "a"


@pytest.mark.parametrize("told", ["x" * 128, "A-b_c.9"])
async def test_a_good_id_is_kept(told: str) -> None:
    answer = await ask(
        app_with(RequestIdMiddleware("X-Trace")), "GET", "/", headers={"x-trace": told}
    )
    assert answer.text == answer.header("x-trace") == told


@pytest.mark.parametrize("told", ["", "x" * 129, "a b", "a;b", "\xe9", "a,b"])
async def test_any_other_is_replaced(told: str) -> None:
    answer = await ask(app_with(RequestIdMiddleware()), "GET", "/", headers={"x-request-id": told})
    assert re.fullmatch("[0-9a-f]{32}", answer.text)


async def test_the_refusal_of_a_socket_is_answered_all_the_same() -> None:
    with pytest.raises(SocketDenied) as denied:
        async with websocket_connect(app_with(RequestIdMiddleware()), "/none"):
            pass
    assert denied.value.status == 404


async def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidHeader):
        RequestIdMiddleware("a b")
