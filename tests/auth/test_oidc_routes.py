"""The login routes and the backend of OpenID Connect, with a provider that is a fake."""

from collections.abc import Mapping
from typing import Any

import pytest

from nexios import Depend, MakeConfig, Module, NexiosApp, Request
from nexios.adapters.security.memory_one_time import MemoryOneTime
from nexios.adapters.security.memory_sessions import MemorySessions
from nexios.application.caller import Caller
from nexios.application.errors import Unavailable
from nexios.application.identity_provider import (
    ExternalIdentity,
    LoginBegun,
    LoginFinished,
    LoginRefused,
    ProviderTokens,
    ProviderUnavailable,
)
from nexios.application.one_time import OneTime
from nexios.application.security_events import SecurityEvent, SecurityEvents
from nexios.application.sessions import SessionStore, StoredSession
from nexios.auth.backends.oidc import OIDCAuthBackend
from nexios.auth.decorator import auth
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.auth.oidc import oidc_routes, own_path
from nexios.middleware.session import SessionMiddleware
from nexios.testing.client import AsyncTestClient

pytestmark = pytest.mark.asyncio

SECRET = "a-secret-of-the-tests-with-32-bytes-and-more"
THERE = "https://idp.example/authorize"


class FakeProvider:
    """Proves whoever brings ``code=<subject>`` back; keeps the port's promises otherwise."""

    def __init__(self, name: str = "fake") -> None:
        self.name = name
        self.begun: list[str] = []
        self.ended: list[tuple[ProviderTokens | None, str]] = []
        self.down = False

    async def begin(self, redirect_uri: str) -> LoginBegun:
        if self.down:
            raise ProviderUnavailable("it is down")
        self.begun.append(redirect_uri)
        state = f"state-{len(self.begun)}"
        return LoginBegun(f"{THERE}?state={state}", state, {"nonce": state})

    async def finish(self, answer: Mapping[str, str], record: Mapping[str, Any]) -> LoginFinished:
        if "error" in answer:
            raise LoginRefused("it said no", error=answer["error"])
        assert record == {"nonce": answer["state"]}
        subject = answer["code"]
        identity = ExternalIdentity(
            self.name, "https://idp.example", subject, {"sub": subject}, {"email": f"{subject}@x"}
        )
        return LoginFinished(identity, ProviderTokens("at", refresh_token="rt", subject=subject))

    async def refresh(self, tokens: ProviderTokens) -> ProviderTokens:
        raise LoginRefused("there are no new ones")

    async def end(self, tokens: ProviderTokens | None, return_to: str) -> str | None:
        if self.down:
            raise ProviderUnavailable("it is down")
        self.ended.append((tokens, return_to))
        return "https://idp.example/bye"


class Users:
    def __init__(self) -> None:
        self.gone: set[str] = set()

    def of(self, identity: ExternalIdentity) -> dict[str, Any] | None:
        if identity.subject in self.gone:
            return None
        return {"id": f"user-{identity.subject}", "email": identity.get("email")}


USERS = Users()


async def load_user(who: ExternalIdentity, users: Users = Depend()) -> dict[str, Any] | None:
    return users.of(who)


def shop(
    *providers: FakeProvider,
    store: SessionStore | None = None,
    one_time: OneTime | None = None,
    events: SecurityEvents | None = None,
    **config: Any,
) -> NexiosApp:
    USERS.gone.clear()
    module = Module("users")
    if events is not None:
        module.bind(SecurityEvents).value(events)  # type: ignore[type-abstract]
        module.export(SecurityEvents)
    module.bind(Users).value(USERS)
    if one_time is not None:
        module.bind(OneTime).value(one_time)  # type: ignore[type-abstract]
    module.export(Users, *([OneTime] if one_time is not None else []))
    app = NexiosApp(module, config=MakeConfig(secret_key=SECRET, **config))
    app.add_middleware(SessionMiddleware(store=store))
    backends = [OIDCAuthBackend(one, load_user, name=one.name) for one in providers]
    if backends:
        app.add_middleware(AuthenticationMiddleware(backend=backends))
    for one in providers:
        app.mount_router(oidc_routes(one), "/auth")

    @app.get("/me")
    @auth()
    async def me(request: Request, caller: Caller = Depend()) -> dict[str, Any]:
        return {"user": request.user, "actor": caller.actor, "scheme": request.auth}

    @app.get("/session")
    async def session(request: Request) -> dict[str, Any]:
        return request.session.get_all()

    @app.post("/cart")
    async def cart(request: Request) -> str:
        request.session["cart"] = ["tea"]
        return "put"

    @app.get("/tokens")
    async def tokens(request: Request) -> Any:
        found = await backends[0].tokens(request)
        return None if found is None else found.dump()

    return app


async def log_in(
    client: AsyncTestClient, subject: str = "ada", name: str = "fake", **query: str
) -> Any:
    sent = await client.get(f"/auth/{name}/login", params=query, follow_redirects=False)
    assert sent.status_code == 303
    state = sent.headers["location"].partition("state=")[2]
    return await client.get(
        f"/auth/{name}/callback",
        params={"state": state, "code": subject},
        follow_redirects=False,
    )


class Away:
    """Keeps no event."""

    async def record(self, event: SecurityEvent) -> None:
        raise Unavailable


@pytest.mark.parametrize("server_side", [True, False])
async def test_a_login_that_cannot_be_recorded_is_none(server_side: bool) -> None:
    store = MemorySessions() if server_side else None
    app = shop(FakeProvider(), store=store, events=Away())
    async with AsyncTestClient(app) as client:
        assert (await log_in(client)).status_code == 503
        assert (await client.get("/me")).status_code == 401


async def test_whoever_comes_back_is_logged_in_under_a_new_session() -> None:
    provider = FakeProvider()
    async with AsyncTestClient(shop(provider, store=MemorySessions())) as client:
        assert (await client.get("/me")).status_code == 401
        await client.post("/cart")
        before = client.cookies["session_id"]
        back = await log_in(client, next="/me?tab=1#x")
        assert (back.status_code, back.headers["location"]) == (303, "/me?tab=1#x")
        assert back.headers["cache-control"] == "no-store"
        assert client.cookies["session_id"] != before
        assert (await client.get("/me")).json() == {
            "user": {"id": "user-ada", "email": "ada@x"},
            "actor": "user-ada",
            "scheme": "fake",
        }
        assert (await client.get("/session")).json()["cart"] == ["tea"]
        planted = await client.get("/me", headers={"cookie": f"session_id={before}"})
        assert planted.status_code == 401
    assert provider.begun == ["http://testserver/auth/fake/callback"]


async def test_a_callback_behind_a_prefix_or_of_another_address() -> None:
    provider = FakeProvider()
    async with AsyncTestClient(shop(provider), root_path="/shop") as client:
        await client.get("/shop/auth/fake/login", follow_redirects=False)
    assert provider.begun == ["http://testserver/shop/auth/fake/callback"]
    told = "https://shop.example/auth/two/callback"
    two = FakeProvider("two")
    app = shop()
    app.add_middleware(AuthenticationMiddleware(backend=OIDCAuthBackend(two, load_user)))
    app.mount_router(oidc_routes(two, callback_url=told), "/auth")
    async with AsyncTestClient(app) as client:
        await client.get("/auth/two/login", follow_redirects=False)
    assert two.begun == [told]


async def test_the_login_cookie_is_for_this_host_alone() -> None:
    async with AsyncTestClient(shop(FakeProvider()), base_url="https://testserver") as client:
        sent = await client.get("/auth/fake/login", follow_redirects=False)
        cookie = sent.headers["set-cookie"]
        assert cookie.startswith("__Host-nexios-login=")
        assert "; HttpOnly; Max-Age=600; Path=/; SameSite=lax; Secure" in cookie
        assert "Domain" not in cookie
        assert (await log_in(client)).status_code == 303
        assert (await client.get("/me")).status_code == 200
    async with AsyncTestClient(shop(FakeProvider())) as client:
        sent = await client.get("/auth/fake/login", follow_redirects=False)
        assert sent.headers["set-cookie"].startswith("nexios-login=")


async def test_a_state_is_good_for_one_use_and_one_browser() -> None:
    async with AsyncTestClient(shop(FakeProvider())) as client:
        await client.get("/auth/fake/login", follow_redirects=False)
        mine = client.cookies["nexios-login"]
        client.cookies.clear()
        back = {"state": "state-1", "code": "ada"}
        assert (await client.get("/auth/fake/callback", params=back)).status_code == 400
        await client.get("/auth/fake/login", follow_redirects=False)
        assert client.cookies["nexios-login"] != mine
        stolen = await client.get("/auth/fake/callback", params=back)
        assert stolen.status_code == 400
        assert stolen.json()["type"] == "urn:nexios:problem:login-refused"
        assert (await client.get("/me")).status_code == 401
        # Another browser's try has used nothing up.
        client.cookies.clear()
        client.cookies.set("nexios-login", mine)
        good = await client.get("/auth/fake/callback", params=back, follow_redirects=False)
        assert good.status_code == 303
        again = await client.get("/auth/fake/callback", params=back)
        assert again.status_code == 400


async def test_two_tabs_of_one_browser_may_log_in_at_once() -> None:
    async with AsyncTestClient(shop(FakeProvider())) as client:
        await client.get("/auth/fake/login", follow_redirects=False)
        await client.get("/auth/fake/login", follow_redirects=False)
        for state in ("state-1", "state-2"):
            back = await client.get(
                "/auth/fake/callback",
                params={"state": state, "code": "ada"},
                follow_redirects=False,
            )
            assert back.status_code == 303


async def test_an_old_state_is_refused() -> None:
    moment = 0.0
    one_time = MemoryOneTime(clock=lambda: moment)
    async with AsyncTestClient(shop(FakeProvider(), one_time=one_time)) as client:
        for waited, status in ((599.0, 303), (600.0, 400)):
            moment = 0.0
            sent = await client.get("/auth/fake/login", follow_redirects=False)
            state = sent.headers["location"].partition("state=")[2]
            moment = waited
            back = await client.get(
                "/auth/fake/callback",
                params={"state": state, "code": "ada"},
                follow_redirects=False,
            )
            assert back.status_code == status


async def test_a_state_of_another_provider_is_refused() -> None:
    one_time = MemoryOneTime()
    one, two = FakeProvider("one"), FakeProvider("two")
    async with AsyncTestClient(shop(one, two, one_time=one_time)) as client:
        await client.get("/auth/one/login", follow_redirects=False)
        back = {"state": "state-1", "code": "ada"}
        assert (await client.get("/auth/two/callback", params=back)).status_code == 400
        good = await client.get("/auth/one/callback", params=back, follow_redirects=False)
        assert good.status_code == 303
        assert (await client.get("/me")).json()["scheme"] == "one"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "state=state-1",
        "code=ada",
        "state=state-1&state=state-1&code=ada",
        "state=state-1&code=ada&code=bob",
        "state=&code=ada",
    ],
)
async def test_an_answer_that_is_not_one_is_refused(query: str) -> None:
    provider = FakeProvider()

    async def refuse(answer: Mapping[str, str], record: Mapping[str, Any]) -> LoginFinished:
        raise LoginRefused("there is no code")

    if "code" not in query:
        provider.finish = refuse  # type: ignore[method-assign]
    async with AsyncTestClient(shop(provider)) as client:
        await client.get("/auth/fake/login", follow_redirects=False)
        back = await client.get(f"/auth/fake/callback?{query}")
        assert back.status_code == 400
        assert "session_id" not in client.cookies


async def test_an_error_of_the_provider_is_shown_as_its_code() -> None:
    async with AsyncTestClient(shop(FakeProvider())) as client:
        await client.get("/auth/fake/login", follow_redirects=False)
        back = await client.get(
            "/auth/fake/callback",
            params={"state": "state-1", "error": "access_denied", "error_description": "<b>"},
        )
        assert back.status_code == 400
        assert back.json()["details"] == {"error": "access_denied"}
        assert "<b>" not in back.text


async def test_a_provider_that_is_down_is_502_and_no_session() -> None:
    provider = FakeProvider()
    provider.down = True
    async with AsyncTestClient(shop(provider)) as client:
        sent = await client.get("/auth/fake/login")
        assert sent.status_code == 502
        assert sent.json()["type"] == "urn:nexios:problem:identity-provider"
        assert "it is down" not in sent.text
        assert not client.cookies


async def test_somebody_unknown_here_is_not_logged_in() -> None:
    async with AsyncTestClient(shop(FakeProvider())) as client:
        USERS.gone.add("ada")
        assert (await log_in(client)).status_code == 403
        assert "session_id" not in client.cookies


async def test_a_user_who_is_gone_is_nobody() -> None:
    async with AsyncTestClient(shop(FakeProvider())) as client:
        await log_in(client)
        assert (await client.get("/me")).status_code == 200
        USERS.gone.add("ada")
        assert (await client.get("/me")).status_code == 401


async def test_the_next_user_gets_nothing_of_the_one_before() -> None:
    async with AsyncTestClient(shop(FakeProvider(), store=MemorySessions())) as client:
        await log_in(client, "ada")
        await client.post("/cart")
        await log_in(client, "ada")
        assert (await client.get("/session")).json()["cart"] == ["tea"]
        await log_in(client, "bob")
        assert "cart" not in (await client.get("/session")).json()
        assert (await client.get("/me")).json()["actor"] == "user-bob"


class Failing(MemorySessions):
    down = False

    async def load(self, digest: bytes) -> StoredSession | None:
        if self.down:
            raise Unavailable
        return await super().load(digest)


async def test_a_session_store_that_is_down_uses_no_state_up() -> None:
    sessions = Failing()
    async with AsyncTestClient(shop(FakeProvider(), store=sessions)) as client:
        await client.post("/cart")  # whoever has no session yet asks nothing of the store
        await client.get("/auth/fake/login", follow_redirects=False)
        back = {"state": "state-1", "code": "ada"}
        sessions.down = True
        assert (await client.get("/auth/fake/login")).status_code == 503
        assert (await client.get("/auth/fake/callback", params=back)).status_code == 503
        sessions.down = False
        good = await client.get("/auth/fake/callback", params=back, follow_redirects=False)
        assert good.status_code == 303


async def test_tokens_stay_on_the_server() -> None:
    async with AsyncTestClient(shop(FakeProvider(), store=MemorySessions())) as client:
        await log_in(client)
        assert (await client.get("/tokens")).json()["access_token"] == "at"
    async with AsyncTestClient(shop(FakeProvider())) as client:
        await log_in(client)
        assert set((await client.get("/session")).json()) == {"oidc"}
        assert (await client.get("/tokens")).status_code == 204


async def test_logout_ends_the_session_here_and_there() -> None:
    provider, sessions = FakeProvider(), MemorySessions()
    async with AsyncTestClient(shop(provider, store=sessions)) as client:
        await log_in(client)
        known = client.cookies["session_id"]
        assert (await client.get("/auth/fake/logout")).status_code == 405
        out = await client.post("/auth/fake/logout", follow_redirects=False)
        assert (out.status_code, out.headers["location"]) == (303, "https://idp.example/bye")
        assert (await client.get("/me")).status_code == 401
        dead = await client.get("/me", headers={"cookie": f"session_id={known}"})
        assert dead.status_code == 401
        assert not sessions._sessions
    ((tokens, there),) = provider.ended
    assert tokens is not None
    assert (tokens.subject, there) == ("ada", "http://testserver/")


async def test_logout_ends_the_session_also_when_the_provider_is_down() -> None:
    provider = FakeProvider()
    async with AsyncTestClient(shop(provider, store=MemorySessions())) as client:
        await log_in(client)
        provider.down = True
        out = await client.post("/auth/fake/logout", follow_redirects=False)
        assert (out.status_code, out.headers["location"]) == (303, "/")
        assert (await client.get("/me")).status_code == 401


async def test_a_session_of_another_provider_is_ended_here_alone() -> None:
    one, two = FakeProvider("one"), FakeProvider("two")
    async with AsyncTestClient(shop(one, two)) as client:
        await log_in(client, name="one")
        out = await client.post("/auth/two/logout", follow_redirects=False)
        assert out.headers["location"] == "/"
        assert (await client.get("/me")).status_code == 401
    assert two.ended == []


async def test_a_page_of_another_site_logs_nobody_out() -> None:
    async with AsyncTestClient(shop(FakeProvider())) as client:
        await log_in(client)
        evil = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
        assert (await client.post("/auth/fake/logout", headers=evil)).status_code == 403
        assert (await client.get("/me")).status_code == 200


NEXT = {
    "/orders/7?page=2#last": "/orders/7?page=2#last",
    "/": "/",
    "/ü": "/%C3%BC",
    "/a//b": "/a//b",
    "": "/",
    "orders": "/",
    "?page=2": "/",
    "#x": "/",
    "https://evil.example/": "/",
    "https://testserver/orders": "/",
    "HTTPS://evil.example": "/",
    "//evil.example": "/",
    "///evil.example": "/",
    "/\\evil.example": "/",
    "\\\\evil.example": "/",
    "\\/evil.example": "/",
    "/\t/evil.example": "/",
    "\t//evil.example": "/",
    "/\n/evil.example": "/",
    " //evil.example": "/",
    "javascript:alert(1)": "/",
    "java\tscript:alert(1)": "/",
    "data:text/html,x": "/",
    "mailto:a@b": "/",
    "evil.example": "/",
    "@evil.example": "/",
    ".evil.example": "/",
    "／／evil.example": "/",
    "/\x7f/evil.example": "/",
    "/x\r\nset-cookie: a=b": "/",
}


@pytest.mark.parametrize("told", NEXT)
async def test_next_stays_on_this_site(told: str) -> None:
    assert own_path(told) == NEXT[told]
    if "\n" in told or "\t" in told or "\x7f" in told:
        return
    async with AsyncTestClient(shop(FakeProvider())) as client:
        back = await log_in(client, next=told)
        assert (back.status_code, back.headers["location"]) == (303, NEXT[told])


async def test_routes_without_a_backend_of_their_provider_say_so() -> None:
    app = shop(FakeProvider("one"))
    app.mount_router(oidc_routes(FakeProvider("two")), "/auth")
    async with AsyncTestClient(app, raise_server_exceptions=False) as client:
        assert (await client.get("/auth/two/login")).status_code == 500


async def test_what_cannot_be_a_loader_or_a_name_is_refused() -> None:
    with pytest.raises(TypeError, match="takes the identity"):
        OIDCAuthBackend(FakeProvider(), lambda: None)
    with pytest.raises(TypeError, match="takes the identity"):
        OIDCAuthBackend(FakeProvider(), lambda identity, other: None)
    with pytest.raises(ValueError, match="segment"):
        oidc_routes(FakeProvider("a/b"))
    with pytest.raises(ValueError, match="no path"):
        oidc_routes(FakeProvider(), after_logout="https://x.example/")
