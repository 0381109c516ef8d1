"""Logins with a password over HTTP: with each request, and once for a session."""

import asyncio
import base64
import threading
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from nexios import Depend, MakeConfig, Module, NexiosApp, Request, Scope
from nexios.adapters.security.memory_counters import MemoryCounters
from nexios.adapters.security.memory_sessions import MemorySessions
from nexios.adapters.security.passwords import Argon2Passwords
from nexios.adapters.security.redis_counters import RedisCounters
from nexios.application import Caller, Unauthenticated
from nexios.application.login import Account, Credentials, PasswordLogin
from nexios.application.passwords import PasswordHasher, Verified
from nexios.application.rates import CounterStore
from nexios.auth.backends.basic import BasicAuthBackend
from nexios.auth.backends.session import SessionAuthBackend
from nexios.auth.decorator import auth
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.middleware.session import SessionMiddleware
from nexios.testing.client import AsyncTestClient
from nexios.testing.redis import RedisServer
from tests.support.logins import GOOD, Accounts, door
from tests.support.redis import own_redis

pytestmark = pytest.mark.asyncio

__all__ = ["own_redis"]


def basic(name: str, password: str) -> dict[str, str]:
    pair = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"authorization": f"Basic {pair}"}


def guarded(backend: Any, *modules: Module, **config: Any) -> NexiosApp:
    app = NexiosApp(*modules, config=MakeConfig(**config))
    app.add_middleware(AuthenticationMiddleware(backend))

    @app.get("/me")
    @auth()
    async def me(caller: Caller = Depend()) -> Any:
        return {"actor": caller.actor}

    @app.get("/public")
    async def public() -> str:
        return "served"

    return app


def module(accounts: Accounts, hasher: PasswordHasher) -> Module:
    """Return what an application binds for logins."""
    made = Module("logins")
    made.bind(Credentials).value(accounts)
    made.bind(PasswordHasher).value(hasher)
    made.bind(CounterStore, scope=Scope.SINGLETON).to(MemoryCounters)
    made.bind(PasswordLogin)
    return made.export(PasswordLogin, CounterStore)


async def test_a_login_is_the_check_of_basic() -> None:
    async with AsyncTestClient(guarded(BasicAuthBackend((await door()).login()))) as client:
        good = await client.get("/me", headers=basic("ada", GOOD))
        assert (good.status_code, good.json()) == (200, {"actor": "user-ada"})
        wrong = await client.get("/me", headers=basic("ada", "wrong horse"))
        unknown = await client.get("/me", headers=basic("eve", "wrong horse"))
        assert wrong.status_code == unknown.status_code == 401
        assert wrong.content == unknown.content
        short = await client.get("/me", headers=basic("ada", "short"))
        assert (short.status_code, short.headers["www-authenticate"][:5]) == (401, "Basic")
        long = await client.get("/me", headers=basic("ada", "x" * 1024))
        assert long.status_code == 401


async def test_one_attempt_too_many_is_429_under_a_guard_and_nothing_elsewhere() -> None:
    made = await door()
    async with AsyncTestClient(guarded(BasicAuthBackend(made.login()))) as client:
        answers = []
        for name in ("ada", "eve"):
            for _ in range(6):
                got = await client.get("/me", headers=basic(name, "wrong horse"))
            answers.append((got.status_code, got.headers["retry-after"]))
            open_to_all = await client.get("/public", headers=basic(name, "wrong horse"))
            assert open_to_all.status_code == 200
        assert answers == [(429, "20")] * 2
    assert len(made.counters.calls[0]) == 2  # the address was counted, too


async def test_a_check_may_ask_for_the_login() -> None:
    made = await door()

    async def check(
        username: str, password: str, address: str, login: PasswordLogin = Depend()
    ) -> dict[str, str] | None:
        account = await login(username, password, address)
        return None if account is None else {"id": account.identity}

    app = guarded(BasicAuthBackend(check), module(made.accounts, made.hasher))
    async with AsyncTestClient(app) as client:
        assert (await client.get("/me", headers=basic("ada", GOOD))).json() == {
            "actor": "user-ada"
        }
        assert (await client.get("/me", headers=basic("ada", "wrong horse"))).status_code == 401


async def test_the_container_makes_all_of_it(caplog: pytest.LogCaptureFixture) -> None:
    stored = await Argon2Passwords().hash(GOOD)
    made = Module("logins")
    made.bind(Credentials).value(Accounts(ada=stored, odd="md5$salt$hash"))
    made.bind(PasswordHasher).to(Argon2Passwords)
    made.bind(CounterStore, scope=Scope.SINGLETON).to(MemoryCounters)
    made.bind(PasswordLogin)
    app = with_a_form(made.export(PasswordLogin))
    async with AsyncTestClient(app) as client:
        for name, status in (("ada", 200), ("odd", 401), ("eve", 401)):
            got = await client.post("/login", json={"name": name, "password": GOOD})
            assert got.status_code == status
    assert "a stored password cannot be read" in caplog.text


async def test_a_login_is_closed_while_redis_is_away(own_redis: RedisServer) -> None:
    made = await door()
    module = Module("logins")
    module.bind(Credentials).value(made.accounts)
    module.bind(PasswordHasher).value(made.hasher)
    module.bind(PasswordLogin)

    @module.provides(scope=Scope.SINGLETON)
    async def counters() -> AsyncIterator[CounterStore]:
        async with RedisCounters(own_redis.url) as store:
            yield store

    async with AsyncTestClient(with_a_form(module.export(PasswordLogin))) as client:

        async def tried() -> int:
            body = {"name": "ada", "password": GOOD}
            return (await client.post("/login", json=body)).status_code

        assert await tried() == 200
        own_redis.pause()
        assert await tried() == 503
        assert made.hasher.verified == 1
        own_redis.resume()
        with anyio.fail_after(20):
            while await tried() == 503:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


def with_a_form(*modules: Module) -> NexiosApp:
    """Return an application with a login for sessions."""
    sessions = SessionAuthBackend()
    app = NexiosApp(*modules, config=MakeConfig())
    app.add_middleware(SessionMiddleware(store=MemorySessions()))
    app.add_middleware(AuthenticationMiddleware(sessions))

    @app.post("/login")
    async def enter(
        request: Request, form: dict[str, str], login: PasswordLogin = Depend()
    ) -> Account:
        account = await login(form["name"], form["password"], request.get_client_ip())
        if account is None:
            raise Unauthenticated
        sessions.login(request, account)
        return account

    @app.get("/me")
    @auth(["session"])
    async def me(caller: Caller = Depend()) -> Any:
        return caller.actor

    return app


async def test_a_login_for_a_session() -> None:
    made = await door()
    app = with_a_form(module(made.accounts, made.hasher))
    async with AsyncTestClient(app) as client:

        async def tried(name: str, password: str) -> Any:
            return await client.post("/login", json={"name": name, "password": password})

        wrong, unknown = await tried("ada", "wrong horse"), await tried("eve", GOOD)
        assert wrong.status_code == unknown.status_code == 401
        assert wrong.content == unknown.content
        assert "set-cookie" not in wrong.headers
        assert (await client.get("/me")).status_code == 401
        for number, length in enumerate((7, 1025, 100_000, 1_000_000)):
            got = await tried(f"name{number}", "x" * length)
            assert got.status_code == 422
            assert "8 to 1024 bytes" in got.text
        assert (await tried("ada", GOOD)).json() == {"identity": "user-ada"}
        assert (await client.get("/me")).text == "user-ada"
        for _ in range(4):
            got = await tried("ada", GOOD)
        assert (got.status_code, got.headers["retry-after"]) == (429, "20")
        assert (await client.get("/me")).status_code == 200


class Gated(Argon2Passwords):
    """Real hashes, none of which begins before the gate is open; counted."""

    def __init__(self, **options: int) -> None:
        super().__init__(**options)
        self.gate = threading.Event()
        self._lock = threading.Lock()
        self.now = self.most = self.done = 0

    def _compare(self, password: bytes, stored: str | None) -> Verified:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        assert self.gate.wait(30)
        told = super()._compare(password, stored)
        with self._lock:
            self.now -= 1
            self.done += 1
        return told


async def test_login_flood_leaves_the_loop_prompt() -> None:
    hasher = Gated(at_once=2, waiting=10)
    stored = await hasher.hash(GOOD)
    names = {f"name{number}": stored for number in range(50)}
    login = PasswordLogin(Accounts(**names), hasher, MemoryCounters())
    app = guarded(BasicAuthBackend(login), trusted_proxies=["testclient"])
    refused, others = [0], list[int]()

    async def enter(client: AsyncTestClient, number: int) -> None:
        # Half of the names are nobody's, and each comes from an address of its own.
        headers = basic(f"name{number}", GOOD) | {"x-forwarded-for": f"203.0.113.{number}"}
        got = await client.get("/me", headers=headers)
        if got.status_code == 503:
            assert got.headers["retry-after"] == "1"
            refused[0] += 1
        else:
            others.append(got.status_code)

    async with (
        AsyncTestClient(app, base_url="https://testserver") as client,
        anyio.create_task_group() as tasks,
    ):
        for number in range(100):
            tasks.start_soon(enter, client, number)
        with anyio.fail_after(30):
            while refused[0] < 88:  # noqa: ASYNC110  # many tasks raise it
                await asyncio.sleep(0.005)
        assert (await client.get("/public")).status_code == 200
        assert not others
        hasher.gate.set()
    assert refused == [88]
    assert len(others) == 12
    assert set(others) <= {200, 401}
    assert (hasher.most, hasher.done) == (2, 12)
