"""What it costs to know who is calling, and to ask whether they may; in process, in one run.

    python benchmarks/auth.py
    python benchmarks/auth.py --rounds 200 --json

Each row is a whole request through an application, compared with the row named beside it: the
difference, of the best rounds, is what the step costs. ``verify`` is the check of the token
alone, and its share of the request it is part of.
"""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

from timing import Variant, compare

from nexios import MakeConfig, Module, NexiosApp
from nexios.adapters.security.algorithms import hmac_keys
from nexios.adapters.security.jwt import JwtVerifier
from nexios.application.grants import Roles
from nexios.auth.backends.base import AuthenticationBackend, Proof
from nexios.auth.backends.jwt import JWTAuthBackend, create_jwt
from nexios.auth.backends.session import SessionAuthBackend
from nexios.auth.decorator import auth, has_permission
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.middleware.session import SessionMiddleware

SECRET = "only-for-this-benchmark-and-never-in-production"
ROLES = {"clerk": {"permissions": ["orders:*"]}}
Message = MutableMapping[str, Any]


class Known(AuthenticationBackend):
    """Proves the same user at no cost, so that what a guard costs is not lost in the rest."""

    scheme = "known"
    proof = Proof({"id": "ada", "roles": ["clerk"]}, "known", "ada")

    async def authenticate(self, connection: Any) -> Proof:
        return self.proof


class Driver:
    """Calls one path of an application, always with the same header fields."""

    def __init__(self, app: NexiosApp, path: str, fields: Sequence[tuple[bytes, bytes]]) -> None:
        self.app = app
        self.path = path
        self.fields = [(b"host", b"127.0.0.1:8000"), *fields]
        self.sent: list[Message] = []

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def receive(self) -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    def scopes(self, calls: int) -> list[tuple[object, ...]]:
        """Return a fresh scope for each of so many calls."""
        self.sent.clear()
        return [({**_SCOPE, **self._own()},) for _ in range(calls)]

    def _own(self) -> Mapping[str, Any]:
        return {"path": self.path, "raw_path": self.path.encode(), "headers": self.fields.copy()}

    def call(self, scope: Message) -> Awaitable[None]:
        return self.app(scope, self.receive, self.send)

    async def variant(self) -> Variant:
        """Return what is timed, after one call that must be answered with 200."""
        await self.call(self.scopes(1)[0][0])  # type: ignore[arg-type]  # a scope
        if self.sent[0]["status"] != 200:
            raise SystemExit(f"{self.path} was answered with {self.sent[0]['status']}")
        return Variant(self.call, self.scopes, awaits=True, most_calls=500)


_SCOPE: Mapping[str, Any] = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "server": ("127.0.0.1", 8000),
    "client": ("127.0.0.1", 5000),
    "root_path": "",
    "query_string": b"",
    "state": {},
}


def application(*middleware: object) -> NexiosApp:
    """Return an application with an open route and guarded ones."""
    module = Module("benchmark")
    module.bind(Roles).value(Roles(ROLES))  # type: ignore[arg-type]  # a literal of that shape
    app = NexiosApp(module, config=MakeConfig(secret_key=SECRET))
    for one in middleware:
        app.add_middleware(one)

    async def answer() -> str:
        return "ok"

    app.get("/open")(answer)
    if middleware:
        app.get("/proven", guards=[auth()])(answer)
        app.get("/may", guards=[auth(), has_permission("orders:read")])(answer)
    return app


async def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Return microseconds, difference and ratio of each row."""
    token = create_jwt({"sub": "ada", "roles": ["clerk"]}, SECRET)
    bearer = [(b"authorization", f"Bearer {token}".encode())]
    with_tokens = application(AuthenticationMiddleware(backend=JWTAuthBackend()))
    sessions = SessionAuthBackend()
    with_sessions = application(SessionMiddleware(), AuthenticationMiddleware(backend=sessions))
    cookie = [(b"cookie", await _login(with_sessions, sessions)), (b"sec-fetch-site", b"none")]
    plain = await Driver(application(), "/open", []).variant()
    known = await Driver(with_tokens, "/open", bearer).variant()
    free = application(AuthenticationMiddleware(backend=Known()))
    unguarded = await Driver(free, "/open", []).variant()
    guarded = await Driver(free, "/proven", []).variant()
    rows = {
        "nobody's token, /open": (await Driver(with_tokens, "/open", []).variant(), plain),
        "token, /open": (known, plain),
        "auth() over no guard": (guarded, unguarded),
        "auth() and has_permission() over auth()": (
            await Driver(free, "/may", []).variant(),
            guarded,
        ),
        "session cookie, /open": (await Driver(with_sessions, "/open", cookie).variant(), plain),
    }
    table = {}
    for name, (ours, other) in rows.items():
        found = await compare(ours, other, rounds)
        table[name] = {
            "us": found.ours_us,
            "over_us": found.over_us,
            "ratio": found.ratio,
        }
    verifier = JwtVerifier(hmac_keys([SECRET], ["HS256"]))
    alone = Variant(verifier.verify, lambda calls: [(token,)] * calls)
    found = await compare(alone, known, rounds)
    table["verify, of token, /open"] = {
        "us": found.ours_us,
        "over_us": found.ours_us,
        "ratio": found.ratio,
    }
    return table


async def _login(app: NexiosApp, backend: SessionAuthBackend) -> bytes:
    async def login(request: Any, response: Any) -> str:
        backend.login(request, {"id": "ada", "roles": ["clerk"]})
        return "in"

    app.post("/login")(login)
    driver = Driver(app, "/login", [(b"sec-fetch-site", b"same-origin")])
    call: Callable[[Message], Awaitable[None]] = driver.call
    await call({**_SCOPE, **driver._own(), "method": "POST"})  # noqa: SLF001  # of this file
    fields = dict(driver.sent[0]["headers"])
    text: bytes = fields[b"set-cookie"]
    return text.partition(b";")[0]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description="the cost of authentication, in process")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    table = asyncio.run(measure(options.rounds))
    if options.json:
        print(json.dumps(table))
        return
    print("| row | us | over the other us | ratio |\n|---|---:|---:|---:|")
    for name, row in table.items():
        print(f"| {name} | {row['us']:.2f} | {row['over_us']:.2f} | {row['ratio']:.2f} |")


if __name__ == "__main__":
    main()
