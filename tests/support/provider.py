"""An identity provider on loopback: honest by default, and a liar wherever a test says so."""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

CLIENT, SECRET = "client-7", "its-secret"
GONE = object()
"""The value of a member that is to be left out."""

Raw = Callable[[asyncio.StreamWriter], Awaitable[None]]


@lru_cache
def private_key(kind: str, which: str = "own") -> Any:
    """Return a key for an algorithm, the same one for the same ``which``."""
    if kind.startswith(("RS", "PS")):
        return rsa.generate_private_key(65537, 2048)
    if kind.startswith("ES"):
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()


def public_jwk(algorithm: str, which: str = "own") -> dict[str, Any]:
    told = get_default_algorithms()[algorithm].to_jwk(private_key(algorithm, which).public_key())
    members = json.loads(told)
    members.pop("key_ops", None)
    return {**members, "kid": f"{algorithm}-{which}", "alg": algorithm, "use": "sig"}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def half_hash(algorithm: str, token: str) -> str:
    """Return ``at_hash`` (OpenID Connect Core, 3.1.3.6)."""
    name = "sha512" if algorithm == "EdDSA" else f"sha{algorithm[2:]}"
    digest = hashlib.new(name, token.encode()).digest()
    return b64(digest[: len(digest) // 2])


@dataclass
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    form: dict[str, str]


@dataclass
class Provider:
    """What it says; each table replaces members, `GONE` takes one out.

    Attributes:
        algorithm: Signs ID tokens.
        claims: Of ID tokens; a function of the time is called.
        signs: In place of that: makes the whole ID token of header and claims.
        status: Of the token endpoint.
        public: The client has no secret.
        raw: Path to what is written in place of an answer.
    """

    port: int = 0
    scheme: str = "http"
    host: str = "127.0.0.1"
    algorithm: str = "RS256"
    metadata: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    token: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    jwks: dict[str, Any] | None = None
    signs: Callable[[dict[str, Any], dict[str, Any]], str] | None = None
    status: int = 200
    public: bool = False
    raw: dict[str, Raw] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    refresh_tokens: dict[str, str] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    def calls(self, path: str) -> list[Asked]:
        return [one for one in self.asked if one.path == path]

    def approve(self, url: str, subject: str = "ada") -> dict[str, str]:
        """Do what a user does at the address; return the fields of the callback."""
        told = dict(parse_qsl(urlsplit(url).query))
        assert told["response_type"] == "code"
        assert told["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = {**told, "sub": subject}
        return {"code": code, "state": told["state"]}

    def document(self) -> dict[str, Any]:
        at = self.issuer
        return changed(
            {
                "issuer": at,
                "authorization_endpoint": f"{at}/authorize",
                "token_endpoint": f"{at}/token",
                "userinfo_endpoint": f"{at}/userinfo",
                "end_session_endpoint": f"{at}/end",
                "jwks_uri": f"{at}/jwks",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [self.algorithm],
            },
            self.metadata,
        )

    def id_token(self, subject: str, nonce: str | None, access: str) -> str:
        now = int(time.time())
        claims = changed(
            {
                "iss": self.issuer,
                "aud": CLIENT,
                "sub": subject,
                "iat": now,
                "exp": now + 300,
                "at_hash": half_hash(self.algorithm, access),
                **({} if nonce is None else {"nonce": nonce}),
            },
            {
                name: value(now) if callable(value) else value
                for name, value in self.claims.items()
            },
        )
        header = changed(
            {"alg": self.algorithm, "kid": f"{self.algorithm}-own", "typ": "JWT"}, self.header
        )
        return (self.signs or signed)(header, claims)

    def granted(self, subject: str, nonce: str | None) -> tuple[int, dict[str, Any]]:
        access = secrets.token_urlsafe(16)
        refresh = secrets.token_urlsafe(16)
        self.refresh_tokens[refresh] = subject
        told = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": 300,
            "refresh_token": refresh,
            "id_token": self.id_token(subject, nonce, access),
        }
        return self.status, changed(told, self.token)

    def tokens(self, asked: Asked) -> tuple[int, dict[str, Any]]:
        """Answer as RFC 6749, 4.1.4 and 6, and RFC 7636, 4.6 say."""
        form = asked.form
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        by_header = asked.headers.get("authorization") == f"Basic {basic}"
        by_form = (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)
        public = (
            self.public and "client_secret" not in form and "authorization" not in asked.headers
        )
        if not (by_header or by_form or (public and form.get("client_id") == CLIENT)):
            return 401, {"error": "invalid_client"}
        if form.get("grant_type") == "refresh_token":
            subject = self.refresh_tokens.pop(form.get("refresh_token", ""), None)
            return (
                (400, {"error": "invalid_grant"})
                if subject is None
                else self.granted(subject, None)
            )
        begun = self.codes.pop(form.get("code", ""), None)
        if begun is None:
            return 400, {"error": "invalid_grant"}
        challenge = b64(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if challenge != begun["code_challenge"] or form["redirect_uri"] != begun["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        return self.granted(begun["sub"], begun.get("nonce"))

    def answer(self, asked: Asked) -> tuple[int, Any]:
        if asked.path == "/.well-known/openid-configuration":
            return 200, self.document()
        if asked.path == "/jwks":
            return 200, self.jwks or {"keys": [public_jwk(self.algorithm)]}
        if asked.path == "/token" and asked.method == "POST":
            return self.tokens(asked)
        if asked.path == "/userinfo":
            if not asked.headers.get("authorization", "").startswith("Bearer "):
                return 401, {}
            return 200, changed({"sub": "ada", "email": "ada@example.com"}, self.userinfo)
        return 404, {}


def changed(members: dict[str, Any], by: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**members, **by}.items() if value is not GONE}


def unsigned(header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    return ".".join(b64(json.dumps(part).encode()) for part in (header, claims))


def signed(header: dict[str, Any], claims: dict[str, Any], which: str = "own") -> str:
    """Sign as the header says, with a key of this provider."""
    text = unsigned(header, claims)
    algorithm = get_default_algorithms()[header["alg"]]
    return f"{text}.{b64(algorithm.sign(text.encode(), private_key(header['alg'], which)))}"


def by_hmac(key: bytes) -> Callable[[dict[str, Any], dict[str, Any]], str]:
    """Return what signs by HMAC, whatever the key is."""

    def sign(header: dict[str, Any], claims: dict[str, Any]) -> str:
        text = unsigned(header, claims)
        return f"{text}.{b64(hmac.digest(key, text.encode(), 'sha256'))}"

    return sign


def saying(head: str, body: bytes = b"") -> Raw:
    """Write this status line, these fields and this body."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return write


def json_text(text: str) -> Raw:
    """Answer 200 with this text as JSON."""
    body = text.encode()
    head = f"HTTP/1.1 200 OK\ncontent-type: application/json\ncontent-length: {len(body)}"
    return saying(head, body)


@asynccontextmanager
async def provider(tls: ssl.SSLContext | None = None, **says: Any) -> AsyncIterator[Provider]:
    """Serve one, in the loop of the test."""
    made = Provider(**says)
    open_: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_.add(writer)
        try:
            asked = await _read(reader)
            made.asked.append(asked)
            raw = made.raw.get(asked.path)
            if raw is not None:
                await raw(writer)
            else:
                status, told = made.answer(asked)
                body = json.dumps(told).encode()
                head = f"HTTP/1.1 {status} Said\ncontent-type: application/json"
                await saying(f"{head}\ncontent-length: {len(body)}", body)(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # who asked went away, which is what some tests are about
        finally:
            open_.discard(writer)
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    made.port = listening.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listening.close()
        for writer in list(open_):
            writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> Asked:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
    method, target, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    parts = urlsplit(target)
    form = dict(parse_qsl(body.decode()))
    return Asked(method, parts.path, parse_qs(parts.query), headers, form)
