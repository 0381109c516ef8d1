"""Logging in, over real HTTP on both sides, at a provider that others wrote."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from nexios import MakeConfig, NexiosApp, Request
from nexios.adapters.security.memory_sessions import MemorySessions
from nexios.adapters.security.oidc import OIDCProvider
from nexios.application.identity_provider import ExternalIdentity
from nexios.auth.backends.oidc import OIDCAuthBackend
from nexios.auth.decorator import auth
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.auth.oidc import oidc_routes
from nexios.middleware.session import SessionMiddleware
from tests.support.server import serving

_STARTS_S = 30.0


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """Serve oidc-provider-mock in a process of its own; its tokens end within a minute."""
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock"]
    options = ["--port", str(port), "--require-nonce", "--token-max-age", "50"]
    running = subprocess.Popen(
        [*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + _STARTS_S
        while not answers(port):
            assert running.poll() is None, "the provider did not start"
            assert time.monotonic() < until, "the provider did not start in time"
            time.sleep(0.05)
        at = f"http://127.0.0.1:{port}"
        httpx2.put(f"{at}/users/ada", json={"email": "ada@example.com", "name": "Ada"})
        yield at
    finally:
        running.kill()
        running.wait(timeout=10)


def answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def shop(issuer: str, sessions: MemorySessions) -> Iterator[str]:
    """Serve an application that logs in there; yield its address."""
    one = OIDCProvider(
        "mock",
        issuer=issuer,
        client_id="shop",
        client_secret="its-secret",
        scopes=("openid", "email", "profile"),
        allow_private=True,
    )
    seen: list[ExternalIdentity] = []

    async def load_user(identity: ExternalIdentity) -> dict[str, Any]:
        seen.append(identity)
        return {
            "id": identity.subject,
            "email": identity.get("email"),
            "name": identity.get("name"),
        }

    app = NexiosApp(config=MakeConfig(secret_key="a-secret-of-the-tests-with-32-bytes-and-more"))
    app.add_middleware(SessionMiddleware(store=sessions))
    backend = OIDCAuthBackend(one, load_user)
    app.add_middleware(AuthenticationMiddleware(backend=backend))
    app.mount_router(oidc_routes(one, after_logout="/bye"), "/auth")

    @app.get("/me")
    @auth(["oidc"])
    async def me(request: Request) -> Any:
        return request.user

    @app.post("/cart")
    async def cart(request: Request) -> str:
        request.session["cart"] = ["tea"]
        return "put"

    @app.get("/tokens")
    async def tokens(request: Request) -> Any:
        found = await backend.tokens(request)
        return {} if found is None else found.dump()

    with serving(app) as at:
        yield f"http://{at}"


def approved(browser: httpx2.Client, at: str, subject: str = "ada", **query: str) -> str:
    """Log in at the provider; return the address it sends the browser back to."""
    sent = browser.get(f"{at}/auth/mock/login", params=query)
    assert sent.status_code == 303, sent.text
    there = browser.post(sent.headers["location"], data={"sub": subject})
    assert there.status_code == 302, there.text
    return str(there.headers["location"])


def test_a_user_logs_in_uses_the_service_and_logs_out(issuer: str) -> None:
    sessions = MemorySessions()
    with shop(issuer, sessions) as at, httpx2.Client() as browser:
        assert browser.get(f"{at}/me").status_code == 401
        browser.post(f"{at}/cart")
        before = browser.cookies["session_id"]

        sent = browser.get(f"{at}/auth/mock/login")
        told = parse_qs(urlsplit(sent.headers["location"]).query)
        assert told["code_challenge_method"] == ["S256"]
        assert len(told["code_challenge"][0]) == len(told["nonce"][0]) == 43
        assert told["scope"] == ["openid email profile"]
        assert told["redirect_uri"] == [f"{at}/auth/mock/callback"]

        back = browser.get(approved(browser, at, next="/me"))
        assert (back.status_code, back.headers["location"]) == (303, "/me")
        assert browser.cookies["session_id"] != before
        expected = {"id": "ada", "email": "ada@example.com", "name": "Ada"}
        assert browser.get(f"{at}/me").json() == expected
        assert httpx2.get(f"{at}/me", cookies={"session_id": before}).status_code == 401

        (kept,) = sessions._sessions.values()
        assert kept.actor == "ada"
        assert kept.data["cart"] == ["tea"]
        assert kept.data["oidc"]["claims"]["iss"] == issuer
        assert "nonce" not in kept.data["oidc"]["claims"]

        # Its tokens end within a minute, so they are renewed before they are given out.
        first = kept.data["oidc.tokens"]
        fresh = browser.get(f"{at}/tokens").json()
        assert fresh["access_token"] != first["access_token"]
        asked = httpx2.get(
            f"{issuer}/userinfo", headers={"authorization": f"Bearer {fresh['access_token']}"}
        )
        assert asked.json()["sub"] == "ada"

        out = browser.post(f"{at}/auth/mock/logout")
        assert out.status_code == 303
        bye = urlsplit(out.headers["location"])
        assert f"{bye.scheme}://{bye.netloc}" == issuer
        hint = parse_qs(bye.query)
        assert hint["post_logout_redirect_uri"] == [f"{at}/bye"]
        assert hint["id_token_hint"][0].count(".") == 2
        assert browser.get(out.headers["location"]).status_code == 200
        assert browser.get(f"{at}/me").status_code == 401
        assert not sessions._sessions


def test_a_code_is_good_once(issuer: str) -> None:
    sessions = MemorySessions()
    with shop(issuer, sessions) as at, httpx2.Client() as browser:
        used = approved(browser, at)
        assert browser.get(used).status_code == 303
        assert browser.get(used).status_code == 400  # the state was used

        code = parse_qs(urlsplit(used).query)["code"][0]
        with httpx2.Client() as other:
            again = urlsplit(approved(other, at))
            state = parse_qs(again.query)["state"][0]
            replayed = other.get(f"{at}/auth/mock/callback", params={"state": state, "code": code})
            assert replayed.status_code == 400
            assert replayed.json()["type"] == "urn:nexios:problem:login-refused"
            assert other.get(f"{at}/me").status_code == 401
        assert len(sessions._sessions) == 1


def test_a_user_who_says_no_is_not_logged_in(issuer: str) -> None:
    with shop(issuer, MemorySessions()) as at, httpx2.Client() as browser:
        sent = browser.get(f"{at}/auth/mock/login")
        there = browser.post(sent.headers["location"], data={"action": "deny"})
        told = parse_qs(urlsplit(there.headers["location"]).query)
        state = parse_qs(urlsplit(sent.headers["location"]).query)["state"][0]
        assert told["error"] == ["access_denied"]
        back = browser.get(
            f"{at}/auth/mock/callback", params={"error": "access_denied", "state": state}
        )
        assert back.status_code == 400
        assert back.json()["details"] == {"error": "access_denied"}
        assert "session_id" not in browser.cookies


def test_another_browser_cannot_use_the_way_back(issuer: str) -> None:
    sessions = MemorySessions()
    with shop(issuer, sessions) as at, httpx2.Client() as mine, httpx2.Client() as theirs:
        back = approved(mine, at, "mallory")
        assert theirs.get(back).status_code == 400
        theirs.get(f"{at}/auth/mock/login")
        assert theirs.get(back).status_code == 400
        assert not sessions._sessions
        assert mine.get(back).status_code == 303
