"""Tokens, sessions and sockets that end before their time, through whole applications."""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from nexios.adapters.asgi.stages import Stage
from nexios.adapters.persistence import Database, create_tables
from nexios.adapters.persistence.tokens import SqlRefreshTokens, SqlRevocations
from nexios.adapters.security.algorithms import hmac_keys
from nexios.adapters.security.jwt import JwtCodec, encode
from nexios.adapters.security.memory_tokens import MemoryRefreshTokens, MemoryRevocations
from nexios.adapters.security.redis_tokens import RedisRefreshTokens, RedisRevocations
from nexios.adapters.websocket.socket import WebSocket
from nexios.app import NexiosApp
from nexios.application.errors import Unavailable
from nexios.application.refresh_tokens import RefreshTokens
from nexios.application.replica import NoRevocations, RevocationReplica
from nexios.application.revocations import Deltas, Revocations
from nexios.application.security_events import SecurityEvents
from nexios.application.token_pairs import TokenPair, TokenPairs
from nexios.application.tokens import TokenCodec
from nexios.auth.backends.base import AuthenticationBackend
from nexios.auth.backends.jwt import JWTAuthBackend, create_jwt
from nexios.auth.backends.session import SessionAuthBackend
from nexios.auth.decorator import auth
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.config import MakeConfig
from nexios.container.depend import Depend
from nexios.container.module import Module
from nexios.container.scope import Scope
from nexios.middleware.session import SessionMiddleware
from nexios.testing.client import AsyncTestClient
from nexios.testing.redis import RedisServer
from nexios.testing.security import KeptSecurityEvents
from tests.support.redis import own_redis

__all__ = ["own_redis"]

pytestmark = pytest.mark.asyncio

SECRET = "a-secret-of-the-tests-with-32-bytes-and-more"
CODEC = JwtCodec(hmac_keys([SECRET], ["HS256"]))
LATER = timedelta(hours=1)


def app_over(
    revocations: Revocations | None,
    refresh: RefreshTokens | None = None,
    *,
    backend: Any = None,
    events: Any = None,
    sessions: bool = False,
    **settings: Any,
) -> NexiosApp:
    module = Module("tokens")
    module.bind(TokenCodec).value(CODEC)
    module.bind(TokenPairs, scope=Scope.SINGLETON).to(TokenPairs)
    module.bind(RefreshTokens).value(refresh or MemoryRefreshTokens())
    keys: list[Any] = [TokenCodec, TokenPairs, RefreshTokens]
    if revocations is not None:
        module.bind(Revocations).value(revocations)
        keys.append(Revocations)
    if events is not None:
        module.bind(SecurityEvents).value(events)
        keys.append(SecurityEvents)
    app = NexiosApp(module.export(*keys), config=MakeConfig(secret_key=SECRET, auth=settings))
    if sessions:
        app.add_middleware(SessionMiddleware())
        backend = SessionAuthBackend(lambda sub: {"id": sub})
    app.add_middleware(
        AuthenticationMiddleware(backend or JWTAuthBackend(lambda sub: {"id": sub}))
    )

    @app.get("/me")
    @auth()
    async def me(request: Any, response: Any) -> Any:
        return response.json(request.user)

    @app.get("/public")
    async def public(request: Any, response: Any) -> Any:
        return response.json("served")

    @app.post("/login/{name}")
    async def login(name: str, pairs: TokenPairs = Depend()) -> dict[str, Any]:
        return told(await pairs.open(name, scopes=["a"]))

    @app.post("/refresh")
    async def refreshed(request: Any, pairs: TokenPairs = Depend()) -> dict[str, Any]:
        return told(await pairs.rotate((await request.json)["token"]))

    @app.post("/logout")
    async def logout(request: Any, pairs: TokenPairs = Depend()) -> None:
        await pairs.close((await request.json)["token"])

    @app.websocket("/ws")
    @auth()
    async def listening(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    @app.websocket("/busy", limits={"message_finish_s": 0.1})
    @auth()
    async def busy(websocket: WebSocket) -> None:
        await websocket.accept()
        await anyio.sleep_forever()

    return app


def told(pair: TokenPair) -> dict[str, Any]:
    return {"access": pair.access_token, "refresh": pair.refresh_token}


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def status(client: AsyncTestClient, token: str, path: str = "/me") -> int:
    return (await client.get(path, headers=bearer(token))).status_code


async def within_a_second(client: AsyncTestClient, token: str, wanted: int = 401) -> None:
    begun = time.monotonic()
    while await status(client, token) != wanted:
        assert time.monotonic() - begun < 1.0
        await anyio.sleep(0.02)


Make = Callable[[], Any]


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Return what opens the two stores as one process has them; all see the same data."""
    if request.param == "redis":
        url = request.getfixturevalue("nexios_redis")
        prefix = f"nexios-tests-{secrets.token_hex(6)}"

        @asynccontextmanager
        async def redis() -> AsyncIterator[tuple[Revocations, RefreshTokens]]:
            async with (
                RedisRevocations(url, prefix=f"{prefix}-r") as revocations,
                RedisRefreshTokens(url, prefix=f"{prefix}-t") as refresh,
            ):
                yield revocations, refresh

        return redis
    url = f"sqlite:///{tmp_path / 'tokens.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("nexios_database_url")

    @asynccontextmanager
    async def sql() -> AsyncIterator[tuple[Revocations, RefreshTokens]]:
        async with Database(url) as database:
            await create_tables(database)
            yield SqlRevocations(database), SqlRefreshTokens(database)

    return sql


@asynccontextmanager
async def two_processes(shared: Make) -> AsyncIterator[list[tuple[AsyncTestClient, Revocations]]]:
    async with AsyncExitStack() as opened:
        found = []
        for _ in range(2):
            revocations, refresh = await opened.enter_async_context(shared())
            app = app_over(revocations, refresh)
            client = await opened.enter_async_context(AsyncTestClient(app))
            found.append((client, revocations))
        yield found


class TestEverywhere:
    """46, 85."""

    @pytest.mark.parametrize("kind", ["token", "subject", "session"])
    async def test_what_is_revoked_fails_in_another_process_within_a_second(
        self, shared: Make, kind: str
    ) -> None:
        async with two_processes(shared) as ((here, revocations), (there, _)):
            mine = (await here.post("/login/ada")).json()["access"]
            other = (await here.post("/login/bob")).json()["access"]
            claims: Any = CODEC.verify(mine)
            assert await status(there, mine) == 200
            now = datetime.now(UTC)
            if kind == "token":
                await revocations.token(claims["jti"], now + LATER)
            elif kind == "subject":
                await revocations.subject("ada", now)
            else:
                await revocations.session(claims["sid"], now + LATER)
            await within_a_second(there, mine)
            await within_a_second(here, mine)
            assert await status(there, other) == 200
            answer = await there.get("/me", headers=bearer(mine))
            assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
            # Nobody is proven, and that is all a public page sees of it.
            assert await status(there, mine, "/public") == 200
            again = (await here.post("/login/ada")).json()["access"]
            assert await status(there, again) == 200

    @pytest.mark.parametrize("path", ["/ws", "/busy"])
    async def test_open_sockets_of_a_lost_right_close_within_a_second(
        self, shared: Make, path: str
    ) -> None:
        async with two_processes(shared) as ((here, revocations), (there, _)):
            tokens = {
                name: (await here.post(f"/login/{name}")).json()["access"]
                for name in ("ada", "bob")
            }
            async with AsyncExitStack() as opened:
                sockets = {
                    name: [
                        await opened.enter_async_context(
                            client.websocket_connect(path, headers=bearer(token))
                        )
                        for client in (here, there)
                    ]
                    for name, token in tokens.items()
                }
                await revocations.subject("ada", datetime.now(UTC))
                with anyio.fail_after(1.0):
                    ends = [await socket.closed() for socket in sockets["ada"]]
                assert [(one.code, one.reason) for one in ends] == [
                    (4401, "the credential has ended")
                ] * 2
                await within_a_second(there, tokens["ada"])
                if path == "/ws":
                    for socket in sockets["bob"]:
                        await socket.send_text("still here")
                        assert await socket.receive_text() == "still here"

    async def test_closing_a_login_ends_its_access_tokens(self, shared: Make) -> None:
        async with two_processes(shared) as ((here, _), (there, _)):
            first = (await here.post("/login/ada")).json()
            second = (await there.post("/refresh", json={"token": first["refresh"]})).json()
            assert (
                await here.post("/logout", json={"token": second["refresh"]})
            ).status_code == 204
            for token in (first["access"], second["access"]):
                await within_a_second(there, token)
            answer = await there.post("/refresh", json={"token": second["refresh"]})
            assert answer.status_code == 401


class TestRefreshing:
    """42, 43, over the wire and with real stores."""

    async def test_a_hundred_at_once_have_one_winner_and_close_the_login(
        self, shared: Make
    ) -> None:
        async with two_processes(shared) as ((here, _), (there, _)):
            first = (await here.post("/login/ada")).json()
            answers = await asyncio.gather(
                *(
                    client.post("/refresh", json={"token": first["refresh"]})
                    for _ in range(50)
                    for client in (here, there)
                )
            )
            codes = [one.status_code for one in answers]
            (winner,) = [one.json() for one in answers if one.status_code == 200]
            # A store that is too busy may say so; what it answers is never a second winner.
            assert {200, 401} <= set(codes) <= {200, 401, 503}
            answer = await there.post("/refresh", json={"token": winner["refresh"]})
            assert answer.status_code == 401
            assert answer.json()["type"].endswith("invalid-grant")
            await within_a_second(here, winner["access"])

    async def test_a_reuse_is_a_security_event(self) -> None:
        noted = KeptSecurityEvents()
        app = app_over(MemoryRevocations(), events=noted)
        async with AsyncTestClient(app) as client:
            first = (await client.post("/login/ada")).json()
            for _ in range(2):
                await client.post("/refresh", json={"token": first["refresh"]})
        told = [(one.action, one.actor) for one in noted.events]
        assert told == [("token.rotated", "ada"), ("token.reused", "ada")]

    async def test_pairs_work_without_revocations_and_events(self) -> None:
        async with AsyncTestClient(app_over(None, access_s=77)) as client:
            first = (await client.post("/login/ada")).json()
            claims: Any = CODEC.verify(first["access"])
            assert claims["exp"] - claims["iat"] == pytest.approx(77, abs=1)
            assert await status(client, first["access"]) == 200
            answer = await client.post("/refresh", json={"token": first["refresh"]})
            assert answer.status_code == 200

    async def test_a_cancelled_rotation_leaves_one_token_that_works_or_closes_the_login(
        self, shared: Make
    ) -> None:
        async with shared() as (_, refresh):
            outcomes = set()
            for n in range(30):
                pairs = TokenPairs(CODEC, refresh, _Now(), MakeConfig().auth)
                pair = await pairs.open(f"ada{n}")
                task = asyncio.ensure_future(pairs.rotate(pair.refresh_token))
                for _ in range(n):
                    await asyncio.sleep(0 if n < 20 else 0.005)
                task.cancel()
                await asyncio.wait([task])
                if not task.cancelled():
                    outcomes.add("answered")
                    assert (await pairs.rotate(task.result().refresh_token)).access_token
                    continue
                # The answer was lost. The old token works, unless the rotation took place.
                try:
                    await pairs.rotate(pair.refresh_token)
                except ValueError:
                    outcomes.add("rotated")
                    assert await refresh.close_all(f"ada{n}") == 0
                else:
                    outcomes.add("not rotated")
                    assert await refresh.close_all(f"ada{n}") == 1
            assert "answered" in outcomes
            assert "not rotated" in outcomes


class _Now:
    def now(self) -> datetime:
        return datetime.now(UTC)


class TestOutage:
    """47, and what a stopped store means."""

    async def test_a_stopped_store_is_503_and_heals(self, own_redis: RedisServer) -> None:
        async with (
            RedisRevocations(own_redis.url) as revocations,
            RedisRefreshTokens(own_redis.url) as refresh,
            AsyncTestClient(app_over(revocations, refresh)) as client,
        ):
            first = (await client.post("/login/ada")).json()
            await asyncio.to_thread(own_redis.stop)
            for path, body in (
                ("/refresh", {"token": first["refresh"]}),
                ("/logout", {"token": first["refresh"]}),
                ("/login/ada", {}),
            ):
                assert (await client.post(path, json=body)).status_code == 503
            # What is known of revocations is fresh enough still.
            assert await status(client, first["access"]) == 200
            await asyncio.to_thread(own_redis.start)
            again = (await client.post("/login/ada")).json()
            assert (
                await client.post("/refresh", json={"token": again["refresh"]})
            ).status_code == 200
            # Emptied: logged out, and no fault.
            answer = await client.post("/refresh", json={"token": first["refresh"]})
            assert answer.status_code == 401

    @pytest.mark.parametrize(("policy", "wanted"), [("required", 503), ("best-effort", 200)])
    async def test_a_stale_list_follows_the_policy(
        self, policy: str, wanted: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.WARNING, "nexios.auth")

        class Down(MemoryRevocations):
            down = False

            async def since(self, sequence: int) -> Deltas:
                if self.down:
                    raise ConnectionError
                return await super().since(sequence)

        store, passed = Down(), [0.0]
        app = app_over(store, revocation=policy)
        required = app.config.auth.revocation == "required"
        app.revocations = RevocationReplica(
            required=required, clock=lambda: time.monotonic() + passed[0]
        )
        async with AsyncTestClient(app) as client:
            token = (await client.post("/login/ada")).json()["access"]
            assert await status(client, token) == 200
            store.down = True
            passed[0] = 31.0
            await app.revocations.look()
            assert await status(client, token) == wanted
            assert await status(client, token, "/public") == 200
            if wanted == 503:
                answer = await client.get("/me", headers=bearer(token))
                assert answer.headers["retry-after"] == "2"
            said = [one for one in caplog.records if "list of revocations" in one.getMessage()]
            assert len(said) == 1
            store.down = False
            await app.revocations.look()
            assert await status(client, token) == 200

    async def test_required_without_a_store_refuses_the_start(self) -> None:
        with pytest.raises(NoRevocations, match=r"module\.bind\(Revocations"):
            app_over(None, revocation="required").check()
        app_over(MemoryRevocations(), revocation="required").check()

    async def test_one_socket_that_cannot_be_closed_keeps_no_other_open(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        store = MemoryRevocations()
        app = app_over(store)

        @app.websocket("/stuck", limits={"message_finish_s": 0.1})
        @auth()
        async def stuck(websocket: WebSocket) -> None:
            async def broken(message: Any) -> None:
                raise RuntimeError("the channel of this socket broke")

            await websocket.accept()
            websocket.before_send = broken
            await anyio.sleep_forever()

        async with AsyncTestClient(app) as client:
            token = (await client.post("/login/ada")).json()["access"]
            headers = bearer(token)
            async with (
                client.websocket_connect("/stuck", headers=headers),
                client.websocket_connect("/ws", headers=headers) as socket,
            ):
                await store.subject("ada", datetime.now(UTC))
                with anyio.fail_after(1):
                    assert (await socket.closed()).code == 4401
                again = (await client.post("/login/ada")).json()["access"]
                async with client.websocket_connect("/ws", headers=bearer(again)) as later:
                    await store.subject("ada", datetime.now(UTC))
                    with anyio.fail_after(1):
                        assert (await later.closed()).code == 4401
        assert "the channel of this socket broke" in caplog.text


class TestTokens:
    async def test_a_strict_token_without_a_name_is_refused_where_tokens_can_be_revoked(
        self,
    ) -> None:
        now = int(time.time())
        claims = {"iss": "https://id.example", "aud": "shop", "sub": "7"}
        claims |= {"iat": now, "exp": now + 60}  # type: ignore[dict-item]
        (key,) = hmac_keys([SECRET], ["HS256"])
        nameless = encode(claims, key, kind="at+jwt")
        named = encode({**claims, "jti": "t1"}, key, kind="at+jwt")
        for revocations, wanted in ((None, 200), (MemoryRevocations(), 401)):
            backend = JWTAuthBackend(
                lambda sub: {"id": sub},
                secret_key=SECRET,
                issuer="https://id.example",
                audience="shop",
            )
            async with AsyncTestClient(app_over(revocations, backend=backend)) as client:
                assert await status(client, nameless) == wanted
                assert await status(client, named) == 200

    async def test_a_plain_token_without_a_name_is_revoked_by_its_subject(self) -> None:
        store = MemoryRevocations()
        backend = JWTAuthBackend(lambda sub: {"id": sub}, secret_key=SECRET)
        async with AsyncTestClient(app_over(store, backend=backend)) as client:
            dateless = create_jwt({"sub": "ada"}, SECRET)
            dated = create_jwt({"sub": "ada", "iat": time.time() + 60}, SECRET)
            number = create_jwt({"sub": 7}, SECRET)
            for token in (dateless, dated, number):
                assert await status(client, token) == 200
            await store.subject("ada", datetime.now(UTC))
            await store.subject("7", datetime.now(UTC))
            await within_a_second(client, dateless)
            assert await status(client, number) == 401
            assert await status(client, dated) == 200

    async def test_a_socket_closes_at_the_end_of_its_token(self) -> None:
        async with AsyncTestClient(app_over(None)) as client:
            token = CODEC.issue("ada", lifetime_s=2)
            async with client.websocket_connect("/ws", headers=bearer(token)) as socket:
                await socket.send_text("hello")
                assert await socket.receive_text() == "hello"
                with anyio.fail_after(5):
                    assert (await socket.closed()).code == 4401

    async def test_a_socket_that_was_revoked_in_its_handshake_closes_too(self) -> None:
        store = MemoryRevocations()
        app = app_over(store)

        class Slow:
            stage = Stage.USER

            async def __call__(self, request: Any, response: Any, call_next: Any) -> None:
                await call_next()

            async def handshake(self, websocket: WebSocket) -> None:
                await store.subject("ada", datetime.now(UTC))
                await app.revocations.look()
                await anyio.sleep(0.05)

        app.add_middleware(Slow())
        async with AsyncTestClient(app) as client:
            token = (await client.post("/login/ada")).json()["access"]
            async with client.websocket_connect("/ws", headers=bearer(token)) as socket:
                with anyio.fail_after(2):
                    assert (await socket.closed()).code == 4401

    async def test_a_socket_of_any_other_proof_ends_with_its_actor(self) -> None:
        class ByName(AuthenticationBackend):
            scheme = "name"

            async def authenticate(self, connection: Any) -> Any:
                name = connection.headers.get("x-name")
                return None if name is None else {"id": name}

        store = MemoryRevocations()
        async with AsyncTestClient(app_over(store, backend=ByName())) as client:
            connecting = client.websocket_connect("/ws", headers={"x-name": "ada"})
            async with connecting as socket:
                await store.subject("ada", datetime.now(UTC))
                with anyio.fail_after(1):
                    assert (await socket.closed()).code == 4401
            # The proof itself is none that was issued: it opens the next one.
            async with client.websocket_connect("/ws", headers={"x-name": "ada"}) as socket:
                await socket.send_text("hello")
                assert await socket.receive_text() == "hello"


def session_app(store: Revocations | None, **settings: Any) -> NexiosApp:
    app = app_over(store, sessions=True, **settings)
    backend = SessionAuthBackend()

    @app.post("/enter/{name}")
    async def enter(request: Any, name: str) -> str:
        backend.login(request, {"id": name})
        return "in"

    @app.post("/leave")
    async def leave(request: Any) -> str:
        backend.logout(request)
        return "out"

    @app.get("/basket")
    async def basket(request: Any) -> dict[str, Any]:
        return dict(request.session)

    return app


class TestSignedSessions:
    async def test_a_copy_of_the_cookie_is_dead_after_the_logout(self) -> None:
        async with AsyncTestClient(session_app(MemoryRevocations())) as client:
            await client.post("/enter/ada")
            copy = client.cookies["session_id"]
            assert (await client.get("/me")).json() == {"id": "ada"}
            await client.post("/leave")
            client.cookies.clear()
            begun = time.monotonic()
            old = {"cookie": f"session_id={copy}"}
            while (await client.get("/me", headers=old)).status_code != 401:
                assert time.monotonic() - begun < 1.0
                await anyio.sleep(0.02)
            assert (await client.get("/basket", headers=old)).json() == {}

    async def test_a_new_id_ends_the_old_one(self) -> None:
        store = MemoryRevocations()
        async with AsyncTestClient(session_app(store)) as client:
            await client.post("/enter/ada")
            first = client.cookies["session_id"]
            await client.post("/enter/ada")
            assert client.cookies["session_id"] != first
            assert len((await store.since(0)).entries) == 1
            await anyio.sleep(0.6)
            assert (await client.get("/me")).status_code == 200
            client.cookies.clear()
            old = {"cookie": f"session_id={first}"}
            assert (await client.get("/me", headers=old)).status_code == 401

    async def test_what_an_actor_opened_before_ends_and_a_new_login_does_not(self) -> None:
        store = MemoryRevocations()
        app = session_app(store)
        async with AsyncTestClient(app) as client:
            cookies = {}
            for name in ("ada", "bob"):
                await client.post(f"/enter/{name}")
                cookies[name] = {"cookie": f"session_id={client.cookies['session_id']}"}
                client.cookies.clear()
            await store.subject("ada", datetime.now(UTC))
            await app.revocations.look()
            assert (await client.get("/me", headers=cookies["ada"])).status_code == 401
            assert (await client.get("/me", headers=cookies["bob"])).status_code == 200
            await client.post("/enter/ada")
            assert (await client.get("/me")).json() == {"id": "ada"}

    async def test_a_socket_of_a_session_ends_with_it(self) -> None:
        app = session_app(MemoryRevocations())
        async with AsyncTestClient(app) as client:
            await client.post("/enter/ada")
            origin = {"origin": "http://testserver"}
            async with client.websocket_connect("/ws", headers=origin) as socket:
                await client.post("/leave")
                with anyio.fail_after(1):
                    assert (await socket.closed()).code == 4401

    async def test_without_revocations_a_copy_is_good_as_before(self) -> None:
        async with AsyncTestClient(session_app(None)) as client:
            await client.post("/enter/ada")
            copy = client.cookies["session_id"]
            await client.post("/leave")
            client.cookies.clear()
            old = {"cookie": f"session_id={copy}"}
            assert (await client.get("/me", headers=old)).status_code == 200

    async def test_a_store_that_is_down_does_not_say_that_somebody_was_logged_out(self) -> None:
        class Down(MemoryRevocations):
            async def session(self, id: str, until: datetime) -> None:
                raise Unavailable

        async with AsyncTestClient(session_app(Down())) as client:
            await client.post("/enter/ada")
            assert (await client.post("/leave")).status_code == 503
            assert (await client.get("/me")).status_code == 200
