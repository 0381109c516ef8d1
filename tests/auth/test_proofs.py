"""What counts as proof, whose it is, and what is noted when it is none."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from nexios import Depend, MakeConfig, Module, NexiosApp, Request, Scope
from nexios.adapters.security.memory_sessions import MemorySessions
from nexios.application.caller import Caller
from nexios.application.grants import Roles
from nexios.application.identity_provider import (
    ExternalIdentity,
    IdentityProvider,
    LoginFinished,
    ProviderTokens,
)
from nexios.application.security_events import SecurityEvent, SecurityEvents
from nexios.auth.backends.apikey import APIKeyAuthBackend, create_api_key
from nexios.auth.backends.base import AuthenticationBackend, AuthResult, Proof
from nexios.auth.backends.basic import BasicAuthBackend
from nexios.auth.backends.jwt import JWTAuthBackend, create_jwt
from nexios.auth.backends.oidc import OIDCAuthBackend
from nexios.auth.backends.session import SessionAuthBackend, login
from nexios.auth.decorator import auth
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.auth.users import SimpleUser
from nexios.domain import Entity, Identity
from nexios.middleware.session import SessionMiddleware
from nexios.testing.client import AsyncTestClient
from nexios.testing.security import KeptSecurityEvents
from tests.support.asgi import ask

pytestmark = pytest.mark.asyncio

SECRET = "a-secret-of-the-tests-with-32-bytes-and-more"
Headers = list[tuple[str, str]]


def app_with(*backends: Any, events: SecurityEvents | None = None, **config: Any) -> NexiosApp:
    module = Module("shop")
    if events is not None:
        module.bind(SecurityEvents).value(events)
        module.export(SecurityEvents)
    app = NexiosApp(module, config=MakeConfig(secret_key=SECRET, **config))
    app.add_middleware(AuthenticationMiddleware(list(backends)))

    @app.get("/me")
    @auth()
    async def me(request: Request) -> str:
        return "in"

    @app.get("/open")
    async def opened() -> str:
        return "served"

    return app


def bearer(sub: str = "7", **claims: Any) -> str:
    return f"Bearer {create_jwt({'sub': sub, **claims}, SECRET)}"


# 5. Whatever the loader returns is the user.


class MemberId(Identity): ...


class Member(Entity[MemberId]):
    name: str


class Slotted:
    __slots__ = ("id",)

    def __init__(self) -> None:
        self.id = 7


class Modelled(BaseModel):
    id: int
    name: str


@dataclass(frozen=True)
class Row:
    id: int


@pytest.mark.parametrize(
    "made",
    [
        lambda: {"id": 7},
        lambda: Row(7),
        lambda: Slotted(),
        lambda: Modelled(id=7, name="Ada"),
        lambda: Member(id=MemberId.new(), name="Ada"),
        lambda: SimpleUser("ada"),
        lambda: "ada",
    ],
    ids=["dict", "row", "slots", "pydantic", "entity", "ours", "text"],
)
async def test_any_loader_result_is_the_user(made: Callable[[], Any]) -> None:
    user = made()
    seen: list[object] = []

    def load(sub: str) -> Any:
        return user

    app = app_with(JWTAuthBackend(load))

    @app.get("/seen")
    @auth(["jwt"])
    async def see(request: Request) -> str:
        seen.append(request.user)
        return "in"

    before = repr(user)
    answer = await ask(app, "GET", "/seen", headers=[("authorization", bearer())])
    assert answer.status == 200
    assert seen[0] is user
    assert repr(user) == before


# 6. Nobody passes a guard: each backend, with what is missing, empty, malformed or over.

KEY, KEY_ID, _ = create_api_key()


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


class Provider(IdentityProvider):
    """Has a name; nobody is sent to it here."""

    name = "idp"


async def load_anybody(sub: str) -> dict[str, str]:
    return {"id": sub}


async def load_key(key: str, key_id: str | None) -> dict[str, str] | None:
    return {"id": "7"} if key == KEY else None


async def check_password(username: str, password: str) -> dict[str, str] | None:
    return {"id": username} if password == "right" else None


async def load_identity(who: ExternalIdentity) -> dict[str, str]:
    return {"id": who.subject}


class Custom(AuthenticationBackend):
    scheme = "custom"

    async def authenticate(self, connection: Any) -> Any:
        return connection.headers.get("x-custom") == "good" and {"id": "7"}


PLAIN: dict[str, tuple[Callable[[], Any], Headers, dict[str, Headers]]] = {
    "jwt": (
        lambda: JWTAuthBackend(load_anybody),
        [("authorization", bearer())],
        {
            "missing": [],
            "empty": [("authorization", "")],
            "empty token": [("authorization", "Bearer ")],
            "malformed": [("authorization", "Bearer a.b.c")],
            "two words": [("authorization", f"{bearer()} x")],
            "expired": [("authorization", bearer(exp=1))],
            "of another kind": [("x-api-key", KEY)],
        },
    ),
    "apikey": (
        lambda: APIKeyAuthBackend(load_key),
        [("x-api-key", KEY)],
        {
            "missing": [],
            "empty": [("x-api-key", "")],
            "malformed": [("x-api-key", "nx__")],
            "expired": [("x-api-key", create_api_key()[0])],
            "too long": [("x-api-key", KEY * 20)],
        },
    ),
    "basic": (
        lambda: BasicAuthBackend(check_password),
        [("authorization", "Basic YWRhOnJpZ2h0")],
        {
            "missing": [],
            "empty": [("authorization", "Basic")],
            "no password": [("authorization", "Basic YWRhOg==")],
            "malformed": [("authorization", "Basic ?")],
            "expired": [("authorization", "Basic YWRhOm9sZA==")],
        },
    ),
    "custom": (
        lambda: Custom(),
        [("x-custom", "good")],
        {
            "missing": [],
            "empty": [("x-custom", "")],
            "malformed": [("x-custom", "\xff")],
            "expired": [("x-custom", "old")],
        },
    ),
}


@pytest.mark.parametrize("name", PLAIN)
async def test_anonymous_never_passes_a_guard(name: str) -> None:
    make, good, bad = PLAIN[name]
    app = app_with(make())
    assert (await ask(app, "GET", "/me", headers=good)).status == 200
    for kind, headers in bad.items():
        refused = await ask(app, "GET", "/me", headers=headers)
        assert refused.status == 401, kind
        assert (await ask(app, "GET", "/open", headers=headers)).status == 200, kind


@pytest.mark.parametrize("name", ["session", "oidc"])
async def test_anonymous_never_passes_a_guard_by_a_cookie(name: str) -> None:
    clock = Clock()
    oidc = OIDCAuthBackend(Provider(), load_identity)
    app = app_with(oidc if name == "oidc" else SessionAuthBackend(load_anybody))
    app.add_middleware(SessionMiddleware(store=MemorySessions(now=clock)))

    @app.post("/login")
    async def log_in(request: Request) -> str:
        if name == "session":
            login(request, {"id": "7"})
        else:
            identity = ExternalIdentity("idp", "https://idp.example", "7", {"sub": "7"}, {})
            await oidc.login(request, LoginFinished(identity, ProviderTokens("at", subject="7")))
        return "in"

    async with AsyncTestClient(app) as client:
        assert (await client.get("/me")).status_code == 401
        await client.post("/login")
        good = client.cookies["session_id"]
        assert (await client.get("/me")).status_code == 200
        for bad in ("", "x", good[:-1], good.swapcase(), f"{good}{good}", "%00", "../x"):
            got = await client.get("/me", headers={"cookie": f"session_id={bad}"})
            assert got.status_code == 401, bad
        clock.now += timedelta(days=365)
        assert (await client.get("/me")).status_code == 401


# 9. The actor.


class Both(dict[str, Any]):
    """Has an id as an item and one as an attribute, and an identity where told."""

    id = "attribute"


class Named(Both):
    identity = "identity"


@pytest.mark.parametrize(
    ("subject", "user", "actor"),
    [
        ("claims", Named(id="key"), "claims"),
        (None, Named(id="key"), "identity"),
        (None, Both(id="key"), "key"),
        (None, Row(7), "7"),
        (None, Both(name="only an attribute"), "attribute"),
    ],
)
async def test_actor_is_found_in_the_stated_order(
    subject: str | None, user: Any, actor: str
) -> None:
    class Proves(AuthenticationBackend):
        scheme = "proves"

        async def authenticate(self, connection: Any) -> Any:
            return Proof(user, "proves", subject)

    app = app_with(Proves())

    @app.get("/actor")
    async def see(caller: Caller = Depend()) -> str:
        return str(caller.actor)

    assert (await ask(app, "GET", "/actor")).text == actor


async def test_without_a_name_there_is_no_actor_and_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Proves(AuthenticationBackend):
        scheme = "nameless-of-this-test"

        async def authenticate(self, connection: Any) -> Any:
            return {"name": "Ada"}

    app = app_with(Proves())

    @app.get("/actor")
    async def see(caller: Caller = Depend()) -> str:
        return str(caller.actor)

    for _ in range(3):
        assert (await ask(app, "GET", "/actor")).text == "None"
    told = [one for one in caplog.records if "nameless-of-this-test" in one.getMessage()]
    assert [one.levelno for one in told] == [logging.WARNING]


# 10. A use case sees the caller.


class Refunds:
    """Application code: no word of HTTP."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def allowed(self) -> tuple[str | None, bool, bool, list[str]]:
        caller = self._caller
        return (
            caller.actor,
            caller.can("orders:refund"),
            caller.can("orders:delete"),
            sorted(caller.grants.roles),
        )


async def test_use_cases_see_the_caller() -> None:
    module = Module("refunds")
    module.bind(Refunds, scope=Scope.REQUEST)
    module.bind(Roles).value(Roles({"clerk": {"permissions": ["orders:refund"]}}))
    app = NexiosApp(module.export(Refunds), config=MakeConfig(secret_key=SECRET))
    app.add_middleware(AuthenticationMiddleware(JWTAuthBackend()))

    @app.get("/refunds")
    async def refunds(use_case: Refunds = Depend()) -> list[Any]:
        return list(await use_case.allowed())

    clerk = [("authorization", bearer("ada", roles=["clerk"]))]
    async with AsyncTestClient(app):
        told = await ask(app, "GET", "/refunds", headers=clerk)
        nobody = await ask(app, "GET", "/refunds")
    assert told.json() == ["ada", True, False, ["clerk"]]
    assert nobody.json() == [None, False, False, []]


# 19. What 2.11's backends return, in both forms.

RETURNS: dict[str, tuple[Any, Any]] = {
    "tuple": (({"id": 7}, "told"), "told"),
    "result": (AuthResult(True, {"id": 7}, "told"), "told"),
    "failed result": (AuthResult(False, {"id": 7}, "told"), None),
    "bare user": ({"id": 7}, "old"),
    "nothing": (None, None),
    "tuple of nothing": ((None, None), None),
}


@pytest.mark.parametrize("returned", RETURNS)
@pytest.mark.parametrize("arguments", [1, 2])
async def test_every_2_11_backend_return_is_understood(returned: str, arguments: int) -> None:
    value, scheme = RETURNS[returned]

    class WithRequest:
        scheme = "old"

        async def authenticate(self, request: Any) -> Any:
            return value

    class WithBoth:
        scheme = "old"

        async def authenticate(self, request: Any, response: Any) -> Any:
            response.set_header("x-asked", "yes")
            return value

    app = app_with(WithRequest() if arguments == 1 else WithBoth())

    @app.get("/seen")
    async def seen(request: Request) -> list[Any]:
        return [request.user or None, request.auth]

    answer = await ask(app, "GET", "/seen")
    assert answer.json() == ([None, "no-auth"] if scheme is None else [{"id": 7}, scheme])
    assert answer.header("x-asked") == (None if arguments == 1 else "yes")


# 20, 63, 26. What is noted.


class Down(AuthenticationBackend):
    scheme = "down"

    async def authenticate(self, connection: Any) -> Any:
        raise ConnectionError("postgresql://user:hunter2@db is down")


async def test_a_backend_that_breaks_is_an_event(caplog: pytest.LogCaptureFixture) -> None:
    kept = KeptSecurityEvents()
    app = app_with(Down(), events=kept)
    with caplog.at_level(logging.CRITICAL):
        async with AsyncTestClient(app) as client:
            for _ in range(3):
                assert (await client.get("/me")).status_code == 503
    assert kept.events == [
        SecurityEvent("auth.unavailable", "failed", scheme="down", reason="ConnectionError")
    ]


MALFORMED: dict[str, tuple[str, Headers, str, str]] = {
    "two fields": (
        "/me",
        [("authorization", bearer()), ("authorization", bearer())],
        "jwt",
        "two Authorization fields",
    ),
    "two schemes": (
        "/me",
        [("authorization", "Basic YWRhOnJpZ2h0"), ("authorization", bearer())],
        "jwt",
        "two Authorization fields",
    ),
    "in the query": (
        f"/me?access_token={bearer().removeprefix('Bearer ')}",
        [],
        "jwt",
        "a token in the query",
    ),
    "over its limit": (
        "/me",
        [("authorization", bearer(fill="x" * 500))],
        "jwt",
        "a token over its limit",
    ),
    "two keys": (
        "/me",
        [("x-api-key", KEY), ("x-api-key", KEY)],
        "apikey",
        "two X-API-Key fields",
    ),
}


@pytest.mark.parametrize("kind", MALFORMED)
async def test_what_came_in_a_wrong_way_proves_nothing_and_is_an_event(kind: str) -> None:
    target, headers, scheme, reason = MALFORMED[kind]
    kept = KeptSecurityEvents()
    backends = (JWTAuthBackend(), APIKeyAuthBackend(load_key))
    app = app_with(*backends, events=kept, limits={"token_bytes": 400})
    async with AsyncTestClient(app):
        assert (await ask(app, "GET", "/me", headers=[("authorization", bearer())])).status == 200
        assert (await ask(app, "GET", "/me")).status == 401
        assert kept.events == []
        for _ in range(3):
            refused = await ask(app, "GET", target, headers=headers)
            assert refused.status == 401
            assert reason not in refused.text
    (event,) = kept.events
    assert (event.action, event.outcome, event.scheme) == ("auth.malformed", "denied", scheme)
    assert (event.reason, event.details) == (reason, {"path": "/me"})


async def test_basic_notes_two_fields_itself() -> None:
    kept = KeptSecurityEvents()
    app = app_with(BasicAuthBackend(check_password), events=kept)
    field = ("authorization", "Basic YWRhOnJpZ2h0")
    async with AsyncTestClient(app):
        assert (await ask(app, "GET", "/me", headers=[field])).status == 200
        assert (await ask(app, "GET", "/me", headers=[field, field])).status == 401
    assert [(one.action, one.scheme) for one in kept.events] == [("auth.malformed", "basic")]


# 23. One challenge for each backend, and no reason.


async def test_one_challenge_per_backend() -> None:
    app = app_with(
        JWTAuthBackend(load_anybody),
        BasicAuthBackend(check_password, realm="shop"),
        APIKeyAuthBackend(load_key),
        Custom(),
    )
    bare = ["Bearer", 'Basic realm="shop", charset="UTF-8"', 'ApiKey header="X-API-Key"']
    bad = ['Bearer error="invalid_token"', *bare[1:]]
    bodies = set()
    for headers, challenges in (
        ([], bare),
        ([("authorization", bearer(exp=1))], bad),
        ([("authorization", "Bearer a.b.c")], bad),
        ([("authorization", f"{bearer()}x")], bad),
        ([("authorization", "Basic YWRhOm9sZA==")], bare),
        ([("x-api-key", "nx__"), ("authorization", "Bearer x")], bad),
    ):
        refused = await ask(app, "GET", "/me", headers=headers)
        assert (refused.status, refused.headers("www-authenticate")) == (401, challenges)
        bodies.add(refused.text)
    assert len(bodies) == 1  # expired, forged, unknown and absent read alike
