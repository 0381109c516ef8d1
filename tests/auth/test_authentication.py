"""Backends, the middleware and the guards, through a whole application."""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from nexios.adapters.asgi.guards import NotAGuard
from nexios.adapters.http.controller import Controller
from nexios.adapters.http.controller import get as verb
from nexios.adapters.http.router import Router
from nexios.adapters.security.algorithms import UnusableKey, WeakKeyWarning, hmac_keys
from nexios.adapters.security.jwt import JwtCodec
from nexios.adapters.websocket.socket import WebSocket
from nexios.app import NexiosApp
from nexios.application.caller import Caller
from nexios.application.errors import Unavailable
from nexios.application.tokens import TokenCodec
from nexios.auth.backends.base import AuthenticationBackend, AuthResult, Proof
from nexios.auth.backends.jwt import JWTAuthBackend, MissingSecret, create_jwt
from nexios.auth.decorator import auth, has_permission
from nexios.auth.exceptions import AuthenticationFailed
from nexios.auth.middleware import AuthenticationMiddleware, AuthenticationSetup
from nexios.auth.users import SimpleUser
from nexios.config import MakeConfig
from nexios.container.depend import Depend
from nexios.container.module import Module
from nexios.container.scope import Scope
from nexios.testing.client import AsyncTestClient
from tests.support.asgi import Answer, ask, http_scope

pytestmark = pytest.mark.asyncio

SECRET = "a-secret-of-the-tests-with-32-bytes-and-more"


class ByHeader(AuthenticationBackend):
    """Believes the header of its own name."""

    def __init__(self, scheme: str, answer: Callable[[str], Any] | None = None) -> None:
        self.scheme = scheme
        self._answer = answer or (lambda name: {"id": name, "by": scheme})
        self.asked = 0

    def challenge(self) -> str:
        return self.scheme.title()

    async def authenticate(self, connection: Any) -> Any:
        self.asked += 1
        name = connection.headers.get(f"x-{self.scheme}")
        return None if name is None else self._answer(name)


class Broken(AuthenticationBackend):
    scheme = "broken"

    async def authenticate(self, connection: Any) -> Any:
        if "x-quiet" in connection.headers:
            return None
        raise ConnectionError("postgresql://user:hunter2@db is down")


def app_with(*backends: Any, **options: Any) -> NexiosApp:
    app = NexiosApp(config=MakeConfig(secret_key=SECRET))
    if backends:
        app.add_middleware(AuthenticationMiddleware(list(backends), **options))

    @app.get("/public")
    async def public(request: Any, response: Any) -> Any:
        return response.json("served")

    @app.get("/who")
    async def who(request: Any, response: Any) -> Any:
        return response.json([request.user and request.user["id"], request.auth])

    return app


def guarded_app(*backends: Any) -> NexiosApp:
    app = app_with(*backends)

    @app.get("/any")
    @auth()
    async def anybody(request: Any, response: Any) -> Any:
        return response.json(request.user["by"])

    @app.get("/a")
    @auth(["a"])
    async def only_a(request: Any, response: Any) -> Any:
        return response.json(request.user["by"])

    @app.get("/b")
    @auth("b")
    async def only_b(request: Any, response: Any) -> Any:
        return response.json(request.user["by"])

    @app.get("/ab")
    @auth(["b", "a"])
    async def both(request: Any, response: Any) -> Any:
        return response.json(request.user["by"])

    return app


async def get(app: NexiosApp, path: str, **headers: str) -> Answer:
    return await ask(
        app, "GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


class TestBackends:
    async def test_first_success_wins_and_later_ones_are_not_asked(self) -> None:
        first, second = ByHeader("a"), ByHeader("b")
        app = app_with(first, second)

        assert (await get(app, "/who", x_a="1", x_b="2")).json() == ["1", "a"]
        assert second.asked == 0
        assert (await get(app, "/who", x_b="2")).json() == ["2", "b"]
        assert first.asked == 2

    async def test_nobody_is_anonymous_and_no_auth(self) -> None:
        app = app_with(ByHeader("a"))

        @app.get("/nobody")
        async def nobody(request: Any, response: Any) -> Any:
            return response.json([bool(request.user), request.user.is_authenticated, request.auth])

        assert (await get(app, "/nobody")).json() == [False, False, "no-auth"]

    @pytest.mark.parametrize(
        ("answer", "user", "scheme"),
        [
            (lambda name: {"id": name}, {"id": "7"}, "a"),
            (lambda name: ({"id": name}, "other"), {"id": "7"}, "other"),
            (lambda name: AuthResult(True, {"id": name}, "other"), {"id": "7"}, "other"),
            (lambda name: AuthResult(True, {"id": name}), {"id": "7"}, "a"),
            (lambda name: Proof({"id": name}, "other"), {"id": "7"}, "other"),
            (lambda name: AuthResult(False, {"id": name}, "a"), None, "no-auth"),
            (lambda name: AuthResult(True, None, "a"), None, "no-auth"),
            (lambda name: (None, "a"), None, "no-auth"),
            (lambda name: None, None, "no-auth"),
            (lambda name: {}, None, "no-auth"),
            (lambda name: False, None, "no-auth"),
        ],
    )
    async def test_every_return_of_a_backend_is_understood(
        self, answer: Callable[[str], Any], user: Any, scheme: str
    ) -> None:
        app = app_with(ByHeader("a", answer))

        @app.get("/seen")
        async def seen(request: Any, response: Any) -> Any:
            return response.json([request.user or None, request.auth])

        assert (await get(app, "/seen", x_a="7")).json() == [user, scheme]

    async def test_the_older_form_takes_request_and_response(self) -> None:
        class Old:
            async def authenticate(self, request: Any, response: Any) -> Any:
                response.set_header("x-seen", "yes")
                return {"id": request.headers["x-old"]}, "old"

        answer = await get(app_with(Old()), "/who", x_old="7")
        assert answer.json() == ["7", "old"]
        assert answer.header("x-seen") == "yes"

    @pytest.mark.parametrize("backend", [object(), type("B", (), {"authenticate": lambda s: 1})()])
    async def test_what_is_no_backend_is_refused_where_it_is_written(self, backend: Any) -> None:
        with pytest.raises(TypeError, match="no authentication backend"):
            AuthenticationMiddleware(backend)

    async def test_two_of_one_name_and_none_at_all_are_refused(self) -> None:
        with pytest.raises(
            AuthenticationSetup, match="two backends are named 'a': ByHeader and ByHeader"
        ):
            AuthenticationMiddleware([ByHeader("a"), ByHeader("b"), ByHeader("a")])
        with pytest.raises(AuthenticationSetup, match="no backend"):
            AuthenticationMiddleware([])

    async def test_user_model_makes_the_user(self) -> None:
        class Model(SimpleUser):
            @classmethod
            async def load_user(cls, identity: Any) -> Any:
                return cls(identity["id"]) if identity["id"] == "ada" else None

        app = app_with(ByHeader("a"), user_model=Model)

        @app.get("/name")
        @auth()
        async def name(request: Any, response: Any) -> Any:
            return response.json(request.user.username)

        assert (await get(app, "/name", x_a="ada")).json() == "ada"
        assert (await get(app, "/name", x_a="eve")).status == 401

    async def test_who_the_user_model_does_not_know_is_nobody_and_the_next_is_asked(self) -> None:
        class Model:
            @staticmethod
            async def load_user(identity: Any) -> Any:
                return identity if identity["id"] == "ada" else None

        app = app_with(ByHeader("a"), ByHeader("b"), user_model=Model)

        @app.get("/caller")
        async def caller(request: Any, response: Any, caller: Caller = Depend()) -> Any:
            return response.json([bool(request.user), request.auth, caller.actor])

        assert (await get(app, "/caller", x_a="eve")).json() == [False, "no-auth", None]
        assert (await get(app, "/caller", x_a="eve", x_b="ada")).json() == [True, "b", "ada"]


class TestGuards:
    @pytest.mark.parametrize("path", ["/any", "/a", "/b", "/ab"])
    async def test_nobody_never_passes(self, path: str) -> None:
        app = guarded_app(ByHeader("a"), ByHeader("b"))
        answer = await get(app, path)
        assert answer.status == 401
        expected = {"/any": ["A", "B"], "/a": ["A"], "/b": ["B"], "/ab": ["A", "B"]}[path]
        assert answer.headers("www-authenticate") == expected

    async def test_a_scheme_the_guard_does_not_accept_is_401(self) -> None:
        app = guarded_app(ByHeader("a"), ByHeader("b"))
        assert (await get(app, "/a", x_b="1")).status == 401
        assert (await get(app, "/ab", x_b="1")).json() == "b"

    async def test_a_guard_naming_a_later_scheme_asks_it_and_its_user_counts(self) -> None:
        app = guarded_app(ByHeader("a"), ByHeader("b"))
        assert (await get(app, "/b", x_a="1", x_b="2")).json() == "b"
        assert (await get(app, "/ab", x_a="1", x_b="2")).json() == "a"
        assert (await get(app, "/any", x_a="1", x_b="2")).json() == "a"

    async def test_a_bad_credential_does_not_hide_a_good_one(self) -> None:
        app = guarded_app(JWTAuthBackend(name="jwt"), ByHeader("a"), ByHeader("b"))
        assert (await get(app, "/any", authorization="Bearer x.y.z", x_a="1")).json() == "a"
        refused = await get(app, "/any", authorization="Bearer x.y.z")
        assert refused.status == 401
        assert refused.headers("www-authenticate") == [
            'Bearer error="invalid_token"',
            "A",
            "B",
        ]
        assert (await get(app, "/any")).headers("www-authenticate") == ["Bearer", "A", "B"]

    async def test_a_guarded_function_is_returned_itself(self) -> None:
        async def handler(request: Any) -> str:
            return "called"

        assert has_permission("p")(auth(["a"])(handler)) is handler
        assert await handler(None) == "called"

    @pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
    async def test_guards_in_every_order_decide_alike(self, order: tuple[int, ...]) -> None:
        marks = [auth(["a"]), has_permission("read"), has_permission(["write", "read"])]
        backend = ByHeader("a", lambda rights: {"permissions": rights.split(",")})
        app = app_with(backend, ByHeader("b", lambda rights: {"permissions": rights.split(",")}))

        async def handler(request: Any, response: Any) -> Any:
            return response.json("in")

        for index in order:
            marks[index](handler)
        app.get("/x")(handler)

        assert (await get(app, "/x")).status == 401
        assert (await get(app, "/x", x_b="read,write")).status == 401
        assert (await get(app, "/x", x_b="nothing")).status == 401
        assert (await get(app, "/x", x_a="read")).status == 403
        assert (await get(app, "/x", x_a="write")).status == 403
        assert (await get(app, "/x", x_a="read,write")).json() == "in"

    @pytest.mark.parametrize("above", [True, False])
    async def test_a_permission_is_that_of_the_user_the_handler_sees(self, above: bool) -> None:
        powerful = ByHeader("a", lambda name: {"id": name, "permissions": ["pay"]})
        app = app_with(powerful, ByHeader("b", lambda name: {"id": name, "permissions": []}))
        marks = [has_permission("pay"), auth(["b"])]

        async def pay(request: Any, response: Any) -> Any:
            return response.json(request.user["id"])

        for mark in marks if above else marks[::-1]:
            mark(pay)
        app.get("/pay")(pay)

        # Proven twice: by a scheme that may pay, and by the one the guard names, which may not.
        assert (await get(app, "/pay", x_a="rich", x_b="poor")).status == 403

    async def test_a_guard_refuses_before_body_and_wiring(self) -> None:
        made: list[str] = []

        class Service:
            def __init__(self) -> None:
                made.append("service")

        app = app_with(ByHeader("a"))

        @app.post("/x")
        @auth(["a"])
        async def handler(service: Service = Depend(Service)) -> str:
            return "in"

        answer = await ask(app, "POST", "/x", body=b"{", headers={"content-type": "text/plain"})
        assert answer.status == 401
        assert made == []

    async def test_the_same_guard_may_stand_in_guards(self) -> None:
        app = NexiosApp(guards=[auth()])
        app.add_middleware(AuthenticationMiddleware([ByHeader("a"), ByHeader("b")]))

        class Things(Controller, path="/things", guards=[auth(["a"])]):
            @verb()
            async def listed(self) -> str:
                return "things"

            @verb("/mine", guards=[has_permission("things:own")])
            async def mine(self) -> str:
                raise AssertionError

        inner = Router(prefix="/inner", guards=[auth("b")])

        @inner.get("/x")
        async def x() -> str:
            return "x"

        app.router.add_controller(Things)
        app.mount_router(inner)
        for path, status in (("/things", 200), ("/things/mine", 403), ("/inner/x", 401)):
            assert (await get(app, path)).status == 401
            assert (await get(app, path, x_a="ann")).status == status
        assert (await get(app, "/inner/x", x_b="bob")).status == 200

    @pytest.mark.parametrize("maker", [auth, has_permission, SimpleUser])
    async def test_what_makes_guards_is_none(self, maker: Any) -> None:
        app = NexiosApp()

        @app.get("/x", guards=[maker])
        async def x() -> str:
            raise AssertionError

        with pytest.raises(NotAGuard, match=f"{maker.__name__}\\(\\.\\.\\.\\)"):
            app.check()

    async def test_a_guard_with_some_arguments_given_is_one(self) -> None:
        class Door:
            async def __call__(self, name: str, connection: Any) -> None:
                if name not in connection.headers:
                    raise AuthenticationFailed

        app = NexiosApp()

        @app.get("/x", guards=[partial(partial(Door()), "x-key")])
        async def x(request: Any, response: Any) -> Any:
            return response.json("in")

        assert (await get(app, "/x")).status == 401
        assert (await get(app, "/x", x_key="1")).json() == "in"

    async def test_controllers_are_guarded_as_a_whole(self) -> None:
        @auth(["a"])
        class Things(Controller, path="/things"):
            @verb("/")
            async def index(self) -> str:
                return "in"

            @verb("/rare")
            @has_permission("rare")
            async def rare(self) -> str:
                return "in"

        module = Module("things", controllers=[Things])
        app = NexiosApp(module)
        app.add_middleware(AuthenticationMiddleware(ByHeader("a")))
        assert (await get(app, "/things")).status == 401
        assert (await get(app, "/things", x_a="1")).text == "in"
        assert (await get(app, "/things/rare", x_a="1")).status == 403

    @pytest.mark.parametrize(
        "user",
        [
            {"permissions": ["read"]},
            SimpleUser("x", ["read"]),
            type("ByAttribute", (), {"permissions": {"read"}})(),
        ],
    )
    async def test_permissions_are_read_where_the_user_has_them(self, user: Any) -> None:
        app = app_with(ByHeader("a", lambda name: user))

        @app.get("/read")
        @has_permission("read")
        async def read(request: Any, response: Any) -> Any:
            return response.json("in")

        @app.get("/write")
        @has_permission("write")
        async def write(request: Any, response: Any) -> Any:
            return response.json("in")

        assert (await get(app, "/read", x_a="1")).status == 200
        assert (await get(app, "/write", x_a="1")).status == 403

    @pytest.mark.parametrize("answer", [1, "yes", None, [1]])
    async def test_only_true_is_a_permission(self, answer: Any) -> None:
        class User:
            async def has_permission(self, permission: str) -> Any:
                return True if permission == "yes" else answer

        app = app_with(ByHeader("a", lambda name: User()))

        @app.get("/yes")
        @has_permission("yes")
        async def yes(request: Any, response: Any) -> Any:
            return response.json("in")

        @app.get("/no")
        @has_permission("no")
        async def no(request: Any, response: Any) -> Any:
            return response.json("in")

        assert (await get(app, "/yes", x_a="1")).status == 200
        assert (await get(app, "/no", x_a="1")).status == 403

    @pytest.mark.parametrize(
        "user",
        [
            {"permissions": "readwrite"},
            {"permissions": None},
            {"id": 1},
            type("U", (), {"permissions": 5})(),
        ],
    )
    async def test_permissions_of_another_shape_allow_nothing(self, user: Any) -> None:
        app = app_with(ByHeader("a", lambda name: user))

        @app.get("/read")
        @has_permission("read")
        async def read(request: Any, response: Any) -> Any:
            return response.json("in")

        assert (await get(app, "/read", x_a="1")).status == 403

    async def test_a_user_that_says_it_is_nobody_is_nobody(self) -> None:
        class Guest:
            is_authenticated = False

        app = app_with(ByHeader("a", lambda name: Guest()))

        @app.get("/x")
        @auth()
        async def x(request: Any, response: Any) -> Any:
            return response.json("in")

        assert (await get(app, "/x", x_a="1")).status == 401

    async def test_a_user_taken_away_on_the_way_is_gone(self) -> None:
        app = guarded_app(ByHeader("a"), ByHeader("b"))

        @app.middleware
        async def log_out(request: Any, response: Any, call_next: Any) -> Any:
            request.user = None
            return await call_next()

        assert (await get(app, "/any", x_a="1")).status == 401

    @pytest.mark.parametrize("answer", [True, 1, "yes", lambda: True])
    async def test_a_user_put_in_by_hand_counts_only_when_it_says_true(self, answer: Any) -> None:
        class Person:
            is_authenticated = staticmethod(answer) if callable(answer) else answer

        app = app_with(ByHeader("a"))

        @app.middleware
        async def log_in(request: Any, response: Any, call_next: Any) -> Any:
            request.user = Person()
            return await call_next()

        @app.get("/x")
        @auth()
        async def x(request: Any, response: Any) -> Any:
            return response.json("in")

        assert (await get(app, "/x")).status == (200 if answer is True else 401)

    @pytest.mark.parametrize("wrong", [lambda: None, 5, [5], {"a": 1}])
    async def test_a_decorator_written_wrongly_says_how(self, wrong: Any) -> None:
        with pytest.raises(TypeError, match=r"@auth"):
            auth(wrong)
        with pytest.raises(TypeError, match="@has_permission"):
            has_permission(wrong)
        for nothing in ([], None):
            with pytest.raises(TypeError, match="@has_permission"):
                has_permission(nothing)  # type: ignore[arg-type]  # the point of the test


class TestBrokenBackend:
    async def test_a_broken_backend_is_503_under_a_guard_and_for_who_reads_the_user(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        app = guarded_app(Broken(), ByHeader("a"), ByHeader("b"))

        @app.get("/caller")
        async def caller(caller: Caller = Depend()) -> str:
            return str(caller.actor)

        with caplog.at_level(logging.CRITICAL):
            for path in ("/any", "/a", "/who", "/caller"):
                answer = await get(app, path, x_a="1")
                assert answer.status == 503, path
                assert answer.header("retry-after") is not None
                assert "hunter2" not in answer.text
            assert (await get(app, "/public", x_a="1")).json() == "served"

    async def test_a_later_backend_that_breaks_is_503_though_others_prove_somebody(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        app = app_with(ByHeader("a"), Broken(), ByHeader("c"))

        @app.get("/x")
        @auth(["broken", "c"])
        async def x(request: Any, response: Any) -> Any:
            return response.json("in")

        with caplog.at_level(logging.CRITICAL):
            assert (await get(app, "/x", x_a="1")).status == 503
            assert (await get(app, "/x", x_a="1", x_c="1")).status == 503
        assert (await get(app, "/x", x_a="1", x_c="1", x_quiet="1")).json() == "in"

    async def test_the_request_after_recovery_passes(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        app = guarded_app(Broken(), ByHeader("a"), ByHeader("b"))
        with caplog.at_level(logging.CRITICAL):
            assert (await get(app, "/any", x_a="1")).status == 503
        assert (await get(app, "/any", x_a="1", x_quiet="1")).json() == "a"

    async def test_a_loader_that_fails_is_unavailable_and_the_handler_does_not_run(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        ran: list[str] = []

        async def load(sub: str) -> Any:
            raise {"1": Unavailable(), "2": TimeoutError(), "3": KeyError("x")}[sub]

        app = app_with(JWTAuthBackend(load))

        @app.get("/x")
        @auth(["jwt"])
        async def x(request: Any, response: Any) -> None:
            ran.append("ran")

        with caplog.at_level(logging.CRITICAL):
            for sub in "123":
                token = create_jwt({"sub": sub}, SECRET)
                answer = await get(app, "/x", authorization=f"Bearer {token}")
                assert answer.status == 503
        assert ran == []

    async def test_a_loader_that_says_no_is_a_refusal(self) -> None:
        async def load(sub: str) -> Any:
            raise AuthenticationFailed("blocked")

        app = app_with(JWTAuthBackend(load))

        @app.get("/x")
        @auth(["jwt"])
        async def x(request: Any, response: Any) -> None: ...

        token = create_jwt({"sub": "1"}, SECRET)
        assert (await get(app, "/x", authorization=f"Bearer {token}")).status == 401


class TestLoader:
    async def show(self, load: Any, claims: dict[str, Any], *modules: Module) -> Answer:
        app = NexiosApp(*modules, config=MakeConfig(secret_key=SECRET))
        app.add_middleware(AuthenticationMiddleware(JWTAuthBackend(load)))

        @app.get("/x")
        @auth(["jwt"])
        async def x(request: Any, response: Any) -> Any:
            return response.json(request.user)

        token = create_jwt(claims, SECRET)
        async with AsyncTestClient(app):
            return await get(app, "/x", authorization=f"Bearer {token}")

    async def test_all_claims_or_only_those_with_a_name(self) -> None:
        async def everything(**payload: Any) -> Any:
            return {name: payload[name] for name in ("sub", "role")}

        async def one(sub: str) -> Any:
            return {"sub": sub}

        def without_await(sub: str, role: str = "none", other: str = "o") -> Any:
            return {"sub": sub, "role": role, "other": other}

        claims = {"sub": "7", "role": "x", "surplus": 1}
        assert (await self.show(everything, claims)).json() == {"sub": "7", "role": "x"}
        assert (await self.show(one, claims)).json() == {"sub": "7"}
        assert (await self.show(without_await, claims)).json() == {
            "sub": "7",
            "role": "x",
            "other": "o",
        }

    async def test_without_a_loader_the_claims_are_the_user(self) -> None:
        assert (await self.show(None, {"sub": "7", "role": "x"})).json()["role"] == "x"

    async def test_a_claim_the_loader_insists_on_and_the_token_lacks_proves_nothing(self) -> None:
        async def load(sub: str, role: str) -> Any:
            return {"role": role}

        assert (await self.show(load, {"sub": "7"})).status == 401

    @pytest.mark.parametrize("open_ended", [True, False])
    async def test_the_loader_may_ask_for_services(self, open_ended: bool) -> None:
        class Users:
            def of(self, number: str) -> Any:
                return {"id": number, "by": "service"}

        users = Module("users")
        users.bind(Users, scope=Scope.SINGLETON).to(Users)
        users.export(Users)

        async def open_load(users: Users = Depend(), **claims: Any) -> Any:
            return users.of(claims["sub"])

        async def load(sub: str, users: Users = Depend()) -> Any:
            return users.of(sub)

        chosen: Callable[..., Awaitable[Any]] = open_load if open_ended else load
        answer = await self.show(chosen, {"sub": "7", "users": "forged", "surplus": 1}, users)
        assert answer.json() == {"id": "7", "by": "service"}

    async def test_what_the_loader_asks_for_and_nobody_binds_refuses_the_start(self) -> None:
        class Missing:
            def __init__(self, number: int) -> None: ...

        async def load(sub: str, missing: Missing = Depend()) -> Any: ...

        app = app_with(JWTAuthBackend(load))
        with pytest.raises(Exception, match="Missing"):
            app.check()

    async def test_positional_only_claims_are_refused(self) -> None:
        def load(sub: str, /) -> None: ...

        with pytest.raises(TypeError, match="by name"):
            JWTAuthBackend(load)


class Upside(JwtCodec):
    """A codec of the application's own: reads tokens backwards."""

    def verify(self, token: str) -> dict[str, object]:
        return super().verify(token[::-1])


class TestCodec:
    def app(self, *modules: Module, **options: Any) -> NexiosApp:
        app = NexiosApp(*modules, config=MakeConfig(secret_key=SECRET))
        app.add_middleware(AuthenticationMiddleware(JWTAuthBackend(**options)))

        @app.get("/x")
        @auth(["jwt"])
        async def x(request: Any, response: Any) -> Any:
            return response.json(request.user["sub"])

        return app

    def tokens(self, codec: JwtCodec) -> Module:
        tokens = Module("tokens")
        tokens.bind(TokenCodec).value(codec)
        return tokens.export(TokenCodec)

    async def test_argument_then_bound_codec_then_the_secret_of_the_app(self) -> None:
        own = Upside(hmac_keys(["o" * 32], ["HS256"]))
        bound = Upside(hmac_keys(["b" * 32], ["HS256"]))
        made = {
            "argument": own.issue("argument")[::-1],
            "bound": bound.issue("bound")[::-1],
            "app": create_jwt({"sub": "app"}, SECRET),
            "secret": create_jwt({"sub": "secret"}, "s" * 32),
        }
        for app, good in (
            (self.app(self.tokens(bound), codec=own), "argument"),
            (self.app(self.tokens(bound)), "bound"),
            (self.app(self.tokens(bound), secret_key="s" * 32), "secret"),
            (self.app(), "app"),
        ):
            for name, token in made.items():
                answer = await get(app, "/x", authorization=f"Bearer {token}")
                assert answer.status == (200 if name == good else 401), (good, name)
            assert (await get(app, "/x", authorization=f"Bearer {made[good]}")).json() == good

    async def test_a_bound_codec_is_secret_enough(self) -> None:
        app = NexiosApp(self.tokens(Upside(hmac_keys(["b" * 32], ["HS256"]))), config=MakeConfig())
        app.add_middleware(AuthenticationMiddleware(JWTAuthBackend()))
        app.check()


class TestSockets:
    async def open(self, app: NexiosApp, path: str, **headers: str) -> list[Any]:
        pairs = {key.replace("_", "-"): value for key, value in headers.items()}
        scope = http_scope("GET", path, pairs)
        scope.update(type="websocket", scheme="ws", subprotocols=[])
        del scope["method"]
        scope["extensions"] = {"websocket.http.response": {}}
        incoming = iter([{"type": "websocket.connect"}, {"type": "websocket.disconnect"}])
        sent: list[Any] = []

        async def receive() -> Any:
            return next(incoming)

        async def send(message: Any) -> None:
            sent.append(message)

        await app(scope, receive, send)
        return sent

    async def test_the_same_guards_stand_before_accept(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        app = guarded_app(ByHeader("a"), ByHeader("b"), Broken())
        seen: list[Any] = []

        @app.websocket("/ws")
        @has_permission("chat")
        @auth(["a"])
        async def ws(websocket: WebSocket) -> None:
            seen.append((websocket.user["id"], websocket.caller.actor))
            await websocket.accept()
            await websocket.close()

        def refused(sent: list[Any]) -> int:
            assert sent[0]["type"] == "websocket.http.response.start"
            return int(sent[0]["status"])

        sent = await self.open(app, "/ws", x_quiet="1")
        assert refused(sent) == 401
        assert (b"www-authenticate", b"A") in sent[0]["headers"]
        assert refused(await self.open(app, "/ws", x_b="1")) == 401
        assert refused(await self.open(app, "/ws", x_a="1")) == 403
        with caplog.at_level(logging.CRITICAL):
            assert refused(await self.open(app, "/ws")) == 503
        assert seen == []

        app = app_with(ByHeader("a", lambda name: {"id": name, "permissions": ["chat"]}))
        app.websocket("/ws")(ws)
        sent = await self.open(app, "/ws", x_a="7")
        assert sent[0]["type"] == "websocket.accept"
        assert seen == [("7", "7")]


class TestCaller:
    @pytest.mark.parametrize(
        ("answer", "actor"),
        [
            (lambda name: Proof({"id": "no"}, "a", subject=name), "7"),
            (lambda name: SimpleUser(name), "7"),
            (lambda name: {"id": 7}, "7"),
            (lambda name: type("Row", (), {"id": 7})(), "7"),
            (lambda name: {"name": name}, "None"),
        ],
    )
    async def test_the_actor_is_found_in_the_stated_order(
        self, answer: Callable[[str], Any], actor: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        app = app_with(ByHeader("a", answer))

        class Rule:
            def __init__(self, caller: Caller) -> None:
                self.caller = caller

        @app.get("/actor")
        async def see(rule: Rule = Depend(Rule)) -> dict[str, str]:
            return {"actor": str(rule.caller.actor), "scheme": str(rule.caller.scheme)}

        with caplog.at_level(logging.CRITICAL):
            seen = (await get(app, "/actor", x_a="7")).json()
        assert seen == {"actor": actor, "scheme": "a"}
        assert (await get(app, "/actor")).json() == {"actor": "None", "scheme": "None"}


class TestManyAtOnce:
    async def test_many_callers_at_once_keep_their_identity(self) -> None:
        inside = 0
        everybody = asyncio.Event()

        class Slow(AuthenticationBackend):
            scheme = "slow"

            async def authenticate(self, connection: Any) -> Any:
                nonlocal inside
                inside += 1
                if inside == 100:
                    everybody.set()
                await everybody.wait()
                return {"id": connection.headers["x-name"]}

        backend = Slow()
        middleware = AuthenticationMiddleware(backend)
        app = NexiosApp()
        app.add_middleware(middleware)

        @app.get("/who")
        @auth(["slow"])
        async def who(request: Any, response: Any, caller: Caller = Depend()) -> Any:
            await asyncio.sleep(0)
            response.set_header("x-name", request.user["id"])
            return response.json([request.user["id"], caller.actor])

        def held() -> Any:
            return [vars(one).copy() for one in (backend, middleware)]

        before: Any = None
        async with AsyncTestClient(app):
            before = held()
            answers = await asyncio.gather(
                *(get(app, "/who", x_name=str(number)) for number in range(100))
            )
        for number, answer in enumerate(answers):
            assert answer.json() == [str(number), str(number)]
            assert answer.header("x-name") == str(number)
        assert held() == before


class TestSetup:
    async def test_a_missing_secret_refuses_the_start_and_names_where_it_may_come_from(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("NEXIOS_SECRET_KEY", raising=False)
        app = NexiosApp(config=MakeConfig())
        app.add_middleware(AuthenticationMiddleware(JWTAuthBackend(name="tokens")))
        with pytest.raises(MissingSecret) as refusal:
            app.check()
        for named in ("'tokens'", "MakeConfig(secret_key=", "secret_key=...)", "TokenCodec"):
            assert named in str(refusal.value)

    async def test_an_unknown_scheme_refuses_the_start_with_a_suggestion(self) -> None:
        app = app_with(JWTAuthBackend())

        @app.get("/protected")
        @auth(["jtw"])
        async def protected(request: Any, response: Any) -> None: ...

        with pytest.raises(AuthenticationSetup) as refusal:
            app.check()
        assert str(refusal.value) == "unknown scheme 'jtw' in GET /protected; did you mean 'jwt'?"

    async def test_a_guard_without_authentication_refuses_the_start(self) -> None:
        app = NexiosApp()

        @app.get("/protected")
        @auth(["jwt"])
        async def protected(request: Any, response: Any) -> None: ...

        with pytest.raises(AuthenticationSetup, match="GET /protected is guarded by @auth"):
            app.check()

    async def test_two_authentication_middlewares_refuse_the_start(self) -> None:
        app = app_with(ByHeader("a"))
        app.add_middleware(AuthenticationMiddleware(ByHeader("b")))
        with pytest.raises(AuthenticationSetup, match="added twice"):
            app.check()

    async def test_a_short_key_warns_and_refuses_production(self) -> None:
        for env in ("dev", "prod"):
            app = NexiosApp(config=MakeConfig(secret_key="short", env=env))
            app.add_middleware(AuthenticationMiddleware(JWTAuthBackend()))
            if env == "dev":
                with pytest.warns(WeakKeyWarning, match="should have 32"):
                    app.check()
            else:
                with pytest.raises(UnusableKey, match="should have 32"):
                    app.check()

    async def test_the_app_says_how_long_a_token_may_be(self) -> None:
        token = create_jwt({"sub": "7"}, SECRET)
        for spare, status in ((0, 200), (-1, 401)):
            limits = {"token_bytes": len(token) + spare}
            app = NexiosApp(config=MakeConfig(secret_key=SECRET, limits=limits))
            app.add_middleware(AuthenticationMiddleware(JWTAuthBackend()))

            @app.get("/x")
            @auth()
            async def x(request: Any, response: Any) -> Any:
                return response.json("in")

            assert (await get(app, "/x", authorization=f"Bearer {token}")).status == status

    async def test_user_middleware_sees_the_user_whatever_was_added_first(self) -> None:
        seen: list[Any] = []

        async def look(request: Any, response: Any, call_next: Any) -> Any:
            seen.append(request.user and request.user["id"])
            return await call_next()

        for first in (True, False):
            app = NexiosApp()
            authentication = AuthenticationMiddleware(ByHeader("a"))
            for one in (look, authentication) if first else (authentication, look):
                app.add_middleware(one)

            @app.get("/")
            async def index(request: Any, response: Any) -> Any:
                return response.json("in")

            assert (await get(app, "/", x_a="7")).status == 200
        assert seen == ["7", "7"]
