"""The document is that of the compiled routes: valid, stable, with nothing left open."""

import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import Annotated, Any, Generic, TypeVar

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel, Field, PlainSerializer
from pydantic_core import core_schema

from examples.seed_page import authentication, dependency_injection, production
from examples.shop.main import shop
from nexios import (
    Body,
    Controller,
    Cookie,
    Depend,
    Form,
    Header,
    MakeConfig,
    NexiosApp,
    Query,
    Request,
    Response,
    Router,
    get,
    route,
)
from nexios.adapters.asgi.annotations import JSON_SCHEMA
from nexios.adapters.asgi.params import MISSING
from nexios.adapters.asgi.types import Receive, Scope, Send
from nexios.adapters.http.inputs import Simple
from nexios.adapters.openapi.listing import DuplicateOperationId, listed
from nexios.adapters.openapi.operations import operation, read
from nexios.adapters.openapi.schemas import Schemas
from nexios.domain import Identity
from nexios.http import Accepted, Created, HTMLResponse, NoContent
from tests.openapi import namesakes
from tests.support.asgi import ask

T = TypeVar("T")


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class Part(BaseModel):
    """One part."""

    size: Size
    weight: Annotated[float, Field(gt=0)] = 1.0


class Thing(BaseModel):
    name: str
    parts: list[Part] = []
    whole: "Thing | None" = None


class Envelope(BaseModel, Generic[T]):
    item: T


@dataclass
class Point:
    x: int
    y: int = 0


class ThingId(Identity): ...


def refs(document: object) -> Iterator[str]:
    if isinstance(document, dict):
        if isinstance(document.get("$ref"), str):
            yield document["$ref"]
        for value in document.values():
            yield from refs(value)
    elif isinstance(document, list):
        for value in document:
            yield from refs(value)


def check(document: dict[str, Any]) -> None:
    """Hold the document against the 3.1 schema, and every reference against the document."""
    OpenAPIV31SpecValidator(document).validate()
    for ref in refs(document):
        at: Any = document
        for part in ref.removeprefix("#/").split("/"):
            at = at[part]
    assert "$defs" not in json.dumps(document)


EXAMPLES: dict[str, Callable[[], NexiosApp]] = {
    "shop": lambda: shop(MakeConfig(database_url="sqlite://")),
    "authentication": lambda: authentication.app,
    "dependency_injection": lambda: dependency_injection.app,
    "production": lambda: production.app,
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_openapi_is_valid(example: str) -> None:
    document = EXAMPLES[example]().docs.document()

    check(document)
    assert document["paths"]


def one(app: NexiosApp, path: str, method: str = "get") -> dict[str, Any]:
    document = app.docs.document()
    check(document)
    operation: dict[str, Any] = document["paths"][path][method]
    return operation


def parameters(operation: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(each["in"], each["name"]): each for each in operation["parameters"]}


def test_parameters_are_what_the_handler_reads() -> None:
    app = NexiosApp()

    async def locale(accept_language: str = Header("en")) -> str:
        return accept_language

    @app.get("/things/{thing_id:uuid}/{n:int}/{slug}")
    async def show(
        thing_id: ThingId,
        slug: str,
        page: Annotated[int, Query(ge=1)] = 1,
        sizes: Annotated[list[Size] | None, Query(alias="size")] = None,
        x_trace: str = Header(),
        theme: str | None = Cookie(None),
        language: str = Depend(locale),
    ) -> Thing:
        return Thing(name="x")

    found = parameters(one(app, "/things/{thing_id}/{n}/{slug}"))

    assert set(found) == {
        *(("path", "thing_id"), ("path", "n"), ("path", "slug")),
        *(("query", "page"), ("query", "size")),
        *(("header", "x-trace"), ("header", "accept-language")),
        ("cookie", "theme"),
    }
    assert found["path", "thing_id"]["schema"] == {"type": "string", "format": "uuid"}
    assert found["path", "n"]["schema"] == {"type": "integer", "minimum": 0}
    assert found["query", "page"]["schema"] == {"type": "integer", "minimum": 1, "default": 1}
    assert found["query", "size"]["schema"]["type"] == "array"
    assert [found[key]["required"] for key in found if key[0] != "path"].count(True) == 1
    assert found["header", "x-trace"]["required"]
    assert found["header", "accept-language"]["schema"]["default"] == "en"
    assert found["cookie", "theme"]["schema"] == {"type": "string"}


def test_a_model_in_the_query_is_its_members() -> None:
    app = NexiosApp()

    class Filter(BaseModel):
        size: Size | None = None
        name: Annotated[str, Field(min_length=2, description="Part of it.")]

    @app.get("/things")
    async def things(by: Filter = Query()) -> list[Thing]:
        return []

    found = parameters(one(app, "/things"))

    assert found["query", "name"]["required"]
    assert found["query", "name"]["description"] == "Part of it."
    assert found["query", "name"]["schema"] == {"type": "string", "minLength": 2}
    assert not found["query", "size"]["required"]
    assert found["query", "size"]["schema"] == {"$ref": "#/components/schemas/Size"}
    assert "Filter" not in app.docs.document()["components"]["schemas"]


def test_the_body_is_what_the_handler_reads() -> None:
    app = NexiosApp()

    @app.post("/whole")
    async def whole(thing: Thing) -> None: ...

    @app.post("/optional")
    async def optional(thing: Thing | None = None) -> None: ...

    @app.post("/members")
    async def members(
        thing: Thing = Body(embed=True), at: Point | None = Body(None, embed=True)
    ) -> None: ...

    @app.post("/own", request_model=Thing, request_content_type="application/vnd.thing+json")
    async def own(request: Request, response: Response) -> None: ...

    thing = {"$ref": "#/components/schemas/Thing"}
    whole_body = one(app, "/whole", "post")["requestBody"]
    assert whole_body == {"content": {"application/json": {"schema": thing}}, "required": True}
    assert not one(app, "/optional", "post")["requestBody"]["required"]
    schema = one(app, "/members", "post")["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["thing"]
    assert list(schema["properties"]) == ["thing", "at"]
    content = one(app, "/own", "post")["requestBody"]["content"]
    assert content == {"application/vnd.thing+json": {"schema": thing}}


class Upload:
    """Says of itself what it is in a document, as a class of the framework does."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: object) -> Any:
        written = {JSON_SCHEMA: {"type": "string", "format": "binary"}}
        return core_schema.no_info_plain_validator_function(lambda value: value, metadata=written)


class Application(BaseModel):
    name: str
    papers: list[Upload]


@pytest.mark.parametrize(
    ("fields", "kinds"),
    [
        ({"name": str}, {"application/x-www-form-urlencoded", "multipart/form-data"}),
        ({"name": str, "paper": Upload}, {"multipart/form-data"}),
        ({"papers": list[Upload]}, {"multipart/form-data"}),
        ({"": Application}, {"multipart/form-data"}),
    ],
)
def test_a_form_with_files_is_multipart(fields: dict[str, Any], kinds: set[str]) -> None:
    app = NexiosApp()
    app.post("/a", nothing)
    (listed_one,), _ = listed(app._built().gateway.routes.units[:1])
    schemas = Schemas()
    facts = read(listed_one, schemas)
    for name, annotation in fields.items():
        field = Simple(name, "form", name, annotation, MISSING, lambda _: None)
        facts.simple.append((field, schemas.ask(annotation, "validation")))
    schemas.resolve()

    body = operation(facts, schemas, None)["requestBody"]

    assert set(body["content"]) == kinds
    assert body["required"]
    schema = schemas.followed(next(iter(body["content"].values()))["schema"])
    assert schema["required"] == list(schema["properties"])


ANSWERS: dict[str, tuple[Any, dict[str, str | None]]] = {
    "model": (Thing, {"200": "application/json"}),
    "text": (str, {"200": "text/plain"}),
    "bytes": (bytes, {"200": "application/octet-stream"}),
    "nothing": (None, {"204": None}),
    "created": (Created[Thing], {"201": "application/json"}),
    "accepted or nothing": (Accepted[Thing] | NoContent, {"202": "application/json", "204": None}),
    "model or none": (Thing | None, {"200": "application/json", "204": None}),
    "body and status": (tuple[Thing, int], {"2XX": "application/json"}),
    "final": (HTMLResponse, {"2XX": "text/html"}),
    "builder": (Response, {"2XX": None}),
    "anything": (Any, {"2XX": None}),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_answers_are_what_the_handler_says_it_returns(kind: str) -> None:
    returned, expected = ANSWERS[kind]
    app = NexiosApp()

    async def handler() -> Any: ...

    handler.__annotations__["return"] = returned
    app.get("/x", handler)

    responses = one(app, "/x")["responses"]

    found = {
        status: next(iter(response.get("content", {})), None)
        for status, response in responses.items()
        if status != "default"
    }
    assert found == expected


async def passes(connection: Any) -> None: ...


@pytest.mark.parametrize(
    ("path", "options", "expected"),
    [
        ("/plain", {}, set()),
        ("/{name}", {}, {"404"}),
        ("/guarded", {"guards": [passes]}, {"401", "403"}),
        ("/body", {"request_model": Thing}, {"400", "408", "413", "415", "422"}),
    ],
)
def test_every_problem_the_gateway_answers_is_declared(
    path: str, options: Any, expected: set[str]
) -> None:
    app = NexiosApp()

    @app.post(path, **options)
    async def handler(request: Request, response: Response) -> None: ...

    responses = one(app, path, "post")["responses"]

    assert {status for status in responses if status[0] == "4"} == expected
    for status in (*expected, "default"):
        schema = responses[status]["content"]["application/problem+json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Problem"}


def test_responses_and_parameters_of_a_route_add_to_what_is_read() -> None:
    app = NexiosApp()

    @app.get(
        "/x",
        summary="Short.",
        tags=["b", "a"],
        deprecated=True,
        responses={
            200: Thing,
            404: "No such thing.",
            409: {"model": Point, "description": "Taken."},
        },
        parameters=[{"name": "x-key", "in": "header", "schema": {"type": "string"}}],
    )
    async def handler(request: Request, response: Response) -> Response:
        """Not this.

        But this.
        """
        return response.json({})

    operation = one(app, "/x")

    assert operation["summary"] == "Short."
    assert operation["description"] == "But this."
    assert operation["deprecated"]
    assert operation["tags"] == ["b", "a"]
    assert operation["parameters"][0]["name"] == "x-key"
    assert set(operation["responses"]) == {"200", "404", "409", "default"}
    assert operation["responses"]["404"]["description"] == "No such thing."
    assert operation["responses"]["409"]["description"] == "Taken."


class Things(Controller, path="/c", tags=["things"], responses={410: "Gone.", 409: "No."}):
    @get("/{thing_id:uuid}", responses={409: "Taken."}, tags=["one"])
    async def show(self, thing_id: ThingId) -> Thing: ...

    @get("/first")
    @get("/last")
    async def end(self) -> Thing: ...

    @route("/both", methods=["GET", "POST"])
    async def both(self) -> Thing: ...


def test_a_controller_gives_its_operations_names_tags_and_responses() -> None:
    app = NexiosApp()
    app.router.add_controller(Things)

    operation = one(app, "/c/{thing_id}")

    assert operation["operationId"] == "things_show"
    assert operation["tags"] == ["things", "one"]
    assert operation["responses"]["409"]["description"] == "Taken."
    assert operation["responses"]["410"]["description"] == "Gone."
    assert one(app, "/c/first")["operationId"] == "get_c_first"
    assert one(app, "/c/both", "post")["operationId"] == "things_both_post"


async def nothing() -> None: ...


def test_operation_ids_stable() -> None:
    paths = ["/", "/users", "/users/{user_id}", "/users/{user_id:int}/x", "/a-b/c_d"]
    options = [{"tags": [str(number)], "responses": {200: Part}} for number in range(len(paths))]

    def drawn(seed: int) -> bytes:
        order = list(zip(paths, options, strict=True))
        random.Random(seed).shuffle(order)
        app = NexiosApp()
        for path, given in order:
            app.get(path, nothing, **given)  # type: ignore[arg-type]
        return json.dumps(app.docs.document()).encode()

    assert len({drawn(seed) for seed in range(10)}) == 1
    paths_of = json.loads(drawn(0))["paths"]
    assert {path: each["get"]["operationId"] for path, each in paths_of.items()} == {
        "/": "get_root",
        "/a-b/c_d": "get_a_b_c_d",
        "/users": "get_users",
        "/users/{user_id}": "get_users_by_user_id",
        "/users/{user_id}/x": "get_users_by_user_id_x",
    }


def test_two_operations_called_alike_refuse_the_start_and_are_named() -> None:
    app = NexiosApp()
    app.get("/a-b", nothing)
    app.get("/a_b", nothing)

    with pytest.raises(DuplicateOperationId) as refused:
        app.check()

    text = str(refused.value)
    assert "GET /a-b" in text
    assert "GET /a_b" in text
    assert text.count("test_document.py:") == 2
    assert "fix: operation_id=" in text


def test_a_late_route_with_a_taken_operation_id_changes_nothing() -> None:
    app = NexiosApp()
    app.get("/a", nothing, operation_id="x")
    app.check()

    with pytest.raises(DuplicateOperationId):
        app.get("/b", nothing, operation_id="x")

    assert list(app.docs.document()["paths"]) == ["/a"]


def test_excluded_routes_and_foreign_mounts_are_left_out() -> None:
    app = NexiosApp()
    hidden, shown = Router("/hidden", exclude_from_schema=True), Router("/shown")
    hidden.get("/x", nothing)
    shown.get("/x", nothing)
    shown.get("/y", nothing, exclude_from_schema=True)
    app.mount_router(hidden)
    app.mount_router(shown)
    app.register(NexiosApp(), "/foreign")

    assert list(app.docs.document()["paths"]) == ["/shown/x"]


def test_paths_that_differ_in_names_alone_are_one_path() -> None:
    app = NexiosApp()
    app.get("/u/{user}", nothing)
    app.delete("/u/{name:slug}", nothing)
    app.get("/n/{n:int}", nothing, operation_id="number")
    app.get("/n/{n}", nothing, operation_id="text")

    document = app.docs.document()

    check(document)
    assert set(document["paths"]) == {"/u/{name}", "/n/{n}", "/n/{n_str}"}
    operations = document["paths"]["/u/{name}"]
    assert set(operations) == {"get", "delete"}
    assert {each["parameters"][0]["name"] for each in operations.values()} == {"name"}


def test_schemas_have_no_dangling_refs() -> None:
    app = NexiosApp()

    @app.post("/a")
    async def a(thing: Thing) -> Envelope[Thing]: ...

    @app.post("/b")
    async def b(points: list[Point]) -> Envelope[list[Point | None]]: ...

    @app.post("/c")
    async def c(one: namesakes.Thing) -> dict[str, namesakes.Thing]: ...

    document = app.docs.document()

    check(document)
    names = set(document["components"]["schemas"])
    assert names >= {"Part", "Size", "Point", "Problem"}
    # Two classes of one name are told apart by their modules, both of them.
    assert "Thing" not in names
    assert [name for name in names if name.endswith("namesakes__Thing")]
    assert [name for name in names if name.endswith("test_document__Thing")]


def test_a_decimal_is_a_number_or_the_text_of_one() -> None:
    app = NexiosApp()

    @app.get("/x")
    async def handler(amount: Decimal = Query()) -> None: ...

    number, text = parameters(one(app, "/x"))["query", "amount"]["schema"]["anyOf"]

    assert number == {"type": "number"}
    assert all(re.fullmatch(text["pattern"], good) for good in ("1", "-1.50", ".5", "1E+5"))
    assert not any(re.fullmatch(text["pattern"], bad) for bad in ("", ".", "x", "1.5.", "nan"))


def test_a_class_read_and_written_alike_has_one_schema_and_another_has_two() -> None:
    app = NexiosApp()

    class Tuned(BaseModel):
        gain: Annotated[int, PlainSerializer(str, return_type=str)]

    @app.post("/a")
    async def a(thing: Thing) -> Thing: ...

    @app.post("/b")
    async def b(tuned: Tuned) -> Tuned: ...

    document = app.docs.document()

    check(document)
    names = set(document["components"]["schemas"]) - {"Problem", "FieldProblem", "Part", "Size"}
    assert names == {"Thing", "Tuned-Input", "Tuned-Output"}


@pytest.mark.asyncio
async def test_a_field_problem_may_stand_in_every_place_the_binding_names() -> None:
    app = NexiosApp()

    @app.post("/{size}")
    async def handler(
        size: Size,
        q: int = Query(),
        h: int = Header(),
        c: int = Cookie(),
        name: str = Form(),
    ) -> None: ...

    @app.post("/")
    async def other(part: Part) -> None: ...

    document = app.docs.document()
    known = document["components"]["schemas"]["FieldProblem"]["properties"]["in"]["enum"]
    simple = await ask(app, "POST", "/x")
    body = await ask(app, "POST", "/", as_json={})
    told = [fault["in"] for answer in (simple, body) for fault in answer.json()["errors"]]
    assert (simple.status, body.status) == (422, 422)
    assert sorted(told) == sorted(known) == sorted(set(told))


@pytest.mark.asyncio
async def test_the_document_is_tagged_and_dropped_when_the_routes_change() -> None:
    app = NexiosApp()
    app.get("/a", nothing)

    first = await ask(app, "GET", "/openapi.json")
    again = await ask(
        app, "GET", "/openapi.json", headers={"if-none-match": str(first.header("etag"))}
    )
    app.get("/b", nothing)
    later = await ask(
        app, "GET", "/openapi.json", headers={"if-none-match": str(first.header("etag"))}
    )

    assert first.header("content-type") == "application/json"
    assert (again.status, again.body) == (304, b"")
    assert later.status == 200
    assert list(json.loads(later.body)["paths"]) == ["/a", "/b"]


@pytest.mark.asyncio
async def test_the_default_server_is_where_the_server_has_put_the_application() -> None:
    app = NexiosApp()
    app.get("/a", nothing)

    async def behind_a_proxy(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "root_path": "/api"}, receive, send)

    answer = await ask(behind_a_proxy, "GET", "/api/openapi.json")

    assert answer.json()["servers"] == [{"url": "/api"}]


def test_two_applications_have_documents_of_their_own() -> None:
    one_app, other = NexiosApp(title="One"), NexiosApp(title="Other")
    one_app.get("/a", nothing)
    one_app.docs.add_server({"url": "https://one.example"})

    document = other.docs.document()

    assert document["info"]["title"] == "Other"
    assert document["paths"] == {}
    assert document["servers"] == [{"url": "/"}]


def test_the_bare_detail_of_2_11_is_declared_where_it_is_sent() -> None:
    app = NexiosApp(config=MakeConfig(compat="2.11"))
    app.get("/a", nothing)

    content = one(app, "/a")["responses"]["default"]["content"]

    assert set(content) == {"application/problem+json", "application/json"}
