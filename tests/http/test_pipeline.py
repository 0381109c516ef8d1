"""Middleware: order, what it may do, and what it must not."""

import contextvars
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio
import pytest

from nexios import Depend, Request, Response
from nexios.adapters.asgi.stages import Stage
from nexios.adapters.http.ordering import Added, MiddlewareOrderError, ordered
from nexios.adapters.http.pipeline import CallNext, NotMiddleware
from nexios.adapters.http.router import Router
from nexios.application.errors import Unavailable
from tests.support.asgi import Served

pytestmark = pytest.mark.asyncio

Function = Callable[[Request, Response, CallNext], Awaitable[object]]


def naming(name: str, seen: list[str]) -> Function:
    async def mark(request: Request, response: Response, call_next: CallNext) -> object:
        seen.append(name)
        answer = await call_next()
        seen.append(f"/{name}")
        return answer

    mark.__qualname__ = name
    return mark


class Staged:
    """A class of the house: its stage says where it stands."""

    stage = Stage.USER

    def __init__(self, name: str = "", seen: list[str] | None = None) -> None:
        self.name = name
        self.seen = [] if seen is None else seen

    async def __call__(self, request: Request, response: Response, call_next: CallNext) -> object:
        self.seen.append(self.name)
        return await call_next()


class Sessions(Staged):
    stage = Stage.SESSION


class Auth(Staged):
    stage = Stage.AUTHENTICATION
    requires = Stage.SESSION


class Late(Staged):
    requires = Auth


def plain_router() -> Router:
    router = Router()

    @router.get("/a")
    async def a() -> str:
        return "a"

    return router


# What it must not do.


async def test_call_next_twice_is_an_error_naming_the_middleware() -> None:
    async def twice(request: Request, response: Response, call_next: CallNext) -> object:
        await call_next()
        return await call_next()

    ran: list[int] = []
    router = Router()

    @router.get("/a")
    async def a() -> str:
        ran.append(1)
        return "a"

    async with Served(router, middleware=[twice, naming("outer", [])]) as served:
        assert (await served.get("/a")).status == 500
        ((error, _, where),) = served.reports
    assert "twice called call_next() twice" in str(error)
    assert where == "/a"
    assert ran == [1]


async def test_call_next_twice_in_a_routes_middleware_is_found_too() -> None:
    async def twice(request: Request, response: Response, call_next: CallNext) -> object:
        await call_next()
        return await call_next()

    router = Router()

    @router.get("/a", middleware=[naming("outer", []), twice])
    async def a() -> str:
        return "a"

    async with Served(router, middleware=[naming("app", [])]) as served:
        assert (await served.get("/a")).status == 500
        assert "twice" in str(served.reports[0][0])


async def test_one_instance_never_shows_another_requests_data() -> None:
    class Waiting:
        async def __call__(
            self, request: Request, response: Response, call_next: CallNext
        ) -> object:
            own = request.query_params["n"]
            response.set_header("x-before", own)
            await anyio.lowlevel.checkpoint()
            answer = await call_next()
            await anyio.lowlevel.checkpoint()
            answer.set_header("x-after", own)
            return answer

    router = Router()

    @router.get("/{n:int}")
    async def show(request: Request, response: Response, n: int) -> Response:
        await anyio.lowlevel.checkpoint()
        return response.set_header("x-own", str(n)).json(n)

    async with Served(router, middleware=[Waiting(), Waiting()]) as served:

        async def one(n: int) -> None:
            answer = await served.get(f"/{n}?n={n}")
            told = [answer.headers(name) for name in ("x-before", "x-own", "x-after")]
            assert told == [[str(n)]] * 3
            assert answer.json() == n

        async with anyio.create_task_group() as tasks:
            for n in range(100):
                tasks.start_soon(one, n)


async def of_two(request: Request, response: Response) -> None: ...


@pytest.mark.parametrize("wrong", [Staged, object(), lambda a, b, c: None, "text", of_two])
async def test_what_is_no_middleware_is_refused_at_start(wrong: Any) -> None:
    with pytest.raises(NotMiddleware):
        Served(plain_router(), middleware=[wrong])
    router = Router()
    router.get("/a", lambda: "a", middleware=[wrong])
    with pytest.raises(NotMiddleware):
        Served(router)


async def test_partials_of_functions_are_middleware() -> None:
    async def tagged(
        tag: str, request: Request, response: Response, call_next: CallNext
    ) -> object:
        return (await call_next()).set_header("x-tag", tag)

    async with Served(plain_router(), middleware=[partial(tagged, "t")]) as served:
        assert (await served.get("/a")).header("x-tag") == "t"


# What it may do.


async def test_the_last_added_is_outermost_and_lists_run_first_to_last() -> None:
    seen: list[str] = []
    inner = Router(prefix="/in", middleware=[naming("in 1", seen), naming("in 2", seen)])
    inner.add_middleware(naming("in 3", seen))

    @inner.get("/a", middleware=[naming("route 1", seen), naming("route 2", seen)])
    async def a() -> None:
        seen.append("handler")

    outer = Router(middleware=[naming("out", seen)])
    outer.mount_router(inner)
    served = Served(outer, middleware=[naming("app 1", seen), naming("app 2", seen)])
    async with served:
        assert (await served.get("/in/a")).status == 204
    way_in = ["app 2", "app 1", "out", "in 3", "in 1", "in 2", "route 1", "route 2"]
    assert seen == [*way_in, "handler", *(f"/{name}" for name in reversed(way_in))]


async def test_change_request_answer_early_catch_and_return_nothing() -> None:
    async def user(request: Request, response: Response, call_next: CallNext) -> object:
        request.state.name = "ann"
        return await call_next()

    async def early(request: Request, response: Response, call_next: CallNext) -> object:
        if request.path == "/early":
            return {"early": True}
        if request.path == "/builder":
            response.text("built", 202)
            return None
        return await call_next()

    async def catching(request: Request, response: Response, call_next: CallNext) -> object:
        try:
            return await call_next()
        except ZeroDivisionError:
            return ("caught", 418)

    async def silent(request: Request, response: Response, call_next: CallNext) -> None:
        answer = await call_next()
        answer.set_header("x-silent", str(answer.status_code))

    router = Router()

    @router.get("/name")
    async def name(request: Request) -> str:
        return str(request.state.name)

    @router.get("/broken")
    async def broken() -> None:
        1 / 0  # noqa: B018

    async with Served(router, middleware=[user, early, catching, silent]) as served:
        told = await served.get("/name")
        assert (told.text, told.header("x-silent")) == ("ann", "200")
        assert (await served.get("/early")).json() == {"early": True}
        built = await served.get("/builder")
        assert (built.status, built.text) == (202, "built")
        caught = await served.get("/broken")
        assert (caught.status, caught.text) == (418, "caught")
        assert served.reports == []
        missed = await served.get("/nothing")
        assert (missed.status, missed.header("x-silent")) == (404, "404")
        wrong = await served.post("/name")
        assert (wrong.status, wrong.header("x-silent")) == (405, "405")


async def test_middleware_sees_an_answer_for_an_error_with_a_row() -> None:
    seen = []

    async def looking(request: Request, response: Response, call_next: CallNext) -> object:
        answer = await call_next()
        seen.append((answer.status_code, answer.headers["retry-after"]))
        return answer

    router = Router()

    @router.get("/a")
    async def a() -> None:
        raise Unavailable(retry_after_s=3)

    async with Served(router, middleware=[looking]) as served:
        assert (await served.get("/a")).status == 503
    assert seen == [(503, "3")]


async def test_headers_set_before_and_after_join_the_answer() -> None:
    async def marking(request: Request, response: Response, call_next: CallNext) -> object:
        response.set_header("x-before", "1").set_cookie("a", "1")
        answer = await call_next()
        return answer.set_header("x-after", "1").set_cookie("b", "2")

    router = plain_router()

    @router.get("/raise")
    async def fail() -> None:
        raise Unavailable("no")

    async with Served(router, middleware=[marking]) as served:
        for path, status in (("/a", 200), ("/raise", 503), ("/none", 404)):
            answer = await served.get(path)
            assert answer.status == status
            assert (answer.header("x-before"), answer.header("x-after")) == ("1", "1")
            assert [c.partition("=")[0] for c in answer.headers("set-cookie")] == ["a", "b"]
            assert len(answer.headers("content-length")) == 1
            assert len(answer.headers("content-type")) == 1


async def test_hooks_are_on_every_answer_and_keep_what_the_handler_set() -> None:
    async def hooking(request: Request, response: Response, call_next: CallNext) -> object:
        response.on_send(((b"x-frame", b"deny"), (b"x-own", b"hook")))
        response.on_send(lambda headers: headers.add_vary("Origin"))
        return await call_next()

    router = Router()

    @router.get("/a")
    async def a(response: Response) -> Response:
        return response.set_header("x-own", "mine").set_header("vary", "Accept").text("a")

    @router.get("/broken")
    async def broken() -> None:
        raise RuntimeError("no")

    async with Served(router, middleware=[hooking]) as served:
        for path, status in (("/a", 200), ("/none", 404), ("/broken", 500)):
            answer = await served.get(path)
            assert answer.status == status
            assert answer.headers("x-frame") == ["deny"]
            assert "Origin" in (answer.header("vary") or "")
        assert (await served.get("/a")).headers("x-own") == ["mine"]
        assert (await served.get("/a")).header("vary") == "Accept, Origin"


async def test_contextvars_pass_through() -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name")

    async def setting(request: Request, response: Response, call_next: CallNext) -> object:
        name.set("ann")
        return await call_next()

    async def of_dependency() -> str:
        return name.get()

    router = Router()

    @router.get("/a")
    async def a(other: str = Depend(of_dependency)) -> list[str]:
        return [name.get(), other]

    @router.get("/thread")
    def thread() -> str:
        return name.get()

    async with Served(router, middleware=[setting]) as served:
        assert (await served.get("/a")).json() == ["ann", "ann"]
        assert (await served.get("/thread")).text == "ann"


async def test_arguments_to_call_next_are_ignored() -> None:
    async def old(request: Request, response: Response, call_next: CallNext) -> object:
        return await call_next(request, response)

    async with Served(plain_router(), middleware=[old]) as served:
        assert (await served.get("/a")).text == "a"


async def test_late_middleware_and_handlers_take_effect_at_the_next_request() -> None:
    seen: list[str] = []

    async def on_404(request: Request, response: Response, error: Exception) -> str:
        return "nothing here"

    async with Served(plain_router()) as served:
        await served.get("/a")
        served.gateway.configure(
            middleware=[Added(naming("late", seen))], exception_handlers={404: on_404}
        )
        assert (await served.get("/a")).text == "a"
        assert seen == ["late", "/late"]
        missed = await served.get("/none")
        assert (missed.status, missed.text) == (404, "nothing here")
        with pytest.raises(MiddlewareOrderError):
            served.gateway.configure(middleware=[Added(Auth())])
        seen.clear()
        await served.get("/a")
        assert seen == ["late", "/late"]


# Order.


async def test_house_classes_stand_by_stage_whatever_the_order_of_adding() -> None:
    user, sessions, auth = Staged("user"), Sessions(), Auth()
    for line in ([user, sessions, auth], [auth, user, sessions], [sessions, auth, user]):
        assert ordered(Added(one) for one in line) == (sessions, auth, user)


async def test_several_of_one_house_class_stand_in_order_of_adding() -> None:
    first, second = Sessions("1"), Sessions("2")
    assert ordered([Added(first), Added(second)]) == (first, second)


async def test_before_and_after() -> None:
    a, b, c, d = (Staged(name) for name in "abcd")
    sessions, auth = Sessions(), Auth()
    line = [Added(sessions), Added(auth), Added(a), Added(b)]
    assert ordered(line) == (sessions, auth, b, a)
    assert ordered([*line, Added(c, before=Auth)]) == (sessions, c, auth, b, a)
    assert ordered([*line, Added(c, after=b)]) == (sessions, auth, b, c, a)
    assert ordered([*line, Added(c, before=a)]) == (sessions, auth, b, c, a)
    assert ordered([*line, Added(c, before=Auth), Added(d, before=Auth)]) == (
        sessions,
        d,
        c,
        auth,
        b,
        a,
    )
    assert ordered([*line, Added(d, before=c), Added(c, before=Auth)]) == (
        sessions,
        d,
        c,
        auth,
        b,
        a,
    )


async def test_before_a_house_class_that_is_absent_is_its_place() -> None:
    a, b, sessions = Staged("a"), Staged("b"), Sessions()
    assert ordered([Added(a), Added(sessions), Added(b, before=Auth)]) == (sessions, b, a)


async def test_a_circle_or_an_unknown_name_is_refused() -> None:
    a, b, c = Staged("a"), Staged("b"), Staged("c")
    with pytest.raises(MiddlewareOrderError, match="circle"):
        ordered([Added(a, before=b), Added(b, before=a)])
    with pytest.raises(MiddlewareOrderError):
        ordered([Added(a, before=naming("not added", []))])
    with pytest.raises(MiddlewareOrderError, match="other way round"):
        ordered([Added(a), Added(b), Added(c, before=a, after=a)])


async def test_what_is_required_and_absent_refuses_the_start_with_the_line_to_add() -> None:
    with pytest.raises(MiddlewareOrderError) as refused:
        Served(plain_router(), middleware=[Auth()])
    assert "app.add_middleware(SessionMiddleware())" in str(refused.value)
    with pytest.raises(MiddlewareOrderError, match=r"app\.add_middleware\(Auth\(\)\)"):
        ordered([Added(Late())])
    for line in ([Auth(), Sessions()], [Sessions(), Auth()]):
        Served(plain_router(), middleware=line)
