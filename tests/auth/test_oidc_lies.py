"""A provider that lies, over real HTTP: each lie ends in 400 or 502, and without a session."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from nexios import MakeConfig, NexiosApp, Request
from nexios.adapters.security.memory_sessions import MemorySessions
from nexios.adapters.security.oauth import OAuth2Provider
from nexios.adapters.security.oidc import OIDCProvider
from nexios.adapters.security.outbound import Outbound
from nexios.application.identity_provider import ExternalIdentity, IdentityProvider
from nexios.auth.backends.oidc import OIDCAuthBackend
from nexios.auth.decorator import auth
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.auth.oidc import oidc_routes
from nexios.middleware.session import SessionMiddleware
from nexios.testing.client import AsyncTestClient
from tests.support.hostile import certified
from tests.support.provider import (
    CLIENT,
    GONE,
    SECRET,
    Provider,
    by_hmac,
    half_hash,
    json_text,
    private_key,
    provider,
    public_jwk,
    saying,
    signed,
    unsigned,
)

pytestmark = pytest.mark.asyncio

MINE = "a-secret-of-the-tests-with-32-bytes-and-more"


def ours(idp: Provider, **settings: Any) -> OIDCProvider:
    told = {"issuer": idp.issuer, "client_id": CLIENT, "client_secret": SECRET, **settings}
    told.setdefault("allow_private", True)
    told.setdefault("outbound", Outbound(allow_private=True, total_s=0.5))
    return OIDCProvider("idp", **told)


def shop(one: IdentityProvider, sessions: MemorySessions) -> NexiosApp:
    async def load_user(identity: ExternalIdentity) -> dict[str, Any]:
        return {"id": identity.subject, "email": identity.get("email")}

    app = NexiosApp(config=MakeConfig(secret_key=MINE))
    app.add_middleware(SessionMiddleware(store=sessions))
    backend = OIDCAuthBackend(one, load_user)
    app.add_middleware(AuthenticationMiddleware(backend=backend))
    app.mount_router(oidc_routes(one), "/auth")

    @app.get("/me")
    @auth(["oidc"])
    async def me(request: Request) -> Any:
        return request.user

    @app.get("/tokens")
    async def tokens(request: Request) -> Any:
        found = await backend.tokens(request)
        return {} if found is None else found.dump()

    return app


async def callback(client: AsyncTestClient, idp: Provider, **changes: str) -> Any:
    """Log in as far as the callback; return its answer, or that of a login that is refused."""
    sent = await client.get("/auth/idp/login", follow_redirects=False)
    if sent.status_code != 303:
        return sent
    back = {**idp.approve(sent.headers["location"]), **changes}
    return await client.get("/auth/idp/callback", params=back, follow_redirects=False)


async def outcome(idp: Provider, one: IdentityProvider | None = None, **changes: str) -> int:
    """Return the status of a login; unless that is 303 there is no session after it."""
    sessions = MemorySessions()
    async with AsyncTestClient(shop(one or ours(idp), sessions)) as client:
        answer = await callback(client, idp, **changes)
        status: int = answer.status_code
        known = (await client.get("/me")).status_code
        assert known == (200 if status == 303 else 401)
        assert len(sessions._sessions) == (1 if status == 303 else 0)
        assert ("session_id" in client.cookies) == (status == 303)
        if status != 303:
            kind = {400: "login-refused", 502: "identity-provider"}[status]
            assert answer.json()["type"] == f"urn:nexios:problem:{kind}"
            assert "token" not in answer.text
    return status


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
async def test_an_honest_login_succeeds(algorithm: str) -> None:
    async with provider(algorithm=algorithm) as idp:
        assert await outcome(idp) == 303
        (asked,) = idp.calls("/token")
        assert len(asked.form["code_verifier"]) == 43
        assert asked.form["redirect_uri"] == "http://testserver/auth/idp/callback"
        assert SECRET not in str(asked.form)


async def test_the_browser_takes_what_it_has_to_there() -> None:
    async with provider() as idp:
        one = ours(idp, scopes=("openid", "email"), authorize_params={"prompt": "login"})
        begun = await one.begin("https://shop.example/auth/idp/callback")
        again = await one.begin("https://shop.example/auth/idp/callback")
        idp.approve(begun.url)
        told = next(iter(idp.codes.values()))
        assert told["scope"] == "openid email"
        assert told["prompt"] == "login"
        assert told["client_id"] == CLIENT
        assert len(told["state"]) == len(told["nonce"]) == len(told["code_challenge"]) == 43
        assert begun.state == told["state"] != again.state
        assert begun.record["nonce"] == told["nonce"] != again.record["nonce"]
        assert begun.record["verifier"] not in begun.url
        assert len(idp.calls("/.well-known/openid-configuration")) == 1


@dataclass(frozen=True)
class Lie:
    """What the provider says in place of the truth, and how that has to end."""

    status: int
    says: dict[str, Any] = field(default_factory=dict)
    late: Callable[[Provider], None] | None = None


def of_public_key(header: dict[str, Any], claims: dict[str, Any]) -> str:
    pem = (
        private_key("RS256")
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return by_hmac(pem)(header, claims)


def of_another_key(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return signed(header, claims, "foreign")


def without_signature(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return f"{unsigned(header, claims)}."


def cut(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return unsigned(header, claims)


def nested(levels: int) -> Any:
    found: Any = []
    for _ in range(levels):
        found = [found]
    return found


NONE_TOO = {"id_token_signing_alg_values_supported": ["RS256", "none", "HS256"]}


def at(offset_s: float) -> Callable[[float], float]:
    """Return a date so many seconds from when the token is made."""
    return lambda now: now + offset_s


LIES: dict[str, Lie] = {
    # The ID token's signature.
    "another key": Lie(400, {"signs": of_another_key}),
    "no signature": Lie(400, {"signs": without_signature}),
    "two segments": Lie(400, {"signs": cut}),
    "no token at all": Lie(400, {"token": {"id_token": "x"}}),
    "none": Lie(400, {"signs": without_signature, "header": {"alg": "none"}}),
    "none, announced": Lie(
        400, {"signs": without_signature, "header": {"alg": "none"}, "metadata": NONE_TOO}
    ),
    "None, announced": Lie(
        400,
        {
            "signs": without_signature,
            "header": {"alg": "None", "kid": GONE},
            "metadata": {"id_token_signing_alg_values_supported": ["RS256", "None"]},
        },
    ),
    "only none announced": Lie(
        502, {"metadata": {"id_token_signing_alg_values_supported": ["none", "HS256"]}}
    ),
    "HS256 by the secret": Lie(
        400, {"signs": by_hmac(SECRET.encode()), "header": {"alg": "HS256"}, "metadata": NONE_TOO}
    ),
    "HS256 by the public key": Lie(
        400, {"signs": of_public_key, "header": {"alg": "HS256"}, "metadata": NONE_TOO}
    ),
    "RS256 by HMAC": Lie(400, {"signs": of_public_key}),
    "an algorithm that was not announced": Lie(
        400,
        {
            "header": {"alg": "ES256", "kid": "ES256-own"},
            "jwks": {"keys": [public_jwk("RS256"), public_jwk("ES256")]},
        },
    ),
    "a key of its own in the header": Lie(400, {"header": {"jwk": {"kty": "oct", "k": "AA"}}}),
    "an address of keys in the header": Lie(400, {"header": {"jku": "https://x.example/"}}),
    "an access token": Lie(400, {"header": {"typ": "at+jwt"}}),
    "a deep claim": Lie(400, {"claims": {"deep": nested(40)}}),
    "a token of over 8 KiB": Lie(502, {"claims": {"long": "x" * 9000}}),
    "a logout token": Lie(400, {"header": {"typ": "logout+jwt"}}),
    "a key nobody knows": Lie(400, {"header": {"kid": "nobody"}}),
    # Its claims.
    "iss of another": Lie(400, {"claims": {"iss": "https://evil.example"}}),
    "iss with a slash more": Lie(
        400, {"late": None}, lambda idp: idp.claims.update(iss=f"{idp.issuer}/")
    ),
    "no iss": Lie(400, {"claims": {"iss": GONE}}),
    "aud of another": Lie(400, {"claims": {"aud": "client-8"}}),
    "aud that begins alike": Lie(400, {"claims": {"aud": f"{CLIENT}7"}}),
    "aud of another, azp ours": Lie(400, {"claims": {"aud": "client-8", "azp": CLIENT}}),
    "no aud": Lie(400, {"claims": {"aud": GONE}}),
    "several aud, no azp": Lie(400, {"claims": {"aud": [CLIENT, "client-8"]}}),
    "several aud, azp of another": Lie(
        400, {"claims": {"aud": [CLIENT, "client-8"], "azp": "client-8"}}
    ),
    "one aud, azp of another": Lie(400, {"claims": {"azp": "client-8"}}),
    "azp that is no text": Lie(400, {"claims": {"azp": [CLIENT]}}),
    "no nonce": Lie(400, {"claims": {"nonce": GONE}}),
    "nonce of another login": Lie(400, {"claims": {"nonce": "n" * 43}}),
    "nonce that is no text": Lie(400, {"claims": {"nonce": 7}}),
    "empty nonce": Lie(400, {"claims": {"nonce": ""}}),
    "at_hash of another token": Lie(400, {"claims": {"at_hash": half_hash("RS256", "another")}}),
    "at_hash that is no text": Lie(400, {"claims": {"at_hash": 7}}),
    "expired": Lie(400, {"claims": {"exp": at(-31), "iat": at(-60)}}),
    "no exp": Lie(400, {"claims": {"exp": GONE}}),
    "exp as text": Lie(400, {"claims": {"exp": "99999999999"}}),
    "endless exp": Lie(400, {"claims": {"exp": 1e300}}),
    "made too long ago": Lie(400, {"claims": {"iat": at(-700)}}),
    "made in the future": Lie(400, {"claims": {"iat": at(120)}}),
    "no iat": Lie(400, {"claims": {"iat": GONE}}),
    "not yet good": Lie(400, {"claims": {"nbf": at(120)}}),
    "empty sub": Lie(400, {"claims": {"sub": ""}}),
    "no sub": Lie(400, {"claims": {"sub": GONE}}),
    "sub that is no text": Lie(400, {"claims": {"sub": 7}}),
    "sub that is too long": Lie(400, {"claims": {"sub": "a" * 256}}),
    # The userinfo.
    "userinfo of another subject": Lie(400, {"userinfo": {"sub": "bob"}}),
    "userinfo without a subject": Lie(400, {"userinfo": {"sub": GONE}}),
    "userinfo that is a list": Lie(502, {"raw": {"/userinfo": json_text("[]")}}),
    "userinfo of over 16 KiB": Lie(502, {"userinfo": {"long": "x" * 17_000}}),
    "a deep userinfo": Lie(502, {"userinfo": {"deep": nested(40)}}),
    "a very deep userinfo": Lie(502, {"userinfo": {"deep": nested(700)}}),
    "userinfo that names sub twice": Lie(
        502, {"raw": {"/userinfo": json_text('{"sub":"ada","sub":"bob"}')}}
    ),
    # The token answer.
    "token_type mac": Lie(502, {"token": {"token_type": "mac"}}),
    "no token_type": Lie(502, {"token": {"token_type": GONE}}),
    "no access token": Lie(502, {"token": {"access_token": GONE}}),
    "an access token with a line break": Lie(502, {"token": {"access_token": "a\r\nb: c"}}),
    "an access token of over 8 KiB": Lie(502, {"token": {"access_token": "x" * 9000}}),
    "a refresh token of over 8 KiB": Lie(502, {"token": {"refresh_token": "x" * 9000}}),
    "no ID token": Lie(502, {"token": {"id_token": GONE}}),
    "an ID token that is no text": Lie(502, {"token": {"id_token": {}}}),
    "a refresh token that is no text": Lie(502, {"token": {"refresh_token": ["a"]}}),
    "expires_in that is no number": Lie(502, {"token": {"expires_in": "soon"}}),
    "expires_in beyond all": Lie(502, {"token": {"expires_in": 10**30}}),
    "expires_at that is no number": Lie(502, {"token": {"expires_at": [1]}}),
    "an error with 200": Lie(502, {"token": {"error": "server_error"}}),
    "tokens with 400": Lie(502, {"status": 400}),
    "tokens with 500": Lie(502, {"status": 500}),
    "a token answer that is a list": Lie(502, {"raw": {"/token": json_text("[]")}}),
    "a token answer that is HTML": Lie(502, {"raw": {"/token": json_text("<html>")}}),
    "a token answer as a form": Lie(
        502, {"raw": {"/token": json_text("access_token=a&token_type=bearer")}}
    ),
    "a deep token answer": Lie(502, {"raw": {"/token": json_text("[" * 200_000)}}),
    "a token answer with NaN": Lie(
        502,
        {"raw": {"/token": json_text('{"access_token":"a","token_type":"b","expires_in":NaN}')}},
    ),
    # The discovery document.
    "another issuer": Lie(502, {"metadata": {"issuer": "https://evil.example"}}),
    "no issuer": Lie(502, {"metadata": {"issuer": GONE}}),
    "no algorithms": Lie(502, {"metadata": {"id_token_signing_alg_values_supported": GONE}}),
    "algorithms that are a text": Lie(
        502, {"metadata": {"id_token_signing_alg_values_supported": "RS256"}}
    ),
    "no authorization endpoint": Lie(502, {"metadata": {"authorization_endpoint": GONE}}),
    "no token endpoint": Lie(502, {"metadata": {"token_endpoint": GONE}}),
    "no keys": Lie(502, {"metadata": {"jwks_uri": GONE}}),
    "a token endpoint over http": Lie(
        502, {"metadata": {"token_endpoint": "http://idp.example/token"}}
    ),
    "an authorization endpoint over http": Lie(
        502, {"metadata": {"authorization_endpoint": "http://idp.example/authorize"}}
    ),
    "an authorization endpoint that runs code": Lie(
        502, {"metadata": {"authorization_endpoint": "javascript:alert(1)//"}}
    ),
    "an endpoint with a user": Lie(
        502, {"metadata": {"token_endpoint": "https://idp.example@evil.example/token"}}
    ),
    "an endpoint of a file": Lie(502, {"metadata": {"token_endpoint": "file:///etc/passwd"}}),
    "an endpoint with a line break": Lie(
        502, {"metadata": {"authorization_endpoint": "https://idp.example/\r\nx: y"}}
    ),
    "an endpoint that is no address": Lie(502, {"metadata": {"token_endpoint": "https://[::1"}}),
    "no way to prove the client": Lie(
        502, {"metadata": {"token_endpoint_auth_methods_supported": ["tls_client_auth"]}}
    ),
    "a document that is a list": Lie(
        502, {"raw": {"/.well-known/openid-configuration": json_text("[]")}}
    ),
    # The keys.
    "a key set without keys": Lie(502, {"jwks": {"keys": []}}),
    "a key set that is none": Lie(502, {"jwks": {"key": "AA"}}),
    "a key set with a shared key": Lie(
        502, {"jwks": {"keys": [{"kty": "oct", "k": "AAAA", "kid": "RS256-own"}]}}
    ),
}


@pytest.mark.parametrize("name", LIES)
async def test_a_lie_ends_without_a_session(name: str) -> None:
    lie = LIES[name]
    says = {key: value for key, value in lie.says.items() if value is not None}
    async with provider(**says) as idp:
        if lie.late is not None:
            lie.late(idp)
        assert await outcome(idp) == lie.status


NEARLY: dict[str, dict[str, Any]] = {
    "several aud, azp ours": {"claims": {"aud": ["client-8", CLIENT], "azp": CLIENT}},
    "one aud in a list": {"claims": {"aud": [CLIENT]}},
    "another algorithm that was announced": {
        "header": {"alg": "ES256", "kid": "ES256-own"},
        "jwks": {"keys": [public_jwk("RS256"), public_jwk("ES256")]},
        "metadata": {"id_token_signing_alg_values_supported": ["RS256", "ES256"]},
    },
    "no at_hash": {"claims": {"at_hash": GONE}},
    "no typ": {"header": {"typ": GONE}},
    "no kid": {"header": {"kid": GONE}},
    "a clock that is 20 s late": {"claims": {"exp": at(-20), "iat": at(-300)}},
    "token_type in capitals": {"token": {"token_type": "BEARER"}},
    "expires_in as text": {"token": {"expires_in": "300"}},
    "no expires_in": {"token": {"expires_in": GONE}},
    "no refresh token": {"token": {"refresh_token": GONE}},
    "no userinfo endpoint": {"metadata": {"userinfo_endpoint": GONE}},
    "none announced besides": {"metadata": NONE_TOO},
    "the secret by form": {
        "metadata": {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    },
}


@pytest.mark.parametrize("name", NEARLY)
async def test_what_is_allowed_passes(name: str) -> None:
    async with provider(**NEARLY[name]) as idp:
        assert await outcome(idp) == 303


async def slow(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    while True:
        writer.write(chunk)
        await writer.drain()


async def silent(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


HOSTILE = {
    "huge": saying("HTTP/1.1 200 OK\ncontent-length: 99999999", b"{"),
    "endless": endless,
    "slow": slow,
    "silent": silent,
    "redirecting": saying("HTTP/1.1 302 Found\nlocation: http://127.0.0.1:1/\ncontent-length: 0"),
    "closed": saying("HTTP/1.1 200 OK\ncontent-length: 500", b"{"),
    "no HTTP": saying("hello"),
    "compressed": saying("HTTP/1.1 200 OK\ncontent-encoding: gzip\ncontent-length: 2", b"{}"),
    "not found": saying("HTTP/1.1 404 Gone\ncontent-length: 2", b"{}"),
    "not JSON": json_text("{'sub': 1}"),
}


@pytest.mark.parametrize(
    "path", ["/.well-known/openid-configuration", "/jwks", "/token", "/userinfo"]
)
@pytest.mark.parametrize("behaviour", HOSTILE)
async def test_a_hostile_endpoint_ends_without_a_session(path: str, behaviour: str) -> None:
    async with provider(raw={path: HOSTILE[behaviour]}) as idp:
        began = time.monotonic()
        assert await outcome(idp) == 502
        assert time.monotonic() - began < 5
        assert idp.calls(path)


async def test_a_provider_that_is_not_there_is_502() -> None:
    async with provider() as idp:
        pass
    assert await outcome(idp) == 502


async def test_a_private_address_is_refused_unless_allowed(tmp_path: Path) -> None:
    server, client = certified("127.0.0.1", tmp_path)
    async with provider(tls=server, scheme="https") as idp:
        one = ours(idp, allow_private=False, outbound=Outbound(tls=client))
        assert await outcome(idp, one) == 502
        assert idp.asked == []


async def test_endpoints_over_http_are_refused_of_a_provider_on_the_internet(
    tmp_path: Path,
) -> None:
    server, client = certified("localhost", tmp_path)
    outbound = Outbound(tls=client, allow_private=True)
    async with provider(tls=server, scheme="https", host="localhost") as idp:
        one = ours(idp, allow_private=False, outbound=outbound)
        assert await outcome(idp, one) == 303
        for name in ("authorization", "token", "userinfo", "end_session"):
            place = f"http://localhost:{idp.port}/{name}"
            idp.metadata = {f"{name}_endpoint": place}
            one = ours(idp, allow_private=False, outbound=outbound)
            assert await outcome(idp, one) == 502
    with pytest.raises(ValueError, match="issuer is not https"):
        OIDCProvider("idp", issuer="http://idp.example", client_id=CLIENT)


CALLBACKS: dict[str, dict[str, str]] = {
    "no code": {"code": ""},
    "a code that was not given": {"code": "guessed"},
    "a long code": {"code": "c" * 2049},
    "a code with a blank": {"code": "a b"},
    "an error": {"error": "access_denied"},
    "an unreadable error": {"error": "<script>"},
    "another issuer": {"iss": "https://evil.example"},
    "an empty issuer": {"iss": ""},
}


@pytest.mark.parametrize("name", CALLBACKS)
async def test_a_callback_that_is_none_is_refused(name: str) -> None:
    async with provider() as idp:
        assert await outcome(idp, **CALLBACKS[name]) == 400
        assert len(idp.calls("/token")) == (1 if name == "a code that was not given" else 0)


async def test_where_the_issuer_is_announced_it_has_to_come() -> None:
    said = {"authorization_response_iss_parameter_supported": True}
    async with provider(metadata=said) as idp:
        assert await outcome(idp) == 400
        assert idp.calls("/token") == []
        assert await outcome(idp, iss="https://evil.example") == 400
        assert await outcome(idp, iss=idp.issuer) == 303
        assert await outcome(idp, iss="https://evil.example", error="access_denied") == 400


async def test_a_code_of_another_login_is_refused() -> None:
    """The verifier is another one, and where that is not looked at, the nonce."""
    async with provider() as idp:
        theirs = await ours(idp).begin("http://testserver/auth/idp/callback")
        stolen = idp.approve(theirs.url, "mallory")["code"]
        assert await outcome(idp, code=stolen) == 400
        careless = idp.approve(theirs.url, "mallory")["code"]
        sessions = MemorySessions()
        async with AsyncTestClient(shop(ours(idp), sessions)) as client:
            sent = await client.get("/auth/idp/login", follow_redirects=False)
            back = idp.approve(sent.headers["location"])
            mine = idp.codes[back["code"]]
            idp.codes[careless]["code_challenge"] = mine["code_challenge"]
            answer = await client.get(
                "/auth/idp/callback", params={"state": back["state"], "code": careless}
            )
            assert answer.status_code == 400
            assert not sessions._sessions


async def test_a_client_with_another_secret_is_502() -> None:
    async with provider() as idp:
        assert await outcome(idp, ours(idp, client_secret="wrong")) == 502


async def test_a_public_client_sends_no_secret() -> None:
    async with provider(public=True) as idp:
        assert await outcome(idp, ours(idp, client_secret=None)) == 303
    async with provider() as idp:
        assert await outcome(idp, ours(idp, client_secret=None)) == 502


async def test_keys_and_document_are_fetched_once() -> None:
    async with provider() as idp:
        one = ours(idp)
        assert await outcome(idp, one) == 303
        assert await outcome(idp, one) == 303
        assert len(idp.calls("/jwks")) == 1
        assert len(idp.calls("/.well-known/openid-configuration")) == 1


async def test_ten_requests_renew_tokens_once() -> None:
    async with provider(token={"expires_in": 30}) as idp:
        sessions = MemorySessions()
        async with AsyncTestClient(shop(ours(idp), sessions)) as client:
            assert (await callback(client, idp)).status_code == 303
            before = next(iter(sessions._sessions.values())).data["oidc.tokens"]
            idp.token = {}
            told = await asyncio.gather(*(client.get("/tokens") for _ in range(10)))
            assert {one.status_code for one in told} == {200}
            (fresh,) = {one.json()["access_token"] for one in told}
            assert fresh != before["access_token"]
            refreshes = [
                one for one in idp.calls("/token") if one.form["grant_type"] == "refresh_token"
            ]
            assert [one.form["refresh_token"] for one in refreshes] == [before["refresh_token"]]
            assert (await client.get("/tokens")).json()["access_token"] == fresh
            assert len(idp.calls("/token")) == 2
            (kept,) = sessions._sessions.values()
            assert kept.data["oidc.tokens"]["access_token"] == fresh
            assert (await client.get("/me")).status_code == 200


REFRESHES = {
    "of another subject": ({"claims": {"sub": "mallory"}}, 200),
    "an ID token of another key": ({"signs": of_another_key}, 200),
    "token_type mac": ({"token": {"token_type": "mac"}}, 502),
    "not JSON": ({"raw": {"/token": json_text("x")}}, 502),
    "silent": ({"raw": {"/token": silent}}, 502),
}


@pytest.mark.parametrize("name", REFRESHES)
async def test_a_lie_about_new_tokens_is_not_believed(name: str) -> None:
    says, status = REFRESHES[name]
    async with (
        provider(token={"expires_in": 30}) as idp,
        AsyncTestClient(shop(ours(idp), MemorySessions())) as client,
    ):
        assert (await callback(client, idp)).status_code == 303
        idp.token = {}
        for key, value in says.items():
            setattr(idp, key, value)
        told = await client.get("/tokens")
        assert told.status_code == status
        if status == 200:
            assert told.json() == {}
        assert (await client.get("/me")).status_code == 200


async def test_logout_tells_the_provider_whose_session_it_is() -> None:
    async with provider() as idp:
        sessions = MemorySessions()
        async with AsyncTestClient(shop(ours(idp), sessions)) as client:
            await callback(client, idp)
            token = next(iter(sessions._sessions.values())).data["oidc.tokens"]["id_token"]
            out = await client.post("/auth/idp/logout", follow_redirects=False)
            url = out.headers["location"]
            assert url.startswith(f"{idp.issuer}/end?client_id={CLIENT}&post_logout_redirect_uri=")
            assert f"id_token_hint={token}" in url
            assert "http%3A%2F%2Ftestserver%2F" in url
            assert (await client.get("/me")).status_code == 401
            assert not sessions._sessions


async def test_a_provider_without_logout_ends_nothing_there() -> None:
    async with (
        provider(metadata={"end_session_endpoint": GONE}) as idp,
        AsyncTestClient(shop(ours(idp), MemorySessions())) as client,
    ):
        await callback(client, idp)
        out = await client.post("/auth/idp/logout", follow_redirects=False)
        assert out.headers["location"] == "/"
        assert (await client.get("/me")).status_code == 401


# Plain OAuth 2.


def plain(idp: Provider, **settings: Any) -> OAuth2Provider:
    return OAuth2Provider(
        "idp",
        authorize_url=f"{idp.issuer}/authorize",
        token_url=f"{idp.issuer}/token",
        userinfo_url=f"{idp.issuer}/userinfo",
        client_id=CLIENT,
        client_secret=SECRET,
        allow_private=True,
        **settings,
    )


async def test_a_provider_of_plain_oauth_names_users_by_its_userinfo() -> None:
    async with provider(token={"id_token": GONE}, userinfo={"id": 7}) as idp:
        assert await outcome(idp, plain(idp)) == 303
        assert await outcome(idp, plain(idp, subject="id")) == 303
        assert idp.calls("/jwks") == []


PLAIN_LIES: dict[str, tuple[int, dict[str, Any]]] = {
    "no subject": (400, {"userinfo": {"sub": GONE}}),
    "empty subject": (400, {"userinfo": {"sub": ""}}),
    "a subject that is true": (400, {"userinfo": {"sub": True}}),
    "a subject that is a list": (400, {"userinfo": {"sub": ["ada"]}}),
    "token_type mac": (502, {"token": {"token_type": "mac"}}),
    "userinfo that is not JSON": (502, {"raw": {"/userinfo": json_text("ada")}}),
}


@pytest.mark.parametrize("name", PLAIN_LIES)
async def test_a_lie_of_a_plain_provider_ends_without_a_session(name: str) -> None:
    status, says = PLAIN_LIES[name]
    async with provider(**says) as idp:
        assert await outcome(idp, plain(idp)) == status


async def test_a_plain_provider_that_names_itself_has_to() -> None:
    async with provider() as idp:
        one = plain(idp, issuer=idp.issuer)
        assert await outcome(idp, one) == 400
        assert await outcome(idp, one, iss=idp.issuer) == 303
        assert await outcome(idp, plain(idp), iss="https://evil.example") == 400


async def test_settings_that_cannot_be_used_are_refused() -> None:
    def made(**changes: Any) -> OIDCProvider:
        told = {"issuer": "https://idp.example", "client_id": CLIENT, **changes}
        return OIDCProvider(told.pop("name", "idp"), **told)

    for changes, text in (
        ({"name": "a/b"}, "segment"),
        ({"name": ""}, "segment"),
        ({"scopes": ("email",)}, "openid"),
        ({"algorithms": ("none",)}, "none"),
        ({"algorithms": ("HS256",)}, "HS256"),
        ({"algorithms": ()}, "algorithms"),
        ({"auth_method": "private_key_jwt"}, "auth_method"),
        ({"authorize_params": {"state": "x"}}, "state"),
        ({"issuer": "https://me@idp.example"}, "plain"),
    ):
        with pytest.raises(ValueError, match=text):
            made(**changes)
    assert "its-secret" not in repr(vars(made(client_secret="its-secret")))


async def test_secrets_are_not_shown() -> None:
    async with provider() as idp:
        one = ours(idp)
        begun = await one.begin("http://testserver/auth/idp/callback")
        done = await one.finish(idp.approve(begun.url), begun.record)
        shown = repr(begun) + repr(done) + str(done.tokens)
        hidden = [begun.state, *begun.record.values(), *done.tokens.dump().values()]
        for secret in hidden:
            if isinstance(secret, str) and secret not in (
                "ada",
                "http://testserver/auth/idp/callback",
            ):
                assert secret not in shown
