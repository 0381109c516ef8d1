"""Snippet 4: configuration and CORS, behind a real server."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from examples.seed_page.configuration import app
from nexios import MakeConfig, NexiosApp
from nexios.config import ConfigWarning
from nexios.middleware import CORSMiddleware
from tests.seed.conftest import Serve, served

LISTED = ("https://localhost:5000", "https://api.nexios.hub")


@pytest.fixture(scope="module")
def client() -> Iterator[httpx2.Client]:
    with served(app) as client:
        yield client


def preflight(client: httpx2.Client, origin: str, method: str = "PUT", **more: str) -> Any:
    headers = {"origin": origin, "access-control-request-method": method, **more}
    return client.options("/", headers=headers)


def granted(answer: httpx2.Response) -> str | None:
    found = answer.headers.get("access-control-allow-origin")
    return None if found is None else str(found)


def test_the_settings_are_read_under_the_documented_name() -> None:
    assert app.config.cors.allow_origins == LISTED
    assert app.config.debug is True


@pytest.mark.parametrize("origin", LISTED)
@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/nothing", 404), ("/broken", 500)])
def test_a_listed_origin_is_granted_on_every_answer(
    client: httpx2.Client, origin: str, path: str, status: int
) -> None:
    answer = client.get(path, headers={"origin": origin})

    assert answer.status_code == status
    assert granted(answer) == origin
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://localhost:5000",
        "https://localhost",
        "https://localhost:50000",
        "https://api.nexios.hub.evil.example",
        "https://evil-api.nexios.hub",
        "https://sub.api.nexios.hub",
        "https://api.nexios.hub@evil.example",
        "https://api.nexios.hub/",
        "https://api.nexios.hub:444",
        "null",
        "*",
        "",
    ],
)
@pytest.mark.parametrize("path", ["/", "/nothing", "/broken"])
def test_another_origin_gets_nothing_but_vary(
    client: httpx2.Client, origin: str, path: str
) -> None:
    answer = client.get(path, headers={"origin": origin})

    assert granted(answer) is None
    assert "access-control-allow-credentials" not in answer.headers
    assert "Origin" in answer.headers["vary"]


def test_without_an_origin_caches_are_still_told(client: httpx2.Client) -> None:
    answer = client.get("/")
    assert granted(answer) is None
    assert "Origin" in answer.headers["vary"]


def test_a_preflight_is_204_and_answered_before_routing(client: httpx2.Client) -> None:
    answer = preflight(
        client, LISTED[0], **{"access-control-request-headers": "Content-Type, accept"}
    )
    assert answer.status_code == 204
    assert answer.content == b""
    assert granted(answer) == LISTED[0]
    assert answer.headers["access-control-allow-methods"] == "PUT"
    assert answer.headers["access-control-allow-headers"] == "content-type, accept"
    assert answer.headers["access-control-max-age"] == "600"
    for name in ("Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"):
        assert name in answer.headers["vary"]
    assert preflight(client, LISTED[1], "DELETE").status_code == 204


def test_a_refused_preflight_grants_nothing(client: httpx2.Client) -> None:
    for answer in (
        preflight(client, "https://evil.example"),
        preflight(client, LISTED[0], "PURGE"),
        preflight(client, LISTED[0], "put"),
        preflight(client, LISTED[0], **{"access-control-request-headers": "x-secret"}),
        preflight(client, LISTED[0], **{"access-control-request-headers": "a b"}),
    ):
        assert answer.status_code == 400
        assert granted(answer) is None
        assert "access-control-allow-methods" not in answer.headers
        assert "Origin" in answer.headers["vary"]


def test_the_two_origins_as_the_page_prints_them_start_with_a_warning(serve: Serve) -> None:
    with pytest.warns(ConfigWarning) as caught:
        config = MakeConfig(
            cors={"allowed_origins": ["https//localhost:5000", "https//api.nexios.hub"]}
        )
    texts = [str(warning.message) for warning in caught]
    for written, meant in zip(config.cors.allow_origins, LISTED, strict=True):
        assert any(repr(written) in text and repr(meant) in text for text in texts)

    page = NexiosApp(config=config)
    page.add_middleware(CORSMiddleware())

    @page.get("/")
    async def index(request: Any, response: Any) -> Any:
        return response.text("here")

    client = serve(page)
    for origin in (*LISTED, *config.cors.allow_origins):
        answer = client.get("/", headers={"origin": origin})
        assert answer.status_code == 200
        assert granted(answer) is None


def test_without_the_section_there_are_no_headers(serve: Serve) -> None:
    plain = NexiosApp()
    plain.add_middleware(CORSMiddleware())

    @plain.get("/")
    async def index(request: Any, response: Any) -> Any:
        return response.text("here")

    answer = serve(plain).get("/", headers={"origin": LISTED[0]})
    assert granted(answer) is None
    assert "vary" not in answer.headers
