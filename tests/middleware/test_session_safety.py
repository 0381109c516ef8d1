"""What neither a client nor another request can do to a session."""

import secrets
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
import pytest_asyncio

from nexios import Depend, MakeConfig, Module, NexiosApp, Request
from nexios.adapters.security.memory_sessions import MemorySessions
from nexios.adapters.security.redis_sessions import RedisSessions
from nexios.adapters.security.signing import SignedValues
from nexios.application import Caller
from nexios.application.keyring import Keyring
from nexios.application.security_events import SecurityEvent, SecurityEvents
from nexios.application.sessions import SessionStore
from nexios.auth.backends.session import SessionAuthBackend, login, logout
from nexios.auth.decorator import auth
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.middleware.session import SessionMiddleware
from nexios.testing.client import AsyncTestClient
from nexios.testing.security import KeptSecurityEvents
from tests.support.asgi import ask

pytestmark = pytest.mark.asyncio

SECRET = "a-secret-of-the-tests-with-32-bytes-and-more"


class Meeting:
    """A handler that has begun its work, and waits before it ends."""

    def __init__(self) -> None:
        self.begun = anyio.Event()
        self.go_on = anyio.Event()

    async def wait(self) -> None:
        self.begun.set()
        await self.go_on.wait()


def shop(
    store: SessionStore | None,
    meeting: Meeting | None = None,
    events: SecurityEvents | None = None,
) -> NexiosApp:
    module = Module("sessions")
    if events is not None:
        module.bind(SecurityEvents).value(events)
        module.export(SecurityEvents)
    if store is not None:
        module.bind(SessionStore).value(store)
        module.export(SessionStore)
    app = NexiosApp(module, config=MakeConfig(secret_key=SECRET))
    app.add_middleware(SessionMiddleware())
    app.add_middleware(AuthenticationMiddleware(SessionAuthBackend()))
    meeting = meeting or Meeting()

    @app.get("/me")
    @auth()
    async def me(caller: Caller = Depend()) -> str:
        return caller.actor or ""

    @app.get("/read")
    async def read(request: Request) -> Any:
        return dict(request.session)

    @app.post("/set/{key}/{value}")
    async def put(request: Request, key: str, value: str) -> str:
        request.session[key] = value
        return "set"

    @app.post("/login/{user_id}")
    async def log_in(request: Request, user_id: int) -> str:
        login(request, {"id": user_id})
        return "in"

    @app.post("/logout")
    async def log_out(request: Request) -> str:
        logout(request)
        return "out"

    @app.post("/elevate")
    async def elevate(request: Request) -> str:
        request.session["admin"] = True
        request.session.regenerate_id()
        return "elevated"

    @app.post("/slow/login/{user_id}")
    async def slow_login(request: Request, user_id: int) -> str:
        login(request, {"id": user_id})
        await meeting.wait()
        return "in"

    @app.post("/slow/elevate")
    async def slow_elevate(request: Request) -> str:
        request.session["admin"] = True
        request.session.regenerate_id()
        await meeting.wait()
        return "elevated"

    return app


@pytest_asyncio.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[SessionStore]:
    if request.param == "memory":
        yield MemorySessions()
        return
    url = request.getfixturevalue("nexios_redis")
    async with RedisSessions(url, prefix=f"nexios-tests-{secrets.token_hex(6)}") as opened:
        yield opened


def of(client: AsyncTestClient) -> dict[str, str]:
    return {"cookie": f"session_id={client.cookies['session_id']}"}


async def meanwhile(
    client: AsyncTestClient, meeting: Meeting, path: str, between: Any, cookie: dict[str, str]
) -> Any:
    """Post to a slow path, do something while it waits, and return its answer."""
    answers: list[Any] = []

    async def post() -> None:
        answers.append(await client.post(path, headers=cookie))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(post)
        with anyio.fail_after(20):
            await meeting.begun.wait()
        await between()
        meeting.go_on.set()
    return answers[0]


@pytest.mark.parametrize("kind", ["signed", "memory"])
async def test_tampered_cookie_is_no_session(kind: str) -> None:
    app = shop(MemorySessions() if kind == "memory" else None)
    async with AsyncTestClient(app) as client:
        await client.post("/login/7")
        good = client.cookies["session_id"].encode()

    async def answered(value: bytes) -> tuple[int, bytes]:
        cookie = f"session_id={value.decode('latin-1')}"
        got = await ask(app, "GET", "/read", headers={"cookie": cookie})
        return got.status, got.body

    assert b"sub" in (await answered(good))[1]
    for place in range(len(good)):
        for bit in range(8):
            flipped = bytearray(good)
            flipped[place] ^= 1 << bit
            status, body = await answered(bytes(flipped))
            assert (status, body) in ((200, b"{}"), (400, body)), (place, bit)
            assert b"sub" not in body
    whole = {"d": {"user": {"sub": "7"}}, "a": "7", "c": 2e9, "s": 2e9, "e": 4e9}
    if kind == "signed":
        ours = SignedValues(Keyring([SECRET]), "session").sign(whole)
        assert b"sub" in (await answered(ours.encode()))[1]
    for purpose in ("csrf", "ticket", "state", "cursor", "Session", "session "):
        other = SignedValues(Keyring([SECRET]), purpose).sign(whole)
        assert await answered(other.encode()) == (200, b"{}")


@pytest.mark.parametrize("number", range(4))
async def test_two_session_cookies_prove_nothing_and_leave_an_event(
    store: SessionStore, number: int
) -> None:
    kept = KeptSecurityEvents()
    async with AsyncTestClient(shop(store, events=kept)) as client:
        await client.post("/login/7")
        mine = of(client)["cookie"]
        assert (await client.get("/me")).status_code == 200
        assert kept.events == []
        twice = (
            [("cookie", f"{mine}; {mine}")],
            [("cookie", f"{mine}; session_id=planted")],
            [("cookie", f"session_id=; {mine}")],
            [("cookie", mine), ("cookie", mine)],
        )[number]
        for _ in range(3):  # whoever knocks on fills no log
            assert (await client.get("/me", headers=twice)).status_code == 401
        assert kept.events == [
            SecurityEvent(
                "session.ambiguous", "denied", reason="2 cookies 'session_id' came at once"
            )
        ]


async def test_id_changes_at_login_elevation_and_logout(store: SessionStore) -> None:
    async with AsyncTestClient(shop(store)) as client:
        await client.post("/set/cart/tea")
        seen = [of(client)]
        for path in ("/login/7", "/elevate", "/login/8"):
            await client.post(path)
            seen.append(of(client))
        assert (await client.get("/read")).json()["admin"] is True
        assert len({one["cookie"] for one in seen}) == 4
        for dead in seen[:-1]:
            assert (await client.get("/read", headers=dead)).json() == {}
        await client.post("/logout")
        assert "session_id" not in client.cookies
        assert (await client.get("/read", headers=seen[-1])).json() == {}
        assert (await store.of("7"), await store.of("8")) == ({}, {})


async def test_what_was_written_while_somebody_logged_in_is_kept(store: SessionStore) -> None:
    meeting = Meeting()
    async with AsyncTestClient(shop(store, meeting)) as client:
        await client.post("/set/cart/tea")
        cookie = of(client)

        async def add() -> None:
            assert (await client.post("/set/more/milk", headers=cookie)).status_code == 200

        assert (await meanwhile(client, meeting, "/slow/login/7", add, cookie)).text == "in"
        found = (await client.get("/read")).json()
        assert (found["cart"], found["more"], found["user"]["sub"]) == ("tea", "milk", "7")


async def test_both_raise_the_same_key_and_one_is_told(store: SessionStore) -> None:
    meeting = Meeting()
    async with AsyncTestClient(shop(store, meeting)) as client:
        await client.post("/login/7")
        cookie = of(client)

        async def other() -> None:
            assert (await client.post("/set/admin/no", headers=cookie)).status_code == 200

        got = await meanwhile(client, meeting, "/slow/elevate", other, cookie)
        assert got.status_code == 409
        assert "set-cookie" not in got.headers
        assert (await client.get("/read", headers=cookie)).json()["admin"] == "no"


@pytest.mark.parametrize("how", ["logout", "everywhere"])
async def test_late_elevation_cannot_undo_logout(store: SessionStore, how: str) -> None:
    meeting = Meeting()
    async with AsyncTestClient(shop(store, meeting)) as client:
        await client.post("/login/7")
        cookie = of(client)

        async def end() -> None:
            if how == "logout":
                await client.post("/logout", headers=cookie)
            else:
                assert await store.end_all("7") == 1

        await meanwhile(client, meeting, "/slow/elevate", end, cookie)
        assert (await client.get("/me", headers=cookie)).status_code == 401
        assert await store.of("7") == {}


async def test_who_logs_in_while_the_session_ends_is_in(store: SessionStore) -> None:
    meeting = Meeting()
    async with AsyncTestClient(shop(store, meeting)) as client:
        await client.post("/login/7")
        cookie = of(client)

        async def end() -> None:
            await client.post("/logout", headers=cookie)

        await meanwhile(client, meeting, "/slow/login/8", end, cookie)
        assert (await client.get("/me")).text == "8"
        assert len(await store.of("8")) == 1


async def test_logins_at_once_each_get_a_session(store: SessionStore) -> None:
    meeting = Meeting()
    async with AsyncTestClient(shop(store, meeting)) as client:
        await client.post("/set/cart/tea")
        cookie = of(client)

        async def other() -> None:
            assert (await client.post("/login/7", headers=cookie)).status_code == 200

        got = await meanwhile(client, meeting, "/slow/login/7", other, cookie)
        assert got.status_code == 200
        assert (await client.get("/me")).text == "7"
        assert len(await store.of("7")) == 2
