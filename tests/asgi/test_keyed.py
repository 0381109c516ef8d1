"""Maps and sets of numbers: refused while they are still text, wherever they stand."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter

from nexios import Body
from nexios.adapters.asgi.bounds import BoundedValidator
from nexios.adapters.asgi.keyed import capped
from nexios.adapters.http.router import Router
from nexios.application.limits import Limits
from tests.support.asgi import Served

pytestmark = pytest.mark.asyncio

LIMIT = Limits().keyed_items
MODULUS = 2**61 - 1  # multiples of it have one hash


class Row(BaseModel):
    counts: dict[int, int]


class Table(BaseModel):
    rows: list[Row]


class Tree(BaseModel):
    counts: dict[int, int] = {}
    below: "list[Tree]" = []


@dataclass
class Ids:
    ids: set[UUID]


def _map(count: int) -> str:
    return "{" + ",".join(f'"{n * MODULUS}":1' for n in range(count)) + "}"


def _list(count: int) -> str:
    return "[" + ",".join(str(n * MODULUS) for n in range(count)) + "]"


CASES: dict[str, tuple[Any, Any]] = {
    "map": (dict[int, int], _map),
    "map of Decimal": (dict[Decimal, int], _map),
    "mapping": (Mapping[float, int], _map),
    "union": (dict[int | str, int], _map),
    "constrained": (dict[Annotated[int, Field(ge=0)], int], _map),
    "set": (set[int], _list),
    "frozenset of anything": (frozenset[Any], _list),
    "in a model": (Table, lambda n: f'{{"rows":[{{"counts":{_map(n)}}}]}}'),
    "in a tree": (Tree, lambda n: f'{{"below":[{{"below":[{{"counts":{_map(n)}}}]}}]}}'),
    "optional": (Row | None, lambda n: f'{{"counts":{_map(n)}}}'),
    "in a dataclass": (
        Ids,
        lambda n: f'{{"ids":[{",".join(f"{chr(34)}{UUID(int=i)}{chr(34)}" for i in range(n))}]}}',
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_map_of_numbers_one_below_at_and_one_above(case: str) -> None:
    annotation, body_of = CASES[case]
    router = Router()

    async def take(body: object) -> None: ...

    take.__annotations__["body"] = Annotated[annotation, Body()]
    router.add_route(path="/", handler=take, methods=["POST"])
    json = {"content-type": "application/json"}

    async with Served(router) as served:
        for count, status in ((LIMIT - 1, 204), (LIMIT, 204), (LIMIT + 1, 422)):
            body = body_of(count).encode()
            answer = await served.post("/", headers=json, body=body)
            assert answer.status == status
        (error,) = answer.json()["errors"]
        assert (error["code"], error["detail"]) == (
            "too_long",
            f"should have at most {LIMIT} items",
        )


async def test_colliding_number_keys_are_refused_before_the_map_is_built() -> None:
    built = []

    def note(key: int) -> int:
        built.append(key)
        return key

    adapter: TypeAdapter[Any] = TypeAdapter(dict[Annotated[int, AfterValidator(note)], int])
    validate = BoundedValidator(adapter, LIMIT)
    with pytest.raises(ValueError, match="at most 1000"):
        validate(_map(LIMIT + 1).encode())
    assert built == []
    assert len(validate(_map(LIMIT).encode())) == len(built) == LIMIT


@pytest.mark.parametrize("annotation", [dict[str, int], list[int], set[str], dict[str, Any]])
async def test_what_is_hashed_with_a_secret_is_not_capped(annotation: Any) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    assert capped(adapter.core_schema, LIMIT) is adapter.core_schema


async def test_a_models_own_length_and_the_routes_limit_replace_the_default() -> None:
    class Wide(BaseModel):
        counts: Annotated[dict[int, int], Field(max_length=LIMIT + 5)]

    router = Router()

    @router.post("/own")
    async def own(wide: Wide) -> int:
        return len(wide.counts)

    @router.post("/route", limits={"keyed_items": 3})
    async def route(counts: dict[int, int] = Body(embed=True)) -> int:
        return len(counts)

    json = {"content-type": "application/json"}
    async with Served(router) as served:
        for path, limit in (("/own", LIMIT + 5), ("/route", 3)):
            for count, status in ((limit, 200), (limit + 1, 422)):
                body = f'{{"counts":{_map(count)}}}'.encode()
                assert (await served.post(path, headers=json, body=body)).status == status


class Post(BaseModel):
    type: Literal["post"]
    metadata: dict[int, int] = {}
    fields: list[int] = []


class Leave(BaseModel):
    type: Literal["leave"]
    default: set[int] = set()


async def test_a_field_may_be_called_like_a_part_of_a_schema() -> None:
    router = Router()

    @router.post("/one")
    async def one(post: Post) -> int:
        return len(post.metadata)

    @router.post("/either")
    async def either(message: Annotated[Post | Leave, Body(), Field(discriminator="type")]) -> str:
        return message.type

    async with Served(router) as served:
        most = {"type": "post", "metadata": {str(n): 0 for n in range(LIMIT)}, "fields": [1]}
        over = {"type": "leave", "default": list(range(LIMIT + 1))}
        assert (await served.post("/one", as_json=most)).text == str(LIMIT)
        assert (await served.post("/either", as_json=most)).text == "post"
        assert (await served.post("/either", as_json={"type": "leave"})).text == "leave"
        assert (await served.post("/either", as_json=over)).status == 422
