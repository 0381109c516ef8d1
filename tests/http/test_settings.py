"""Settings of the configuration that change what is answered, each through a whole app."""

import warnings
from typing import Any

import pytest

from nexios import HTTPException, MakeConfig, NexiosApp, Request, Response, Router
from nexios.adapters.routing.errors import DuplicateRoute, RouteWarning
from tests.support.asgi import Answer, ask

pytestmark = pytest.mark.asyncio


async def missing(app: NexiosApp, path: str = "/nothing", **headers: str) -> Answer:
    answer = await ask(app, "GET", path, headers=headers)
    assert answer.status == 404
    return answer


def app_with(**settings: Any) -> NexiosApp:
    app = NexiosApp(config=MakeConfig(**settings))

    @app.get("/gone")
    async def gone() -> None:
        raise HTTPException(404, {"id": 7}, {"x-a": "1"})

    return app


# not_found


async def test_a_path_without_route_is_a_problem_with_the_message_given() -> None:
    answer = await missing(app_with(not_found={"custom_message": "look elsewhere"}))
    assert answer.header("content-type") == "application/problem+json"
    assert answer.json()["detail"] == "look elsewhere"
    assert "detail" not in (await missing(app_with())).json()


@pytest.mark.parametrize(("message", "text"), [(None, b"Not Found"), ("elsewhere", b"elsewhere")])
async def test_plain_text_where_json_is_not_wanted(message: str | None, text: bytes) -> None:
    app = app_with(not_found={"return_json": False, "custom_message": message})
    answer = await missing(app)
    assert (answer.header("content-type"), answer.body) == ("text/plain; charset=utf-8", text)
    assert (await missing(app, "/gone")).json()["data"] == {"id": 7}  # a handler's own 404


async def test_a_page_for_those_who_take_one() -> None:
    app = app_with(not_found={"use_html": True, "custom_message": "<b>&"})
    page = await missing(app, accept="text/html")
    assert page.header("content-type") == "text/html; charset=utf-8"
    assert b"<p>&lt;b&gt;&amp;</p>" in page.body
    problem = await missing(app, accept="application/json")
    assert problem.header("content-type") == "application/problem+json"
    assert page.header("vary") == problem.header("vary") == "Accept"


@pytest.mark.parametrize("settings", [{"not_found": {"use_html": True}}, {"debug": True}])
@pytest.mark.parametrize("path", ["/nothing", "/broken"])
async def test_404_and_500_are_pages_for_the_same_clients(
    settings: dict[str, Any], path: str
) -> None:
    app = NexiosApp(config=MakeConfig(**settings))

    @app.get("/broken")
    async def broken() -> None:
        raise KeyError

    liked = {"text/html": True, "text/html, */*;q=0.8": True, "*/*": False, "": False}
    for accept, page in (liked | {"application/json, text/html;q=0.9": False}).items():
        answer = await ask(app, "GET", path, headers={"accept": accept})
        kind = answer.header("content-type") or ""
        assert kind.startswith("text/html") == page, accept
        assert answer.header("vary") == "Accept", accept


async def test_a_handler_for_404_comes_before_the_settings() -> None:
    app = app_with(not_found={"use_html": True, "return_json": False})

    @app.add_exception_handler(404)
    async def not_found(request: Request, response: Response, error: Exception) -> Any:
        return response.json("mine")

    assert (await missing(app, accept="text/html")).json() == "mine"


async def test_below_a_router_with_middleware_the_settings_hold_too() -> None:
    app = app_with(not_found={"return_json": False})
    inner = Router(prefix="/in")

    @inner.add_middleware
    async def marking(request: Request, response: Response, call_next: Any) -> Any:
        return (await call_next()).set_header("x-in", "1")

    app.mount_router(inner)
    answer = await missing(app, "/in/nothing")
    assert (answer.body, answer.header("x-in")) == (b"Not Found", "1")


async def test_where_a_404_was_raised_is_shown_to_developers_who_ask_for_it() -> None:
    wanted = {"show_traceback": True}
    shown = (await missing(app_with(debug=True, not_found=wanted), "/gone")).json()
    assert shown["frames"][-1]["function"].endswith("gone")
    assert shown["data"] == {"id": 7}
    for settings in ({"not_found": wanted}, {"debug": True}):
        answer = await missing(app_with(**settings), "/gone")
        assert "frames" not in answer.json()
        assert answer.header("x-a") == "1"


# errors


@pytest.mark.parametrize(
    "settings", [{"compat": "2.11"}, {"errors": {"http_exception_body": "detail"}}]
)
async def test_the_bare_detail_is_the_body_where_the_app_says_so(settings: dict[str, Any]) -> None:
    answer = await missing(app_with(**settings), "/gone")
    assert (answer.header("content-type"), answer.header("x-a")) == ("application/json", "1")
    assert answer.json() == {"id": 7}
    assert (await missing(app_with(**settings))).json()["title"] == "Not Found"


def twice(**settings: Any) -> NexiosApp:
    app = NexiosApp(config=MakeConfig(**settings))
    app.get("/a", first)
    app.get("/a", second)
    return app


async def first() -> str:
    return "first"


async def second() -> str:
    raise AssertionError


async def test_one_path_twice_is_refused_or_the_first_wins_with_a_warning() -> None:
    with pytest.raises(DuplicateRoute):
        twice().check()
    for settings in ({"compat": "2.11"}, {"errors": {"duplicate_routes": "first-wins"}}):
        app = twice(**settings)
        with pytest.warns(RouteWarning, match="registered twice"):
            app.check()
        assert (await ask(app, "GET", "/a")).body == b"first"


# trailing_slash


@pytest.mark.parametrize(
    ("setting", "status"), [("strict", 404), ("redirect", 308), ("ignore", 200)]
)
async def test_the_other_slash(setting: str, status: int) -> None:
    app = NexiosApp(config=MakeConfig(trailing_slash=setting))
    app.get("/a", first)
    assert (await ask(app, "GET", "/a")).status == 200
    assert (await ask(app, "GET", "/a/")).status == status


async def test_a_redirect_to_the_other_slash_keeps_any_query() -> None:
    app = NexiosApp(config=MakeConfig(trailing_slash="redirect"))
    app.get("/é/{x}", first)
    answer = await ask(app, "GET", "/é/a/?q=\\&r=%5c&s=a%20b")
    assert answer.status == 308, answer.body
    assert answer.header("location") == "/%C3%A9/a?q=%5C&r=%5c&s=a%20b"


async def test_no_warning_without_cause() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        app_with(compat="2.11").check()
