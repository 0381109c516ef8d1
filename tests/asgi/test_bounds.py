"""What one JSON body can cost is bounded by its size, whatever it holds."""

import gc
import json
import time
import tracemalloc
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field
from pydantic_core import ValidationError

from nexios.adapters.asgi import bounds
from nexios.adapters.asgi.params import Body
from nexios.adapters.http.fields import body_validator
from nexios.adapters.http.router import Router
from nexios.adapters.http.settings import HttpSettings
from nexios.application.limits import Limits
from tests.support.asgi import Served

JSON = {"content-type": "application/json"}


class Wide(BaseModel):
    """Eight fields that an empty object lacks."""

    a: int
    b: int
    c: int
    d: int
    e: int
    f: int
    g: int
    h: int


class Prices(BaseModel):
    by_number: dict[int, int] = {}
    own_bound: Annotated[dict[int, int], Field(max_length=2000)] = {}
    by_name: dict[str, int] = {}
    numbers: set[int] = set()
    inner: "Prices | None" = None


def checked(annotation: Any, content: bytes, keyed_items: int = 1000) -> Any:
    return body_validator(annotation, keyed_items)(content)


# Faults.


def cost_of(annotation: Any, content: bytes) -> tuple[int, float, int]:
    """Return the number of faults, the seconds and the bytes that drawing up fifty took."""
    validate = body_validator(annotation, 1000)
    with pytest.raises(ValidationError):
        validate(content)
    gc.collect()
    started = time.process_time()
    with pytest.raises(ValidationError) as refusal:
        validate(content)
    refusal.value.errors(include_url=False, include_input=False)
    taken = time.process_time() - started
    tracemalloc.start()
    with pytest.raises(ValidationError):
        validate(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return refusal.value.error_count(), taken, peak


def test_very_many_bad_items_are_told_by_the_first_of_them() -> None:
    content = b"[" + b",".join([b'"x"'] * 98_000) + b"]"
    count, seconds, peak = cost_of(list[int], content)
    assert count == 1
    assert seconds < 0.2
    assert peak < 2**20


def test_a_million_missing_fields_are_told_by_the_first_item() -> None:
    content = b"[" + b",".join([b"{}"] * 49_000) + b"]"
    count, seconds, _ = cost_of(list[Wide], content)
    assert count == 8
    assert seconds < 0.2


def test_a_large_sound_body_is_read_whole() -> None:
    content = json.dumps(list(range(90_000))).encode()
    assert len(checked(list[int], content)) == 90_000


@pytest.mark.parametrize(
    ("items", "faults"),
    [
        (bounds.FAULTS - 1, bounds.FAULTS - 1),
        (bounds.FAULTS, bounds.FAULTS),
        (bounds.FAULTS + 1, 1),
    ],
)
def test_every_fault_is_counted_up_to_the_bound(items: int, faults: int) -> None:
    content = b"[" + b",".join([b'"x"'] * items) + b"]"
    with pytest.raises(ValidationError) as refusal:
        checked(list[int], content)
    assert refusal.value.error_count() == faults


@pytest.mark.asyncio
async def test_98_000_faults_in_one_body_are_one_cheap_answer() -> None:
    router = Router()

    @router.post("/")
    async def take(numbers: Annotated[list[int], Body()]) -> None: ...

    content = b"[" + b",".join([b'"hunter2"'] * 98_000) + b"]"
    async with Served(router) as served:
        await served.post("/", headers=JSON, body=content)
        started = time.process_time()
        answer = await served.post("/", headers=JSON, body=content)
        taken = time.process_time() - started
    assert answer.status == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["#/0"]
    assert b"hunter2" not in answer.body
    assert taken < 0.3


# Maps and sets keyed by numbers.


def colliding(count: int) -> list[int]:
    """Numbers that all have the same hash."""
    return [n * (2**61 - 1) for n in range(1, count + 1)]


@pytest.mark.parametrize(("items", "fits"), [(999, True), (1000, True), (1001, False)])
@pytest.mark.parametrize("shape", ["map", "set", "frozenset", "inside", "floats", "decimals"])
def test_colliding_number_keys_are_refused_early(shape: str, items: int, fits: bool) -> None:
    keys = [str(key) for key in range(items)]
    annotation, content = {
        "map": (dict[int, int], dict.fromkeys(keys, 1)),
        "set": (set[int], list(range(items))),
        "frozenset": (frozenset[float], list(range(items))),
        "inside": (list[Prices], [{"inner": {"by_number": dict.fromkeys(keys, 1)}}]),
        "floats": (dict[float, int], dict.fromkeys(keys, 1)),
        "decimals": (dict[Decimal, int], dict.fromkeys(keys, 1)),
    }[shape]
    body = json.dumps(content).encode()
    if fits:
        checked(annotation, body)
        return
    with pytest.raises(ValidationError) as refusal:
        checked(annotation, body)
    assert [one["type"] for one in refusal.value.errors()] == ["too_long"]


@pytest.mark.parametrize("annotation", [dict[int, int], set[int]])
def test_numbers_that_all_collide_cost_no_more_than_others(annotation: Any) -> None:
    keys = colliding(30_000)
    content: Any = {str(key): 1 for key in keys} if annotation is dict[int, int] else keys
    body = json.dumps(content).encode()
    started = time.process_time()
    with pytest.raises(ValidationError):
        checked(annotation, body)
    assert time.process_time() - started < 0.5


def test_a_models_own_bound_and_maps_keyed_by_text_are_left_alone() -> None:
    many = {str(n): n for n in range(1500)}
    assert len(checked(Prices, json.dumps({"own_bound": many}).encode()).own_bound) == 1500
    assert len(checked(Prices, json.dumps({"by_name": many}).encode()).by_name) == 1500


@pytest.mark.asyncio
async def test_the_bound_on_keys_is_the_routes_where_it_has_one() -> None:
    router = Router()

    async def take(prices: dict[int, int]) -> int:
        return len(prices)

    router.post("/app", take)
    router.post("/own", take, limits={"keyed_items": 5})
    async with Served(router, settings=HttpSettings(limits=Limits(keyed_items=3))) as served:
        found = [
            (await served.post(path, as_json={str(n): n for n in range(count)})).status
            for path, count in (("/app", 3), ("/app", 4), ("/own", 5), ("/own", 6))
        ]
        answer = await served.post("/app", as_json={str(n): n for n in range(4)})
    assert found == [200, 422, 200, 422]
    assert answer.json()["errors"][0]["detail"] == "should have at most 3 items"
