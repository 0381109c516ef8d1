"""Sessions in Redis over HTTP: shared by processes, and what an outage of it costs."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from nexios import Depend, Module, NexiosApp, Request, Scope
from nexios.adapters.security.redis_sessions import RedisSessions
from nexios.application import Caller
from nexios.application.sessions import Sessions, SessionStore
from nexios.auth.backends.session import SessionAuthBackend, login, logout
from nexios.auth.decorator import auth
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.middleware.session import SessionMiddleware
from nexios.testing.client import AsyncTestClient
from nexios.testing.redis import RedisServer
from tests.support.asgi import ask
from tests.support.redis import own_redis

pytestmark = pytest.mark.asyncio

__all__ = ["own_redis"]

END_ALL = """
import asyncio, sys
from nexios.adapters.security.redis_sessions import RedisSessions

async def main():
    async with RedisSessions(sys.argv[1]) as store:
        print(await store.end_all("7"))

asyncio.run(main())
"""


def shop(url: str) -> NexiosApp:
    """Return an application that opens its sessions with itself, and closes them."""
    module = Module("sessions")

    @module.provides(scope=Scope.SINGLETON)
    async def sessions() -> AsyncIterator[SessionStore]:
        async with RedisSessions(url) as store:
            yield store

    module.bind(Sessions)
    app = NexiosApp(module.export(SessionStore, Sessions))
    app.add_middleware(SessionMiddleware())
    app.add_middleware(AuthenticationMiddleware(SessionAuthBackend()))

    @app.post("/login/{user_id}")
    async def log_in(request: Request, user_id: int) -> str:
        login(request, {"id": user_id})
        return "in"

    @app.post("/logout")
    async def log_out(request: Request) -> str:
        logout(request)
        return "out"

    @app.post("/set/{key}/{value}")
    async def put(request: Request, key: str, value: str) -> str:
        request.session[key] = value
        return "set"

    @app.get("/me")
    @auth(["session"])
    async def me(caller: Caller = Depend()) -> str:
        return caller.actor or ""

    @app.get("/cart")
    async def cart(request: Request) -> Any:
        return dict(request.session)

    @app.get("/public")
    async def public() -> str:
        return "served"

    @app.get("/sessions")
    @auth()
    async def listed(caller: Caller = Depend(), sessions: Sessions = Depend()) -> list[str]:
        return [one.id for one in await sessions.of(str(caller.actor))]

    @app.post("/elsewhere/end")
    @auth()
    async def end_others(
        request: Request, caller: Caller = Depend(), sessions: Sessions = Depend()
    ) -> dict[str, int]:
        keep = request.session.id
        return {"ended": await sessions.end_all(str(caller.actor), keep=keep)}

    @app.post("/sessions/{id}/end")
    @auth()
    async def end_one(id: str, sessions: Sessions = Depend()) -> str:
        await sessions.end(id)
        return "ended"

    return app


def of(client: AsyncTestClient) -> dict[str, str]:
    return {"cookie": f"session_id={client.cookies['session_id']}"}


async def statuses(client: AsyncTestClient, *paths: str) -> list[int]:
    return [(await client.get(path)).status_code for path in paths]


async def test_two_applications_share_sessions(nexios_redis: str) -> None:
    async with (
        AsyncTestClient(shop(nexios_redis)) as one,
        AsyncTestClient(shop(nexios_redis)) as two,
    ):
        await one.post("/set/cart/tea")
        await one.post("/login/7")
        cookie = of(one)
        assert (await two.get("/me", headers=cookie)).text == "7"
        await two.post("/set/more/milk", headers=cookie)
        found = (await one.get("/cart")).json()
        assert (found["cart"], found["more"]) == ("tea", "milk")
        await two.post("/logout", headers=cookie)
        assert (await one.get("/me")).status_code == 401
        assert (await one.get("/cart")).json() == {}


async def test_the_old_id_is_dead_at_once_in_other_processes_too(nexios_redis: str) -> None:
    async with (
        AsyncTestClient(shop(nexios_redis)) as one,
        AsyncTestClient(shop(nexios_redis)) as two,
    ):
        await one.post("/set/cart/tea")
        anonymous = of(one)
        assert (await two.get("/cart", headers=anonymous)).json() == {"cart": "tea"}
        await one.post("/login/7")
        assert (await two.get("/cart", headers=anonymous)).json() == {}
        known = of(one)
        assert anonymous != known
        await one.post("/login/7")
        assert (await two.get("/me", headers=known)).status_code == 401
        assert (await two.get("/me", headers=of(one))).status_code == 200


async def test_another_process_ends_all_sessions(own_redis: RedisServer) -> None:
    async with AsyncTestClient(shop(own_redis.url)) as client:
        await client.post("/login/7")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", END_ALL, own_redis.url), stdout=asyncio.subprocess.PIPE
        )
        told, _ = await process.communicate()
        assert told.strip() == b"1"
        assert (await client.get("/me")).status_code == 401


async def test_end_all_but_this_one(own_redis: RedisServer) -> None:
    app = shop(own_redis.url)
    async with AsyncTestClient(app) as phone:
        await phone.post("/login/7")
        first = of(phone)
        phone.cookies.clear()
        await phone.post("/login/7")
        second = of(phone)
        phone.cookies.clear()
        await phone.post("/login/8")
        other = of(phone)
        phone.cookies.clear()
        assert len((await phone.get("/sessions", headers=first)).json()) == 2
        ended = await phone.post("/elsewhere/end", headers=second)
        assert ended.json() == {"ended": 1}
        told = [
            (await phone.get("/me", headers=one)).status_code for one in (first, second, other)
        ]
        assert told == [401, 200, 200]
        (mine,) = (await phone.get("/sessions", headers=second)).json()
        assert mine not in second["cookie"]
        for unknown in ("00", "not-hex", "ab" * 32):
            got = await phone.post(f"/sessions/{unknown}/end", headers=second)
            assert got.status_code == 200
        assert (await phone.get("/me", headers=second)).status_code == 200
        await phone.post(f"/sessions/{mine}/end", headers=second)
        assert (await phone.get("/me", headers=second)).status_code == 401


async def test_store_outage_hits_only_routes_that_need_it(own_redis: RedisServer) -> None:
    async with AsyncTestClient(shop(own_redis.url)) as client:
        await client.post("/login/7")
        for stop, heal in (
            (own_redis.pause, own_redis.resume),
            (own_redis.kill, own_redis.start),
        ):
            stop()
            assert await statuses(client, "/public", "/me", "/cart") == [200, 503, 503]
            refused = await client.get("/me")
            assert refused.headers["retry-after"] == "2"
            assert (await client.post("/login/7")).status_code == 503
            assert (await client.post("/logout")).status_code == 503
            heal()
            with anyio.fail_after(20):
                while (await client.get("/cart")).status_code == 503:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            # The crash lost what was stored: nobody is logged in, and everybody can be.
            expected = 200 if stop == own_redis.pause else 401
            assert (await client.get("/me")).status_code == expected
            await client.post("/login/7")
            assert (await client.get("/me")).status_code == 200


async def test_an_outage_between_loading_and_keeping_is_503(own_redis: RedisServer) -> None:
    app = shop(own_redis.url)

    @app.post("/slow")
    async def slow(request: Request) -> str:
        request.session["late"] = "1"
        own_redis.kill()
        return "kept?"

    async with AsyncTestClient(app) as client:
        await client.post("/login/7")
        got = await client.post("/slow")
        assert got.status_code == 503
        assert "set-cookie" not in got.headers
        own_redis.start()


async def test_flushed_redis_means_logged_out(own_redis: RedisServer) -> None:
    async with AsyncTestClient(shop(own_redis.url)) as client:
        await client.post("/login/7")
        own_redis.flush()
        assert await statuses(client, "/me", "/cart", "/public") == [401, 200, 200]
        assert (await client.post("/set/a/1")).status_code == 200
        assert (await client.get("/cart")).json() == {"a": "1"}
        own_redis.flush()
        assert (await client.post("/logout")).status_code == 200
        await client.post("/login/7")
        assert (await client.get("/me")).status_code == 200


async def test_flushed_while_a_request_is_under_way(own_redis: RedisServer) -> None:
    app = shop(own_redis.url)

    @app.post("/slow/{user_id}")
    async def slow(request: Request, user_id: int) -> str:
        request.session["late"] = "1"
        own_redis.flush()
        if user_id:
            login(request, {"id": user_id})
        return "kept?"

    async with AsyncTestClient(app) as client:
        await client.post("/login/7")
        assert (await client.post("/slow/0")).status_code == 200
        assert (await client.get("/me")).status_code == 401
        await client.post("/login/7")
        assert (await client.post("/slow/8")).status_code == 200
        assert (await client.get("/me")).text == "8"


async def test_the_client_opens_and_closes_with_the_application(own_redis: RedisServer) -> None:
    def connected() -> int:
        told = own_redis.says(b"INFO clients\r\n").decode()
        (line,) = [one for one in told.splitlines() if one.startswith("connected_clients:")]
        return int(line.partition(":")[2]) - 1  # less this one

    for _ in range(2):
        async with AsyncTestClient(shop(own_redis.url)) as client:
            await asyncio.gather(*(client.post("/set/a/1") for _ in range(5)))
            assert connected() >= 1
        with anyio.fail_after(10):
            while connected():  # noqa: ASYNC110  # the server notices on its own
                await asyncio.sleep(0.02)


async def test_readiness_follows_the_store(own_redis: RedisServer) -> None:
    app = shop(own_redis.url)

    async def becomes(status: int) -> None:
        with anyio.fail_after(20):
            while (await ask(app, "GET", "/health/ready")).status != status:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async with AsyncTestClient(app):
        await becomes(200)
        assert b"redissessions" in (await ask(app, "GET", "/health/ready")).body
        own_redis.pause()
        await becomes(503)
        own_redis.resume()
        await becomes(200)
