"""Snippet 6: security headers and https, behind a real server."""

from collections.abc import Iterator

import httpx2
import pytest

from examples.seed_page.production import app
from tests.seed.conftest import served

HTTPS = {"x-forwarded-proto": "https"}
EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "strict-origin-when-cross-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.fixture(scope="module")
def client() -> Iterator[httpx2.Client]:
    with served(app) as client:
        yield client


def locate(client: httpx2.Client, path: str) -> str:
    return f"https://{client.base_url.host}:{client.base_url.port}{path}"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "path", ["/", "/a/b?x=1&y=%2F&z", "/nothing?q=a%20b", "//evil.example/x", "/%C3%A4?ü=1"]
)
def test_reading_over_http_is_sent_to_https_with_path_and_query(
    client: httpx2.Client, method: str, path: str
) -> None:
    request = client.build_request(method, "/")
    request.url = request.url.copy_with(raw_path=path.replace("ü", "%C3%BC").encode())
    answer = client.send(request)

    assert answer.status_code == 301
    assert answer.headers["location"] == locate(client, path.replace("ü", "%C3%BC"))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_are_sent_there_with_308(client: httpx2.Client, method: str) -> None:
    answer = client.request(method, "/orders?a=b")

    assert answer.status_code == 308
    assert answer.headers["location"] == locate(client, "/orders?a=b")


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/nothing", 404), ("/broken", 500)])
def test_over_https_every_answer_carries_the_headers_once(
    client: httpx2.Client, path: str, status: int
) -> None:
    answer = client.get(path, headers=HTTPS)

    assert answer.status_code == status
    for name, value in EVERYWHERE.items():
        assert answer.headers.get_list(name) == [value]
    assert answer.headers.get_list("strict-transport-security") == [
        "max-age=31536000; includeSubDomains"
    ]
    (policy,) = answer.headers.get_list("content-security-policy")
    assert "frame-ancestors 'none'" in policy
    page = answer.headers["content-type"].startswith("text/html")
    assert policy.startswith("default-src 'self'" if page else "default-src 'none'")
    assert "server" not in answer.headers
    for word in ("Traceback", "never shown", "RuntimeError", ".py"):
        assert word not in answer.text


def test_hsts_is_never_said_over_http(client: httpx2.Client) -> None:
    answer = client.get("/")
    assert "strict-transport-security" not in answer.headers
    for name, value in EVERYWHERE.items():
        assert answer.headers.get_list(name) == [value]


def test_wrong_method_carries_the_headers_too(client: httpx2.Client) -> None:
    answer = client.delete("/", headers=HTTPS)
    assert answer.status_code == 405
    assert answer.headers["x-frame-options"] == "DENY"


def test_a_forged_host_and_junk_in_it_never_leave_this_site(client: httpx2.Client) -> None:
    for host in ("evil.example/path", "a@evil.example", "evil.example\\", "a b", ""):
        try:
            answer = client.get("/x", headers={"host": host})
        except httpx2.HTTPError:
            continue
        assert "evil" not in answer.headers.get("location", "")
    for name in ("x-forwarded-host", "forwarded", "x-original-host"):
        answer = client.get("/x", headers={name: "evil.example"})
        assert answer.headers["location"] == locate(client, "/x")
