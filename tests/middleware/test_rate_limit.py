"""Rates over HTTP: who is refused, what is told, and what happens without the store."""

from collections.abc import Sequence
from typing import Any

import pytest

from nexios import MakeConfig, Module, NexiosApp, Request, WebSocket
from nexios.adapters.security.memory_counters import MemoryCounters
from nexios.application.errors import Unavailable
from nexios.application.rates import CounterStore, Decision, Hit
from nexios.auth.backends.base import AuthenticationBackend
from nexios.auth.decorator import auth
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.middleware.rate_limiting import (
    Limiter,
    RateLimitMiddleware,
    by_caller,
    client_ip,
    rate_limit,
)
from nexios.testing.client import AsyncTestClient
from nexios.testing.sockets import SocketDenied, websocket_connect

pytestmark = pytest.mark.asyncio


class ByName(AuthenticationBackend):
    scheme = "name"

    async def authenticate(self, connection: Any) -> Any:
        name = connection.headers.get("x-name")
        return None if name is None else {"id": name}


def limited(*rules: RateLimitMiddleware, store: CounterStore | None = None) -> NexiosApp:
    module = Module("store")
    if store is not None:
        module.bind(CounterStore).value(store)
        module.export(CounterStore)
    app = NexiosApp(module, config=MakeConfig(trusted_proxies=["testclient"]))
    for rule in rules:
        app.add_middleware(rule)
    app.add_middleware(AuthenticationMiddleware(ByName()))

    @app.get("/")
    async def hello() -> str:
        return "hello"

    @app.get("/export")
    @rate_limit("1/hour")
    @auth()
    async def export(request: Request) -> str:
        return "exported"

    @app.post("/login")
    @rate_limit("2/hour", key=client_ip, on_failure="closed")
    async def log_in() -> str:
        return "in"

    @app.websocket("/ws")
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()

    return app


def come_from(address: str) -> dict[str, str]:
    return {"x-forwarded-for": address}


async def test_rate_headers_are_structured_fields_on_success_and_refusal() -> None:
    async with AsyncTestClient(limited(RateLimitMiddleware("2/minute"))) as client:
        first = await client.get("/")
        assert first.headers["ratelimit-policy"] == '"default";q=2;w=60'
        assert first.headers["ratelimit"] == '"default";r=1;t=30'
        names = ("limit", "remaining", "reset")
        assert [first.headers[f"ratelimit-{name}"] for name in names] == ["2", "1", "30"]
        await client.get("/")
        refused = await client.get("/")
        assert (await client.get("/health/live")).status_code == 200
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "30"
    assert refused.headers["ratelimit-remaining"] == "0"
    assert refused.json()["type"].endswith("rate-limited")


async def test_each_address_counts_for_itself_and_a_network_of_ipv6_for_one() -> None:
    async with AsyncTestClient(limited(RateLimitMiddleware("1/hour"))) as client:
        for address, status in (
            ("203.0.113.7", 200),
            ("203.0.113.7", 429),
            ("203.0.113.8", 200),
            ("2001:db8:1:2::1", 200),
            ("2001:db8:1:2:ffff::9", 429),
            ("2001:db8:1:3::1", 200),
        ):
            got = await client.get("/", headers=come_from(address))
            assert got.status_code == status, address


async def test_addresses_from_untrusted_peers_are_not_believed() -> None:
    strict = NexiosApp(config=MakeConfig(trusted_proxies=[]))
    strict.add_middleware(RateLimitMiddleware("1/hour"))

    @strict.get("/")
    async def hello() -> str:
        return "hello"

    async with AsyncTestClient(strict) as client:
        statuses = [
            (await client.get("/", headers=come_from(f"203.0.113.{n}"))).status_code
            for n in range(3)
        ]
    assert statuses == [200, 429, 429]


async def test_callers_count_wherever_they_come_from() -> None:
    async with AsyncTestClient(limited(RateLimitMiddleware("1/hour", by_caller))) as client:
        ada, bob = {"x-name": "ada"}, {"x-name": "bob"}
        first = await client.get("/", headers=ada | come_from("203.0.113.7"))
        again = await client.get("/", headers=ada | come_from("203.0.113.8"))
        other = await client.get("/", headers=bob | come_from("203.0.113.7"))
    assert [one.status_code for one in (first, again, other)] == [200, 429, 200]


async def test_a_guard_asks_after_who_is_calling() -> None:
    async with AsyncTestClient(limited()) as client:
        for _ in range(3):
            assert (await client.get("/export")).status_code == 401
        ada = {"x-name": "ada"}
        statuses = [(await client.get("/export", headers=ada)).status_code for _ in range(2)]
        other = await client.get("/export", headers={"x-name": "bob"})
    assert statuses == [200, 429]
    assert other.status_code == 200


async def test_several_rules_hold_together() -> None:
    app = limited(
        RateLimitMiddleware("100/hour", name="all"),
        RateLimitMiddleware("2/minute", name="minute"),
    )
    async with AsyncTestClient(app) as client:
        statuses = [(await client.get("/")).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]


async def test_a_socket_too_many_is_refused_before_it_opens() -> None:
    app = limited(RateLimitMiddleware("1/hour"))
    async with AsyncTestClient(app):
        async with websocket_connect(app, "/ws"):
            pass
        with pytest.raises(SocketDenied) as denied:
            async with websocket_connect(app, "/ws"):
                pass
    assert denied.value.status == 429


class Down:
    asked = 0

    async def hit(self, hits: Sequence[Hit]) -> Sequence[Decision]:
        self.asked += 1
        raise Unavailable


@pytest.mark.parametrize(
    ("on_failure", "statuses"),
    [("local", [200, 429]), ("open", [200, 200]), ("closed", [503, 503])],
)
async def test_a_store_that_is_down_follows_the_rule(on_failure: Any, statuses: list[int]) -> None:
    app = limited(RateLimitMiddleware("1/hour", on_failure=on_failure), store=Down())
    async with AsyncTestClient(app) as client:
        assert [(await client.get("/")).status_code for _ in range(2)] == statuses
        assert (await client.post("/login")).status_code in (503, 429)


async def test_stopped_redis_opens_the_breaker() -> None:
    now, down = [0.0], Down()
    limiter = Limiter(down, clock=lambda: now[0])
    hit = (Hit("a", RateLimitMiddleware("9/hour")._rule._rate),)
    for _ in range(20):
        await limiter.ask(hit, "open")
    assert down.asked == 5
    now[0] += 5.0
    await limiter.ask(hit, "open")
    assert down.asked == 6


async def test_a_bound_store_is_used_by_all_of_an_application() -> None:
    store = MemoryCounters()
    async with AsyncTestClient(limited(RateLimitMiddleware("5/hour"), store=store)) as client:
        await client.get("/")
        await client.get("/export", headers={"x-name": "ada"})
    assert len(store._known) == 2


async def test_what_does_not_fit_is_refused_where_it_is_written() -> None:
    for wrong in ({"limit": "x"}, {"name": 'a"b'}, {"on_failure": "maybe"}):
        with pytest.raises(ValueError, match=r"is no rate|header field|on_failure"):
            RateLimitMiddleware(**wrong)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(ValueError, match="cost"):
        rate_limit("1/hour", cost=0)
