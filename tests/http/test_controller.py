"""Controllers: verbs on methods, class keywords, instances, and what is refused."""

from typing import Any

import pytest

from nexios import Controller, Depend, Module, Query, Request, Response, delete, get, post, route
from nexios.adapters.asgi.guards import guarded
from nexios.adapters.http.compile import compile_routes
from nexios.adapters.http.controller import ControllerError, controller_name
from nexios.adapters.http.pipeline import CallNext
from nexios.adapters.http.router import Router
from nexios.adapters.http.settings import HttpSettings
from nexios.application.errors import Forbidden
from nexios.container.scope import Scope
from nexios.domain.errors import RuleViolated
from tests.support.asgi import Served

pytestmark = pytest.mark.asyncio


class Store:
    """A singleton."""

    def __init__(self) -> None:
        self.made = 0


class Work:
    """One for each request."""


def shop() -> Module:
    module = Module("shop")
    module.bind(Store, scope=Scope.SINGLETON)
    module.bind(Work)
    module.export(Store, Work)
    return module


def serving(*controllers: type[Controller], **given: Any) -> Served:
    router = Router()
    for controller in controllers:
        router.add_controller(controller)
    return Served(router, **given)


async def test_constructor_injection_verbs_and_path_values() -> None:
    class Orders(Controller, path="/orders"):
        def __init__(self, store: Store) -> None:
            self._store = store

        @get("/{number:int}")
        async def show(self, number: int, page: int = Query(1), work: Work = Depend()) -> Any:
            return [number, page, type(self._store).__name__, type(work).__name__]

        @get()
        def index(self) -> str:
            return "index"

        @post(status=201)
        async def add(self, request: Request, response: Response) -> Response:
            return response.json([request.method])

        @route("/any", ["get", "put"])
        @delete("/{number}")
        async def several(self, request: Request) -> str:
            return request.method

    async with serving(Orders, modules=[shop()]) as served:
        assert (await served.get("/orders/7?page=2")).json() == [7, 2, "Store", "Work"]
        assert (await served.get("/orders")).text == "index"
        assert (await served.get("/orders/")).text == "index"
        added = await served.post("/orders")
        assert (added.status, added.json()) == (201, ["POST"])
        assert (await served.call("PUT", "/orders/any")).text == "PUT"
        assert (await served.call("DELETE", "/orders/x")).text == "DELETE"
        missed = await served.call("PATCH", "/orders")
        assert (missed.status, missed.header("allow")) == (405, "GET, HEAD, OPTIONS, POST")


async def test_controller_per_request_and_shared_when_all_it_asks_for_is_singletons() -> None:
    class PerRequest(Controller, path="/a"):
        def __init__(self, work: Work) -> None:
            self.calls: list[int] = []
            self.work = work

        @get()
        async def count(self) -> int:
            self.calls.append(1)
            return len(self.calls)

    class Shared(Controller, path="/b"):
        def __init__(self, store: Store) -> None:
            self.store = store

        @get()
        async def count(self) -> int:
            return id(self)

    async with serving(PerRequest, Shared, modules=[shop()]) as served:
        assert [(await served.get("/a")).json() for _ in range(2)] == [1, 1]
        first, second = [(await served.get("/b")).json() for _ in range(2)]
        assert first == second


async def test_request_is_given_by_annotation_or_name_never_by_position() -> None:
    class Things(Controller):
        @get("/a")
        async def named(self, request, response):  # type: ignore[no-untyped-def]
            return response.json(isinstance(request, Request))

    async with serving(Things) as served:
        assert (await served.get("/a")).json() is True

    class Positional(Controller):
        @get("/b")
        async def wrong(self, thing):  # type: ignore[no-untyped-def]
            return thing

    with pytest.raises(Exception, match="thing"):
        serving(Positional)


async def test_class_and_method_metadata_join_in_the_stated_order() -> None:
    seen: list[str] = []

    def guard(name: str) -> Any:
        async def check(connection: Request) -> None:
            seen.append(name)

        return check

    def dependency(name: str) -> Any:
        async def note() -> None:
            seen.append(name)

        return Depend(note)

    def middleware(name: str) -> Any:
        async def mark(request: Request, response: Response, call_next: CallNext) -> Response:
            seen.append(name)
            return await call_next()

        return mark

    class Base(
        Controller,
        path="/base",
        tags=["base"],
        guards=[guard("base guard")],
        middleware=[middleware("base middleware")],
        dependencies=[dependency("base dependency")],
    ):
        @get(
            guards=[guard("method guard")],
            middleware=[middleware("method middleware")],
            dependencies=[dependency("method dependency")],
        )
        async def show(self) -> str:
            seen.append("handler")
            return "shown"

    class Child(
        Base,
        path="/child",
        tags=["child"],
        guards=[guard("child guard")],
        middleware=[middleware("child middleware")],
    ):
        pass

    guarded(Child, guard("decorated guard"))
    router = Router(
        guards=[guard("router guard")],
        dependencies=[dependency("router dependency")],
        middleware=[middleware("router middleware")],
    )
    router.add_controller(Child)
    async with Served(router) as served:
        assert (await served.get("/child")).text == "shown"
    assert seen == [
        "router middleware",
        "base middleware",
        "child middleware",
        "method middleware",
        "router guard",
        "base guard",
        "child guard",
        "decorated guard",
        "method guard",
        "router dependency",
        "base dependency",
        "method dependency",
        "handler",
    ]
    (flat,) = compile_routes(router, HttpSettings()).routes
    assert flat.around.tags == ("base", "child")


async def test_guards_stack_above_and_below_the_verb_in_any_order() -> None:
    async def first(connection: Request) -> None:
        if "x-first" not in connection.headers:
            raise Forbidden("first")

    async def second(connection: Request) -> None:
        if "x-second" not in connection.headers:
            raise Forbidden("second")

    class Things(Controller):
        @get("/a")
        async def below(self) -> str:
            return "in"

        guarded(below, first)
        guarded(below, second)

    router = Router()
    router.add_controller(Things)

    @router.get("/b")
    async def function() -> str:
        return "in"

    guarded(guarded(function, second), first)
    async with Served(router) as served:
        for path in ("/a", "/b"):
            assert (await served.get(path)).status == 403
            assert (await served.get(path, headers={"x-first": "1"})).status == 403
            assert (await served.get(path, headers={"x-second": "1"})).status == 403
            both = {"x-first": "1", "x-second": "1"}
            assert (await served.get(path, headers=both)).text == "in"


async def test_error_handlers_of_a_class_and_its_base() -> None:
    async def of_base(request: Request, response: Response, error: RuleViolated) -> Response:
        return response.text("base")

    class Base(Controller, path="/x", error_handlers={RuleViolated: of_base}):
        @get()
        async def fail(self) -> None:
            raise RuleViolated("no")

    async with serving(Base) as served:
        answer = await served.get("/x")
    assert (answer.status, answer.text) == (409, "base")


async def test_a_guard_class_is_built_by_the_container() -> None:
    class Gate:
        def __init__(self, work: Work) -> None:
            self._work = work

        async def check(self, connection: Request) -> None:
            if connection.headers["x-key"] != type(self._work).__name__:
                raise Forbidden("shut")

    class Things(Controller, guards=[Gate]):
        @get("/a")
        async def show(self) -> str:
            return "in"

    async with serving(Things, modules=[shop()]) as served:
        assert (await served.get("/a")).status == 403
        assert (await served.get("/a", headers={"x-key": "Work"})).text == "in"


async def test_same_function_in_a_unit_test() -> None:
    class Things(Controller, path="/t"):
        def __init__(self, store: Store) -> None:
            self.store = store

        @get("/{n}")
        async def show(self, n: int) -> list[object]:
            return [n, self.store.made]

    assert await Things(Store()).show(3) == [3, 0]


async def test_route_names_and_url_for() -> None:
    class LineItemController(Controller, path="/orders"):
        @get("/{n:int}")
        async def show(self, n: int) -> None: ...

        @get("/all", name="every")
        async def index(self) -> None: ...

    class Named(Controller, path="/named", name="given"):
        @get()
        async def show(self) -> None: ...

    assert controller_name(LineItemController) == "line_item"
    router = Router()
    router.add_controller(LineItemController)
    router.add_controller(Named)
    assert router.url_for("line_item.show", n=3) == "/orders/3"
    assert router.url_for("orders.show", n=3) == "/orders/3"
    assert router.url_for("line_item.every") == "/orders/all"
    assert router.url_for("given.show") == "/named"


async def test_a_subclass_may_replace_a_method_or_take_its_verb_away() -> None:
    class Base(Controller, path="/x"):
        @get("/a")
        async def a(self) -> str:
            return "base a"

        @get("/b")
        async def b(self) -> str:
            return "base b"

    class Child(Base):
        @get("/a")
        async def a(self) -> str:
            return "child a"

        async def b(self) -> str:
            return "plain"

    async with serving(Child) as served:
        assert (await served.get("/x/a")).text == "child a"
        assert (await served.get("/x/b")).status == 404


# Refused.


def refusal(controller: type[Controller]) -> str:
    router = Router()
    router.add_controller(controller)
    (problem,) = compile_routes(router, HttpSettings()).problems
    assert isinstance(problem, ControllerError)
    return str(problem)


async def test_a_verb_on_a_private_name_or_without_self_is_refused() -> None:
    class Private(Controller):
        @get()
        async def _show(self) -> None: ...

    class Static(Controller):
        @staticmethod
        @get()
        async def show() -> None: ...

    class Nobody(Controller):
        @get()
        async def show() -> None: ...  # type: ignore[misc]  # that is the mistake

    assert "private" in refusal(Private)
    assert "self" in refusal(Static)
    assert "self" in refusal(Nobody)


async def test_a_constructor_that_asks_for_request_data_is_refused() -> None:
    class Typed(Controller):
        def __init__(self, r: Request) -> None: ...

        @get()
        async def show(self) -> None: ...

    class Named(Controller):
        def __init__(self, request) -> None:  # type: ignore[no-untyped-def]
            ...

        @get()
        async def show(self) -> None: ...

    assert "belongs to one request" in refusal(Typed)
    assert "belongs to one request" in refusal(Named)


async def test_a_controller_without_verbs_is_refused() -> None:
    class Idle(Controller, path="/x"):
        async def show(self) -> None: ...

    assert "no method has a verb" in refusal(Idle)


async def test_an_unknown_class_keyword_is_refused_with_a_suggestion() -> None:
    with pytest.raises(TypeError, match="'guard'; did you mean 'guards'"):

        class Wrong(Controller, guard=[]):  # type: ignore[call-arg]  # that is the mistake
            pass


async def test_prefix_with_parameters_and_root_with_and_without_slash() -> None:
    class Members(Controller, path="/orgs/{org:int}"):
        @get()
        async def all(self, org: int) -> int:
            return org

        @get("/members/{name}")
        async def one(self, org: int, name: str) -> str:
            return f"{org} {name}"

    async with serving(Members) as served:
        assert (await served.get("/orgs/7")).json() == 7
        assert (await served.get("/orgs/7/")).json() == 7
        assert (await served.get("/orgs/7/members/ada")).text == "7 ada"
        assert (await served.get("/orgs/x")).status == 404


async def test_one_method_may_wear_several_verbs() -> None:
    class Both(Controller, path="/both"):
        @get("/a")
        @route("/b", ["PUT", "patch"], status=202)
        async def act(self, request: Request) -> str:
            return request.method

    async with serving(Both) as served:
        assert (await served.get("/both/a")).text == "GET"
        changed = await served.call("PATCH", "/both/b")
        assert (changed.status, changed.text) == (202, "PATCH")
        assert (await served.call("PUT", "/both/a")).status == 405
