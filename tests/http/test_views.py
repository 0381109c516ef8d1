"""Class-based views and the context: over the gateway, as 2.11 wrote them, corrected."""

from typing import Any

import pytest
from pydantic import BaseModel

from nexios.adapters.http.builder import Response
from nexios.adapters.http.context import Context
from nexios.adapters.http.request import Request
from nexios.adapters.http.router import Router
from nexios.adapters.http.views import APIHandler, APIView, NoMethods
from nexios.auth.decorator import auth
from nexios.container.depend import Depend
from nexios.container.module import Module
from nexios.container.scope import Scope
from tests.support.asgi import Served, ask

pytestmark = pytest.mark.asyncio


class Store:
    def __init__(self) -> None:
        self.names = {1: "ada"}


class UserView(APIView):
    made = 0

    def __init__(self, store: Store) -> None:
        self.store = store
        type(self).made += 1

    async def get(self, req: Any, res: Any, user_id: int) -> Any:
        assert self.request is req
        assert self.res is res
        return res.json({"name": self.store.names[user_id]})

    async def delete(self, a, b):  # type: ignore[no-untyped-def]
        return b.status(204).empty()


def served(router: Router, **options: Any) -> Served:
    module = Module("store")
    module.bind(Store, scope=Scope.SINGLETON)
    return Served(router, modules=[module.export(Store)], **options)


async def test_path_values_services_and_one_instance_per_request() -> None:
    router = Router()
    router.add_route(UserView.as_route("/users/{user_id:int}"))
    UserView.made = 0
    async with served(router) as app:
        for _ in range(2):
            assert (await app.get("/users/1")).json() == {"name": "ada"}
        assert (await app.get("/users/x")).status == 404
        assert (await app.call("DELETE", "/users/1")).status == 204
    assert UserView.made == 3  # though all it asks for is a singleton


async def test_a_missing_verb_is_405_by_the_table() -> None:
    router = Router()
    router.add_route(UserView.as_route("/users/{user_id:int}"))
    async with served(router) as app:
        refused = await app.post("/users/1", as_json={})
    assert refused.status == 405
    assert refused.header("allow") == "DELETE, GET, HEAD, OPTIONS"


async def test_inherited_methods_count() -> None:
    class Admin(UserView):
        async def post(self, request: Request, response: Response, body: "Name") -> Any:
            return {"created": body.name}

    router = Router(prefix="/admin")
    router.add_route(Admin.as_route("/{user_id:int}", name="admin"))
    async with served(router) as app:
        assert (await app.get("/admin/1")).json() == {"name": "ada"}
        created = await app.post("/admin/1", as_json={"name": "bob"})
        assert created.json() == {"created": "bob"}
        assert (await app.post("/admin/1", as_json={})).status == 422
    assert router.url_for("admin.admin", user_id=3) == "/admin/3"


class Name(BaseModel):
    name: str


async def test_middleware_and_error_handlers_of_the_class() -> None:
    seen = []

    async def noted(request: Request, response: Response, call_next: Any) -> Any:
        seen.append(request.path)
        return await call_next()

    async def answer(request: Request, response: Response, error: KeyError) -> Any:
        return response.status(410).json({"gone": error.args[0]})

    class Handled(UserView):
        middleware = (noted,)
        error_handlers = {KeyError: answer}  # noqa: RUF012  # as people write it

    router = Router()
    router.add_route(Handled.as_route("/users/{user_id:int}"))
    async with served(router) as app:
        gone = await app.get("/users/9")
    assert (gone.status, gone.json()) == (410, {"gone": 9})
    assert seen == ["/users/9"]


async def test_a_def_method_runs_in_a_worker_thread() -> None:
    import threading

    class Sync(APIHandler):
        def get(self, request: Request, response: Response) -> Any:
            return {"main": threading.current_thread() is threading.main_thread()}

    router = Router()
    router.add_route(Sync.as_route("/"))
    async with Served(router) as app:
        assert (await app.get("/")).json() == {"main": False}


async def test_a_guard_on_the_class_is_asked() -> None:
    @auth(["jwt"])
    class Guarded(APIView):
        async def get(self, request: Request, response: Response) -> Any:
            raise AssertionError("never reached")

    router = Router()
    router.add_route(Guarded.as_route("/"))
    async with Served(router) as app:
        assert (await app.get("/")).status == 401


async def test_methods_may_be_narrowed_and_an_absent_one_is_refused() -> None:
    router = Router()
    router.add_route(UserView.as_route("/{user_id:int}", methods=["GET"]))
    async with served(router) as app:
        assert (await app.call("DELETE", "/1")).status == 405
    with pytest.raises(NoMethods, match=r"UserView has no method 'put'.*\n  fix: async def put"):
        UserView.as_route("/", methods=["put"])
    with pytest.raises(NoMethods, match="has no method 'get'"):
        APIView.as_route("/")
    with pytest.raises(TypeError, match="summary"):
        UserView.as_route("/", sumary="")  # type: ignore[call-arg]


async def test_context_reaches_handlers_and_nested_dependencies() -> None:
    async def inner(ctx: Context = Context()) -> Context:  # noqa: B008  # 2.11's spelling
        return ctx

    async def outer(found: Context = Depend(inner)) -> Context:
        return found

    router = Router()

    @router.get("/{name}")
    async def show(request, response, name, ctx=Context(), deep=Depend(outer)):  # type: ignore[no-untyped-def]  # noqa: B008
        assert ctx.request is request
        assert ctx.response is response
        assert deep.request is request
        assert ctx.user is request.user
        assert ctx.app is request.app
        assert ctx.base_app is request.base_app
        return {"name": name}

    async with Served(router) as app:
        assert (await app.get("/ada")).json() == {"name": "ada"}


async def test_a_context_by_annotation_and_one_made_by_hand() -> None:
    router = Router()

    @router.get("/")
    async def show(ctx: Context) -> Any:
        return {"path": ctx.request.path if ctx.request else ""}

    async with Served(router) as app:
        assert (await app.get("/")).json() == {"path": "/"}
    made = Context(user="ada", tenant="acme")
    assert (made.user, made.tenant, made.app, made.request) == ("ada", "acme", None, None)
    with pytest.raises(AttributeError, match="the context has no 'other'"):
        _ = made.other
    with pytest.raises(AttributeError, match="response"):
        _ = made.response


async def test_views_are_served_by_an_app() -> None:
    from nexios import NexiosApp

    app = NexiosApp()
    app.add_route(UserView.as_route("/users/{user_id:int}"))
    app.container  # noqa: B018  # a class nobody bound is bound on the app
    assert (await ask(app, "GET", "/users/1")).json() == {"name": "ada"}
