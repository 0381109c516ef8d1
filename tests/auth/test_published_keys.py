"""Bearer tokens of an issuer, through a whole application: by its key set and by discovery."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from nexios.adapters.security.algorithms import HmacKey, UnusableKey
from nexios.adapters.security.jwt import JwtCodec, JwtVerifier, encode
from nexios.adapters.security.outbound import Outbound
from nexios.adapters.security.profile import Profile
from nexios.adapters.security.signing_keys import SigningKey
from nexios.app import NexiosApp
from nexios.application.tokens import TokenCodec
from nexios.auth.backends.jwt import JWTAuthBackend
from nexios.auth.decorator import auth
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.config import MakeConfig
from nexios.container.module import Module
from nexios.testing.client import AsyncTestClient
from nexios.testing.server import LifespanFailed
from tests.support.hostile import Hostile, hostile
from tests.support.keys import pair

pytestmark = pytest.mark.asyncio

SECRET = "a-secret-of-the-tests-with-32-bytes-and-more"


def key(kid: str, kind: str = "EdDSA", state: Any = "active") -> SigningKey:
    return SigningKey(kid, pair(kind).pem, state)


def app_with(backend: JWTAuthBackend, *modules: Module, **config: Any) -> NexiosApp:
    app = NexiosApp(*modules, config=MakeConfig(**config))
    app.add_middleware(AuthenticationMiddleware(backend))

    @app.get("/me")
    @auth(["jwt"])
    async def me(request: Any, response: Any) -> Any:
        return response.json(request.user["sub"])

    @app.get("/public")
    async def public(request: Any, response: Any) -> Any:
        return response.json("served")

    return app


async def status(client: AsyncTestClient, token: str, path: str = "/me") -> int:
    answer = await client.get(path, headers={"authorization": f"Bearer {token}"})
    return int(answer.status_code)


class Issuer:
    """A server that publishes metadata and keys, and signs tokens."""

    def __init__(self) -> None:
        self.keys = [key("a")]
        self.server: Hostile | None = None
        self.up = True

    @property
    def name(self) -> str:
        assert self.server is not None
        return self.server.url("/realm")

    @property
    def jwks_url(self) -> str:
        assert self.server is not None
        return self.server.url("/realm/keys")

    async def behave(self, writer: asyncio.StreamWriter) -> None:
        assert self.server is not None
        if not self.up:
            return
        path = self.server.heads[-1].split(" ")[1]
        told: dict[str, Any] = {
            "/realm/.well-known/openid-configuration": {
                "issuer": self.name,
                "jwks_uri": self.jwks_url,
            },
            "/realm/keys": {"keys": [one.public.to_jwk() for one in self.keys]},
        }[path]
        body = json.dumps(told).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()

    def token(self, signing: SigningKey, kind: str = "at+jwt", **other: Any) -> str:
        now = int(time.time())
        claims = {"sub": "7", "iss": self.name, "aud": "shop", "iat": now, "exp": now + 60}
        return encode({**claims, **other}, signing, kind=kind)


Make = Callable[[Issuer], JWTAuthBackend]


def by_url(issuer: Issuer) -> JWTAuthBackend:
    return JWTAuthBackend(
        issuer=issuer.name,
        audience="shop",
        jwks_url=issuer.jwks_url,
        outbound=Outbound(allow_private=True),
    )


def by_discovery(issuer: Issuer) -> JWTAuthBackend:
    return JWTAuthBackend(
        issuer=issuer.name, audience="shop", outbound=Outbound(allow_private=True)
    )


async def with_issuer(
    make: Make, check: Callable[[Issuer, AsyncTestClient], Awaitable[None]], **config: Any
) -> None:
    issuer = Issuer()
    async with hostile(issuer.behave) as server:
        issuer.server = server
        async with AsyncTestClient(app_with(make(issuer), **config)) as client:
            await check(issuer, client)


both = pytest.mark.parametrize("make", [by_url, by_discovery])


@both
@pytest.mark.parametrize("config", [{}, {"secret_key": SECRET}])
async def test_tokens_of_the_issuer_are_believed_and_no_others(
    make: Make, config: dict[str, Any]
) -> None:
    async def check(issuer: Issuer, client: AsyncTestClient) -> None:
        good = key("a")
        assert await status(client, issuer.token(good)) == 200
        for other in (
            issuer.token(good, aud="other"),
            issuer.token(good, iss="https://evil.example"),
            issuer.token(good, "JWT"),
            issuer.token(good, exp=1),
            issuer.token(key("a", "ES256")),
            issuer.token(key("b")),
            "x.y.z",
        ):
            assert await status(client, other) == 401
        shared = HmacKey(SECRET.encode())
        claims = {"sub": "7", "iss": issuer.name, "aud": "shop", "iat": time.time()}
        forged = encode({**claims, "exp": time.time() + 60}, shared, kind="at+jwt")
        assert await status(client, forged) == 401
        assert issuer.server is not None
        assert issuer.server.connections <= 2

    await with_issuer(make, check, **config)


@both
async def test_an_issuer_that_is_down_makes_the_identity_unavailable(make: Make) -> None:
    async def check(issuer: Issuer, client: AsyncTestClient) -> None:
        issuer.up = False
        token = issuer.token(key("a"))
        answer = await client.get("/me", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 503
        assert "retry-after" in answer.headers
        assert "127.0.0.1" not in answer.text
        assert await status(client, token, "/public") == 200
        assert (await client.get("/me")).status_code == 401

    await with_issuer(make, check)


@both
async def test_known_keys_go_on_while_the_issuer_is_down(make: Make) -> None:
    async def check(issuer: Issuer, client: AsyncTestClient) -> None:
        assert await status(client, issuer.token(key("a"))) == 200
        issuer.up = False
        answers = await asyncio.gather(
            *(status(client, issuer.token(key("a"))) for _ in range(20)),
            *(status(client, issuer.token(key(f"new-{one}"))) for one in range(20)),
        )
        # The last fetch was good and is less than 30 s old: who is not in it is not known.
        assert answers == [200] * 20 + [401] * 20

    await with_issuer(make, check)


async def test_only_wanted_algorithms_of_the_issuer_count() -> None:
    def make(issuer: Issuer) -> JWTAuthBackend:
        issuer.keys.append(key("b", "ES256"))
        return JWTAuthBackend(
            issuer=issuer.name,
            audience="shop",
            algorithms=["ES256"],
            outbound=Outbound(allow_private=True),
        )

    async def check(issuer: Issuer, client: AsyncTestClient) -> None:
        assert await status(client, issuer.token(key("b", "ES256"))) == 200
        assert await status(client, issuer.token(key("a"))) == 401

    await with_issuer(make, check)


async def test_naming_a_shared_algorithm_keeps_to_the_secret() -> None:
    backend = JWTAuthBackend(issuer="https://id.example", audience="shop", algorithms=["HS256"])
    codec = JwtCodec([HmacKey(SECRET.encode())], Profile("https://id.example", "shop"))
    async with AsyncTestClient(app_with(backend, secret_key=SECRET)) as client:
        assert await status(client, codec.issue("7")) == 200


@pytest.mark.parametrize("bound", [True, False])
async def test_keys_rotate_without_a_failed_request(bound: bool) -> None:
    """Each release of the service has the next list of keys; old ones still run meanwhile."""
    steps = (
        [key("old")],
        [key("old"), key("new", "ES256", "retiring")],  # published everywhere before it signs
        [key("old", "EdDSA", "retiring"), key("new", "ES256")],
        [key("old", "EdDSA", "retired"), key("new", "ES256")],
    )
    profile = Profile("https://shop.example", "shop")
    releases = [JwtCodec(keys, profile) for keys in steps]
    clients = []
    for codec in releases:
        if bound:
            module = Module("tokens")
            module.bind(TokenCodec).value(codec)
            module.export(TokenCodec)
            clients.append(AsyncTestClient(app_with(JWTAuthBackend(), module)))
        else:
            clients.append(AsyncTestClient(app_with(JWTAuthBackend(codec=codec))))
    for client in clients:
        await client.__aenter__()
    try:
        for step in range(len(steps) - 1):
            # Tokens of both releases of this step, at either of their processes.
            tokens = [releases[one].issue("7") for one in (step, step + 1) for _ in range(20)]
            answers = await asyncio.gather(
                *(status(clients[one], token) for token in tokens for one in (step, step + 1))
            )
            assert set(answers) == {200}, step
        assert await status(clients[3], releases[0].issue("7")) == 401
    finally:
        for client in clients:
            await client.__aexit__(None, None, None)


async def test_a_verifier_will_do_for_a_codec() -> None:
    signing = key("a", "RS256")
    backend = JWTAuthBackend(codec=JwtVerifier([signing.public]))
    token = encode({"sub": "7", "exp": time.time() + 60}, signing)
    async with AsyncTestClient(app_with(backend)) as client:
        assert await status(client, token) == 200


class TestBuilding:
    async def test_two_sources_of_keys_are_refused(self) -> None:
        url, codec = "https://id.example/keys", JwtVerifier([key("a").public])
        for given in (
            {"secret_key": SECRET, "codec": codec},
            {"jwks_url": url, "codec": codec},
            {"jwks_url": url, "secret_key": SECRET},
        ):
            with pytest.raises(UnusableKey, match="two sources of keys"):
                JWTAuthBackend(**given)  # type: ignore[arg-type]  # three forms in one loop

    async def test_a_key_set_without_issuer_and_audience_is_refused(self) -> None:
        with pytest.raises(UnusableKey, match="give the issuer and the audience"):
            JWTAuthBackend(jwks_url="https://id.example/keys")

    async def test_a_key_set_over_http_is_refused(self) -> None:
        with pytest.raises(UnusableKey, match="over https"):
            JWTAuthBackend(issuer="i", audience="a", jwks_url="http://id.example/keys")

    async def test_shared_algorithms_have_no_published_keys(self) -> None:
        with pytest.raises(UnusableKey, match="'HS256' cannot be used with published keys"):
            JWTAuthBackend(
                issuer="i",
                audience="a",
                jwks_url="https://id.example/keys",
                algorithms=["HS256"],
            )

    async def test_an_issuer_that_is_no_url_needs_a_secret(self) -> None:
        backend = JWTAuthBackend(issuer="shop", audience="shop")
        with pytest.raises(LifespanFailed, match="no key to verify tokens with"):
            async with AsyncTestClient(app_with(backend)):
                raise AssertionError

    async def test_an_issuer_over_http_refuses_the_start(self) -> None:
        backend = JWTAuthBackend(issuer="http://id.example", audience="shop")
        with pytest.raises(LifespanFailed, match="no https URL"):
            async with AsyncTestClient(app_with(backend, secret_key=SECRET)):
                raise AssertionError
