"""Roles, freshness, public, deny by default, and the way to the login page."""

import itertools
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from nexios.adapters.asgi.event_desk import EventDesk
from nexios.adapters.http.controller import Controller
from nexios.adapters.http.controller import get as verb
from nexios.adapters.websocket.socket import WebSocket
from nexios.app import NexiosApp
from nexios.application.caller import Caller
from nexios.application.errors import Unavailable
from nexios.application.grants import Roles
from nexios.application.policies import Decision, Policies, Policy, allow, deny
from nexios.application.security_events import SecurityEvent, SecurityEvents
from nexios.auth.access import AccessRefused, table
from nexios.auth.backends.base import AuthenticationBackend
from nexios.auth.backends.jwt import JWTAuthBackend, create_jwt
from nexios.auth.backends.session import SessionAuthBackend
from nexios.auth.decorator import auth, fresh, has_permission, has_role, public
from nexios.auth.middleware import AuthenticationMiddleware, AuthenticationSetup, roles_in
from nexios.auth.users import SimpleUser
from nexios.config import MakeConfig
from nexios.container.depend import Depend
from nexios.container.module import Module
from nexios.domain.errors import NotFound
from nexios.middleware.rate_limiting import rate_limit
from nexios.middleware.session import SessionMiddleware
from nexios.testing.client import AsyncTestClient
from nexios.testing.security import KeptSecurityEvents
from nexios.testing.sockets import SocketDenied, websocket_connect

pytestmark = pytest.mark.asyncio

SECRET = "a-secret-of-the-tests-with-32-bytes-and-more"
ROLES = Roles(
    {
        "viewer": {"permissions": ["orders:read"]},
        "clerk": {"includes": ["viewer"], "permissions": ["orders:write"]},
        "admin": {"permissions": ["orders:*"]},
    }
)


def shop(**config: Any) -> NexiosApp:
    module = Module("shop")
    module.bind(Roles).value(ROLES)
    app = NexiosApp(module, config=MakeConfig(secret_key=SECRET, **config))
    app.add_middleware(AuthenticationMiddleware(backend=JWTAuthBackend()))
    return app


def bearer(**claims: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {create_jwt({'sub': 'ada', **claims}, SECRET)}"}


class TestRoles:
    async def test_roles_of_the_user_open_what_they_stand_for(self) -> None:
        app = shop()

        @app.get("/orders")
        @has_permission("orders:read")
        async def orders(request: Any, response: Any) -> Any:
            return {"may": request.caller.can("orders:write")}

        @app.get("/desk")
        @has_role("viewer")
        async def desk(request: Any, response: Any) -> Any:
            return {"roles": sorted(request.caller.grants.roles)}

        async with AsyncTestClient(app) as client:
            statuses = {
                role: (
                    (await client.get("/orders", headers=bearer(roles=[role]))).status_code,
                    (await client.get("/desk", headers=bearer(roles=[role]))).status_code,
                )
                for role in ("viewer", "clerk", "admin", "nobody")
            }
            told = await client.get("/desk", headers=bearer(roles=["clerk"]))

        assert statuses == {
            "viewer": (200, 200),
            "clerk": (200, 200),
            "admin": (200, 403),
            "nobody": (403, 403),
        }
        assert told.json() == {"roles": ["clerk", "viewer"]}

    async def test_a_narrow_token_is_told_the_scope_it_lacks(self) -> None:
        app = shop()

        @app.get("/orders")
        @has_permission(["orders:read", "orders:write"])
        async def orders(request: Any, response: Any) -> str:
            return "in"

        narrow = bearer(roles=["admin"], scope="orders:read")
        wide = bearer(roles=["viewer"], scope="orders:*")
        async with AsyncTestClient(app) as client:
            refused = await client.get("/orders", headers=narrow)
            never_more = await client.get("/orders", headers=wide)

        assert refused.status_code == 403
        assert refused.headers["www-authenticate"] == (
            'Bearer error="insufficient_scope", scope="orders:read orders:write"'
        )
        assert never_more.status_code == 403
        assert "www-authenticate" not in never_more.headers

    async def test_the_users_own_answer_decides_within_the_scope(self) -> None:
        class Own:
            identity = "ada"
            permissions = ("listed",)

            async def has_permission(self, permission: str) -> bool:
                return permission == "own"

        app = NexiosApp(config=MakeConfig(secret_key=SECRET))
        app.add_middleware(AuthenticationMiddleware(backend=JWTAuthBackend(lambda: Own())))
        for name in ("own", "listed"):
            app.get(f"/{name}", guards=[has_permission(name)])(lambda request, response: "in")

        async with AsyncTestClient(app) as client:
            own = await client.get("/own", headers=bearer())
            listed = await client.get("/listed", headers=bearer())
            narrow = await client.get("/own", headers=bearer(scope="listed"))

        assert (own.status_code, listed.status_code, narrow.status_code) == (200, 403, 403)

    async def test_a_user_of_ours_with_roles_gets_what_they_stand_for(self) -> None:
        class Member(SimpleUser):
            roles = ("clerk",)

        module = Module("shop")
        module.bind(Roles).value(ROLES)
        app = NexiosApp(module, config=MakeConfig(secret_key=SECRET))
        app.add_middleware(
            AuthenticationMiddleware(backend=JWTAuthBackend(lambda sub: Member(sub, ["wave"])))
        )
        for name in ("orders:write", "wave", "orders:delete"):
            app.get(f"/{name}", guards=[has_permission(name)])(lambda request, response: "in")

        async with AsyncTestClient(app) as client:
            told = [
                (await client.get(f"/{name}", headers=bearer())).status_code
                for name in ("orders:write", "wave", "orders:delete")
            ]

        assert told == [200, 200, 403]

    async def test_another_user_put_in_place_has_rights_of_its_own(self) -> None:
        app = shop()

        async def as_guest(request: Any, response: Any, call_next: Any) -> Any:
            request.scope["user"] = {"id": "guest", "is_authenticated": True, "roles": ["viewer"]}
            return await call_next()

        app.add_middleware(as_guest)
        for name in ("orders:read", "orders:write"):
            app.get(f"/{name}", guards=[has_permission(name)])(lambda request, response: "in")

        async with AsyncTestClient(app) as client:
            read = await client.get("/orders:read", headers=bearer(roles=["admin"]))
            write = await client.get("/orders:write", headers=bearer(roles=["admin"]))

        assert (read.status_code, write.status_code) == (200, 403)

    async def test_guards_in_every_order_decide_alike(self) -> None:
        marks = [auth(["jwt"]), has_permission("orders:write"), has_role("viewer"), fresh(60)]
        headers = {
            "nobody": {},
            "viewer": bearer(roles=["viewer"], auth_time=int(time.time())),
            "old": bearer(roles=["clerk"], auth_time=int(time.time()) - 100),
            "clerk": bearer(roles=["clerk"], auth_time=int(time.time())),
        }
        app = shop()
        for number, order in enumerate(itertools.permutations(marks)):
            app.get(f"/{number}", guards=list(order))(lambda request, response: "in")

        async with AsyncTestClient(app) as client:
            tables = [
                [
                    (await client.get(f"/{number}", headers=told)).status_code
                    for told in headers.values()
                ]
                for number in range(24)
            ]

        assert tables == [[401, 403, 401, 200]] * 24

    async def test_roles_bound_twice_refuse_the_start(self) -> None:
        inner = Module("inner")
        inner.bind(Roles).value(ROLES)
        outer = Module("outer", include=[inner])
        outer.bind(Roles).value(Roles({}))
        app = NexiosApp(outer, config=MakeConfig(secret_key=SECRET))
        app.add_middleware(AuthenticationMiddleware(backend=JWTAuthBackend()))

        with pytest.raises(AuthenticationSetup, match="Roles are bound twice"):
            app.check()

    async def test_roles_that_are_made_later_refuse_the_start(self) -> None:
        module = Module("shop")
        module.bind(Roles).to(lambda: ROLES)
        app = NexiosApp(module, config=MakeConfig(secret_key=SECRET))
        app.add_middleware(AuthenticationMiddleware(backend=JWTAuthBackend()))

        with pytest.raises(AuthenticationSetup, match=r"fix: module\.bind"):
            app.check()

    async def test_names_that_no_role_gives_are_warned_about(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        app = shop()
        app.get("/a", guards=[has_permission("order:read")])(lambda request, response: "")
        app.get("/b", guards=[has_role("clark")])(lambda request, response: "")

        app.check()

        assert [record.getMessage() for record in caplog.records] == [
            "GET /a wants 'order:read', which no role gives",
            "GET /b wants the role 'clark', which is not there",
        ]

    @pytest.mark.parametrize("wrong", [(), ("",) and (5,), (["a"],)])
    async def test_a_role_guard_takes_names(self, wrong: tuple[Any, ...]) -> None:
        with pytest.raises(TypeError, match="has_role"):
            has_role(*wrong)


class TestFresh:
    async def test_an_old_login_must_be_renewed(self) -> None:
        app = shop()
        app.get("/pay", guards=[fresh(max_age_s=300)])(lambda request, response: "paid")

        async with AsyncTestClient(app) as client:
            old = await client.get("/pay", headers=bearer(auth_time=int(time.time()) - 400))
            unknown = await client.get("/pay", headers=bearer())
            new = await client.get("/pay", headers=bearer(auth_time=int(time.time()) - 10))

        assert (old.status_code, unknown.status_code, new.status_code) == (401, 401, 200)
        assert old.headers["www-authenticate"] == (
            'Bearer error="insufficient_user_authentication", max_age="300"'
        )

    async def test_a_session_knows_when_its_user_logged_in(self) -> None:
        app = NexiosApp(config=MakeConfig(secret_key=SECRET))
        backend = SessionAuthBackend()
        app.add_middleware(SessionMiddleware())
        app.add_middleware(AuthenticationMiddleware(backend=backend))

        @app.post("/login")
        async def login(request: Any, response: Any) -> str:
            backend.login(request, {"id": "ada"})
            return "in"

        @app.post("/age")
        async def age(request: Any, response: Any) -> str:
            request.session["user"] = {**request.session["user"], "at": 1}
            return "old"

        app.get("/pay", guards=[fresh(60)])(lambda request, response: "paid")

        async with AsyncTestClient(app) as client:
            assert (await client.get("/pay")).status_code == 401
            await client.post("/login")
            assert (await client.get("/pay")).status_code == 200
            await client.post("/age")
            assert (await client.get("/pay")).status_code == 401

    @pytest.mark.parametrize("wrong", [0, -1, True, "300", None])
    async def test_fresh_takes_seconds(self, wrong: Any) -> None:
        with pytest.raises(TypeError, match=r"write @fresh\(max_age_s=300\)"):
            fresh(wrong)


class TestDenyByDefault:
    async def test_routes_and_sockets_without_a_guard_refuse_the_start(self) -> None:
        app = shop(auth={"deny_by_default": True})

        @app.get("/open")
        async def opened(request: Any, response: Any) -> str:
            return ""

        @app.get("/limited")
        @rate_limit("5/minute")
        async def limited(request: Any, response: Any) -> str:
            return ""

        @app.websocket("/ws")
        async def ws(websocket: WebSocket) -> None: ...

        @app.get("/in", guards=[auth()])
        async def inside(request: Any, response: Any) -> str:
            return ""

        with pytest.raises(AccessRefused) as refusal:
            app.check()

        first, *lines, fix = str(refusal.value).splitlines()
        assert first == "auth.deny_by_default is on, and 3 routes stand without a guard:"
        assert [line.split()[:2] for line in lines] == [
            ["GET", "/open"],
            ["GET", "/limited"],
            ["WEBSOCKET", "/ws"],
        ]
        assert all("test_access.py:" in line for line in lines)
        assert fix == "  fix: guard each by @auth() or the like, or mark it @public"

    async def test_guarded_and_public_ones_start(self) -> None:
        app = shop(auth={"deny_by_default": True})

        @app.get("/open")
        @public
        async def opened(request: Any, response: Any) -> str:
            return "hello"

        @app.websocket("/ws", guards=[public])
        async def ws(websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.send_text("hello")

        app.get("/in", guards=[auth()])(lambda request, response: "in")

        async with AsyncTestClient(app) as client:
            assert (await client.get("/open")).text == "hello"
            assert (await client.get("/in")).status_code == 401
            assert (await client.get("/docs")).status_code == 200
        async with websocket_connect(app, "/ws") as socket:
            assert await socket.receive_text() == "hello"

    async def test_a_late_route_is_held_to_it_too(self) -> None:
        app = shop(auth={"deny_by_default": True})
        app.check()

        with pytest.raises(AccessRefused, match="1 route stands without a guard"):
            app.get("/late")(lambda request, response: "")

    async def test_public_beside_a_guard_refuses_the_start(self) -> None:
        @auth(["jwt"])
        class Desk(Controller, path="/desk"):
            @verb("/")
            @public
            async def index(self) -> str:
                return ""

        app = NexiosApp(Module("desk", controllers=[Desk]), config=MakeConfig(secret_key=SECRET))
        app.add_middleware(AuthenticationMiddleware(backend=JWTAuthBackend()))

        with pytest.raises(AccessRefused, match=r"GET /desk/? is marked @public and guarded by"):
            app.check()

    async def test_public_needs_nobody_who_proves_users(self) -> None:
        app = NexiosApp()
        app.get("/", guards=[public])(lambda request, response: "hello")

        async with AsyncTestClient(app) as client:
            assert (await client.get("/")).text == "hello"

    async def test_a_marked_function_is_returned_itself(self) -> None:
        def handler() -> str:
            return "called"

        marked = public(fresh(5)(has_role("a")(handler)))

        assert marked is handler
        assert marked() == "called"


class TestTable:
    async def test_who_may_pass_is_told_in_words(self) -> None:
        class Members(AuthenticationBackend):
            async def check(self, connection: Any) -> None: ...

        async def friends(connection: Any) -> None: ...

        app = shop()
        say = lambda request, response: ""  # noqa: E731
        app.get("/", guards=[public])(say)
        app.get("/open")(say)
        app.get("/a", guards=[auth()])(say)
        app.get("/b", guards=[auth(["jwt"]), has_permission("orders:write")])(say)
        app.get("/c", guards=[has_role("viewer", "admin"), fresh(300)])(say)
        app.get("/d", guards=[friends])(say)
        app.get("/e", guards=[has_permission("invoices:read")])(say)

        found = table(app.entrances, roles_in(app.container))

        assert [line.split("  ")[-1].strip() for line in found.splitlines() if "[" not in line]
        assert found.replace(self._scope(), "") == (
            "GET  /      everybody\n"
            "GET  /a     proven\n"
            "GET  /b     proven by jwt, may orders:write  [clerk, admin]\n"
            "GET  /c     logged in within 300 s, role viewer or admin  [viewer, clerk, admin]\n"
            "GET  /d     guard friends\n"
            "GET  /e     may invoices:read  [no role]\n"
            "GET  /open  everybody (not marked)\n"
        )

    def _scope(self) -> str:
        return "TestTable.test_who_may_pass_is_told_in_words.<locals>."


class TestLoginUrl:
    def app(self) -> NexiosApp:
        app = shop(auth={"login_url": "/login"})
        app.get("/orders", guards=[auth()])(lambda request, response: "")
        app.post("/orders", guards=[auth()])(lambda request, response: "")
        app.get("/login", guards=[auth()])(lambda request, response: "")
        app.get("/{path:path}", guards=[auth()])(lambda request, response, path: "")
        return app

    async def test_a_browser_is_sent_to_log_in(self) -> None:
        html = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
        async with AsyncTestClient(self.app()) as client:
            sent = await client.get("/orders?page=2&q=a%26b", headers=html, follow_redirects=False)
            api = await client.get("/orders", headers={"accept": "application/json"})
            any_kind = await client.get("/orders")
            posted = await client.post("/orders", headers=html)
            login = await client.get("/login", headers=html, follow_redirects=False)

        assert sent.status_code == 303
        where = urlsplit(sent.headers["location"])
        assert where.path == "/login"
        assert parse_qs(where.query) == {"next": ["/orders?page=2&q=a%26b"]}
        assert sent.headers["vary"] == "Accept"
        assert [one.status_code for one in (api, any_kind, posted, login)] == [401] * 4

    @pytest.mark.parametrize("path", ["//evil.example/x", "///evil.example", "/%5Cevil.example"])
    async def test_the_way_back_stays_on_this_site(self, path: str) -> None:
        async with AsyncTestClient(self.app()) as client:
            sent = await client.get(
                f"http://testserver{path}", headers={"accept": "text/html"}, follow_redirects=False
            )

        if sent.status_code == 303:
            (back,) = parse_qs(urlsplit(sent.headers["location"]).query)["next"]
            assert back[0] == "/"
            assert back[1:2] not in ("/", "\\")
            assert not back.startswith("/%5C")
        else:
            assert sent.status_code == 400

    @pytest.mark.parametrize(
        "wrong", ["login", "https://evil.example", "//evil", "/\\evil", "/a\n"]
    )
    async def test_a_login_url_is_a_path_of_ours(self, wrong: str) -> None:
        with pytest.raises(ValueError, match="login_url: must be a path"):
            MakeConfig(auth={"login_url": wrong})


class Order:
    id = "o-1"
    owner = "ada"


class Directory:
    def knows(self, actor: str | None) -> bool:
        return actor == "boss"


class MayEdit(Policy[Order]):
    def __init__(self, directory: Directory) -> None:
        self.directory = directory

    async def __call__(self, caller: Caller, loaded: Order) -> Decision:
        owner = loaded.owner == caller.actor
        return allow() if owner or self.directory.knows(caller.actor) else deny("other", hide=True)


class TestPolicies:
    async def test_a_policy_asks_for_services_and_hides_what_is_anothers(self) -> None:
        kept = KeptSecurityEvents()

        class Orders(Controller, path="/orders"):
            def __init__(self, policies: Policies, may_edit: MayEdit) -> None:
                self.policies = policies
                self.may_edit = may_edit

            @verb("/{order_id}")
            @auth()
            async def show(self, order_id: str) -> str:
                found = Order() if order_id == "o-1" else None
                order = await self.policies.require(
                    self.may_edit, found, missing=NotFound("there is no such order")
                )
                return order.owner

        module = Module("orders", bind=[Directory, MayEdit], controllers=[Orders])
        module.bind(SecurityEvents).value(kept)
        module.export(SecurityEvents)
        app = NexiosApp(module, config=MakeConfig(secret_key=SECRET))
        app.add_middleware(AuthenticationMiddleware(backend=JWTAuthBackend()))

        async with AsyncTestClient(app) as client:
            answers = [
                await client.get(path, headers=bearer(sub=who))
                for who in ("ada", "boss", "eve")
                for path in ("/orders/o-1", "/orders/o-2")
            ]

        assert [one.status_code for one in answers] == [200, 404, 200, 404, 404, 404]
        hidden, missing = (one.json() for one in answers[4:])
        assert {**hidden, "instance": ""} == {**missing, "instance": ""}
        assert [(one.actor, one.reason) for one in kept.events] == [("eve", "other")]

    async def test_a_function_may_ask_too(self) -> None:
        app = NexiosApp(config=MakeConfig(secret_key=SECRET))
        app.add_middleware(AuthenticationMiddleware(backend=JWTAuthBackend()))

        class Mine(Policy[Order]):
            async def __call__(self, caller: Caller, loaded: Order) -> Decision:
                return allow() if loaded.owner == caller.actor else deny("other")

        @app.get("/")
        async def show(request: Any, response: Any, policies: Policies = Depend()) -> str:
            return (await policies.require(Mine, Order())).owner

        async with AsyncTestClient(app) as client:
            assert (await client.get("/", headers=bearer())).status_code == 200
            assert (await client.get("/", headers=bearer(sub="eve"))).status_code == 403


class TestEvents:
    async def test_a_denial_is_told_once_a_second_to_whoever_is_bound(self) -> None:
        kept = KeptSecurityEvents()
        module = Module("shop")
        module.bind(SecurityEvents).value(kept)
        app = NexiosApp(module.export(SecurityEvents), config=MakeConfig(secret_key=SECRET))
        app.add_middleware(AuthenticationMiddleware(backend=JWTAuthBackend()))
        app.get("/pay", guards=[has_permission("pay")])(lambda request, response: "")

        async with AsyncTestClient(app) as client:
            for who in ("ada", "ada", "eve"):
                assert (await client.get("/pay", headers=bearer(sub=who))).status_code == 403

        assert [(one.action, one.actor, one.reason) for one in kept.events] == [
            ("access.denied", "ada", "lacks pay"),
            ("access.denied", "eve", "lacks pay"),
        ]
        assert kept.events[0].details["path"] == "/pay"

    async def test_events_that_cannot_be_kept_stop_nobody(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Away(KeptSecurityEvents):
            async def record(self, event: SecurityEvent) -> None:
                raise Unavailable

        module = Module("shop")
        module.bind(SecurityEvents).value(Away())
        app = NexiosApp(module.export(SecurityEvents), config=MakeConfig(secret_key=SECRET))
        app.add_middleware(AuthenticationMiddleware(backend=JWTAuthBackend()))
        app.get("/pay", guards=[has_permission("pay")])(lambda request, response: "")

        async with AsyncTestClient(app) as client:
            assert (await client.get("/pay", headers=bearer())).status_code == 403

        assert "could not be recorded" in caplog.text
        assert "access.denied denied" in caplog.text

    async def test_the_memory_of_denials_is_bounded(self) -> None:
        now = 0.0
        desk = EventDesk(clock=lambda: now)
        for number in range(3_000):
            await desk.record(SecurityEvent("access.denied", "denied", actor=str(number)))

        assert len(desk._told) == 1_000


class TestSockets:
    async def test_roles_guard_sockets_alike(self) -> None:
        app = shop()

        @app.websocket("/ws")
        @has_role("clerk")
        async def ws(websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.send_text(str(websocket.caller.can("orders:write")))

        async with websocket_connect(app, "/ws", headers=bearer(roles=["clerk"])) as socket:
            assert await socket.receive_text() == "True"
        for headers, status in (({}, 401), (bearer(roles=["viewer"]), 403)):
            with pytest.raises(SocketDenied) as denied:
                async with websocket_connect(app, "/ws", headers=headers):
                    pass
            assert denied.value.status == status
