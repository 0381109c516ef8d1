"""The two pages, in a real browser: they show everything, stay home and can be used."""

import json
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx2
import pytest
from pydantic import BaseModel, Field

from nexios import MakeConfig, NexiosApp, Query, Request, Response, WebSocket
from nexios.auth.backends.jwt import JWTAuthBackend, create_jwt
from nexios.auth.decorator import auth
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.http import Created
from nexios.middleware import SecurityMiddleware
from nexios.websockets import Channel
from tests.support.chromium import Page
from tests.support.server import serving

SECRET = "a secret of more than thirty-two bytes"


class Line(BaseModel):
    sku: str
    qty: Annotated[int, Field(ge=1)] = 1


class Order(BaseModel):
    """What somebody wants."""

    number: str
    lines: list[Line]
    before: "Order | None" = None


def an_app(**config: Any) -> NexiosApp:
    app = NexiosApp(
        config=MakeConfig(secret_key=SECRET, **config),
        title="Tea <shop>",
        description="Sells `tea`. <img src=x onerror=alert(1)>",
    )
    app.add_middleware(AuthenticationMiddleware(backend=JWTAuthBackend()))

    @app.get("/orders/{number}", tags=["orders"])
    async def show(
        number: str, tag: Annotated[list[str] | None, Query()] = None
    ) -> dict[str, Any]:
        """Show an order."""
        return {"number": number, "tag": tag}

    @app.post("/orders", tags=["orders"])
    async def open_order(order: Order) -> Created[Order]:
        """Open an order."""
        return Created(order)

    @app.get("/me", tags=["people"])
    @auth(["jwt"])
    async def me(request: Request) -> dict[str, str]:
        return {"user": request.user["sub"]}

    return app


@pytest.fixture(scope="module")
def home() -> Iterator[str]:
    with serving(an_app()) as address:
        yield f"http://{address}"


def shown(page: Page, url: str) -> None:
    page.goto("about:blank")
    page.goto(url)
    page.wait_for("document.body.dataset.state === 'shown'")


def texts(page: Page, selector: str) -> list[str]:
    found: list[str] = page.run(
        f"[...document.querySelectorAll({json.dumps(selector)})].map((one) => one.textContent)"
    )
    return found


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
@pytest.mark.parametrize("policy", ["own", "house", "default-src 'self'"])
def test_docs_stay_home(page: Page, path: str, policy: str) -> None:
    app = an_app()
    if policy == "house":
        app.add_middleware(SecurityMiddleware())
    elif policy != "own":

        @app.middleware
        async def strict(request: Request, response: Response, call_next: Any) -> None:
            await call_next()
            response.set_header("content-security-policy", policy)

    with serving(app) as address:
        shown(page, f"http://{address}{path}")

        assert texts(page, "nav h2") == ["orders", "people"]
        assert page.complaints == []
        assert len(page.requested) > 5
        assert {urlsplit(url).netloc for url in page.requested} == {address}


def test_the_pages_have_no_inline_script_and_a_policy_of_their_own(home: str) -> None:
    answer = httpx2.get(f"{home}/docs")

    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "<style" not in answer.text
    assert " style=" not in answer.text
    assert answer.text.count("<script src=") == answer.text.count("<script")
    assert "&lt;shop&gt;" in answer.text


def test_what_the_pages_load_is_kept_for_a_year_and_named_by_its_content(home: str) -> None:
    page = httpx2.get(f"{home}/docs").text
    loaded = [part.partition('"')[0] for part in page.split('"docs/assets/')[1:]]

    assert len(loaded) == 8
    for name in loaded:
        answer = httpx2.get(f"{home}/docs/assets/{name}")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert httpx2.get(f"{home}/docs/assets/explorer.js").status_code == 404


def test_text_of_the_document_is_never_markup(page: Page, home: str) -> None:
    shown(page, f"{home}/docs")

    assert texts(page, "h1") == ["Tea <shop>"]
    assert "<img src=x onerror=alert(1)>" in texts(page, ".introduction .prose")[0]
    assert texts(page, ".introduction code") == ["tea"]
    assert page.run("document.querySelector('main img') === null")


def test_an_operation_shows_what_it_takes_and_answers(page: Page, home: str) -> None:
    shown(page, f"{home}/docs#post_orders")
    page.wait_for("document.querySelector('#post_orders .told')")

    assert texts(page, "#post_orders > summary .path") == ["/orders"]
    names = texts(page, "#post_orders .content .name")
    assert names[:4] == ["number", "lines", "sku", "qty"]
    assert "≥ 1" in texts(page, "#post_orders .limit")
    statuses = texts(page, "#post_orders .answers .status")
    assert statuses == ["201", "400", "408", "413", "415", "422", "default"]


def test_a_request_is_sent_and_its_answer_shown(page: Page, home: str) -> None:
    shown(page, f"{home}/docs#get_orders_by_number")
    page.wait_for("document.querySelector('#get_orders_by_number form')")
    page.run("document.querySelector('[name=number]').value = 'a b/ö?'")
    page.run("document.querySelector('[name=tag]').value = 'x&y\\nz'")

    page.run("document.querySelector('#get_orders_by_number .send').click()")
    page.wait_for("document.querySelector('#get_orders_by_number .shown .status')")

    # "/" in one value cannot be sent; the answer says so like any other.
    assert texts(page, "#get_orders_by_number .shown .status") == ["404"]
    page.run("document.querySelector('[name=number]').value = 'a b ö?'")
    page.run("document.querySelector('#get_orders_by_number .send').click()")
    page.wait_for("document.querySelector('.shown .status')?.textContent === '200'")
    answer = json.loads(texts(page, "#get_orders_by_number .shown pre")[0])
    assert answer == {"number": "a b ö?", "tag": ["x&y", "z"]}


def test_the_example_body_is_one_that_is_accepted(page: Page, home: str) -> None:
    shown(page, f"{home}/docs#post_orders")
    page.wait_for("document.querySelector('#post_orders form')")

    page.run("document.querySelector('#post_orders .send').click()")
    page.wait_for("document.querySelector('#post_orders .shown .status')")

    assert texts(page, "#post_orders .shown .status") == ["201"]


def test_a_credential_is_sent_where_it_is_asked_for(page: Page, home: str) -> None:
    shown(page, f"{home}/docs#get_me")
    page.wait_for("document.querySelector('#get_me form')")
    page.run("document.querySelector('#get_me .send').click()")
    page.wait_for("document.querySelector('#get_me .shown .status')?.textContent === '401'")

    page.run("document.querySelector('.tools button').click()")
    page.wait_for("document.querySelector('dialog[open]')")
    token = create_jwt({"sub": "ada"}, SECRET)
    page.run(f"document.querySelector('#sign-in-jwt').value = {json.dumps(token)}")
    page.run("document.querySelector('dialog .send').click()")
    page.wait_for("document.querySelector('.tools button').textContent === 'Authorized'")
    page.run("document.querySelector('#get_me .send').click()")

    page.wait_for("document.querySelector('#get_me .shown .status')?.textContent === '200'")
    assert json.loads(texts(page, "#get_me .shown pre")[0]) == {"user": "ada"}
    assert page.run("Object.keys(localStorage).concat(Object.keys(sessionStorage))") == [
        "nexios-docs-theme"
    ]


def test_the_page_is_used_by_keyboard(page: Page, home: str) -> None:
    shown(page, f"{home}/docs")

    page.press("Tab")
    assert page.run("document.activeElement.textContent") == "Skip to the content"
    page.press("Enter")
    page.wait_for("location.hash === '#content'")
    page.press("Tab")
    page.press("Tab")
    page.run("document.querySelector('details.operation > summary').focus()")
    page.press("Enter")
    page.wait_for("document.querySelector('details.operation[open] form')")


def test_every_field_has_a_name_for_who_cannot_see_it(page: Page, home: str) -> None:
    shown(page, f"{home}/docs")
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.wait_for("document.querySelectorAll('form.side').length === 3")

    unnamed = page.run(
        "[...document.querySelectorAll('input, select, textarea')].filter((one) => "
        "!one.labels.length && !one.getAttribute('aria-label')).map((one) => one.outerHTML)"
    )
    twice = page.run(
        "(() => { const ids = [...document.querySelectorAll('[id]')].map((one) => one.id);"
        "return ids.filter((id, index) => ids.indexOf(id) !== index); })()"
    )

    assert unnamed == []
    assert twice == []
    landmarks = ["header", "nav", "main"]
    assert (
        page.run(f"{landmarks}.map((name) => document.querySelectorAll(name).length)") == [1] * 3
    )


# WCAG 2.2, 1.4.3: 4.5 to 1 for text of this size.
CONTRAST = """
(() => {
  const curve = (c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const channel = (c) => curve(c / 255);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const parsed = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (one) => {
    for (; one; one = one.parentElement) {
      const color = parsed(getComputedStyle(one).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll('main *, nav *, header *')].filter((one) =>
    one.offsetParent && [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim())
  ).filter((one) => {
    const [a, b] = [light(parsed(getComputedStyle(one).color)), light(ground(one))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5;
  }).map((one) => one.className + ': ' + one.textContent.slice(0, 40));
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_both_colours(page: Page, home: str, scheme: str) -> None:
    page.look(scheme=scheme)
    shown(page, f"{home}/redoc")

    dark = page.run("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark is (scheme == "dark")
    assert page.run(CONTRAST) == []


def test_a_narrow_screen_needs_no_sideways_scrolling(page: Page, home: str) -> None:
    page.look(width=360, height=740)
    shown(page, f"{home}/docs#post_orders")
    page.wait_for("document.querySelector('#post_orders form')")

    assert page.run("document.documentElement.scrollWidth") <= 360
    assert page.run("document.querySelector('nav').offsetParent === null")
    page.run("document.querySelector('.menu').click()")
    assert page.run("document.querySelector('nav').offsetParent !== null")


def test_the_filter_leaves_what_is_called_like_that(page: Page, home: str) -> None:
    shown(page, f"{home}/docs")

    page.run("document.querySelector('nav input').value = 'OPEN order'")
    page.run("document.querySelector('nav input').dispatchEvent(new Event('input'))")

    visible = "[...document.querySelectorAll('details.operation')].filter((one) => !one.hidden)"
    assert page.run(f"{visible}.map((one) => one.id)") == ["post_orders"]


def test_the_pages_work_where_a_proxy_has_put_the_application(page: Page) -> None:
    inner = an_app(openapi={"swagger_url": "/help/try", "redoc_url": "/help/read"})
    outer = NexiosApp(config=MakeConfig(openapi={"enabled": False}))
    outer.register(inner, "/api/v1")

    with serving(outer) as address:
        shown(page, f"http://{address}/api/v1/help/try#get_orders_by_number")
        page.wait_for("document.querySelector('form')")
        page.run("document.querySelector('#get_orders_by_number .send').click()")
        page.wait_for("document.querySelector('.shown .status')?.textContent === '200'")
        assert page.complaints == []


@pytest.mark.parametrize(
    ("section", "served"),
    [
        ({}, {"/openapi.json", "/docs", "/redoc"}),
        ({"enabled": False}, set()),
        ({"openapi_url": None}, set()),
        ({"swagger_url": None}, {"/openapi.json", "/redoc"}),
        ({"redoc_url": None}, {"/openapi.json", "/docs"}),
        ({"openapi_url": "/schema"}, {"/schema", "/docs", "/redoc"}),
    ],
)
def test_a_url_of_none_switches_a_page_off(section: Any, served: set[str]) -> None:
    with (
        serving(NexiosApp(config=MakeConfig(openapi=section))) as address,
        httpx2.Client(base_url=f"http://{address}") as client,
    ):
        paths = ("/openapi.json", "/schema", "/docs", "/redoc")
        assert {path for path in paths if client.get(path).status_code == 200} == served


def test_a_route_of_the_application_stands_in_the_place_of_a_page() -> None:
    app = NexiosApp()

    @app.get("/docs")
    async def docs() -> str:
        return "mine"

    with serving(app) as address:
        assert httpx2.get(f"http://{address}/docs").text == "mine"
        assert httpx2.get(f"http://{address}/redoc").status_code == 200


def test_guards_of_the_application_guard_its_documentation() -> None:
    app = NexiosApp(config=MakeConfig(secret_key=SECRET), guards=[auth(["jwt"])])
    app.add_middleware(AuthenticationMiddleware(backend=JWTAuthBackend()))

    with serving(app) as address:
        headers = {"authorization": f"Bearer {create_jwt({'sub': 'ada'}, SECRET)}"}
        assert httpx2.get(f"http://{address}/openapi.json").status_code == 401
        assert httpx2.get(f"http://{address}/openapi.json", headers=headers).status_code == 200


@pytest.mark.parametrize("url", ["docs", "/", "/docs/{x}", "/docs?x"])
def test_an_address_that_is_no_path_is_refused(url: str) -> None:
    with pytest.raises(
        ValueError, match=r"openapi\.swagger_url: must be a path like /docs, or None"
    ):
        MakeConfig(openapi={"swagger_url": url})


def a_talking_app() -> NexiosApp:
    app, news = an_app(), Channel("news", message=Order)

    @app.websocket(
        "/ws/orders/{number:int}", guards=[auth(["jwt"])], receives=Line, sends=news, tags=["live"]
    )
    async def follow(websocket: WebSocket, number: int, since: int = 0) -> None:
        """Follow an order.

        Sends `news`. <img src=x onerror=alert(1)>
        """

    return app


def test_channels_have_a_page_beside_the_others(page: Page) -> None:
    with serving(a_talking_app()) as address:
        shown(page, f"http://{address}/docs")
        assert "Channels" in texts(page, "header a.button")

        shown(page, f"http://{address}/asyncapi")

        assert texts(page, "nav h2") == ["/ws/orders/{number}"]
        assert texts(page, "header a.button") == ["HTTP", "asyncapi.json"]
        assert texts(page, "details.operation > summary .method") == ["RECEIVE", "SEND"]
        page.run(
            "document.querySelectorAll('details.operation').forEach((one) => one.open = true)"
        )
        page.wait_for("document.querySelectorAll('details.message').length > 5")
        page.run("document.querySelectorAll('details.message').forEach((one) => one.open = true)")
        words = " ".join(texts(page, "details.operation"))
        for word in ("Line", "MessageFrame", "ErrorFrame", "jwt", "since", "number", "nexios.v1"):
            assert word in words
        assert '"sku"' in words
        assert texts(page, "details.operation .prose p")[0].startswith("Sends news. <img src=x")
        assert page.complaints == []


def test_without_channels_no_page_leads_to_theirs(page: Page, home: str) -> None:
    shown(page, f"{home}/docs")
    assert "Channels" not in texts(page, "header a.button")

    shown(page, f"{home}/asyncapi")
    assert texts(page, "main .quiet") == ["This application has no channels yet."]
