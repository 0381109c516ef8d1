"""Bad input over real HTTP, by table: forged tokens, sessions, a broken backend.

Of origins is test_bad_origins.py, of lines, paths and redirects test_bad_lines.py, of framing
and bodies tests/http/hostile, of a provider that lies tests/auth/test_oidc_lies.py.
"""

import http.client
import secrets
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote

import pytest

from nexios import NexiosApp, Request
from nexios.adapters.security.memory_sessions import MemorySessions
from nexios.adapters.security.signing import SignedValues
from nexios.application.keyring import Keyring
from nexios.auth.backends.base import AuthenticationBackend
from nexios.auth.decorator import auth
from nexios.auth.middleware import AuthenticationMiddleware
from tests.security.test_forged_tokens import TABLE, TARGETS, Target, app_of
from tests.support.credentials import SECRET, bank, cookie_in
from tests.support.raw import ask
from tests.support.server import serving

# Forged tokens.


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_every_forged_token_is_401(target: Target) -> None:
    counted, believed = 0, []
    with serving(app_of(target)) as address, ExitStack() as ended:
        line = http.client.HTTPConnection(address, timeout=20)
        ended.callback(lambda: line.close())

        def status(token: str) -> int:
            line.request("GET", "/me", headers={"Authorization": b"Bearer " + token.encode()})
            answer = line.getresponse()
            answer.read()
            return answer.status

        assert status(target.token()) == 200
        for what, token in (forgery for kind in TABLE for forgery in kind(target)):
            if what in ("space before", "space after") or "\n" in token:
                continue  # it parts scheme and token, or is no part of a value (RFC 9110, 5.5)
            found = status(token)
            counted += 1
            if found != (431 if len(token) > 8192 - len("Bearer ") else 401):
                believed.append((what, found))
        assert status(target.token()) == 200
    assert believed == []
    assert counted > 250


# Sessions: cookies of others, planted, changed, of another purpose.


@pytest.mark.parametrize("kind", ["signed", "stored"])
def test_no_changed_or_planted_cookie_is_a_session(kind: str) -> None:
    app = bank(store=MemorySessions() if kind == "stored" else None)
    with serving(app) as address:

        def session(value: str) -> tuple[int, str]:
            got = ask(address, "GET", "/session", [("Cookie", f"session_id={value}")])
            return got.status, got.body.decode()

        def me(value: str) -> int:
            return ask(address, "GET", "/me", [("Cookie", f"session_id={value}")]).status

        good = cookie_in(ask(address, "POST", "/login/ada"), "session_id")
        assert (me(good), "ada" in session(good)[1]) == (200, True)
        whole = {
            "d": {"user": {"sub": "ada", "id": "ada"}},
            "a": "ada",
            "c": 2e9,
            "s": 2e9,
            "e": 4e9,
        }
        table = {
            **{
                f"character {place}": good[:place] + _other(good[place]) + good[place + 1 :]
                for place in range(0, len(good), 3)
            },
            "shorter": good[:-1],
            "longer": good + "A",
            "twice": good + good,
            "nothing": "",
            "of another purpose": SignedValues(Keyring([SECRET]), "csrf").sign(whole),
            "of another secret": SignedValues(Keyring(["x" * 40]), "session").sign(whole),
            "unsigned": good.rpartition(".")[0] or "x",
            "a path": "../../../../etc/passwd",
            "encoded": quote(good, safe="").replace("-", "%2D") + "%00",
            "two values": f"{good}; session_id={good}",
            "planted before": f"planted; session_id={good}",
            "planted behind": f"{good}; session_id=planted",
            "JSON": '{"user":{"sub":"ada"}}',
            "SQL": "' OR 1=1 --",
            "random": secrets.token_urlsafe(32),
        }
        for name, bad in table.items():
            assert session(bad) == (200, "{}"), name
            assert me(bad) == 401, name
        assert me(good) == 200


def _other(character: str) -> str:
    return "A" if character != "A" else "B"


@pytest.mark.parametrize("kind", ["signed", "stored"])
@pytest.mark.parametrize("planted", ["fixed-by-the-attacker", "an anonymous one of the server"])
def test_a_planted_session_is_none_after_the_login(kind: str, planted: str) -> None:
    app = bank(store=MemorySessions() if kind == "stored" else None)
    with serving(app) as address:
        value = planted
        if planted.startswith("an"):
            value = cookie_in(ask(address, "POST", "/put"), "session_id")
        fixed = [("Cookie", f"session_id={value}")]
        seen = [value]
        fields = fixed
        for path in ("/login/ada", "/elevate", "/login/eve"):
            got = ask(address, "POST", path, fields)
            assert got.status == 200
            seen.append(cookie_in(got, "session_id"))
            fields = [("Cookie", f"session_id={seen[-1]}")]
        assert len(set(seen)) == len(seen)
        assert ask(address, "GET", "/me", fields).body == b"session eve"
        assert ask(address, "GET", "/me", fixed).status == 401
        if kind == "stored":  # a signed cookie is ended by revocations: tests/auth/test_revocation
            for dead in seen[:-1]:
                old = [("Cookie", f"session_id={dead}")]
                assert ask(address, "GET", "/me", old).status == 401
            assert ask(address, "POST", "/logout", fields).status == 200
            assert ask(address, "GET", "/me", fields).status == 401


# A backend that breaks is 503, never anonymous.


def test_a_backend_that_breaks_is_503_and_never_anonymous() -> None:
    class Down(AuthenticationBackend):
        scheme = "down"

        async def authenticate(self, connection: Any) -> Any:
            error = {"timeout": TimeoutError, "os": OSError, "key": KeyError}
            raise error[connection.headers.get("x-how", "os")]("postgresql://user:hunter2@db")

    app = NexiosApp()
    app.add_middleware(AuthenticationMiddleware(Down()))
    ran: list[str] = []

    @app.get("/in")
    @auth()
    async def inside(request: Request) -> str:
        ran.append("in")
        return "in"

    @app.get("/looks")
    async def looks(request: Request) -> str:
        ran.append("looks" if request.user else "anonymous")
        return "looked"

    @app.get("/open")
    async def opened() -> str:
        return "served"

    with serving(app) as address:
        for how in ("timeout", "os", "key"):
            fields = [("X-How", how)]
            for path in ("/in", "/looks"):
                answer = ask(address, "GET", path, fields)
                assert (answer.status, path) == (503, path)
                assert 1 <= int(answer.headers["retry-after"]) <= 3
                assert b"hunter2" not in answer.body
            assert ask(address, "GET", "/open", fields).body == b"served"
    assert ran == []
