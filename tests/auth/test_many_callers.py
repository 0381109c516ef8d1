"""Nothing of a request outlives it: among many at once, in thousands, and on one connection."""

import asyncio
import http.client
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import ExitStack
from contextvars import ContextVar
from typing import Any, Literal

import pytest

from nexios import Depend, MakeConfig, Module, NexiosApp, Request, Response, Scope
from nexios.application.caller import Caller
from nexios.auth.backends.apikey import APIKeyAuthBackend
from nexios.auth.backends.base import AuthenticationBackend
from nexios.auth.backends.basic import BasicAuthBackend
from nexios.auth.backends.jwt import JWTAuthBackend, create_jwt
from nexios.auth.backends.session import SessionAuthBackend, login
from nexios.auth.decorator import auth
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.middleware.base import BaseMiddleware
from nexios.middleware.common import CommonMiddleware
from nexios.middleware.cors import CORSMiddleware
from nexios.middleware.csrf import CSRFMiddleware
from nexios.middleware.hosts import TrustedHostMiddleware
from nexios.middleware.rate_limiting import RateLimitMiddleware
from nexios.middleware.request_id import RequestIdMiddleware
from nexios.middleware.security import SecurityMiddleware
from nexios.middleware.session import SessionMiddleware
from nexios.middleware.timeout import TimeoutMiddleware
from nexios.testing.client import AsyncTestClient
from tests.support.asgi import Peer, ask
from tests.support.server import serving

SECRET = "a-secret-of-the-tests-with-32-bytes-and-more"
USERS = 100


class Gathering:
    """Where all of them have to be before any goes on, each after another number of turns."""

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._came = 0
        self._all = asyncio.Event()

    async def wait(self, name: str) -> None:
        self._came += 1
        if self._came == self._expected:
            self._all.set()
        await asyncio.wait_for(self._all.wait(), 60)
        for _ in range(int(name) * 7 % 13):
            await asyncio.sleep(0)


class Waiting(AuthenticationBackend):
    """Believes a header, and waits for all the others."""

    scheme = "waiting"

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering

    async def authenticate(self, connection: Any) -> Any:
        name: str = connection.headers["x-name"]
        await self._gathering.wait(name)
        return {"id": name}


@pytest.mark.asyncio
async def test_many_callers_at_once_keep_their_identity() -> None:
    stages = {name: Gathering(USERS) for name in ("backend", "dependency", "handler", "answer")}

    class Basket:
        def __init__(self, owner: str) -> None:
            self.owner = owner

    async def basket(caller: Caller = Depend()) -> Basket:
        await stages["dependency"].wait(str(caller.actor))
        return Basket(str(caller.actor))

    module = Module("shop")
    module.bind(Basket, scope=Scope.REQUEST).to(basket)
    app = NexiosApp(module.export(Basket), config=MakeConfig(secret_key=SECRET))
    app.add_middleware(AuthenticationMiddleware(Waiting(stages["backend"])))
    app.add_middleware(SessionMiddleware())

    @app.get("/who")
    @auth(["waiting"])
    async def who(request: Request, response: Response, basket: Basket = Depend()) -> Any:
        request.state.mine = request.headers["x-name"]
        request.session["mine"] = request.headers["x-name"]
        response.set_header("x-user", request.user["id"])
        await stages["handler"].wait(request.user["id"])
        response.set_cookie("mine", request.cookies["theirs"])

        async def body() -> AsyncIterator[str]:
            yield f"{request.user['id']} {basket.owner} {request.caller.actor} "
            await stages["answer"].wait(request.user["id"])
            yield f"{request.user['id']} {request.state.mine} {request.session['mine']}"

        return response.stream(body())

    def sent(name: str) -> list[tuple[str, str]]:
        return [("x-name", name), ("cookie", f"theirs={name}")]

    async with AsyncTestClient(app):
        answers = await asyncio.gather(
            *(
                ask(app, "GET", "/who", headers=sent(str(number)), peer=Peer(stays=True))
                for number in range(USERS)
            )
        )
    sessions = set()
    for number, answer in enumerate(answers):
        name = str(number)
        assert answer.text.split() == [name] * 6
        assert answer.headers("x-user") == [name]
        mine, session = sorted(answer.headers("set-cookie"))
        assert mine.startswith(f"mine={name};")
        sessions.add(session.partition(";")[0])
    assert len(sessions) == USERS


# What backends and middleware hold.

_PLAIN = (str, bytes, int, float, bool, type(None))
_STOP = {"NexiosApp", "Container", "Entry", "EntryPoint"}  # what is wired, the same for all


def held(value: Any, above: tuple[int, ...] = ()) -> Any:
    """Return all that can be reached from a value, in a form that can be compared."""
    if isinstance(value, _PLAIN):
        return value
    if id(value) in above or type(value).__name__ in _STOP:
        return (type(value).__name__, id(value))
    above = (*above, id(value))
    if isinstance(value, Mapping):
        return {repr(held(key, above)): held(one, above) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [held(one, above) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted(repr(held(one, above)) for one in value)
    if not (type(value).__module__ or "").startswith(("nexios.", "tests.")):
        return (type(value).__name__, id(value))
    slots = [
        name
        for kind in type(value).__mro__
        for name in _names(getattr(kind, "__slots__", ()))
        if hasattr(value, name)
    ]
    names = {*slots, *getattr(value, "__dict__", {})}
    return {name: held(getattr(value, name), above) for name in sorted(names)}


def _names(slots: str | Iterable[str]) -> list[str]:
    return [slots] if isinstance(slots, str) else list(slots)


class Leaky(BaseMiddleware):
    """What 2.11 did: the request is kept on the middleware."""

    def __init__(self) -> None:
        self.last: Any = None

    async def __call__(self, request: Any, response: Any, call_next: Any) -> Any:
        self.last = request.headers["x-mark"]
        return await call_next()


def everything() -> tuple[NexiosApp, list[Any]]:
    """Return an application with each backend and middleware of the house, and those."""

    async def load(sub: str) -> dict[str, str]:
        return {"id": sub}

    async def load_key(key: str) -> dict[str, str]:
        return {"id": key}

    async def check(username: str, password: str) -> dict[str, str]:
        return {"id": username}

    backends = [
        JWTAuthBackend(load),
        SessionAuthBackend(load),
        APIKeyAuthBackend(load_key),
        BasicAuthBackend(check),
    ]
    middleware: list[Any] = [
        AuthenticationMiddleware(backends),
        SessionMiddleware(),
        CORSMiddleware(allow_origins=["https://page.example"]),
        CSRFMiddleware(required_urls=["/nowhere"]),
        SecurityMiddleware(),
        CommonMiddleware(),
        RequestIdMiddleware(),
        RateLimitMiddleware("1000000/minute"),
        TimeoutMiddleware(60),
        TrustedHostMiddleware(["testserver"]),
    ]
    app = NexiosApp(config=MakeConfig(secret_key=SECRET))
    for one in middleware:
        app.add_middleware(one)

    @app.get("/page/{number}")
    async def page(request: Request, number: str) -> dict[str, Any]:
        request.session["mark"] = number
        token = str(request.state.csrf_token)
        return {"user": request.user["id"] if request.user else None, "token": token}

    @app.post("/login/{number}")
    async def log_in(request: Request, number: str) -> str:
        login(request, {"id": number})
        return number

    @app.get("/in/{number}")
    @auth()
    async def inside(request: Request, number: str) -> str:
        return str(request.user["id"])

    return app, [*backends, *middleware]


async def visit(app: NexiosApp, numbers: Iterable[int]) -> list[int]:
    statuses = []
    for number in numbers:
        mark = f"mark{number}x"
        token = create_jwt({"sub": mark}, SECRET)
        credential = (
            [("authorization", f"Bearer {token}")],
            [("x-api-key", mark)],
            [("authorization", "Bearer a.b.c")],
            [("cookie", f"session_id={mark}; csrftoken={mark}")],
            [],
        )[number % 5]
        method, path = (("GET", "page"), ("POST", "login"), ("GET", "in"))[number % 3]
        headers = [
            *credential,
            ("x-mark", mark),
            ("x-request-id", mark),
            ("accept-encoding", "gzip"),
            ("origin", "http://testserver" if method == "POST" else f"https://{mark}.example"),
        ]
        answer = await ask(app, method, f"/{path}/{mark}", headers=headers)
        statuses.append(answer.status)
    return statuses


@pytest.mark.asyncio
async def test_backends_and_middleware_hold_no_request_data() -> None:
    app, kept = everything()
    async with AsyncTestClient(app):
        assert {200, 401} == set(await visit(app, range(30)))  # what is found once is found
        before = held(kept)
        statuses = await visit(app, range(1_000, 2_000))
        after = held(kept)
    assert len(statuses) == 1_000
    assert {200, 401} == set(statuses)
    assert after == before
    assert "mark1" not in repr(after)


@pytest.mark.asyncio
async def test_what_is_kept_is_seen_by_that_walk() -> None:
    app, _ = everything()
    leaky = Leaky()
    app.add_middleware(leaky)
    async with AsyncTestClient(app):
        await visit(app, range(3))
        before = held([leaky])
        await visit(app, range(1_000, 1_003))
    assert held([leaky]) != before
    assert "mark1002x" in repr(held([leaky]))


# One connection, one user after the other.

CURRENT: ContextVar[str] = ContextVar("current", default="nobody")


@pytest.mark.parametrize("parser", ["h11", "httptools"])
def test_keep_alive_sees_nothing_of_the_request_before(
    parser: Literal["h11", "httptools"],
) -> None:
    if parser == "httptools":
        pytest.importorskip("httptools")
    app = NexiosApp(config=MakeConfig(secret_key=SECRET))
    app.add_middleware(AuthenticationMiddleware(JWTAuthBackend()))
    app.add_middleware(SessionMiddleware())

    @app.get("/who")
    async def who(request: Request, caller: Caller = Depend()) -> dict[str, Any]:
        told = {
            "user": request.user["sub"] if request.user else None,
            "scheme": request.auth,
            "actor": caller.actor,
            "context": CURRENT.get(),
            "state": request.state.mark,
            "session": dict(request.session),
        }
        if request.user:
            CURRENT.set(request.user["sub"])
            request.state.mark = request.user["sub"]
        return told

    @app.get("/broken")
    async def broken(request: Request) -> str:
        CURRENT.set(request.user["sub"])
        request.state.mark = request.user["sub"]
        raise RuntimeError

    nobody = {
        "user": None,
        "scheme": "no-auth",
        "actor": None,
        "context": "nobody",
        "state": None,
        "session": {},
    }
    bearer = {"Authorization": f"Bearer {create_jwt({'sub': 'ada'}, SECRET)}"}
    other = {"Authorization": f"Bearer {create_jwt({'sub': 'eve'}, SECRET)}"}
    with serving(app, http=parser) as address, ExitStack() as ended:
        line = http.client.HTTPConnection(address, timeout=20)
        ended.callback(line.close)
        line.connect()
        socket = line.sock

        def get(path: str, headers: dict[str, str]) -> bytes:
            line.request("GET", path, headers=headers)
            read = line.getresponse().read()
            assert line.sock is socket, "it was another connection"
            return read

        ada = {**nobody, "user": "ada", "scheme": "jwt", "actor": "ada"}
        eve = {**nobody, "user": "eve", "scheme": "jwt", "actor": "eve"}
        for path, headers, told in (
            ("/who", {}, nobody),
            ("/who", bearer, ada),
            ("/who", {}, nobody),
            ("/broken", bearer, None),
            ("/who", {}, nobody),
            ("/who", other, eve),
            ("/none", bearer, None),
            ("/who", bearer, ada),
            ("/who", {"Authorization": "Bearer a.b.c"}, nobody),
        ):
            answered = get(path, headers)
            if told is not None:
                assert json.loads(answered) == told, path
