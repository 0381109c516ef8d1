"""Binding: what fills the parameters of a handler, and what is said when it cannot."""

import enum
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

import pydantic_core
import pytest
import typing_extensions
from pydantic import BaseModel, ConfigDict, Field, field_validator

from nexios import Body, Cookie, Header, Path, Query
from nexios.adapters.asgi.annotations import Parsed
from nexios.adapters.http import json_body
from nexios.adapters.http.builder import Response
from nexios.adapters.http.errors import RequestInvalid
from nexios.adapters.http.request import Request
from nexios.adapters.http.router import Router
from nexios.adapters.http.settings import HttpSettings
from nexios.application.limits import Limits
from nexios.container.depend import Depend
from nexios.container.errors import ContainerError
from nexios.domain.values import Identity
from tests.support.asgi import Answer, Peer, Served

pytestmark = pytest.mark.asyncio

JSON = {"content-type": "application/json"}


class OrderId(Identity):
    pass


class Line(BaseModel):
    sku: str
    qty: Annotated[int, Field(ge=1)]


class NewOrder(BaseModel):
    number: str
    lines: list[Line] = []


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Filter(BaseModel):
    text: str = ""
    tags: list[str] = []
    limit: int = 10


def errors_of(answer: Answer) -> list[dict[str, Any]]:
    assert answer.status == 422, answer.body
    assert answer.header("content-type") == "application/problem+json"
    found: list[dict[str, Any]] = answer.json()["errors"]
    return found


# Hostile input first.


async def test_every_bad_field_of_every_source_comes_back_in_one_answer() -> None:
    router = Router()

    @router.post("/orders/{number}")
    async def open_order(
        number: int,
        order: NewOrder,
        page: int = Query(),
        x_token: UUID = Header(),
        theme: Literal["dark", "light"] = Cookie(),
    ) -> None: ...

    async with Served(router) as served:
        answer = await served.post(
            "/orders/abc?page=two",
            headers={"x-token": "no", "cookie": "theme=pink"},
            as_json={"number": "A-1", "lines": [{"sku": "tea", "qty": 0}]},
        )
    problem = answer.json()
    assert problem["type"] == "urn:nexios:problem:request-invalid"
    assert problem["instance"] == "/orders/abc"
    assert problem["detail"] == "5 fields are not valid"
    assert errors_of(answer) == [
        {
            "in": "path",
            "name": "number",
            "pointer": "#/number",
            "code": "int_parsing",
            "detail": "should be a whole number",
        },
        {
            "in": "query",
            "name": "page",
            "pointer": "#/page",
            "code": "int_parsing",
            "detail": "should be a whole number",
        },
        {
            "in": "header",
            "name": "x-token",
            "pointer": "#/x-token",
            "code": "uuid_parsing",
            "detail": "should be a UUID",
        },
        {
            "in": "cookie",
            "name": "theme",
            "pointer": "#/theme",
            "code": "literal_error",
            "detail": "should be one of 'dark' or 'light'",
        },
        {
            "in": "body",
            "name": "lines.0.qty",
            "pointer": "#/lines/0/qty",
            "code": "greater_than_equal",
            "detail": "should be 1 or more",
        },
    ]


@pytest.mark.parametrize("order", ["body first", "query first"])
async def test_body_and_query_join_whatever_stands_first(order: str) -> None:
    router = Router()
    if order == "body first":

        @router.post("/")
        async def body_first(new: NewOrder, page: int = 1) -> None: ...
    else:

        @router.post("/")
        async def query_first(page: int, new: NewOrder) -> None: ...

    async with Served(router) as served:
        answer = await served.post("/?page=x", as_json={"number": 5})
    assert [(e["in"], e["name"]) for e in errors_of(answer)] == [
        ("query", "page"),
        ("body", "number"),
    ]


class Login(BaseModel):
    user: str
    password: Annotated[str, Field(min_length=40)]
    pin: Literal["a", "b"] = "a"

    @field_validator("user")
    @classmethod
    def known(cls, value: str) -> str:
        raise ValueError(f"{value} is not known here")


async def test_values_are_not_echoed() -> None:
    router = Router()

    @router.post("/")
    async def log_in(login: Login, token: UUID = Query()) -> None: ...

    async with Served(router) as served:
        answer = await served.post(
            "/?token=tok-secret",
            as_json={"user": "user-secret", "password": "pass-secret", "pin": "pin-secret"},
        )
        broken = await served.post(
            "/?token=tok-secret", headers=JSON, body=b'{"password": "pass-secret"'
        )
    assert len(errors_of(answer)) == 4
    assert broken.status == 400
    assert b"secret" not in answer.body
    assert b"secret" not in broken.body


async def test_one_is_said_in_the_singular() -> None:
    router = Router()

    class Named(BaseModel):
        name: Annotated[str, Field(min_length=1)]
        tags: Annotated[list[str], Field(min_length=1)]
        pin: Annotated[str, Field(min_length=11)]

    @router.post("/")
    async def take(named: Named) -> None: ...

    async with Served(router) as served:
        answer = await served.post("/", as_json={"name": "", "tags": [], "pin": ""})
    assert [error["detail"] for error in errors_of(answer)] == [
        "should have at least 1 character",
        "should have at least 1 item",
        "should have at least 11 characters",
    ]


async def test_a_validators_own_words_are_shown_when_they_repeat_no_value() -> None:
    class Range(BaseModel):
        low: int
        high: int

        @field_validator("high")
        @classmethod
        def above(cls, value: int) -> int:
            raise ValueError("the upper end lies below the lower one")

    router = Router()

    @router.post("/")
    async def take(new: Range) -> None: ...

    async with Served(router) as served:
        (error,) = errors_of(await served.post("/", as_json={"low": 1, "high": 2}))
    assert error["detail"] == "the upper end lies below the lower one"


async def test_ten_thousand_bad_items_are_fifty_and_a_number() -> None:
    router = Router()

    @router.post("/")
    async def take(lines: list[Line]) -> None: ...

    async with Served(router) as served:
        answer = await served.post("/", as_json=[{"sku": 1, "qty": "x"}] * 5000)
    assert len(errors_of(answer)) == 50
    assert answer.json()["detail"] == "10000 fields are not valid"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"number": "a",}',
        b'{"number": "\xff"}',
        b'{"number": "\\ud800"}',
        b'{"number": NaN}',
        b"[" * 100_000,
        b'{"number": "a", "lines": ' + b"9" * 5000 + b"}",
        b"\xef\xbb\xbf{}",
        b"not json",
    ],
)
async def test_malformed_json_is_400_and_never_500(body: bytes) -> None:
    router = Router()

    @router.post("/")
    async def take(order: NewOrder) -> None: ...

    async with Served(router) as served:
        answer = await served.post("/", headers=JSON, body=body)
        assert answer.status == 400
        assert answer.header("content-type") == "application/problem+json"
        assert served.reports == []


async def test_empty_body_is_422_where_one_is_required() -> None:
    router = Router()

    @router.post("/")
    async def take(order: NewOrder) -> None: ...

    async with Served(router) as served:
        for answer in (
            await served.post("/"),
            await served.post("/", body=b""),
            await served.post("/", headers=JSON, body=b""),
        ):
            assert errors_of(answer) == [
                {
                    "in": "body",
                    "name": "",
                    "pointer": "#",
                    "code": "missing",
                    "detail": "is required",
                }
            ]


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/jsonp"},
        {"content-type": "text/json+json"},
        {},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_not_plain_json_is_415(
    headers: dict[str, str], chunked: bool
) -> None:
    router = Router()
    ran = []

    @router.post("/")
    async def take(order: NewOrder) -> None:
        ran.append(order)

    async with Served(router) as served:
        if chunked:
            peer = Peer((b'{"number":', b' "a"}'))
            answer = await served.post("/", headers=headers, peer=peer)
        else:
            answer = await served.post("/", headers=headers, body=b'{"number": "a"}')
    assert answer.status == 415
    assert ran == []


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "Application/JSON", "application/merge+json"]
)
async def test_json_types_are_taken(kind: str) -> None:
    router = Router()

    @router.post("/")
    async def take(order: NewOrder) -> str:
        return order.number

    async with Served(router) as served:
        answer = await served.post("/", headers={"content-type": kind}, body=b'{"number": "a"}')
    assert answer.text == "a"


class Typed(BaseModel):
    whole: int = 0
    ratio: float = 0
    flag: bool = False
    day: date | None = None
    moment: datetime | None = None
    span: timedelta | None = None
    price: Decimal | None = None
    colour: Colour | None = None
    ids: set[UUID] = set()


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"whole": true}', "whole"),
        (b'{"whole": "1"}', "whole"),
        (b'{"ratio": "1.5"}', "ratio"),
        (b'{"ratio": false}', "ratio"),
        (b'{"flag": 1}', "flag"),
        (b'{"flag": "true"}', "flag"),
        (b'{"day": 1}', "day"),
        (b'{"moment": 1700000000}', "moment"),
        (b'{"span": 60}', "span"),
        (b'{"price": true}', "price"),
    ],
)
async def test_a_json_value_of_another_type_is_422(body: bytes, name: str) -> None:
    router = Router()

    @router.post("/")
    async def take(typed: Typed) -> str:
        return repr(typed)

    @router.post("/embedded")
    async def embedded(typed: Typed = Body(embed=True)) -> str:
        return repr(typed)

    async with Served(router) as served:
        bare = await served.post("/", headers=JSON, body=body)
        inner = await served.post("/embedded", headers=JSON, body=b'{"typed": ' + body + b"}")
    assert [error["name"] for error in errors_of(bare)] == [name]
    assert [error["name"] for error in errors_of(inner)] == [f"typed.{name}"]


async def test_what_json_has_no_type_for_is_read_from_text_and_numbers() -> None:
    router = Router()
    seen: list[Typed] = []

    @router.post("/")
    async def take(typed: Typed) -> None:
        seen.append(typed)

    body = (
        b'{"whole": 3, "ratio": 2, "flag": true, "day": "2026-01-31", "price": 1.5, "colour": 1,'
        b' "moment": "2026-01-31T12:00:00Z", "span": "PT1M",'
        b' "ids": ["12345678-1234-5678-1234-567812345678"]}'
    )
    async with Served(router) as served:
        assert (await served.post("/", headers=JSON, body=body)).status == 204
        assert (await served.post("/", headers=JSON, body=b'{"price": "1.5"}')).status == 204
    assert seen[0] == Typed(
        whole=3,
        ratio=2.0,
        flag=True,
        day=date(2026, 1, 31),
        moment=datetime(2026, 1, 31, 12, tzinfo=UTC),
        span=timedelta(minutes=1),
        price=Decimal("1.5"),
        colour=Colour.RED,
        ids={UUID("12345678-1234-5678-1234-567812345678")},
    )
    assert seen[1].price == Decimal("1.5")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"whole": 7.0}', 200),
        (b'{"whole": 7e0}', 200),
        (b'{"whole": 7.5}', 422),
        (b'{"whole": 9007199254740993.0}', 422),
        (b'{"whole": 7.0, "ratio": 7.5, "price": 7.25}', 200),
        (b'{"whole": 7.0, "flag": 1}', 422),
        (b'{"whole": 7.0', 400),
    ],
)
async def test_a_number_without_fraction_is_whole(body: bytes, status: int) -> None:
    router = Router()

    @router.post("/")
    async def take(typed: Typed) -> str:
        assert typed.ratio in (0, 7.5)
        return f"{typed.whole!r}"

    async with Served(router) as served:
        answer = await served.post("/", headers=JSON, body=body)
    assert answer.status == status
    assert status != 200 or answer.text == "7"


async def test_a_type_that_says_it_is_not_strict_is_taken_at_its_word() -> None:
    class Lenient(BaseModel):
        model_config = ConfigDict(strict=False)

        whole: int

    class OneField(BaseModel):
        whole: Annotated[int, Field(strict=False)]

    router = Router()

    @router.post("/model")
    async def of_model(value: Lenient) -> int:
        return value.whole

    @router.post("/field")
    async def of_field(value: OneField) -> int:
        return value.whole

    async with Served(router) as served:
        for path in ("/model", "/field"):
            assert (await served.post(path, as_json={"whole": "7"})).text == "7"


async def test_a_body_over_the_routes_limit_is_413_before_it_is_read() -> None:
    router = Router()

    @router.post("/", limit_body=10)
    async def take(order: NewOrder) -> None: ...

    @router.post("/wide", limits={"body": 100})
    async def wide(order: NewOrder) -> None: ...

    async with Served(router) as served:
        peer = Peer((b'{"number": "a"}',))
        declared = await served.post("/", headers={**JSON, "content-length": "15"}, peer=peer)
        assert peer.asked == 0
        peer = Peer((b'{"numb', b'er": "a"}', b"never"))
        chunked = await served.post("/", headers=JSON, peer=peer)
        assert peer.asked == 2
        assert (await served.post("/wide", as_json={"number": "a"})).status == 204
    assert (declared.status, chunked.status) == (413, 413)


async def test_nan_and_infinity_are_no_numbers() -> None:
    router = Router()

    @router.get("/")
    async def take(x: float, y: Decimal = Query(Decimal(0))) -> float:
        return x

    async with Served(router) as served:
        for text in ("nan", "inf", "-Infinity", "1e999"):
            (error,) = errors_of(await served.get(f"/?x={text}"))
            assert error["name"] == "x"
            assert (await served.get(f"/?x=1&y={text.replace('1e999', 'inf')}")).status == 422
        assert (await served.get("/?x=1.5")).json() == 1.5


async def test_too_many_query_fields_are_400() -> None:
    router = Router()

    @router.get("/")
    async def take(x: int = 0) -> int:
        return x

    async with Served(router, settings=HttpSettings(limits=Limits(query_fields=3))) as served:
        assert (await served.get("/?a=1&b=2&x=3")).json() == 3
        assert (await served.get("/?a=1&b=2&c=3&x=4")).status == 400


# What fills a parameter.


async def test_names_of_the_first_two_are_free() -> None:
    router = Router()

    @router.get("/a")
    async def usual(req, res):  # type: ignore[no-untyped-def]
        return res.json([isinstance(req, Request), isinstance(res, Response)])

    @router.get("/b")
    async def any_names(a, b):  # type: ignore[no-untyped-def]
        return b.json([isinstance(a, Request), isinstance(b, Response)])

    @router.get("/c")
    async def one(request):  # type: ignore[no-untyped-def]
        return [isinstance(request, Request)]

    @router.get("/d")
    async def none():  # type: ignore[no-untyped-def]
        return []

    @router.get("/e")
    async def turned(res: Response, req: Request) -> Response:
        return res.json([isinstance(req, Request)])

    @router.get("/f")
    async def turned_names(response, request):  # type: ignore[no-untyped-def]
        return response.json([isinstance(request, Request)])

    async with Served(router) as served:
        for path in "abcdef":
            answer = await served.get(f"/{path}")
            assert answer.status == 200, path
            assert all(answer.json()), path


async def test_path_name_beats_position() -> None:
    router = Router()

    @router.get("/u/{user_id}")
    async def show(user_id):  # type: ignore[no-untyped-def]
        return user_id

    @router.get("/v/{user_id}")
    async def both(a, user_id, b):  # type: ignore[no-untyped-def]
        return b.json([isinstance(a, Request), user_id])

    async with Served(router) as served:
        assert (await served.get("/u/ann")).text == "ann"
        assert (await served.get("/v/ann")).json() == [True, "ann"]


async def test_a_marker_may_stand_where_the_type_stands() -> None:
    router = Router()

    async def connect(request: Request) -> str:
        return f"for {request.path}"

    @router.get("/{id}")
    async def take(request, response, id, db: Depend(connect), n: int = 1):  # type: ignore[no-untyped-def, valid-type]
        return [id, db, n]

    async with Served(router) as served:
        assert (await served.get("/a?n=2")).json() == ["a", "for /a", 2]


async def test_marker_beats_name() -> None:
    async def answer() -> int:
        return 42

    router = Router()

    @router.get("/x/{id}")
    async def show(id: int = Depend(answer), request: str = Query("r")) -> list[object]:
        return [id, request]

    async with Served(router) as served:
        assert (await served.get("/x/7?request=q")).json() == [42, "q"]


async def test_a_template_converters_value_needs_no_second_check() -> None:
    router = Router()

    @router.get("/a/{n:int}")
    async def show(n: int) -> int:
        return n

    @router.get("/b/{n:int}")
    async def as_text(n: str) -> list[str]:
        return [n]

    @router.get("/c/{n:int}")
    async def bounded(n: Annotated[int, Path(le=5)]) -> int:
        return n

    async with Served(router) as served:
        assert (await served.get("/a/7")).json() == 7
        assert (await served.get("/b/7")).json() == ["7"]
        assert (await served.get("/a/x")).status == 404
        (error,) = errors_of(await served.get("/c/6"))
    assert (error["in"], error["detail"]) == ("path", "should be 5 or less")


async def test_remaining_path_values_go_to_keywords() -> None:
    router = Router(prefix="/o/{org:int}")

    @router.get("/{a}/{b}")
    async def show(a, **rest):  # type: ignore[no-untyped-def]
        return [a, rest]

    async with Served(router) as served:
        assert (await served.get("/o/3/x/y")).json() == ["x", {"org": 3, "b": "y"}]


async def test_query_model_lists_enums_literals_and_optionals() -> None:
    router = Router()

    @router.get("/")
    async def find(
        filter: Filter = Query(),
        ids: list[int] = Query(()),
        kinds: set[str] = Query(()),
        pair: tuple[int, int] | None = None,
        colour: Colour | None = None,
        level: Literal[1, 2] = 1,
        flag: bool = False,
        size=20,
    ):  # type: ignore[no-untyped-def]
        return {
            "filter": filter,
            "ids": ids,
            "kinds": sorted(kinds),
            "pair": pair,
            "colour": colour,
            "level": level,
            "flag": flag,
            "size": size,
        }

    async with Served(router) as served:
        full = await served.get(
            "/?text=a&tags=x&tags=y&ids=1&ids=2&kinds=b&kinds=a&pair=1&pair=2"
            "&colour=2&level=2&flag=true&size=5"
        )
        bare = await served.get("/")
        bad = await served.get("/?limit=x&level=3&colour=9&size=q")
    assert full.json() == {
        "filter": {"text": "a", "tags": ["x", "y"], "limit": 10},
        "ids": [1, 2],
        "kinds": ["a", "b"],
        "pair": [1, 2],
        "colour": 2,
        "level": 2,
        "flag": True,
        "size": 5,
    }
    assert bare.json() == {
        "filter": {"text": "", "tags": [], "limit": 10},
        "ids": [],
        "kinds": [],
        "pair": None,
        "colour": None,
        "level": 1,
        "flag": False,
        "size": 20,
    }
    assert {e["name"] for e in errors_of(bad)} == {"limit", "level", "colour", "size"}


async def test_a_dataclass_and_a_typed_dict_are_filled_from_the_query_too() -> None:
    @dataclass
    class Page:
        number: int
        size: int = 10

    class Sort(typing_extensions.TypedDict):
        by: str

    router = Router()

    @router.get("/")
    async def find(page: Page = Query(), sort: Sort = Query()) -> list[object]:
        return [page.number, page.size, sort["by"]]

    async with Served(router) as served:
        assert (await served.get("/?number=2&by=name")).json() == [2, 10, "name"]
        assert [e["name"] for e in errors_of(await served.get("/?number=x"))] == ["number", "by"]


async def test_repeated_scalar_last_wins_and_an_empty_value_is_a_value() -> None:
    router = Router()

    @router.get("/")
    async def find(a: int = 0, b: str = "none") -> list[object]:
        return [a, b]

    async with Served(router) as served:
        assert (await served.get("/?a=1&a=2")).json() == [2, "none"]
        assert (await served.get("/?b=")).json() == [0, ""]
        assert (await served.get("/?a=")).status == 422


async def test_a_default_list_is_not_shared_between_requests() -> None:
    router = Router()

    @router.get("/")
    async def find(tags: list[str] = Query([])) -> list[str]:
        tags.append("seen")
        return tags

    async with Served(router) as served:
        assert (await served.get("/")).json() == ["seen"]
        assert (await served.get("/")).json() == ["seen"]


async def test_headers_and_cookies_by_name_alias_and_list() -> None:
    router = Router()

    @router.get("/")
    async def find(
        x_request_tag: str = Header("none"),
        kind: str = Header("none", alias="X-Kind"),
        x_many: list[int] = Header(()),
        theme: str = Cookie("light"),
    ) -> list[object]:
        return [x_request_tag, kind, x_many, theme]

    async with Served(router) as served:
        headers = [
            ("x-request-tag", "t"),
            ("X-Kind", "k"),
            ("x-many", "1"),
            ("x-many", "2"),
            ("cookie", "theme=dark; other=x"),
        ]
        assert (await served.get("/", headers=headers)).json() == ["t", "k", [1, 2], "dark"]
        assert (await served.get("/")).json() == ["none", "none", [], "light"]


async def test_embedded_bodies_share_one_object() -> None:
    router = Router()

    @router.post("/")
    async def take(
        order: NewOrder = Body(embed=True),
        rush: bool = Body(False, embed=True),
        owner: OrderId = Body(embed=True),
    ) -> list[object]:
        return [order.number, rush, type(owner).__name__]

    owner = str(OrderId.new())
    async with Served(router) as served:
        good = await served.post("/", as_json={"order": {"number": "a"}, "owner": owner})
        bad = await served.post("/", as_json={"rush": "maybe", "owner": "x"})
    assert good.json() == ["a", False, "OrderId"]
    assert [(e["name"], e["pointer"]) for e in errors_of(bad)] == [
        ("order", "#/order"),
        ("rush", "#/rush"),
        ("owner", "#/owner"),
    ]


async def test_optional_body_and_no_bytes_is_the_default() -> None:
    router = Router()

    @router.post("/")
    async def take(order: NewOrder | None = None) -> str:
        return "none" if order is None else order.number

    async with Served(router) as served:
        assert (await served.post("/")).text == "none"
        assert (await served.post("/", as_json={"number": "a"})).text == "a"


async def test_dataclass_typed_dict_and_lists_of_them_are_bodies() -> None:
    @dataclass
    class Point:
        x: int
        y: int = 0

    class Tag(typing_extensions.TypedDict):
        name: str

    router = Router()

    @router.post("/point")
    async def point(point: Point) -> int:
        return point.x + point.y

    @router.post("/tags")
    async def tags(tags: list[Tag]) -> list[str]:
        return [tag["name"] for tag in tags]

    @router.post("/free")
    async def free(data: dict[str, int]) -> int:
        return sum(data.values())

    async with Served(router) as served:
        assert (await served.post("/point", as_json={"x": 2, "y": 3})).json() == 5
        assert (await served.post("/tags", as_json=[{"name": "a"}])).json() == ["a"]
        assert (await served.post("/free", as_json={"a": 1, "b": 2})).json() == 3
        (error,) = errors_of(await served.post("/free", as_json={"a": 1, "b/c": "x"}))
    assert error["pointer"] == "#/b~1c"


async def test_json_goes_from_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The body of a typed handler is never decoded to Python first."""

    def trap(*_args: object, **_keywords: object) -> None:
        raise AssertionError("decoded on the way")

    router = Router()

    @router.post("/")
    async def take(order: NewOrder) -> str:
        return order.number

    async with Served(router) as served:
        monkeypatch.setattr(pydantic_core, "from_json", trap)
        monkeypatch.setattr(json_body, "from_json", trap)
        monkeypatch.setattr("json.loads", trap)
        assert (await served.post("/", as_json={"number": "a"})).text == "a"


async def test_the_request_reads_the_same_body_after_the_binding() -> None:
    router = Router()

    @router.post("/")
    async def take(request: Request, order: NewOrder) -> Any:
        return [order.number, await request.json]

    async with Served(router) as served:
        answer = await served.post("/", as_json={"number": "a", "more": 1})
    assert answer.json() == ["a", {"number": "a", "more": 1}]


async def test_request_model_is_checked_where_the_handler_reads_for_itself() -> None:
    router = Router()

    @router.post("/", request_model=NewOrder)
    async def take(request, response):  # type: ignore[no-untyped-def]
        return response.json(await request.json)

    async with Served(router) as served:
        assert (await served.post("/", as_json={"number": "a"})).json() == {"number": "a"}
        (error,) = errors_of(await served.post("/", as_json={"number": 1}))
    assert error["name"] == "number"


async def test_union_members_leave_no_class_names_in_pointers() -> None:
    class Cat(BaseModel):
        lives: int

    class Dog(BaseModel):
        bark: str

    class Pet(BaseModel):
        animal: Cat | Dog

    router = Router()

    @router.post("/")
    async def take(pet: Pet) -> None: ...

    async with Served(router) as served:
        answer = await served.post("/", as_json={"animal": {"lives": "x"}})
    assert {e["pointer"] for e in errors_of(answer)} == {"#/animal/lives", "#/animal/bark"}
    assert b"Cat" not in answer.body


async def test_domain_identity_binds_in_path_query_body_and_answer() -> None:
    class Move(BaseModel):
        order: Annotated[OrderId, Parsed()]

    OrderNumber = NewType("OrderNumber", int)
    router = Router()

    @router.post("/orders/{order_id:uuid}/{other}")
    async def move(
        order_id: OrderId, other: OrderId, body: Move, third: OrderId, n: OrderNumber
    ) -> list[object]:
        assert isinstance(order_id, OrderId)
        assert isinstance(other, OrderId)
        assert isinstance(third, OrderId)
        assert isinstance(body.order, OrderId)
        return [order_id, other, body.order, third, n]

    a, b, c, d = (str(OrderId.new()) for _ in range(4))
    async with Served(router) as served:
        good = await served.post(f"/orders/{a}/{b}?third={d}&n=5", as_json={"order": c})
        bad = await served.post(f"/orders/{a}/nope?third=no&n=1", as_json={"order": "never"})
    assert good.json() == [a, b, c, d, 5]
    assert [(e["in"], e["name"]) for e in errors_of(bad)] == [
        ("path", "other"),
        ("query", "third"),
        ("body", "order"),
    ]


async def test_raw_stream_gets_chunks_as_they_come_and_obeys_the_limit() -> None:
    router = Router()

    @router.post("/", limit_body=6)
    async def take(chunks: AsyncIterator[bytes]) -> list[str]:
        return [chunk.decode() async for chunk in chunks]

    async with Served(router) as served:
        good = await served.post("/", peer=Peer((b"ab", b"cd", b"ef")))
        over = await served.post("/", peer=Peer((b"abcd", b"efg", b"never")))
    assert good.json() == ["ab", "cd", "ef"]
    assert over.status == 413


async def test_the_request_has_the_path_values_too() -> None:
    router = Router()

    @router.get("/{n:int}/{name}")
    async def show(request: Request, n: int) -> list[object]:
        return [n, request.path_params["n"], request.path_params.name]

    async with Served(router) as served:
        assert (await served.get("/5/ann")).json() == [5, 5, "ann"]


# Function dependencies.


async def test_function_dependency_binds_too_and_joins_the_same_answer() -> None:
    calls = []

    async def current(request: Request, x_user: int = Header()) -> int:
        calls.append(request.path)
        return x_user

    async def doubled(user: int = Depend(current)) -> int:
        return user * 2

    router = Router()

    @router.get("/")
    async def show(
        page: int, user: int = Depend(current), twice: int = Depend(doubled)
    ) -> list[int]:
        return [page, user, twice]

    async with Served(router) as served:
        assert (await served.get("/?page=1", headers={"x-user": "4"})).json() == [1, 4, 8]
        assert calls == ["/"]
        bad = await served.get("/?page=x", headers={"x-user": "y"})
        assert calls == ["/"]
    assert [(e["in"], e["name"]) for e in errors_of(bad)] == [
        ("query", "page"),
        ("header", "x-user"),
    ]


async def test_nothing_is_made_for_the_handler_when_its_input_is_bad() -> None:
    opened = []

    async def connection():  # type: ignore[no-untyped-def]
        opened.append("open")
        yield "connection"
        opened.append("close")

    router = Router()

    @router.post("/")
    async def take(order: NewOrder, page: int, c: str = Depend(connection)) -> str:
        return c

    async with Served(router) as served:
        assert (await served.post("/?page=x", as_json={})).status == 422
        assert opened == []
        assert (await served.post("/?page=1", as_json={"number": "a"})).text == "connection"
    assert opened == ["open", "close"]


async def test_a_check_before_the_handler_stands_alone() -> None:
    async def tenant(x_tenant: int = Header()) -> None: ...

    router = Router()

    @router.get("/", dependencies=[Depend(tenant)])
    async def show(page: int) -> int:
        return page

    async with Served(router) as served:
        first = errors_of(await served.get("/?page=x", headers={"x-tenant": "y"}))
        then = errors_of(await served.get("/?page=x", headers={"x-tenant": "1"}))
    assert [e["name"] for e in first] == ["x-tenant"]
    assert [e["name"] for e in then] == ["page"]


# Refused at start.


def refusal(router: Router) -> str:
    with pytest.raises(ContainerError) as refused:
        Served(router)
    return str(refused.value)


async def test_two_bodies_are_refused_at_start() -> None:
    router = Router()

    @router.post("/")
    async def take(order: NewOrder, line: Line) -> None: ...

    text = refusal(router)
    assert "'order'" in text
    assert "line: Line = Body(embed=True)" in text


async def test_a_body_on_get_is_refused_at_start() -> None:
    router = Router()

    @router.get("/")
    async def take(order: NewOrder) -> None: ...

    assert "order: NewOrder = Query()" in refusal(router)


async def test_an_unknown_class_is_refused_with_the_line_to_write() -> None:
    class Service: ...

    router = Router()

    @router.get("/")
    async def take(service: Service) -> None: ...

    assert "service: Service = Depend()" in refusal(router)


async def test_a_path_marker_without_a_place_in_the_path_is_refused() -> None:
    router = Router()

    @router.get("/{a}")
    async def take(b: int = Path()) -> None: ...

    assert "{b}" in refusal(router)


async def test_standard_typed_dict_is_refused_before_3_12() -> None:
    from sys import version_info
    from typing import TypedDict

    if version_info >= (3, 12):
        pytest.skip("pydantic takes typing.TypedDict from 3.12 on")

    class Old(TypedDict):
        x: int

    router = Router()

    @router.post("/")
    async def take(old: Old) -> None: ...

    assert "typing_extensions.TypedDict" in refusal(router)


async def test_a_constraint_that_cannot_hold_is_refused() -> None:
    router = Router()

    @router.get("/")
    async def take(flag: str = Query(pattern="(")) -> None: ...

    assert "flag" in refusal(router)


async def test_several_mistakes_are_shown_at_once() -> None:
    class Service: ...

    router = Router()

    @router.get("/a")
    async def a(service: Service) -> None: ...

    @router.get("/b")
    async def b(order: NewOrder) -> None: ...

    text = refusal(router)
    assert "service" in text
    assert "order" in text


async def test_what_one_request_does_to_a_default_no_other_sees() -> None:
    router = Router()

    @router.post("/")
    async def handler(order: NewOrder = NewOrder(number="n"), tags: list[str] = []) -> Any:  # noqa: B006, B008
        order.lines.append(Line(sku="s", qty=1))
        tags.append("t")
        return [len(order.lines), tags]

    async with Served(router) as served:
        assert [(await served.post("/")).json() for _ in range(2)] == [[1, ["t"]]] * 2


async def test_who_answers_for_a_missing_body_may_change_what_is_told() -> None:
    async def invalid(request: Request, response: Response, error: RequestInvalid) -> Any:
        error.errors[0]["detail"] += "!"  # type: ignore[index]
        return response.json(error.errors[0]["detail"])

    router = Router()
    router.add_exception_handler(RequestInvalid, invalid)

    @router.post("/")
    async def handler(order: NewOrder) -> None: ...

    async with Served(router) as served:
        assert [(await served.post("/")).json() for _ in range(2)] == ["is required!"] * 2
