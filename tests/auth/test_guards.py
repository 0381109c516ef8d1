"""Guards together: their order never matters, more of them never let more in, none reads on."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from nexios import Depend, MakeConfig, Module, NexiosApp, Request
from nexios.adapters.http.controller import Controller
from nexios.adapters.http.controller import get as verb
from nexios.adapters.http.router import Router
from nexios.application.errors import Forbidden
from nexios.application.grants import Roles
from nexios.auth.backends.apikey import APIKeyAuthBackend
from nexios.auth.backends.jwt import JWTAuthBackend, create_jwt
from nexios.auth.decorator import auth, fresh, has_permission, has_role
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.middleware.rate_limiting import rate_limit
from tests.support.asgi import Peer, ask, http_scope

SECRET = "a-secret-of-the-tests-with-32-bytes-and-more"
ROLES = Roles(
    {
        "viewer": {"permissions": ["orders:read"]},
        "clerk": {"includes": ["viewer"], "permissions": ["orders:write"]},
        "admin": {"permissions": ["orders:*"]},
    }
)
Headers = list[tuple[str, str]]


def shop(guards: Sequence[Any] = ()) -> NexiosApp:
    module = Module("shop")
    module.bind(Roles).value(ROLES)
    app = NexiosApp(module, config=MakeConfig(secret_key=SECRET), guards=list(guards))
    app.add_middleware(
        AuthenticationMiddleware(
            [JWTAuthBackend(), APIKeyAuthBackend(lambda key: {"id": key, "roles": ["admin"]})]
        )
    )
    return app


def bearer(**claims: Any) -> Headers:
    return [("authorization", f"Bearer {create_jwt({'sub': 'ada', **claims}, SECRET)}")]


# 14. All permutations of scheme, permission, role and rate.

ASKED: list[tuple[str, Headers, int]] = [
    # A refusal costs nothing of the rate, so that a good caller has two all the same.
    ("nobody", [], 401),
    ("nobody again", [], 401),
    ("another scheme", [("x-api-key", "key")], 401),
    ("lacks the permission", bearer(roles=["viewer"]), 403),
    ("lacks the role", bearer(permissions=["orders:write"]), 403),
    ("lacks it again", bearer(roles=["viewer"]), 403),
    ("good", bearer(roles=["clerk"]), 200),
    ("good again", bearer(roles=["clerk"]), 200),
    ("one too many", bearer(roles=["clerk"]), 429),
    ("lacks it still", bearer(roles=["viewer"]), 403),
    ("nobody still", [], 401),
]


@pytest.mark.asyncio
@pytest.mark.parametrize("place", ["decorators", "guards", "class and method"])
async def test_guards_in_every_order_decide_alike(place: str) -> None:
    marks = range(4)
    tables = []
    for order in itertools.permutations(marks):
        app, made = (
            shop(),
            (
                auth(["jwt"]),
                has_permission("orders:write"),
                has_role("clerk"),
                rate_limit("2/hour", name="desk"),
            ),
        )
        chosen = [made[index] for index in order]
        if place == "class and method":

            class Desk(Controller, path="/desk", guards=chosen[:2]):
                @verb(guards=chosen[2:])
                async def index(self) -> str:
                    return "in"

            app.router.add_controller(Desk)
        else:

            async def handler() -> str:
                return "in"

            for mark in chosen if place == "decorators" else ():
                mark(handler)
            app.get("/desk", guards=chosen if place == "guards" else [])(handler)
        statuses = [
            (name, (await ask(app, "GET", "/desk", headers=headers)).status)
            for name, headers, _ in ASKED
        ]
        tables.append(statuses)
    assert tables == [[(name, status) for name, _, status in ASKED]] * 24


# 88. Adding a guard never widens access.


async def nobody_passes(connection: Any) -> None:
    raise Forbidden("nobody")


async def everybody_passes(connection: Any) -> None: ...


class WithoutRank:
    """A guard of an application's own: it lets pass who names a colour."""

    async def check(self, connection: Any) -> None:
        if "x-colour" not in connection.headers:
            raise Forbidden("no colour")


GUARDS: dict[str, Any] = {
    "any": auth(),
    "jwt": auth(["jwt"]),
    "key": auth("apikey"),
    "either": auth(["jwt", "apikey"]),
    "read": has_permission("orders:read"),
    "write": has_permission(["orders:write", "orders:read"]),
    "viewer": has_role("viewer"),
    "clerk or admin": has_role("clerk", "admin"),
    "fresh": fresh(60),
    "own": WithoutRank(),
    "class": WithoutRank,
    "closed": nobody_passes,
    "open": everybody_passes,
}
NOW = int(time.time()) + 30
CALLERS: dict[str, Headers] = {
    "nobody": [],
    "colour": [("x-colour", "red")],
    "key": [("x-api-key", "key")],
    "key and colour": [("x-api-key", "key"), ("x-colour", "red")],
    "bad": [("authorization", "Bearer a.b.c")],
    "plain": bearer(exp=NOW + 3600),
    "viewer": bearer(roles=["viewer"], exp=NOW + 3600),
    "clerk": bearer(roles=["clerk"], auth_time=NOW, exp=NOW + 3600),
    "admin": [*bearer(roles=["admin"], auth_time=NOW, exp=NOW + 3600), ("x-colour", "red")],
    "narrow": bearer(roles=["admin"], scope="orders:read", exp=NOW + 3600),
}
# Whoever has two credentials may leave one at home, so they are held to what either gives.
CALLERS |= {
    f"{one} and key": [*CALLERS[one], ("x-api-key", "key")] for one in ("plain", "viewer", "clerk")
}
PLACES = ("route", "decorator", "controller", "router", "app")
names = st.sampled_from(sorted(GUARDS))


def passing(placed: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return the status each caller gets at a route with these guards at these places."""
    at: dict[str, list[Any]] = {place: [] for place in PLACES}
    for name, place in placed:
        at[place].append(GUARDS[name])
    app = shop(at["app"])

    class Desk(Controller, path="/desk", guards=at["controller"]):
        @verb(guards=at["route"])
        async def index(self) -> str:
            return "in"

    for guard in at["decorator"]:
        auth_mark = guard if hasattr(guard, "rank") else None
        if auth_mark is None:
            at["router"].append(guard)
        else:
            auth_mark(Desk)
    router = Router(guards=at["router"])
    router.add_controller(Desk)
    app.mount_router(router)

    async def ask_all() -> dict[str, int]:
        return {
            who: (await ask(app, "GET", "/desk", headers=headers)).status
            for who, headers in CALLERS.items()
        }

    return asyncio.run(ask_all())


@settings(max_examples=60, deadline=None)
@given(
    placed=st.lists(st.tuples(names, st.sampled_from(PLACES)), max_size=4),
    more=st.tuples(names, st.sampled_from(PLACES)),
    data=st.data(),
)
def test_adding_a_guard_never_widens_access(
    placed: list[tuple[str, str]], more: tuple[str, str], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(placed)))
    fewer = passing(placed)
    more_of_them = passing([*placed[:at], more, *placed[at:]])
    alone = passing([more])
    for who in CALLERS:
        one, both, _ = who.partition(" and key")
        let_in = more_of_them[who] == 200
        if both:
            assert not let_in or 200 in (fewer[who], fewer[one], fewer["key"]), who
        else:
            assert let_in == (fewer[who] == 200 and alone[who] == 200), who


@settings(max_examples=40, deadline=None)
@given(
    chosen=st.lists(names, min_size=2, max_size=5).flatmap(
        lambda found: st.tuples(st.just(found), st.permutations(found))
    ),
    place=st.sampled_from(PLACES),
)
def test_guards_in_any_order_give_every_caller_the_same(
    chosen: tuple[list[str], list[str]], place: str
) -> None:
    one, other = ([(name, place) for name in order] for order in chosen)
    assert {who: status == 200 for who, status in passing(one).items()} == {
        who: status == 200 for who, status in passing(other).items()
    }


@pytest.mark.asyncio
@pytest.mark.parametrize("order", list(itertools.permutations(["a", "b", "c"])))
@pytest.mark.parametrize("named", list(itertools.permutations(["a", "b", "c"], 2)))
async def test_guards_of_several_schemes_agree_on_the_user(
    order: tuple[str, ...], named: tuple[str, str]
) -> None:
    keys = [
        APIKeyAuthBackend(lambda key: {"id": key}, header_name=f"x-{name}", name=name)
        for name in order
    ]
    app = NexiosApp()
    app.add_middleware(AuthenticationMiddleware(keys))

    @app.get("/who", guards=[auth([named[0]]), auth([named[1]])])
    async def who(request: Request) -> str:
        return str(request.user["id"])

    all_three = [(f"x-{name}", name) for name in "abc"]
    answer = await ask(app, "GET", "/who", headers=all_three)
    # The last of the backends that were asked: the first is, and those the guards name.
    last = max(named, key=order.index)
    assert (answer.status, answer.text) == (200, last)
    for name in named:
        lacking = [field for field in all_three if field[1] != name]
        assert (await ask(app, "GET", "/who", headers=lacking)).status == 401


def test_the_callers_of_that_test_differ() -> None:
    told = {name: tuple(passing([(name, "route")]).values()) for name in GUARDS}
    assert set(told["open"]) == {200}
    assert 200 not in told["closed"]
    assert len(set(told.values())) >= 8


# 89. Neither body nor wiring is touched.


class Order(BaseModel):
    number: int


REFUSING: dict[str, tuple[Any, Headers, int]] = {
    "scheme": (auth(["jwt"]), [], 401),
    "scheme, bad token": (auth(["jwt"]), [("authorization", "Bearer a.b.c")], 401),
    "permission": (has_permission("orders:delete"), bearer(roles=["clerk"]), 403),
    "role": (has_role("admin"), bearer(roles=["clerk"]), 403),
    "age": (fresh(60), bearer(auth_time=1), 401),
    "own": (WithoutRank(), [], 403),
    "class": (WithoutRank, [], 403),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", REFUSING)
async def test_a_guard_refuses_before_body_and_wiring(kind: str) -> None:
    guard, headers, status = REFUSING[kind]
    touched: list[str] = []

    class Service:
        def __init__(self) -> None:
            touched.append("service")

    def dependency() -> str:
        touched.append("dependency")
        return ""

    app = shop()

    @app.post("/orders", guards=[guard])
    async def orders(
        order: Order, service: Service = Depend(Service), told: str = Depend(dependency)
    ) -> str:
        touched.append("handler")
        return "in"

    @app.post("/open")
    async def opened(
        order: Order, service: Service = Depend(Service), told: str = Depend(dependency)
    ) -> str:
        touched.append("handler")
        return "in"

    peer = Peer([b'{"number":', b"1}"])
    sent = [*headers, ("content-type", "application/json"), ("content-length", "12")]
    await app(http_scope("POST", "/orders", sent), peer.receive, peer.send)
    assert peer.answer().status == status
    assert (peer.asked, touched) == (0, [])
    # What is wrong with a body or a parameter is not told to whoever may not pass either.
    wrong = [*headers, ("content-type", "text/plain"), ("content-length", "99999999")]
    answer = await ask(app, "POST", "/orders", headers=wrong, peer=(peer := Peer([b"{"])))
    assert (answer.status, peer.asked, touched) == (status, 0, [])
    # The same without the guard does read and make.
    good = await ask(
        app, "POST", "/open", as_json={"number": 1}, peer=(peer := Peer([b'{"number":1}']))
    )
    assert (good.status, peer.asked, sorted(touched)) == (
        200,
        1,
        ["dependency", "handler", "service"],
    )
