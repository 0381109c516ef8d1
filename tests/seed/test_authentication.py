"""Snippet 3: a bearer token before the handler, behind a real server."""

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from examples.seed_page.authentication import SECRET, app, get_user_from_payload
from nexios import MakeConfig, NexiosApp
from nexios.auth.backends.jwt import JWTAuthBackend, create_jwt
from nexios.auth.decorator import auth, has_permission
from nexios.auth.middleware import AuthenticationMiddleware
from tests.seed.conftest import Serve, served
from tests.support.server import NotStarted


@pytest.fixture(scope="module")
def client() -> Iterator[httpx2.Client]:
    with served(app) as client:
        yield client


def get(client: httpx2.Client, token: str | None, path: str = "/protected") -> httpx2.Response:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return client.get(path, headers=headers)


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def forged(header: dict[str, Any], secret: str | None = None, **claims: Any) -> str:
    message = f"{part(header)}.{part({'sub': 1, 'exp': time.time() + 600, **claims})}"
    if secret is None:
        return f"{message}."
    digest = {"HS512": "sha512", "HS384": "sha384"}.get(str(header["alg"]), "sha256")
    mark = hmac.digest(secret.encode(), message.encode(), digest)
    return f"{message}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}"


def test_a_good_token_gives_the_value_of_the_loader(client: httpx2.Client) -> None:

    for number, name in ((1, "Ada"), (2, "Grace")):
        answer = get(client, create_jwt({"sub": number}, SECRET))
        assert answer.status_code == 200
        assert answer.json() == {"user": {"id": number, "name": name}}


BAD: dict[str, Callable[[], str | None]] = {
    "no token": lambda: None,
    "garbage": lambda: "garbage",
    "three bits of garbage": lambda: "a.b.c",
    "wrong signature": lambda: create_jwt({"sub": 1}, "x" * 40),
    "cut signature": lambda: create_jwt({"sub": 1}, SECRET)[:-2],
    "expired": lambda: create_jwt({"sub": 1}, SECRET, expires_in=-1),
    "alg none": lambda: forged({"alg": "none", "typ": "JWT"}),
    "alg None, signed": lambda: forged({"alg": "None"}, SECRET),
    "foreign algorithm": lambda: forged({"alg": "HS512"}, SECRET),
    "asymmetric algorithm": lambda: forged({"alg": "RS256"}, SECRET),
    "key in the header": lambda: forged({"alg": "HS256", "jwk": {"k": "AA"}}, SECRET),
    "no end": lambda: forged({"alg": "HS256"}, SECRET, exp=None),
    "end as text": lambda: forged({"alg": "HS256"}, SECRET, exp="4000000000"),
    "not yet": lambda: forged({"alg": "HS256"}, SECRET, nbf=time.time() + 60),
    "for somebody else": lambda: forged({"alg": "HS256"}, SECRET, aud="shop"),
    "loader returned None": lambda: create_jwt({"sub": 77}, SECRET),
}


@pytest.mark.parametrize("kind", BAD)
def test_whatever_else_is_401_with_a_challenge(client: httpx2.Client, kind: str) -> None:
    answer = get(client, BAD[kind]())

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "exp" not in answer.text
    assert "signature" not in answer.text.lower()


def test_the_forger_of_this_test_makes_good_tokens_too(client: httpx2.Client) -> None:
    assert get(client, forged({"alg": "HS256"}, SECRET)).status_code == 200


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_scheme_is_read_in_any_case(client: httpx2.Client, scheme: str) -> None:
    token = create_jwt({"sub": 1}, SECRET)
    answer = client.get("/protected", headers={"authorization": f"{scheme} {token}"})
    assert answer.status_code == 200


def test_two_tokens_prove_nothing_and_neither_does_the_query(client: httpx2.Client) -> None:
    token = create_jwt({"sub": 1}, SECRET)
    line = f"Bearer {token}"

    for headers in (
        [("authorization", line), ("authorization", line)],
        [("authorization", f"{line}, {line}")],
        [("authorization", f"{line} {token}")],
        [("authorization", token)],
        [("authorization", f"Basic {token}")],
        [("cookie", f"authorization={token}")],
    ):
        assert client.get("/protected", headers=headers).status_code == 401
    query = client.get("/protected", params={"token": token, "access_token": token})
    assert query.status_code == 401


def test_no_secret_anywhere_refuses_the_start(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEXIOS_SECRET_KEY", raising=False)
    bare = NexiosApp(config=MakeConfig())
    bare.add_middleware(AuthenticationMiddleware(backend=JWTAuthBackend(get_user_from_payload)))

    with pytest.raises(Exception, match="has no key to verify tokens with"):
        bare.check()
    with pytest.raises(NotStarted):
        serve(bare)


def test_the_secret_may_stand_at_the_backend(serve: Serve) -> None:
    own = NexiosApp()

    async def load(sub: int) -> dict[str, int]:
        return {"id": sub}

    backend = JWTAuthBackend(load, secret_key="another secret of 32 bytes or so!")
    own.add_middleware(AuthenticationMiddleware(backend=backend))

    @own.get("/protected")
    @auth(["jwt"])
    async def protected(request: Any, response: Any) -> Any:
        return response.json({"user": request.user})

    client = serve(own)
    assert get(client, create_jwt({"sub": 1}, SECRET)).status_code == 401
    good = create_jwt({"sub": 1}, "another secret of 32 bytes or so!")
    assert get(client, good).json() == {"user": {"id": 1}}


def test_decorators_stack_in_any_order_and_all_apply(serve: Serve) -> None:
    async def load(sub: str, rights: str = "") -> dict[str, Any]:
        return {"id": sub, "permissions": rights.split()}

    both = NexiosApp(config=MakeConfig(secret_key=SECRET))
    both.add_middleware(AuthenticationMiddleware(backend=JWTAuthBackend(load)))

    @both.get("/a")
    @auth(["jwt"])
    @has_permission("read")
    async def first(request: Any, response: Any) -> Any:
        return response.json(request.user["id"])

    @has_permission("read")
    @auth("jwt")
    @both.get("/b")
    async def second(request: Any, response: Any) -> Any:
        return response.json(request.user["id"])

    client = serve(both)
    for path in ("/a", "/b"):
        assert get(client, None, path).status_code == 401
        assert get(client, create_jwt({"sub": "7"}, SECRET), path).status_code == 403
        may = create_jwt({"sub": "7", "rights": "read write"}, SECRET)
        answer = get(client, may, path)
        assert answer.status_code == 200
        assert answer.json() == "7"
