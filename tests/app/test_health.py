"""What probes are answered with, around everything else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from nexios import MakeConfig, Module, NexiosApp, Scope
from nexios.testing.client import AsyncTestClient
from tests.support.asgi import Answer, ask

pytestmark = pytest.mark.asyncio


class Broker:
    """A check that fails when it is told to."""

    name = "broker"
    critical = True
    timeout_s = 1.0
    fails = False

    async def check(self) -> None:
        if self.fails:
            raise ConnectionError("redis://me:canary@db is away")


class Cache(Broker):
    name = "cache"
    critical = False


class Database:
    pinged = 0

    async def ping(self) -> None:
        self.pinged += 1


def services(*classes: type) -> Module:
    module = Module("services")
    for one in classes:
        module.bind(one, scope=Scope.SINGLETON)
    return module.export(*classes)


@asynccontextmanager
async def probed(app: NexiosApp) -> AsyncIterator[AsyncTestClient]:
    async with AsyncTestClient(app) as client:
        yield client


async def local(app: NexiosApp, path: str, **headers: str) -> Answer:
    """Ask from this machine itself."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return await ask(app, "GET", path, headers=fields)


async def test_each_path_says_up_and_is_not_stored() -> None:
    async with probed(NexiosApp()) as client:
        for path in ("/health/live", "/health/ready", "/health/startup"):
            got = await client.get(path)
            assert (got.status_code, got.json()) == (200, {"status": "up"})
            assert got.headers["cache-control"] == "no-store"
            head = await client.head(path)
            assert (head.status_code, head.content) == (200, b"")
            refused = await client.post(path)
            assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
        assert (await client.get("/health/other")).status_code == 404


async def test_live_ignores_dependencies_ready_follows_them() -> None:
    app = NexiosApp(services(Broker))
    async with probed(app) as client:
        broker = await app.container.get(Broker)
        broker.fails = True

        assert (await client.get("/health/live")).status_code == 200
        assert (await client.get("/health/startup")).status_code == 200


async def test_a_singleton_that_never_worked_is_not_ready() -> None:
    class Broken(Broker):
        fails = True

    async with probed(NexiosApp(services(Broken))) as client:
        got = await client.get("/health/ready")

    assert (got.status_code, got.json()) == (503, {"status": "down"})


async def test_one_that_is_not_critical_degrades_with_200() -> None:
    class Gone(Cache):
        fails = True

    async with probed(NexiosApp(services(Gone))) as client:
        got = await client.get("/health/ready")

    assert (got.status_code, got.json()) == (200, {"status": "degraded"})


async def test_singletons_with_a_ping_are_checks_bound_values_too() -> None:
    values, database = Module("values"), Database()
    values.bind(Database).value(database)
    app = NexiosApp(values.export(Database))
    async with probed(app):
        assert list((await local(app, "/health/ready")).json()["checks"]) == ["database"]

    assert database.pinged == 1


async def test_details_only_where_allowed() -> None:
    class Gone(Cache):
        fails = True

    app = NexiosApp(services(Gone))
    async with probed(app) as client:
        assert "checks" not in (await client.get("/health/ready")).json()
        for name in ("x_forwarded_for", "forwarded", "via", "x_real_ip"):
            behind = await local(app, "/health/ready", **{name: "127.0.0.1"})
            assert "checks" not in behind.json(), name
        shown = (await local(app, "/health/ready")).json()["checks"]["cache"]

    assert shown["status"] == "down"
    assert shown["error"] == "ConnectionError: redis://me:***@db is away"
    assert set(shown) == {"status", "latency_ms", "since", "error"}


async def test_probes_pass_hosts_and_middleware() -> None:
    async def nobody(request: Any, response: Any, call_next: Any) -> Any:
        raise AssertionError("a probe came to the middleware")

    app = NexiosApp(config=MakeConfig(allowed_hosts=["shop.example"]), middleware=[nobody])
    async with probed(app) as client:
        got = await client.get("/health/live", headers={"host": "10.0.0.7"})

    assert got.status_code == 200


async def test_the_applications_own_route_wins_also_one_added_later() -> None:
    app = NexiosApp()

    @app.get("/health/live")
    async def mine() -> dict[str, str]:
        return {"mine": "yes"}

    async with probed(app) as client:
        assert (await client.get("/health/live")).json() == {"mine": "yes"}
        assert (await client.get("/health/startup")).json() == {"status": "up"}
        app.add_route(path="/health/startup", handler=mine, methods=["GET"])
        assert (await client.get("/health/startup")).json() == {"mine": "yes"}


async def test_a_catch_all_does_not_take_the_probes() -> None:
    app = NexiosApp()

    @app.get("/{rest:path}")
    async def everything(rest: str) -> str:
        return rest

    async with probed(app) as client:
        assert (await client.get("/health/ready")).json() == {"status": "up"}


@pytest.mark.parametrize("given", ["setting", "argument"])
async def test_switched_off_there_is_nothing(given: str) -> None:
    if given == "setting":
        app = NexiosApp(config=MakeConfig(health={"enabled": False}))
    else:
        app = NexiosApp(health=False)
    async with probed(app) as client:
        assert (await client.get("/health/live")).status_code == 404


async def test_ready_is_503_while_draining_and_a_new_start_is_ready_again() -> None:
    app = NexiosApp()
    async with probed(app) as client:
        app.drain()
        got = await client.get("/health/ready")
        assert (got.status_code, got.json()) == (503, {"status": "draining"})
        assert (await client.get("/health/live")).status_code == 200
    async with probed(app) as client:
        assert (await client.get("/health/ready")).status_code == 200


async def test_a_mounted_application_answers_below_its_prefix() -> None:
    app, admin = NexiosApp(health=False), NexiosApp(services(Broker))
    app.register(admin, "/admin")
    async with probed(app) as client:
        assert (await client.get("/admin/health/ready")).json() == {"status": "up"}
        assert (await client.get("/health/ready")).status_code == 404


async def test_probes_are_not_in_the_document() -> None:
    async with probed(NexiosApp()) as client:
        document = (await client.get("/openapi.json")).json()

    assert document.get("paths", {}) == {}
