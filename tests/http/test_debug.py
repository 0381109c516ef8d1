"""The page for developers: what it shows, what it masks, and that it can do nothing."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from nexios import Depend, NexiosApp, Request
from nexios.adapters.http.accept import preferred
from nexios.adapters.http.debug import facts_of
from nexios.adapters.http.debug_page import debug_answer
from nexios.application.scrub import MASK
from nexios.application.showing import fit, seen
from nexios.container.errors import MissingBinding
from nexios.container.places import Step
from tests.support.asgi import Answer, ask, http_scope

SECRET = "hunter2-swordfish"
HTML = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>\"'&"


class Repository:
    def __init__(self) -> None:
        raise ValueError("the store is gone")


class Service:
    def __init__(self, repository: Repository) -> None:
        self.repository = repository


def app_with(*, debug: bool = True) -> NexiosApp:
    app = NexiosApp(debug=debug)

    @app.get("/broken/{name}")
    async def broken(request: Request, name: str) -> None:
        password = SECRET  # noqa: F841
        api_key = {"inner": SECRET}  # noqa: F841
        shown = HOSTILE  # noqa: F841
        raise ValueError(f"{HOSTILE} at postgres://user:{SECRET}@db/shop with Bearer {SECRET}")

    @app.get("/wired")
    async def wired(service: Service = Depend()) -> None: ...

    @app.get("/group")
    async def group() -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ExceptionGroup("several", [OSError("first"), ValueError("second")]) from error

    return app


class Page(HTMLParser):
    """Every tag and attribute, and the text between them."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


async def asked(path: str, headers: dict[str, str], **options: Any) -> Answer:
    return await ask(app_with(**options), "GET", path, headers=headers)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "application/problem+json"),
        ("*/*", "application/problem+json"),
        ("application/json", "application/problem+json"),
        ("application/problem+json", "application/problem+json"),
        (HTML["accept"], "text/html; charset=utf-8"),
        ("text/html", "text/html; charset=utf-8"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("text/plain, text/html;q=0.5", "text/plain; charset=utf-8"),
        ("image/png", "application/problem+json"),
        ("text/html;q=0", "application/problem+json"),
        ("," * 9000, "application/problem+json"),
    ],
)
async def test_the_client_chooses_the_form(accept: str | None, kind: str) -> None:
    headers = {} if accept is None else {"accept": accept[:8000]}
    answer = await asked("/broken/x", headers)
    assert (answer.status, answer.header("content-type")) == (500, kind)
    assert answer.header("cache-control") == "no-store"
    assert "Accept" in (answer.header("vary") or "")


@pytest.mark.asyncio
async def test_a_page_shows_frames_source_request_scope_and_route() -> None:
    answer = await asked("/broken/x?q=tea&page=2", HTML | {"x-own": "seen"})
    text = Page(answer).text
    for part in ("ValueError", "/broken/{name}", "broken", "raise ValueError(f", "api_key = {"):
        assert part in text
    for part in ("x-own", "seen", "tea", "http_version", "test_debug.py:", "error_id"):
        assert part in text


@pytest.mark.asyncio
async def test_a_page_shows_the_dependency_path_of_what_could_not_be_made() -> None:
    text = Page(await asked("/wired", HTML)).text
    assert "while making Repository for Service.__init__(repository), GET /wired" in text


def test_a_wiring_error_shows_who_asked_and_the_line_that_mends_it() -> None:
    steps = (Step("asked by", "Service.__init__(repository)"), Step("asked by", "GET /wired"))
    error = MissingBinding("nothing provides Repository", asked_by=steps, fix="app.bind(...)")
    facts = facts_of(error, http_scope("GET", "/wired"))["error"]
    assert facts["asked_by"] == ["asked by  Service.__init__(repository)", "asked by  GET /wired"]
    assert facts["fix"] == ["app.bind(...)"]
    page = debug_answer(error, http_scope("GET", "/wired", HTML), "e-1").body.decode()
    assert "asked by  GET /wired" in page
    assert "fix: app.bind(...)" in page


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["text/html", "text/plain", "application/json"])
async def test_debug_page_masks(kind: str) -> None:
    headers = {
        "accept": kind,
        "authorization": f"Bearer {SECRET}",
        "cookie": f"session={SECRET}",
        "x-api-key": SECRET,
        "referer": f"https://user:{SECRET}@shop.test/",
        "x-forwarded-auth": f"Basic {SECRET}",
    }
    answer = await asked(f"/broken/x?token={SECRET}&q=shown", headers)
    assert answer.status == 500
    assert SECRET not in answer.text
    if kind != "text/plain":
        assert MASK in answer.text
        assert "shown" in answer.text


@pytest.mark.asyncio
async def test_a_page_runs_and_loads_nothing() -> None:
    answer = await asked(f"/broken/{'%3Cscript%3E'}", HTML | {"x-own": HOSTILE})
    page = Page(answer)
    assert "alert(1)" in page.text
    assert page.tags & {"script", "img", "link", "iframe", "object", "form", "a", "base"} == set()
    assert page.attributes <= {"lang", "charset", "open", "class"}
    policy = answer.header("content-security-policy") or ""
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert answer.header("x-content-type-options") == "nosniff"


@pytest.mark.asyncio
async def test_every_error_of_a_group_is_shown_and_what_led_to_it() -> None:
    text = Page(await asked("/group", HTML)).text
    for part in ("ExceptionGroup", "OSError", "first", "ValueError", "second", "KeyError"):
        assert part in text
    body = (await asked("/group", {})).json()
    assert [leaf["message"] for leaf in body["leaves"]] == ["first", "second"]


@pytest.mark.asyncio
async def test_nothing_of_it_without_debug() -> None:
    for accept in ("text/html", "text/plain", "application/json"):
        answer = await asked("/broken/x", {"accept": accept}, debug=False)
        assert answer.status == 500
        assert set(answer.json()) <= {"type", "title", "status", "detail", "instance", "error_id"}


@pytest.mark.asyncio
async def test_a_browser_gets_its_404_as_a_page_and_nobody_else_does() -> None:
    for headers, debug, kind in (
        (HTML, True, "text/html; charset=utf-8"),
        ({}, True, "application/problem+json"),
        ({"accept": "*/*"}, True, "application/problem+json"),
        (HTML, False, "application/problem+json"),
    ):
        answer = await asked("/missing", headers, debug=debug)
        assert (answer.status, answer.header("content-type")) == (404, kind)


@pytest.mark.asyncio
async def test_only_a_500_has_one() -> None:
    answer = await asked("/missing", HTML)
    assert answer.status == 404
    assert b"Frames" not in answer.body
    assert (await asked("/broken/%00", HTML)).status == 400


def test_what_cannot_be_seen_is_written_out() -> None:
    assert seen("a\x1b[31mb\u202ec\x85\u2028\udc80") == (
        "a\\u001b[31mb\\u202ec\\u0085\\u2028\\udc80"
    )
    assert seen("a\tb\nc é") == "a\tb\nc é"
    assert fit("x://u:p@h y Basic dXNlcjpwYXNz") == f"x://u:{MASK}@h y Basic {MASK}"


def test_a_deep_recursion_is_a_short_page() -> None:
    def dig(depth: int) -> int:
        return dig(depth + 1)

    try:
        dig(0)
    except RecursionError as error:
        answer = debug_answer(error, http_scope("GET", "/", HTML), "e-1")
        assert len(re.findall("<details", answer.body.decode())) == 30
    body = json.loads(debug_answer(ValueError(), http_scope("GET", "/"), "e").body)
    assert body["frames"] == []


def test_the_liked_best_of_what_is_offered() -> None:
    offered = ("application/problem+json", "text/html", "text/plain")
    for told, expected in (
        ([], 0),
        (["text/html;q=0.4, application/json;q=0.5"], 0),
        (["text/*"], 1),
        (["text/*;q=0.1, text/plain"], 2),
        (["text/html;q=nan, text/plain;q=inf"], 0),
        (["text/html;q=x"], 0),
        (["text/html; level=1; q=1"], 1),
        (["application/*;q=0, text/plain;q=0.001"], 2),
        (["TEXT/HTML"], 1),
        (["a/b", "text/plain"], 2),
    ):
        assert preferred(told, offered) == offered[expected], told
    assert preferred(["a/b," * 64 + "text/plain"], offered) == offered[0]
    assert preferred(["a/b," * 63 + "text/plain"], offered) == offered[2]
