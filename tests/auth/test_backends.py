"""Sessions, API keys and passwords as proof, through a whole application."""

import base64
from typing import Any

import pytest

from nexios import Depend, MakeConfig, Module, NexiosApp, Request, Scope, WebSocket
from nexios.adapters.http.ordering import MiddlewareOrderError
from nexios.adapters.security.memory_sessions import MemorySessions
from nexios.application import Caller, Unauthenticated
from nexios.application.sessions import SessionStore
from nexios.auth.backends.apikey import APIKeyAuthBackend, create_api_key, verify_key
from nexios.auth.backends.basic import BasicAuthBackend
from nexios.auth.backends.jwt import JWTAuthBackend, create_jwt
from nexios.auth.backends.session import NamelessUser, SessionAuthBackend, login, logout
from nexios.auth.decorator import auth
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.middleware.session import SessionMiddleware
from nexios.testing.client import AsyncTestClient
from nexios.testing.sockets import SocketDenied, websocket_connect

pytestmark = pytest.mark.asyncio

SECRET = "a-secret-of-the-tests-with-32-bytes-and-more"
USERS = {"7": {"id": 7, "name": "Ada"}}


class Users:
    def by_id(self, sub: str) -> dict[str, Any] | None:
        return USERS.get(sub)


async def load_user(sub: str, users: Users = Depend()) -> dict[str, Any] | None:
    return users.by_id(sub)


def shop(*backends: Any, store: SessionStore | None = None, **config: Any) -> NexiosApp:
    """Return an application with a login, a logout and a guarded route."""
    module = Module("users")
    module.bind(Users, scope=Scope.SINGLETON)
    app = NexiosApp(module.export(Users), config=MakeConfig(secret_key=SECRET, **config))
    app.add_middleware(AuthenticationMiddleware(list(backends)))
    app.add_middleware(SessionMiddleware(store=store))

    @app.post("/login/{user_id}")
    async def log_in(request: Request, user_id: str) -> str:
        login(request, USERS[user_id])
        return "in"

    @app.post("/logout")
    async def log_out(request: Request) -> str:
        logout(request)
        return "out"

    @app.route("/me", methods=["GET", "POST"])
    @auth()
    async def me(request: Request, caller: Caller = Depend()) -> dict[str, Any]:
        return {"user": request.user, "actor": caller.actor, "scheme": request.auth}

    @app.post("/public")
    async def public() -> str:
        return "served"

    return app


def by_session() -> SessionAuthBackend:
    return SessionAuthBackend(load_user)


async def test_who_logs_in_stays_so_until_logging_out() -> None:
    async with AsyncTestClient(shop(by_session())) as client:
        assert (await client.get("/me")).status_code == 401
        await client.post("/login/7")
        assert (await client.get("/me")).json() == {
            "user": USERS["7"],
            "actor": "7",
            "scheme": "session",
        }
        await client.post("/logout")
        assert (await client.get("/me")).status_code == 401


@pytest.mark.parametrize("kind", ["signed", "memory"])
async def test_login_changes_the_id(kind: str) -> None:
    store = MemorySessions() if kind == "memory" else None
    app = shop(by_session(), store=store)

    @app.post("/cart")
    async def cart(request: Request) -> str:
        request.session["cart"] = ["tea"]
        return "put"

    @app.get("/cart")
    async def look(request: Request) -> Any:
        return request.session.get("cart")

    async with AsyncTestClient(app) as client:
        await client.post("/cart")
        anonymous = client.cookies["session_id"]
        await client.post("/login/7")
        known = client.cookies["session_id"]
        assert known != anonymous
        assert (await client.get("/cart")).json() == ["tea"]
        planted = await client.get("/me", headers={"cookie": f"session_id={anonymous}"})
        assert planted.status_code == 401
        await client.post("/logout")
        if store is not None:
            dead = await client.get("/me", headers={"cookie": f"session_id={known}"})
            assert dead.status_code == 401
            assert not store._sessions


async def test_a_user_who_is_gone_is_nobody() -> None:
    async with AsyncTestClient(shop(by_session())) as client:
        USERS["8"] = {"id": 8, "name": "Bob"}
        await client.post("/login/8")
        assert (await client.get("/me")).status_code == 200
        del USERS["8"]
        assert (await client.get("/me")).status_code == 401


async def test_without_a_session_middleware_the_start_is_refused() -> None:
    app = NexiosApp()
    app.add_middleware(AuthenticationMiddleware(SessionAuthBackend()))
    with pytest.raises(MiddlewareOrderError, match=r"fix: app\.add_middleware\(SessionMiddleware"):
        app.check()


async def test_somebody_without_a_name_cannot_log_in() -> None:
    app = shop(SessionAuthBackend())
    errors: list[str] = []

    @app.post("/nameless")
    async def nameless(request: Request) -> str:
        with pytest.raises(NamelessUser) as refused:
            login(request, object())
        errors.append(str(refused.value))
        login(request, object(), subject="ada@example.com")
        return "in"

    async with AsyncTestClient(app) as client:
        await client.post("/nameless")
        assert (await client.get("/me")).json()["actor"] == "ada@example.com"
    assert "fix: login(request, user, subject=...)" in errors[0]


OURS, THEIRS = "http://testserver", "https://evil.example"
EVIDENCE = [
    # fetch metadata, origin, passes
    (None, None, True),
    (None, OURS, True),
    (None, "http://TESTSERVER:80", True),
    (None, THEIRS, False),
    (None, "null", False),
    (None, "https://testserver", False),
    (None, "http://testserver.evil.example", False),
    (None, "http://testserver:8080", False),
    ("same-origin", OURS, True),
    ("same-origin", None, True),
    ("none", None, True),
    ("same-site", "http://api.testserver", False),
    ("cross-site", THEIRS, False),
    ("cross-site", OURS, False),
    ("cross-site", None, False),
    ("cross-site", "https://partner.example", True),
    (None, "https://partner.example", True),
]


def fields(site: str | None, origin: str | None) -> dict[str, str]:
    told = {"sec-fetch-site": site, "origin": origin}
    return {name: value for name, value in told.items() if value is not None}


@pytest.mark.parametrize(("site", "origin", "passes"), EVIDENCE)
async def test_cookie_proof_needs_same_origin_evidence(
    site: str | None, origin: str | None, passes: bool
) -> None:
    app = shop(by_session(), csrf={"trusted_origins": ["https://partner.example"]})
    async with AsyncTestClient(app) as client:
        await client.post("/login/7")
        headers = fields(site, origin)
        changed = await client.post("/me", headers=headers)
        assert changed.status_code == (200 if passes else 403)
        if not passes:
            assert changed.json()["type"].endswith("cross-site-request")
        # What changes nothing, and what asks for nobody, is served.
        assert (await client.get("/me", headers=headers)).status_code == 200
        assert (await client.post("/public", headers=headers)).status_code == 200


@pytest.mark.parametrize(("site", "origin", "passes"), EVIDENCE)
async def test_login_and_logout_need_evidence_too(
    site: str | None, origin: str | None, passes: bool
) -> None:
    app = shop(by_session(), csrf={"trusted_origins": ["https://partner.example"]})
    async with AsyncTestClient(app) as client:
        entered = await client.post("/login/7", headers=fields(site, origin))
        assert entered.status_code == (200 if passes else 403)
        await client.post("/login/7")
        left = await client.post("/logout", headers=fields(site, origin))
        assert left.status_code == (200 if passes else 403)
        assert (await client.get("/me")).status_code == (401 if passes else 200)


@pytest.mark.parametrize("name", ["origin", "sec-fetch-site"])
async def test_two_fields_of_evidence_are_foreign_whatever_they_say(name: str) -> None:
    ours, theirs = (OURS, THEIRS) if name == "origin" else ("same-origin", "cross-site")
    async with AsyncTestClient(shop(by_session())) as client:
        await client.post("/login/7")
        for told in ([ours, ours], [theirs, ours], [ours, theirs]):
            fields = [(name, value) for value in told]
            assert (await client.post("/me", headers=fields)).status_code == 403
            assert (await client.post("/login/7", headers=fields)).status_code == 403


@pytest.mark.parametrize("first", ["session", "jwt"])
async def test_a_cookie_of_a_foreign_page_does_not_hide_a_token(first: str) -> None:
    backends = [by_session(), JWTAuthBackend(load_user)]
    app = shop(*(backends if first == "session" else backends[::-1]))

    @app.post("/by-session", guards=[auth(["session"])])
    async def only_session() -> str:
        return "in"

    token = {"authorization": f"Bearer {create_jwt({'sub': '7'}, SECRET)}"}
    foreign = fields("cross-site", THEIRS)
    async with AsyncTestClient(app) as client:
        await client.post("/login/7")
        both = await client.post("/me", headers=token | foreign)
        assert (both.status_code, both.json()["scheme"]) == (200, "jwt")
        # Where only the cookie counts it is refused for what it is, token or none.
        for headers in (foreign, token | foreign):
            refused = await client.post("/by-session", headers=headers)
            assert refused.status_code == 403
            assert refused.json()["type"].endswith("cross-site-request")
        assert (await client.post("/me", headers=foreign)).status_code == 403


async def test_clients_that_are_no_browsers_can_be_asked_for_evidence() -> None:
    async with AsyncTestClient(shop(by_session(), csrf={"require_origin": True})) as client:
        assert (await client.post("/login/7")).status_code == 403
        assert (await client.post("/login/7", headers={"origin": OURS})).status_code == 200
        assert (await client.post("/me")).status_code == 403


async def test_bearer_needs_none() -> None:
    token = create_jwt({"sub": "7"}, SECRET)
    app = shop(JWTAuthBackend(load_user), by_session())
    headers = {"authorization": f"Bearer {token}", **fields("cross-site", THEIRS)}
    async with AsyncTestClient(app) as client:
        got = await client.post("/me", headers=headers)
    assert (got.status_code, got.json()["scheme"]) == (200, "jwt")


async def test_api_key_is_checked() -> None:
    key, key_id, stored = create_api_key()
    other, _, _ = create_api_key()

    def load_key(key: str, key_id: str | None) -> dict[str, Any] | None:
        known = dict.fromkeys([expected], stored).get(key_id or "")
        return USERS["7"] if known is not None and verify_key(key, known) else None

    expected = key_id
    app = shop(APIKeyAuthBackend(load_key))
    async with AsyncTestClient(app) as client:
        good = await client.get("/me", headers={"x-api-key": key})
        assert (good.status_code, good.json()["scheme"]) == (200, "apikey")
        wrong = f"nx_{key_id}_{other.rpartition('_')[2] or 'x' * 43}"
        for bad in (other, wrong, key + "x", key.upper(), "", "x" * 600, "nx__", "ü"):
            got = await client.get("/me", headers={"x-api-key": bad.encode()})
            assert got.status_code == 401, bad
        assert got.headers["www-authenticate"] == 'ApiKey header="X-API-Key"'
        assert (await client.get(f"/me?x-api-key={key}")).status_code == 401
        twice = await client.get("/me", headers=[("x-api-key", key), ("x-api-key", key)])
        assert twice.status_code == 401


def basic(text: str | bytes) -> dict[str, str]:
    raw = text.encode() if isinstance(text, str) else text
    return {"authorization": f"Basic {base64.b64encode(raw).decode()}"}


async def test_basic_takes_utf_8_and_refuses_everything_else() -> None:
    async def check(username: str, password: str) -> dict[str, Any] | None:
        return USERS["7"] if (username, password) == ("ada", "pass:wörd") else None

    async with AsyncTestClient(shop(BasicAuthBackend(check, realm="shop"))) as client:
        assert (await client.get("/me", headers=basic("ada:pass:wörd"))).status_code == 200
        for bad in ("ada:", "ada", "", ":", "ada:pass:w", b"ada:\xff", "ada:pass:wörd\n"):
            got = await client.get("/me", headers=basic(bad))
            assert got.status_code == 401, bad
        assert got.headers["www-authenticate"] == 'Basic realm="shop", charset="UTF-8"'
        for field in ("Basic ???", "Basic", "Basic " + "A" * 5000):
            got = await client.get("/me", headers={"authorization": field})
            assert got.status_code == 401, field


async def test_a_password_over_an_open_line_is_refused() -> None:
    asked: list[str] = []

    async def check(username: str, password: str) -> dict[str, Any]:
        asked.append(username)
        return USERS["7"]

    app = shop(BasicAuthBackend(check), trusted_proxies=["testclient"])
    headers = {**basic("ada:x"), "x-forwarded-for": "203.0.113.7"}
    async with AsyncTestClient(app) as client:
        assert (await client.get("/me", headers=headers)).status_code == 401
        assert not asked
        secure = {**headers, "x-forwarded-proto": "https"}
        assert (await client.get("/me", headers=secure)).status_code == 200


async def test_a_realm_that_breaks_its_header_is_refused() -> None:
    for realm in ('a"b', "a\nb", "a\\b"):
        with pytest.raises(ValueError, match="realm"):
            BasicAuthBackend(lambda username, password: None, realm=realm)
    with pytest.raises(TypeError, match="load_key"):
        APIKeyAuthBackend()


@pytest.mark.parametrize("name", ["session", "web"])
async def test_on_a_socket_a_cookie_proves_nothing_without_an_origin(name: str) -> None:
    app = shop(SessionAuthBackend(load_user, name=name))

    @app.websocket("/ws", guards=[auth()])
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()

    async with AsyncTestClient(app) as client:
        await client.post("/login/7")
        cookie = {"cookie": f"session_id={client.cookies['session_id']}"}
        async with websocket_connect(app, "/ws", headers=cookie | {"origin": OURS}):
            pass
        for headers in (cookie, cookie | {"origin": THEIRS}):
            with pytest.raises(SocketDenied) as denied:
                async with websocket_connect(app, "/ws", headers=headers):
                    pass
            assert denied.value.status == 403


async def test_a_handler_that_says_unauthenticated_asks_for_the_credential() -> None:
    app = shop(JWTAuthBackend(load_user))

    @app.get("/secret")
    async def secret() -> str:
        raise Unauthenticated

    async with AsyncTestClient(app) as client:
        got = await client.get("/secret")
    assert (got.status_code, got.headers["www-authenticate"]) == (401, "Bearer")
