"""The CSRF token: who needs it, what is one, and what a forger gets."""

import itertools
from typing import Any

import pytest

from nexios import MakeConfig, NexiosApp, Request
from nexios.adapters.security.signing import SignedValues
from nexios.application.keyring import Keyring
from nexios.auth.backends.session import login
from nexios.middleware.csrf import CSRFMiddleware, CsrfToken, NoCsrfSecret
from nexios.middleware.session import SessionMiddleware
from nexios.testing.client import AsyncTestClient

pytestmark = pytest.mark.asyncio

SECRET = "a-secret-of-the-tests-with-32-bytes-and-more"


def bank(**keys: Any) -> NexiosApp:
    """Return an application with a form and what it is sent to."""
    app = NexiosApp(config=MakeConfig(secret_key=SECRET))
    app.add_middleware(CSRFMiddleware(**{"enabled": True, **keys}))
    app.add_middleware(SessionMiddleware())

    @app.get("/form")
    async def form(request: Request) -> str:
        return str(request.state.csrf_token)

    @app.get("/plain")
    async def plain() -> str:
        return "no form"

    @app.route("/pay", methods=["POST", "PUT", "DELETE", "PATCH"])
    async def pay(request: Request) -> dict[str, Any]:
        sent = await request.form
        return {"to": sent.get("to")}

    @app.post("/hook")
    async def hook() -> str:
        return "taken"

    @app.post("/login")
    async def log_in(request: Request) -> str:
        login(request, {"id": 7})
        return "in"

    return app


async def token_of(client: AsyncTestClient) -> str:
    return (await client.get("/form")).text


async def test_csrf_reads_header_urlencoded_and_multipart() -> None:
    async with AsyncTestClient(bank()) as client:
        token = await token_of(client)
        for sent in (
            {"headers": {"x-csrftoken": token}, "data": {"to": "ada"}},
            {"data": {"to": "ada", "csrftoken": token}},
            {"data": {"to": "ada", "csrftoken": token}, "files": {"f": ("f.txt", b"x")}},
        ):
            got = await client.post("/pay", **sent)  # type: ignore[arg-type]  # of httpx
            assert (got.status_code, got.json()) == (200, {"to": "ada"})


async def test_two_tabs() -> None:
    async with AsyncTestClient(bank()) as client:
        first, second = await token_of(client), await token_of(client)
        assert first != second
        for token in (first, second, first):
            got = await client.post("/pay", headers={"x-csrftoken": token})
            assert got.status_code == 200


async def test_csrf_forged() -> None:
    async with AsyncTestClient(bank()) as mine, AsyncTestClient(bank()) as theirs:
        token, other = await token_of(mine), await token_of(theirs)
        unsigned = str(CsrfToken(b"x" * 32))
        for forged in (other, unsigned, token[:-4], token + "AAAA", "", "x", "é", "A" * 9000):
            got = await mine.post("/pay", headers=[(b"x-csrftoken", forged.encode())])
            assert got.status_code in (403, 431), forged
        assert (await mine.post("/pay")).status_code == 403
        assert (await mine.post("/pay", content=b"raw bytes")).status_code == 403
        got = await mine.post("/pay", json={"csrftoken": token})
        assert (got.status_code, got.json()["type"]) == (
            403,
            "urn:nexios:problem:cross-site-request",
        )
        foreign = {"x-csrftoken": token, "origin": "https://evil.example"}
        assert (await mine.post("/pay", headers=foreign)).status_code == 403
        # A cookie of one's own making beside a token that fits it: planted from a subdomain.
        planted = SignedValues(Keyring(["another secret of 32 bytes and more"]), "csrf")
        value = planted.sign({"s": "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg=", "b": ""})
        headers = {"cookie": f"csrftoken={value}", "x-csrftoken": unsigned}
        assert (await mine.post("/pay", headers=headers)).status_code == 403


@pytest.mark.parametrize(
    ("method", "required", "exempt", "token"),
    [*itertools.product(["POST", "PUT", "PATCH", "DELETE"], [True, False], [True, False], "yn")],
)
async def test_csrf_matrix(method: str, required: bool, exempt: bool, token: str) -> None:
    app = bank(
        required_urls=["/pay"] if required else ["/other/*"],
        exempt_urls=["^/pa.$"] if exempt else [],
    )
    async with AsyncTestClient(app) as client:
        sent = {"x-csrftoken": await token_of(client)} if token == "y" else {}
        got = await client.request(method, "/pay", headers=sent)
    passes = exempt or not required or token == "y"
    assert got.status_code == (200 if passes else 403)


async def test_csrf_token_binds_to_who_is_logged_in() -> None:
    async with AsyncTestClient(bank(exempt_urls=["/login"])) as client:
        before = await token_of(client)
        await client.post("/login")
        assert (await client.post("/pay", headers={"x-csrftoken": before})).status_code == 403
        after = await token_of(client)
        assert (await client.post("/pay", headers={"x-csrftoken": after})).status_code == 200


async def test_a_page_without_a_form_sets_no_cookie() -> None:
    async with AsyncTestClient(bank()) as client:
        assert "set-cookie" not in (await client.get("/plain")).headers
        got = await client.get("/form")
        assert "csrftoken=" in got.headers["set-cookie"]
        assert "httponly" in got.headers["set-cookie"].lower()
        assert "set-cookie" not in (await client.get("/form")).headers


async def test_only_requests_with_a_sensitive_cookie_are_asked() -> None:
    async with AsyncTestClient(bank(sensitive_cookies=["session_id"])) as client:
        assert (await client.post("/hook")).status_code == 200
        headers = {"cookie": "session_id=x"}
        assert (await client.post("/hook", headers=headers)).status_code == 403


async def test_it_is_off_until_it_is_switched_on() -> None:
    app = NexiosApp()
    app.add_middleware(CSRFMiddleware())

    @app.post("/hook")
    async def hook() -> str:
        return "taken"

    async with AsyncTestClient(app) as client:
        assert (await client.post("/hook")).status_code == 200


async def test_by_the_section_and_without_a_secret() -> None:
    app = NexiosApp(config=MakeConfig(csrf={"csrf_enabled": True}))
    app.add_middleware(CSRFMiddleware())
    with pytest.raises(NoCsrfSecret, match=r"fix: MakeConfig\(secret_key"):
        app.check()
    with pytest.raises(TypeError, match="did you mean 'exempt_urls'"):
        CSRFMiddleware(exempt_url=["/x"])
    with pytest.raises(ValueError, match="is no path"):
        CSRFMiddleware(exempt_urls=["x"])
