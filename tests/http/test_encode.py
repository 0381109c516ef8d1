"""Whatever a handler returns becomes one answer, and no field slips out."""

import dataclasses
import enum
from collections import UserDict, namedtuple
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from nexios.adapters.asgi.headers import InvalidHeader
from nexios.adapters.http.builder import Response
from nexios.adapters.http.encode import Encoded, compile_encoder, encode
from nexios.adapters.http.errors import Unencodable, UnusableAnnotation
from nexios.adapters.http.response import (
    Accepted,
    BaseResponse,
    Created,
    JSONResponse,
    NoContent,
)
from nexios.adapters.http.stream import StreamingResponse
from nexios.container.keys import MISSING
from nexios.domain.values import Identity


class Colour(enum.Enum):
    RED = "red"


class Size(enum.StrEnum):
    BIG = "big"


class Out(BaseModel):
    id: int
    name: str = "n"


class Inner(Out):
    password: str = "hunter2"


@dataclasses.dataclass
class Point:
    x: int
    y: int


class Row(TypedDict):
    id: int


class Pair(NamedTuple):
    body: str
    status: int


OldPair = namedtuple("OldPair", "body status")
NUMBER = UUID(int=7)
TEXT, JSON, BYTES = "text/plain; charset=utf-8", "application/json", "application/octet-stream"


@pytest.mark.parametrize(
    ("value", "body", "kind"),
    [
        ("é", "é".encode(), TEXT),
        ("", b"", TEXT),
        (b"x", b"x", BYTES),
        (bytearray(b"x"), b"x", BYTES),
        (memoryview(b"x"), b"x", BYTES),
        ({"a": 1}, b'{"a":1}', JSON),
        ([1, "a", None], b'[1,"a",null]', JSON),
        ({1}, b"[1]", JSON),
        (7, b"7", JSON),
        (1.5, b"1.5", JSON),
        (True, b"true", JSON),
        (float("nan"), b"null", JSON),
        (Decimal("1.10"), b'"1.10"', JSON),
        (datetime(2026, 1, 2, tzinfo=UTC), b'"2026-01-02T00:00:00Z"', JSON),
        (NUMBER, f'"{NUMBER}"'.encode(), JSON),
        (Identity(int=7), f'"{NUMBER}"'.encode(), JSON),
        (Colour.RED, b'"red"', JSON),
        (Size.BIG, b'"big"', JSON),
        (Out(id=1), b'{"id":1,"name":"n"}', JSON),
        (Point(1, 2), b'{"x":1,"y":2}', JSON),
        (UserDict(a=1), b'{"a":1}', JSON),
        ((1, 2), b"[1,2]", JSON),
        (("a", 99), b'["a",99]', JSON),
        (("a", True), b'["a",true]', JSON),
        (("a", 200, "x"), b'["a",200,"x"]', JSON),
        (("a", 200, {}, 1), b'["a",200,{},1]', JSON),
        (Pair("a", 404), b'["a",404]', JSON),
        (OldPair("a", 404), b'["a",404]', JSON),
    ],
)
def test_every_plain_value(value: object, body: bytes, kind: str) -> None:
    answer = encode(value)
    assert type(answer) is Encoded
    assert (answer.status_code, answer.body, answer.content_type) == (200, body, kind)


def test_none_and_builder_and_finals_are_left_to_the_caller() -> None:
    builder, final = Response(), JSONResponse({})
    assert encode(None) is None
    assert encode(builder) is builder
    assert encode(final) is final


@pytest.mark.parametrize(
    ("value", "status", "body"),
    [
        (("x", 201), 201, b"x"),
        (({"a": 1}, 202, {"X-A": "1"}), 202, b'{"a":1}'),
        ((None, 204), 204, b""),
        ((JSONResponse({}), 418), 418, b"{}"),
        ((NoContent(), 205), 205, b""),
    ],
)
def test_a_tuple_of_body_and_status(value: tuple[Any, ...], status: int, body: bytes) -> None:
    answer = encode(value)
    assert isinstance(answer, BaseResponse)
    # Its status was said by the handler, so it is no plain value any more.
    assert not isinstance(answer, Encoded)
    assert (answer.status_code, answer.body) == (status, body)
    if len(value) == 3:
        assert answer.headers["x-a"] == "1"


def test_a_tuple_never_changes_a_final_it_holds() -> None:
    final = JSONResponse({})
    encode((final, 418, {"x": "1"}))
    assert (final.status_code, final.headers["x"]) == (200, None)


def test_a_tuple_with_the_builder_is_the_builder() -> None:
    builder = Response().json({})
    assert encode((builder, 201, {"x": "1"})) is builder
    assert (builder.status_code, builder.headers["x"]) == (201, "1")


def test_bad_headers_of_a_tuple_are_refused() -> None:
    with pytest.raises(InvalidHeader):
        encode(("x", 200, {"a": "b\r\nc: d"}))


def test_markers() -> None:
    created = encode(Created(Out(id=1), location="/out/1 a"))
    assert isinstance(created, Encoded)
    assert (created.status_code, created.headers["location"]) == (201, "/out/1%20a")
    assert created.body == b'{"id":1,"name":"n"}'
    accepted = encode(Accepted(None))
    assert isinstance(accepted, Encoded)
    assert (accepted.status_code, accepted.body) == (202, b"")
    nothing = encode(NoContent())
    assert isinstance(nothing, Encoded)
    assert nothing.status_code == 204
    with pytest.raises(InvalidHeader):
        encode(Created(1, location="//evil.test\r\n"))


def test_the_route_says_the_status_before_the_marker() -> None:
    on_route = compile_encoder(status=203)
    for value in ({}, "x", b"x", Created({}), Accepted(1), NoContent()):
        answer = on_route(value)
        assert answer is not None
        assert answer.status_code == 203
    assert on_route(({}, 201)).status_code == 201  # type: ignore[union-attr]
    assert on_route(JSONResponse({}, 418)).status_code == 418  # type: ignore[union-attr]
    assert on_route(Response().json({})).status_code == 203  # type: ignore[union-attr]
    assert on_route(Response().json({}, 202)).status_code == 202  # type: ignore[union-attr]


class Record:
    """Like a row of an ORM: attributes, more than should be shown."""

    def __init__(self) -> None:
        self.id = 1
        self.name = "n"
        self.password = "hunter2"


LEAKS = [
    Out(id=1),
    Inner(id=1),
    {"id": 1, "name": "n", "password": "hunter2"},
    Record(),
]


@pytest.mark.parametrize("value", LEAKS, ids=lambda value: type(value).__name__)
def test_no_field_shows_that_the_annotation_lacks(value: object) -> None:
    expected = b'{"id":1,"name":"n"}'
    assert compile_encoder(Out)(value).body == expected  # type: ignore[union-attr]
    assert compile_encoder(Out | None)(value).body == expected  # type: ignore[union-attr]
    assert compile_encoder(Annotated[Out, "x"])(value).body == expected  # type: ignore[union-attr]
    assert compile_encoder(list[Out])([value]).body == b"[" + expected + b"]"  # type: ignore[union-attr]
    assert compile_encoder(dict[str, Out])({"a": value}).body == b'{"a":' + expected + b"}"  # type: ignore[union-attr]
    assert compile_encoder(Created[Out])(Created(value)).body == expected  # type: ignore[union-attr]
    assert compile_encoder(tuple[Out, int])((value, 201)).body == expected  # type: ignore[union-attr]
    assert compile_encoder(Out | JSONResponse)(value).body == expected  # type: ignore[union-attr]


def test_dataclasses_and_typed_dicts_filter_too() -> None:
    assert compile_encoder(Point)({"x": 1, "y": 2, "z": 3}).body == b'{"x":1,"y":2}'  # type: ignore[union-attr]
    assert compile_encoder(Row)({"id": 1, "secret": 2}).body == b'{"id":1}'  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "annotation",
    [
        Any,
        object,
        None,
        dict,
        list,
        Response,
        BaseResponse,
        JSONResponse,
        Iterator[int],
        NoContent,
    ],
)
def test_an_annotation_that_names_no_fields_changes_nothing(annotation: object) -> None:
    assert compile_encoder(annotation)({"a": 1}).body == b'{"a":1}'  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "annotation", [dict[str, object], Mapping[str, Any], list[object], tuple[str, object]]
)
def test_a_collection_of_anything_says_as_little_as_a_bare_one(annotation: object) -> None:
    value = {"a": [UserDict(b=1)]}
    assert compile_encoder(annotation)(value).body == b'{"a":[{"b":1}]}'  # type: ignore[union-attr]


def test_a_value_that_does_not_fit_its_annotation_is_told_without_the_value() -> None:
    with pytest.raises(Unencodable) as refusal:
        compile_encoder(Out, None, "GET /x")({"id": "hunter2"})
    text = str(refusal.value)
    assert "GET /x" in text
    assert "dict at $" in text
    assert "hunter2" not in text


@pytest.mark.parametrize("annotation", [Out, None])
def test_what_cannot_be_encoded_names_handler_place_and_type(annotation: object) -> None:
    class Loose(Out):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        what: Any = None

    wanted = Loose if annotation else annotation
    with pytest.raises(Unencodable) as refusal:
        compile_encoder(wanted, None, "GET /x")(Loose(id=1, what=[object()]))
    assert (refusal.value.handler, refusal.value.path) == ("GET /x", "$.what[0]")


def test_streams_are_not_encoded_as_if_they_were_lists() -> None:
    async def chunks() -> AsyncIterator[int]:
        yield 1

    for value in ((n for n in [1]), chunks()):
        answer = encode(value)
        assert isinstance(answer, StreamingResponse)
        assert answer.content is value


def test_an_annotation_without_serialiser_is_refused_at_start() -> None:
    class Custom: ...

    with pytest.raises(UnusableAnnotation, match="GET /x: its return annotation"):
        compile_encoder(Custom, None, "GET /x")


class Aliased(BaseModel):
    user_id: int = Field(alias="userId")


@pytest.mark.parametrize("annotation", [Aliased, Any, MISSING])
def test_a_model_is_written_by_alias_with_and_without_annotation(annotation: object) -> None:
    answer = compile_encoder(annotation)(Aliased(userId=3))

    assert answer is not None
    assert answer.body == b'{"userId":3}'
