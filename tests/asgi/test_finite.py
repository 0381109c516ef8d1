"""No body brings an infinity to a handler: it is searched for one, or its type refuses it."""

import dataclasses
import datetime as dt
import decimal
import enum
import math
import typing
import uuid
from typing import Annotated, Any

import pydantic
import pytest
import typing_extensions
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nexios.adapters.asgi.params import Body
from nexios.adapters.http.fields import body_validator
from nexios.adapters.http.router import Router
from tests.support.asgi import Served

JSON = {"content-type": "application/json"}


class Colour(enum.Enum):
    RED = 1


class Price(BaseModel):
    amount: float = 0.0
    inner: "Price | None" = None


class Told(BaseModel):
    model_config = ConfigDict(allow_inf_nan=True)
    amount: Annotated[float, Field(ge=0)]


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    amount: float = 0.0


class Anything(BaseModel):
    value: Any = None


class Before(BaseModel):
    amount: float

    @pydantic.field_validator("amount", mode="before")
    @classmethod
    def _seen(cls, value: object) -> object:
        return 1.0 if value == math.inf else value


class AsText(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True, strict=False)
    name: str


class OwnStart(BaseModel):
    amount: Any = None

    def __init__(self, **data: Any) -> None:
        super().__init__(**data)


class Computed(BaseModel):
    amount: float

    @pydantic.computed_field  # type: ignore[prop-decorator]  # as pydantic has it
    @property
    def twice(self) -> float:
        return self.amount * 2


class Typed(typing_extensions.TypedDict):
    amount: float


@dataclasses.dataclass
class Data:
    amount: float


LAZY = pydantic.create_model("Lazy", items=(typing.Iterable[float], ...))
DECIMAL = Annotated[decimal.Decimal, Field(allow_inf_nan=True)]

REFUSING = [
    Price,
    Typed,
    Data,
    Colour,
    float,
    int | str,
    float | None,
    list[float],
    tuple[float, int],
    dict[str, float],
    decimal.Decimal,
    dt.datetime | dt.date | dt.time,
    dt.timedelta,
    uuid.UUID,
    bytes,
    bool,
    typing.Literal[1, "a"],
    Annotated[float, pydantic.AfterValidator(abs)],
    Annotated[Price | Data, Field(union_mode="left_to_right")],
]
SEARCHED = [
    Any,
    object,
    list,
    dict,
    list[Any],
    dict[str, Any],
    tuple[Any, ...],
    set,
    set[float],
    dict[float, str],
    complex,
    Told,
    Open,
    Anything,
    Before,
    AsText,
    OwnStart,
    LAZY,
    DECIMAL,
    list[Price | Open],
]


@pytest.mark.parametrize("annotation", REFUSING, ids=str)
def test_a_type_whose_numbers_are_all_checked_refuses_an_infinity_itself(annotation: Any) -> None:
    assert body_validator(annotation, 1000).finite


@pytest.mark.parametrize("annotation", SEARCHED, ids=str)
def test_a_type_that_lets_a_number_through_unchecked_says_so(annotation: Any) -> None:
    assert not body_validator(annotation, 1000).finite


FORMS = [
    "{}",
    "[{}]",
    '{{"amount":{}}}',
    '[{{"amount":{}}}]',
    '{{"inner":{{"amount":{}}}}}',
    '{{"a":{}}}',
    '{{"{}":"a"}}',
    '"{}"',
    "[{},1]",
]


def holds_infinity(value: Any) -> bool:
    if isinstance(value, BaseModel) or dataclasses.is_dataclass(value):
        return any(map(holds_infinity, vars(value).values()))
    if isinstance(value, dict):
        return any(holds_infinity(one) for item in value.items() for one in item)
    if isinstance(value, (list, tuple, set)):
        return any(map(holds_infinity, value))
    if isinstance(value, decimal.Decimal):
        return not value.is_finite()
    return isinstance(value, float) and math.isinf(value)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1E+999", "9" * 400 + ".0", "Infinity"])
@pytest.mark.parametrize("annotation", REFUSING, ids=str)
def test_no_value_of_such_a_type_holds_one(annotation: Any, number: str) -> None:
    validate = body_validator(annotation, 1000)
    for form in FORMS:
        try:
            value = validate(form.format(number).encode())
        except ValidationError:
            continue
        assert not holds_infinity(value), form


@pytest.mark.asyncio
async def test_a_number_that_no_float_holds_is_400_whoever_sees_it_first() -> None:
    router = Router()

    @router.post("/checked")
    async def checked(price: Price) -> float:
        return price.amount

    @router.post("/searched")
    async def searched(value: Annotated[dict[str, Any], Body()]) -> str:
        return str(value)

    @router.post("/told")
    async def told(price: Told) -> float:
        return price.amount

    async with Served(router) as served:
        for path in ("/checked", "/searched", "/told"):
            for number in (b"1e999", b"-1e999", b"Infinity", b"NaN"):
                content = b'{"amount":%s}' % number
                answer = await served.post(path, headers=JSON, body=content)
                assert (path, answer.status) == (path, 400)
                assert answer.json()["type"] in (
                    "urn:nexios:problem:malformed-body",
                    "urn:nexios:problem:malformed-json",
                ), answer.json()
        assert (await served.post("/checked", headers=JSON, body=b'{"amount":1e30}')).status == 200


@pytest.mark.asyncio
async def test_a_member_that_nobody_reads_may_hold_a_number_that_no_float_does() -> None:
    # It is JSON by RFC 8259, and is dropped. A NaN is none, wherever it stands.
    router = Router()

    @router.post("/")
    async def take(price: Price) -> float:
        return price.amount

    async with Served(router) as served:
        answer = await served.post("/", headers=JSON, body=b'{"amount":1.5,"other":1e999}')
        assert (answer.status, answer.body) == (200, b"1.5")
        answer = await served.post("/", headers=JSON, body=b'{"amount":1.5,"other":NaN}')
        assert answer.status == 400


@pytest.mark.asyncio
@pytest.mark.parametrize(("around", "status"), [(198, 200), (199, 200), (200, 400), (5000, 400)])
async def test_depth_is_limited_where_only_the_engine_counts(around: int, status: int) -> None:
    router = Router()

    @router.post("/")
    async def take(price: Price) -> float:
        return price.amount

    content = b'{"other":' + b"[" * around + b"1" + b"]" * around + b"}"
    async with Served(router) as served:
        answer = await served.post("/", headers=JSON, body=content)
        assert answer.status == status
        if status == 400:
            assert answer.json()["type"] == "urn:nexios:problem:json-too-complex"
