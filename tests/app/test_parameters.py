"""What is given to ``NexiosApp(...)`` has its effect."""

from typing import Any

import pytest

from nexios import (
    Caller,
    Controller,
    Depend,
    HTTPException,
    MakeConfig,
    NexiosApp,
    Request,
    Response,
    Router,
    WebSocket,
)
from nexios.adapters.http.routes import Routes
from nexios.application.errors import Forbidden
from nexios.container.errors import ContainerError
from nexios.layers.rules import Layer
from nexios.testing.sockets import SocketDenied, websocket_connect
from tests.support.asgi import ask

pytestmark = pytest.mark.asyncio


async def hello() -> str:
    return "hello"


async def test_routes_are_served() -> None:
    app = NexiosApp(routes=[Routes("/hello", hello, ["GET"])])
    assert (await ask(app, "GET", "/hello")).body == b"hello"


class Things(Controller): ...


@pytest.mark.parametrize(
    ("given", "fix"),
    [
        (Router(), "mount_router"),
        ([Things], r"add_controller\(Things\)"),
        ([hello], "Routes"),
        ("/hello", "Routes"),
    ],
)
async def test_what_is_no_route_is_refused_with_the_line_to_write(given: Any, fix: str) -> None:
    with pytest.raises(TypeError, match=f"fix: {fix}"):
        NexiosApp(routes=given)


async def test_dependencies_run_before_every_handler_and_guards_before_them() -> None:
    order: list[str] = []

    async def noted(request: Request) -> None:
        order.append(f"dependency {request.path}")

    async def guard(connection: Any) -> None:
        order.append("guard")
        if connection.path == "/shut":
            raise HTTPException(403)

    app = NexiosApp(dependencies=[Depend(noted)], guards=[guard])
    app.get("/open", hello)
    app.get("/shut", hello)
    assert (await ask(app, "GET", "/open")).status == 200
    assert (await ask(app, "GET", "/shut")).status == 403
    assert order == ["guard", "dependency /open", "guard"]


async def test_middleware_is_given_outermost_first_and_what_is_added_stands_around_it() -> None:
    order: list[str] = []

    def named(name: str) -> Any:
        async def middleware(request: Request, response: Response, call_next: Any) -> Any:
            order.append(name)
            return await call_next()

        return middleware

    app = NexiosApp(middleware=[named("outer"), named("inner")])
    app.add_middleware(named("added"))
    app.get("/hello", hello)
    await ask(app, "GET", "/hello")
    assert order == ["added", "outer", "inner"]


async def test_the_server_error_handler_has_the_last_word() -> None:
    async def last(request: Request, response: Response, error: Exception) -> Any:
        return response.json({"sorry": type(error).__name__})

    async def broken() -> None:
        raise ZeroDivisionError

    app = NexiosApp(server_error_handler=last, debug=True)
    app.get("/broken", broken)
    answer = await ask(app, "GET", "/broken")
    assert (answer.status, answer.json()) == (500, {"sorry": "ZeroDivisionError"})


@pytest.mark.parametrize(
    ("given", "configured", "shown"),
    [(True, False, True), (False, True, False), (None, True, True)],
)
async def test_debug_overrules_the_configuration(
    given: bool | None, configured: bool, shown: bool
) -> None:
    async def broken() -> None:
        raise RuntimeError("the cause")

    app = NexiosApp(config=MakeConfig(debug=configured), debug=given)
    app.get("/broken", broken)
    assert (b"the cause" in (await ask(app, "GET", "/broken")).body) is shown


async def test_layers_say_where_code_stands_whose_place_does_not() -> None:
    class Rule:
        def __init__(self, request: Request) -> None: ...

    app = NexiosApp(layers={__name__: Layer.DOMAIN})

    @app.get("/rule")
    async def handler(rule: Rule = Depend()) -> None: ...

    with pytest.raises(ContainerError, match="domain"):
        app.check()


async def test_what_it_is_called_comes_from_the_arguments_then_from_the_settings() -> None:
    config = MakeConfig(openapi={"title": "A", "version": "1", "description": "B"})
    app = NexiosApp(config=config, title="Shop", version="2.0", description="Sells")
    assert (app.title, app.version, app.description) == ("Shop", "2.0", "Sells")
    app = NexiosApp(config)
    assert (app.title, app.version, app.description) == ("A", "1", "B")


async def test_two_configurations_or_no_module_are_refused() -> None:
    with pytest.raises(TypeError):
        NexiosApp(MakeConfig(), config=MakeConfig())
    with pytest.raises(TypeError):
        NexiosApp("shop")  # type: ignore[arg-type]  # the point of the test


async def test_everybody_is_handed_the_caller() -> None:
    app = NexiosApp()

    @app.get("/who")
    async def who(caller: Caller = Depend()) -> bool:
        return caller.anonymous

    assert (await ask(app, "GET", "/who")).json() is True


async def test_a_guard_may_leave_its_connection_open_to_both() -> None:
    async def guard(connection: Any) -> None:
        raise HTTPException(403) if connection.scope["type"] == "http" else Forbidden("no")

    app = NexiosApp(guards=[guard])
    app.get("/http", hello)

    @app.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        raise AssertionError

    assert (await ask(app, "GET", "/http")).status == 403
    with pytest.raises(SocketDenied) as denied:
        async with websocket_connect(app, "/ws"):
            pass
    assert denied.value.status == 403


async def test_a_path_writes_no_line_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(request: Request, response: Response, call_next: Any) -> Any:
        raise RuntimeError

    app = NexiosApp(middleware=[broken])
    await ask(app, "GET", "/a\u2028ERROR forged")
    ((_, _, text),) = caplog.record_tuples
    assert text.endswith("at /a%E2%80%A8ERROR%20forged")
