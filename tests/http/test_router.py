"""Routers: registering, mounting, prefixes, names, and what is told of mistakes."""

from functools import partial
from typing import Any

import pytest

from nexios import Depend, NexiosApp
from nexios.adapters.asgi.guards import guarded
from nexios.adapters.asgi.types import Receive, Scope, Send
from nexios.adapters.http.builder import Response
from nexios.adapters.http.compile import compile_routes
from nexios.adapters.http.entries import Mounted
from nexios.adapters.http.handlers import NotAnExceptionHandler
from nexios.adapters.http.pipeline import CallNext
from nexios.adapters.http.request import Request
from nexios.adapters.http.router import Router
from nexios.adapters.http.routes import NotAHandler, Routes
from nexios.adapters.http.settings import HttpSettings
from nexios.adapters.routing.errors import DuplicateRoute, RouteWarning
from nexios.adapters.routing.sockets import SocketRoute
from nexios.application.errors import Forbidden
from nexios.application.limits import Limits
from tests.support.asgi import Served, http_scope

pytestmark = pytest.mark.asyncio


async def plain() -> str:
    return "plain"


# Hostile input first.


@pytest.mark.parametrize("method", ["get", "FOO", "X" * 10_000])
async def test_odd_method_tokens_are_405_and_404(method: str) -> None:
    router = Router()
    router.get("/a", plain)
    async with Served(router) as served:
        refused = await served.call(method, "/a")
        assert (refused.status, refused.header("allow")) == (405, "GET, HEAD, OPTIONS")
        assert (await served.call(method, "/b")).status == 404
        assert (await served.get("/a")).status == 200


async def test_slash_redirect_stays_home() -> None:
    router = Router()
    router.get("/{a}/{b}/", plain)
    router.get("/{a:path}/", plain, name="rest")
    async with Served(router, settings=HttpSettings(trailing_slash="redirect")) as served:
        for path in ("//evil.example/x", "//evil.example", "/\\evil.example/x", "///x"):
            answer = await served.get(path)
            place = answer.header("location") or "/"
            assert not place.startswith("//"), path
            assert "\\" not in place, path
            assert place.startswith("/"), path


async def test_long_and_deep_paths_are_404() -> None:
    router = Router()
    router.get("/{a}/{b}", plain)
    async with Served(router) as served:
        assert (await served.get("/a" * 4096)).status == 404


@pytest.mark.parametrize("path", ["/a/../b", "/./a", "//a", "/a//b", "/A"])
async def test_nothing_is_normalised(path: str) -> None:
    router = Router()
    router.get("/a", plain)
    router.get("/a/b", plain)
    router.get("/b", plain)
    async with Served(router) as served:
        assert (await served.get(path)).status == 404


# Registering.


async def test_decorator_returns_the_function_and_stacks() -> None:
    outer, inner = Router(), Router()

    @outer.get("/a")
    @outer.post("/b")
    @inner.get("/c")
    async def handler() -> str:
        return "done"

    assert await handler() == "done"
    outer.mount_router(inner, "/inner")
    async with Served(outer) as served:
        assert (await served.get("/a")).text == "done"
        assert (await served.post("/b")).text == "done"
        assert (await served.get("/inner/c")).text == "done"


async def test_call_form_and_route_and_add_route() -> None:
    router = Router()
    assert router.put("/a", plain) is plain
    assert router.route("/b", ["get", "post"], handler=plain) is plain
    router.add_route(path="/c", handler=plain, methods=["PATCH"])
    router.add_route(Routes("/d", plain))
    router.routes.append(Routes("/e", plain, ["GET"]))
    async with Served(router) as served:
        assert (await served.call("PUT", "/a")).text == "plain"
        assert (await served.post("/b")).text == "plain"
        assert (await served.call("PATCH", "/c")).text == "plain"
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            assert (await served.call(method, "/d")).text == "plain"
        assert (await served.get("/e")).text == "plain"


async def test_unknown_route_option_is_refused_with_a_suggestion() -> None:
    router = Router()
    with pytest.raises(TypeError, match="'sumary'; did you mean 'summary'"):
        router.get("/x", sumary="")  # type: ignore[call-overload]  # that is the mistake
    with pytest.raises(TypeError, match="'sumary'"):
        Routes("/x", plain, sumary="")


@pytest.mark.parametrize("status", [0, 100, 199, 600])
async def test_a_status_no_answer_can_have_is_refused_at_its_line(status: int) -> None:
    with pytest.raises(ValueError, match=f"from 200 to 599, not {status}"):
        Router().get("/x", status=status)


@pytest.mark.parametrize(
    ("key", "handler", "says"),
    [
        ("404", print, "'404' is neither an error class nor a status"),
        (str, print, "<class 'str'> is neither an error class nor a status"),
        (404, "gone", "'gone' cannot answer 404: it is no function of three arguments"),
        (ValueError, lambda request, error: None, "<lambda> cannot answer ValueError"),
    ],
)
async def test_an_exception_handler_that_would_never_answer_is_refused_at_start(
    key: Any, handler: Any, says: str
) -> None:
    app, router = NexiosApp(), Router("/in", exception_handlers={key: handler})
    router.get("/x", lambda: "x")
    app.mount_router(router)
    with pytest.raises(NotAnExceptionHandler, match=says):
        app.check()
    app = NexiosApp()
    app.check()
    with pytest.raises(NotAnExceptionHandler, match=says):
        app.add_exception_handler(key, handler)


async def test_a_handler_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(NotAHandler) as refused:
        Routes("/x", "handler")  # type: ignore[arg-type]
    assert isinstance(refused.value, AssertionError)
    assert "'/x'" in str(refused.value)


async def test_route_attributes() -> None:
    route = Routes("", plain, ["get"], name="n", tags=["t"], summary="s", deprecated=True)
    assert (route.raw_path, route.methods, route.name) == ("/", ("GET",), "n")
    assert (route.tags, route.summary, route.deprecated) == (("t",), "s", True)
    assert Routes("/{a}/{b:int}", plain).param_names == ("a", "b")
    assert route.where.partition(":")[0].endswith("test_router.py")


async def test_duplicate_route_names_both_lines() -> None:
    router = Router()
    router.get("/a/{x}", plain)
    router.get("/a/{y}", plain)
    (problem,) = compile_routes(router, HttpSettings()).problems
    assert isinstance(problem, DuplicateRoute)
    assert str(problem).count("test_router.py") == 2


async def test_all_mistakes_in_routes_are_collected() -> None:
    router = Router()
    router.get("/a", plain)
    router.get("/a", plain)
    router.get("/{b", plain)
    router.get("/c", plain, limits={"bodi": 1})
    texts = [str(problem) for problem in compile_routes(router, HttpSettings()).problems]
    assert len(texts) == 3
    assert any("did you mean 'body'" in text for text in texts)


# Mounting.


async def test_routes_defined_after_mounting_are_served() -> None:
    outer, inner = Router(), Router(prefix="/inner")
    outer.mount_router(inner)
    inner.get("/late", plain)
    async with Served(outer) as served:
        assert (await served.get("/inner/late")).text == "plain"


async def test_prefix_boundary() -> None:
    outer, inner = Router(), Router()
    inner.get("/x", plain)
    inner.get("/", plain)
    outer.mount_router(inner, "/api")
    async with Served(outer) as served:
        assert (await served.get("/api/x")).status == 200
        for path in ("/apix", "/api-x", "/apix/x", "/ap"):
            assert (await served.get(path)).status == 404, path


@pytest.mark.parametrize("prefix", ["api", "/api", "/api/"])
@pytest.mark.filterwarnings("ignore::nexios.adapters.routing.errors.RouteWarning")
async def test_prefix_is_normalised(prefix: str) -> None:
    outer = Router()
    inner = Router(prefix=prefix)
    inner.get("/x", plain)
    outer.mount_router(inner)
    async with Served(outer) as served:
        assert (await served.get("/api/x")).status == 200


async def test_a_missing_leading_slash_warns() -> None:
    with pytest.warns(RouteWarning):
        Router(prefix="api")


async def test_prefix_with_parameters() -> None:
    outer, middle, inner = Router(), Router(prefix="/orgs/{org:int}"), Router(prefix="/t/{team}")

    @inner.get("/{n:int}")
    async def show(n, team, org):  # type: ignore[no-untyped-def]
        return [n, team, org]

    outer.mount_router(middle)
    middle.mount_router(inner)
    async with Served(outer) as served:
        assert (await served.get("/orgs/3/t/a/5")).json() == [5, "a", 3]
        assert (await served.get("/orgs/x/t/a/5")).status == 404


async def test_router_root_answers_with_and_without_slash() -> None:
    outer, inner = Router(), Router(prefix="/inner", name="inner")
    inner.get("/", plain, name="root")
    outer.mount_router(inner)
    async with Served(outer) as served:
        assert (await served.get("/inner")).status == 200
        assert (await served.get("/inner/")).status == 200
    assert outer.url_for("inner.root") == "/inner"


async def test_one_router_may_be_mounted_twice_but_not_below_itself() -> None:
    outer, inner = Router(), Router()
    inner.get("/x", plain)
    outer.mount_router(inner, "/a")
    outer.mount_router(inner, "/b")
    async with Served(outer) as served:
        assert (await served.get("/a/x")).text == (await served.get("/b/x")).text
    with pytest.raises(ValueError, match="below itself"):
        inner.mount_router(outer, "/c")
    inner.routes.append(Mounted(outer, "/c"))
    (problem,) = compile_routes(outer, HttpSettings()).problems
    assert "below itself" in str(problem)


async def test_trailing_slash_modes() -> None:
    router = Router()
    router.get("/a", plain)
    router.get("/b/", plain)
    async with Served(router) as served:
        assert (await served.get("/a/")).status == 404
    async with Served(router, settings=HttpSettings(trailing_slash="redirect")) as served:
        moved = await served.get("/a/?x=1&y=%20")
        assert (moved.status, moved.header("location")) == (308, "/a?x=1&y=%20")
        assert (await served.get("/b")).header("location") == "/b/"
        assert (await served.get("/c/")).status == 404
    async with Served(router, settings=HttpSettings(trailing_slash="ignore")) as served:
        assert (await served.get("/a/")).text == "plain"
        assert (await served.get("/b")).text == "plain"
        assert (await served.get("/c/")).status == 404


async def test_router_dependencies_and_guards_stay_home() -> None:
    seen = []

    async def noted() -> None:
        seen.append("dependency")

    async def closed(connection: Request) -> None:
        seen.append(connection.path)
        raise Forbidden("closed")

    outer = Router()
    inner = Router(prefix="/in", dependencies=[Depend(noted)])
    shut = Router(prefix="/shut", guards=[closed], dependencies=[Depend(noted)])
    for router in (outer, inner, shut):
        router.get("/x", plain)
    outer.mount_router(inner)
    outer.mount_router(shut)
    async with Served(outer) as served:
        assert (await served.get("/x")).status == 200
        assert seen == []
        assert (await served.get("/in/x")).status == 200
        assert seen == ["dependency"]
        assert (await served.get("/shut/x")).status == 403
        assert seen == ["dependency", "/shut/x"]


async def test_router_middleware_runs_on_a_miss_below_its_prefix() -> None:
    seen = []

    async def outer_mark(request: Request, response: Response, call_next: CallNext) -> Response:
        seen.append("outer")
        return await call_next()

    async def inner_mark(request: Request, response: Response, call_next: CallNext) -> Response:
        answer = await call_next()
        seen.append(f"inner {answer.status_code}")
        return answer

    outer, inner = Router(middleware=[outer_mark]), Router(prefix="/in/{n:int}")
    inner.add_middleware(inner_mark)
    inner.get("/x", plain)
    outer.mount_router(inner)
    async with Served(outer) as served:
        assert (await served.get("/in/5/nothing")).status == 404
        assert seen == ["outer", "inner 404"]
        seen.clear()
        assert (await served.post("/in/5/x")).status == 405
        assert seen == ["outer", "inner 405"]
        seen.clear()
        assert (await served.get("/elsewhere")).status == 404
        assert seen == ["outer"]


async def test_a_foreign_app_sees_its_own_scope() -> None:
    seen: list[Scope] = []

    async def foreign(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        scope["touched"] = True
        await send({"type": "http.response.start", "status": 207, "headers": [(b"x-a", b"1")]})
        await send({"type": "http.response.body", "body": b"foreign"})

    outer, inner = Router(), Router(prefix="/in/{n:int}")
    inner.register(foreign, "/app")
    outer.mount_router(inner)
    inner.get("/app/own", plain)
    async with Served(outer) as served:
        for path in ("/in/5/app", "/in/5/app/", "/in/5/app/deep/er"):
            answer = await served.call("PROPFIND", path)
            assert (answer.status, answer.text, answer.header("x-a")) == (207, "foreign", "1")
            assert seen[-1]["path"] == path
            assert seen[-1]["root_path"] == "/in/5/app"
        assert (await served.get("/in/5/app/own")).text == "plain"
        assert (await served.get("/in/5/apps")).status == 404
        scope = http_scope("GET", "/in/5/app/x")
        before = dict(scope)
        sent = []

        async def receive() -> dict[str, object]:
            return {"type": "http.request"}

        async def send(message: object) -> None:
            sent.append(message)

        await served.gateway(scope, receive, send)  # type: ignore[arg-type]
        assert scope == {**before, "path_params": {"n": 5}}


async def test_a_foreign_app_that_answers_head_with_a_body_sends_none() -> None:
    async def foreign(scope: Scope, receive: Receive, send: Send) -> None:
        head = [(b"content-length", b"7")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": b"for", "more_body": True})
        await send({"type": "http.response.body", "body": b"eign"})

    router = Router()
    router.register(foreign, "/app")
    async with Served(router) as served:
        assert (await served.get("/app")).body == b"foreign"
        answer = await served.call("HEAD", "/app")
        assert (answer.body, answer.header("content-length")) == (b"", "7")


async def test_guards_and_middleware_stand_before_a_foreign_app() -> None:
    async def foreign(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"secret"})

    async def closed(connection: Request) -> None:
        if connection.headers["x-key"] != "k":
            raise Forbidden("closed")

    async def marking(request: Request, response: Response, call_next: CallNext) -> Response:
        response.on_send(((b"x-hook", b"1"),))
        answer = await call_next()
        return answer.set_header("x-mark", "1")

    router = Router(guards=[closed], middleware=[marking])
    router.register(foreign, "/app")
    async with Served(router) as served:
        refused = await served.get("/app/x")
        assert refused.status == 403
        assert b"secret" not in refused.body
        let = await served.get("/app/x", headers={"x-key": "k"})
        assert (let.text, let.header("x-mark"), let.header("x-hook")) == ("secret", "1", "1")


async def test_a_foreign_app_that_fails_is_a_500_before_its_head_and_raises_after() -> None:
    async def early(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("early")

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("late")

    router = Router()
    router.register(early, "/early")
    router.register(late, "/late")
    async with Served(router) as served:
        assert (await served.get("/early")).status == 500
        assert len(served.reports) == 1
        with pytest.raises(RuntimeError, match="late"):
            await served.get("/late")
        assert len(served.reports) == 2


async def test_root_path_is_taken_off_at_a_border() -> None:
    router = Router()
    router.get("/x", plain)
    async with Served(router) as served:
        for root, path, status in (
            ("/sub", "/sub/x", 200),
            ("/sub", "/subx", 404),
            ("/sub", "/x", 200),
        ):
            scope = {**http_scope("GET", path), "root_path": root}
            sent: list[dict[str, object]] = []

            async def receive() -> dict[str, object]:
                return {"type": "http.request"}

            async def send(message: dict[str, object], sent: list[object] = sent) -> None:  # type: ignore[assignment]
                sent.append(message)

            await served.gateway(scope, receive, send)  # type: ignore[arg-type]
            assert sent[0]["status"] == status, (root, path)


# Names.


async def test_url_for_is_dotted_by_router_and_checks_values() -> None:
    outer = Router()
    users = Router(prefix="/users", name="people")
    plainly = Router(prefix="/orders/{org:int}")
    users.get("/{user_id:int}", plain, name="show")
    plainly.get("/{name}", plain)
    outer.mount_router(users)
    outer.mount_router(plainly)
    assert outer.url_for("people.show", user_id=7) == "/users/7"
    assert outer.url_for("orders.plain", org=1, name="a b?c") == "/orders/1/a%20b%3Fc"
    for name, params in (
        ("people.show", {}),
        ("people.show", {"user_id": 1, "x": 2}),
        ("people.show", {"user_id": "x"}),
        ("orders.plain", {"org": 1, "name": "a/b"}),
        ("people.shew", {"user_id": 1}),
    ):
        with pytest.raises(ValueError):  # noqa: PT011  # each has its own text
            outer.url_for(name, **params)
    compiled = compile_routes(outer, HttpSettings())
    assert compiled.url_for("people.show", {"user_id": 7}) == "/users/7"


# Sockets and changes.


async def test_websocket_only_notes_a_route_with_its_whole_path() -> None:
    async def closed(connection: object) -> None: ...

    outer, inner = Router(), Router(prefix="/in/{n:int}", guards=[closed])

    @inner.websocket("/ws/{room}", subprotocols=["chat"])
    async def room(websocket: object, room: str) -> None: ...

    outer.mount_router(inner)
    (route,) = compile_routes(outer, HttpSettings()).sockets
    assert isinstance(route, SocketRoute)
    assert (route.path, route.handler) == ("/in/{n:int}/ws/{room}", room)
    assert route.options == {"subprotocols": ["chat"], "guards": (closed,)}
    assert "test_router.py" in route.where


async def test_a_late_route_is_served_and_the_others_keep_their_plans() -> None:
    outer, inner = Router(), Router(prefix="/in")
    outer.mount_router(inner)
    inner.get("/a", plain)
    async with Served(outer) as served:
        outer.listen(served.recompile)
        points = served.gateway.routes.points
        inner.get("/b", plain)
        assert (await served.get("/in/b")).text == "plain"
        assert served.gateway.routes.points[0] is points[0]
        outer.routes.pop()
        assert (await served.get("/in/a")).status == 404


async def test_a_late_mistake_raises_in_the_call_and_changes_nothing() -> None:
    class Service: ...

    async def broken(service: Service) -> None: ...

    router = Router()
    router.get("/a", plain)
    async with Served(router) as served:
        router.listen(served.recompile)
        with pytest.raises(Exception, match="service"):
            router.get("/b", broken)
        with pytest.raises(DuplicateRoute):
            router.get("/a", plain)
        assert len(router.routes) == 1
        assert (await served.get("/a")).text == "plain"
        assert (await served.get("/b")).status == 404
        router.get("/c", plain)
        assert (await served.get("/c")).text == "plain"


async def test_a_guard_above_the_decorator_of_a_late_route_is_refused() -> None:
    async def closed(connection: Request) -> None:
        raise Forbidden("closed")

    router = Router()
    async with Served(router) as served:
        router.listen(served.recompile)
        with pytest.raises(TypeError, match="below"):

            @partial(guarded, guard=closed)
            @router.get("/above")
            async def above() -> None: ...

        @router.get("/below")
        @partial(guarded, guard=closed)
        async def below() -> None: ...

        assert (await served.get("/below")).status == 403


async def test_late_middleware_of_a_router_takes_effect_and_may_be_refused() -> None:
    async def mark(request: Request, response: Response, call_next: CallNext) -> Response:
        return (await call_next()).set_header("x-mark", "1")

    router = Router()
    router.get("/a", plain)
    async with Served(router) as served:
        router.listen(served.recompile)
        assert (await served.get("/a")).header("x-mark") is None
        router.add_middleware(mark)
        assert (await served.get("/a")).header("x-mark") == "1"
        with pytest.raises(TypeError):
            router.add_middleware(object())
        assert router.middleware == (mark,)
        assert (await served.get("/a")).header("x-mark") == "1"


async def test_url_for_knows_routes_added_later_and_forgets_those_taken_away() -> None:
    outer, inner = Router(), Router(prefix="/in")
    outer.mount_router(inner)
    with pytest.raises(ValueError, match=r"in\.late"):
        outer.url_for("in.late")
    inner.get("/late", plain, name="late")
    assert outer.url_for("in.late") == "/in/late"
    inner.routes.clear()
    with pytest.raises(ValueError, match=r"in\.late"):
        outer.url_for("in.late")


async def test_limits_of_a_router_hold_for_its_routes_the_innermost_over_the_others() -> None:
    outer = Router(prefix="/outer", limits={"body": 10, "errors": 3})
    inner = Router(prefix="/inner", limits={"body": 20})
    seen: dict[str, Limits] = {}

    async def note(request: Request) -> None:
        seen[request.path] = request.limits

    outer.post("/own", note)
    inner.post("/in", note)
    inner.post("/wide", note, limit_body=30)
    outer.mount_router(inner)
    root = Router()
    root.mount_router(outer)
    root.post("/free", note)

    async with Served(root) as served:
        for path in ("/outer/own", "/outer/inner/in", "/outer/inner/wide", "/free"):
            assert (await served.post(path)).status == 204
    assert {path: (one.body, one.errors) for path, one in seen.items()} == {
        "/outer/own": (10, 3),
        "/outer/inner/in": (20, 3),
        "/outer/inner/wide": (30, 3),
        "/free": (Limits().body, Limits().errors),
    }


async def test_a_limit_of_a_router_that_does_not_exist_is_refused() -> None:
    router = Router(limits={"boddy": 1})
    router.get("/", note_nothing)
    (problem,) = compile_routes(router, HttpSettings()).problems
    assert "did you mean 'body'" in str(problem)


async def note_nothing() -> None: ...
