"""Middleware for some paths only."""

import re
from functools import partial
from typing import Any

import pytest

from nexios import NexiosApp
from nexios.adapters.asgi.stages import Stage
from nexios.middleware import BaseMiddleware, CORSMiddleware, only_for
from nexios.middleware.paths import PathSet, use_for_route
from tests.support.asgi import ask

pytestmark = pytest.mark.asyncio


async def marking(request: Any, response: Any, call_next: Any) -> Any:
    return (await call_next()).set_header("x-seen", "1")


class Marking(BaseMiddleware):
    def __init__(self, value: str = "1") -> None:
        self.value = value

    async def process_response(self, request: Any, response: Any) -> None:
        response.set_header("x-seen", self.value)


@pytest.mark.parametrize(
    "middleware",
    [
        only_for("/admin/*")(marking),
        only_for("/admin/*")(partial(marking)),
        only_for("/admin/*")(Marking)(),
        only_for("/admin/*")(Marking()),
        use_for_route("/admin/*")(marking),
    ],
    ids=["function", "partial", "class", "instance", "2.11"],
)
async def test_it_is_asked_below_the_paths_it_is_for(middleware: Any) -> None:
    app = NexiosApp()
    app.add_middleware(middleware)

    @app.get("/{p:path}")
    async def anything() -> str:
        return "x"

    assert (await ask(app, "GET", "/admin/users")).header("x-seen") == "1"
    assert (await ask(app, "GET", "/administration")).header("x-seen") is None
    assert (await ask(app, "GET", "/")).header("x-seen") is None


async def test_the_instance_that_was_given_stays_as_it_was() -> None:
    given = Marking("7")
    narrowed = only_for("/a")(given)
    assert isinstance(narrowed, Marking)
    assert narrowed.value == "7"
    assert type(given) is Marking


async def test_stage_and_marks_stay_those_of_the_middleware() -> None:
    app = NexiosApp()
    cors = only_for("/api/*")(CORSMiddleware(allow_origins=["https://a.test"]))
    assert cors.stage is Stage.PREFLIGHT
    app.add_middleware(cors)

    @app.get("/{p:path}")
    async def anything() -> str:
        return "x"

    origin = {"origin": "https://a.test"}
    granted = await ask(app, "GET", "/api/x", headers=origin)
    assert granted.header("access-control-allow-origin") == "https://a.test"
    other = await ask(app, "GET", "/x", headers=origin)
    assert other.header("access-control-allow-origin") is None


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        ("/a", ["/a"], ["/a/", "/ab", "/"]),
        ("/a/*", ["/a/", "/a/b/c"], ["/a", "/ab"]),
        ("*/edit", ["/edit", "/a/edit"], ["/edit/", "/editor"]),
        ("/a*b*c", ["/abc", "/axbxc", "/abcc"], ["/ac", "/abd", "/acb"]),
        ("*", ["/", "/a"], []),
        ("/aa*aa", ["/aaaa", "/aa/aa"], ["/aa", "/aaa"]),
        ("^/v[0-9]+/.*", ["/v1/", "/v22/x"], ["/v/", "/x/v1/"]),
        (re.compile("/x+"), ["/x", "/xx"], ["/xy"]),
    ],
)
async def test_patterns(pattern: Any, inside: list[str], outside: list[str]) -> None:
    paths = PathSet([pattern])
    assert [path for path in inside if path not in paths] == []
    assert [path for path in outside if path in paths] == []


@pytest.mark.parametrize("patterns", [(), ("admin",), ("^(",)])
async def test_what_is_no_pattern_is_refused_where_it_is_written(patterns: Any) -> None:
    with pytest.raises(ValueError, match=r"only_for|no path|no regular expression"):
        only_for(*patterns)
