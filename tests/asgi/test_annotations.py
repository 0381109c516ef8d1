"""One table of annotations and texts, read by an HTTP endpoint and by a socket's handshake."""

import enum
from collections.abc import Sequence
from decimal import Decimal
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal, NewType

import pytest
from pydantic import AnyUrl, Field, SecretStr

from nexios.adapters.asgi.params import Query
from nexios.adapters.http.router import Router
from nexios.adapters.websocket.socket import WebSocket
from nexios.domain.values import Identity
from nexios.testing.sockets import SocketDenied, websocket_connect
from tests.support.asgi import Served
from tests.support.gateway import route, serving

pytestmark = pytest.mark.anyio


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Switch(enum.Enum):
    ON = True
    OFF = False


class Hue(enum.Enum):
    RED = "red"


class OrderId(Identity):
    pass


Number = NewType("Number", int)
OrderKey = NewType("OrderKey", OrderId)

A_UUID = "0190163d-8694-739b-aea5-966c26f8ad91"
REFUSED = object()

TABLE: list[tuple[Any, str, object]] = [
    (int, "?x=1", 1),
    (int, "?x=1&x=2", 2),
    (int, "?x=a", REFUSED),
    (int, "", REFUSED),
    (int | None, "", None),
    (int | str, "?x=a", "a"),
    (float, "?x=nan", REFUSED),
    (Decimal, "?x=inf", REFUSED),
    (Number, "?x=3", 3),
    (Annotated[int, Field(ge=5)], "?x=4", REFUSED),
    (Annotated[int | None, Query(ge=5)], "?x=6", 6),
    (Level, "?x=2", Level.HIGH),
    (Level, "?x=3", REFUSED),
    (Level | None, "?x=2", Level.HIGH),
    (Level | None, "", None),
    (list[Level], "?x=1&x=2", [Level.LOW, Level.HIGH]),
    (list[Level], "?x=1&x=9", REFUSED),
    (set[Level] | None, "?x=2", {Level.HIGH}),
    (Sequence[Level], "?x=2", [Level.HIGH]),
    (tuple[Level, ...], "?x=2&x=1", (Level.HIGH, Level.LOW)),
    (tuple[Level, int], "?x=2&x=7", (Level.HIGH, 7)),
    (Switch, "?x=true", Switch.ON),
    (Switch, "?x=false", Switch.OFF),
    (Switch, "?x=True", REFUSED),
    (Hue, "?x=red", Hue.RED),
    (Literal[1, 2], "?x=2", 2),
    (Literal[True, "auto"], "?x=true", True),
    (list[Literal[1, 2]], "?x=2&x=1", [2, 1]),
    (OrderId, f"?x={A_UUID}", OrderId.parse(A_UUID)),
    (OrderId, "?x=1", REFUSED),
    (OrderKey, f"?x={A_UUID}", OrderId.parse(A_UUID)),
    (OrderId | None, f"?x={A_UUID}", OrderId.parse(A_UUID)),
    (list[OrderId], f"?x={A_UUID}", [OrderId.parse(A_UUID)]),
    (list[OrderId], f"?x={A_UUID}&x=1", REFUSED),
    (SecretStr, "?x=s", SecretStr("s")),
    (AnyUrl, "?x=https://a.example/", AnyUrl("https://a.example/")),
    (AnyUrl, "?x=nothing", REFUSED),
    (IPv4Address, "?x=10.0.0.1", IPv4Address("10.0.0.1")),
    (list[IPv4Address] | None, "?x=10.0.0.1", [IPv4Address("10.0.0.1")]),
]


async def by_http(annotation: Any, query: str) -> object:
    taken: list[object] = []

    async def show(x: Any) -> None:
        taken.append(x)

    show.__annotations__["x"] = annotation
    router = Router()
    router.get("/")(show)
    async with Served(router) as served:
        answer = await served.get(f"/{query}")
    if answer.status == 422:
        assert taken == []
        assert answer.json()["errors"][0]["name"].split(".")[0] == "x"
        return REFUSED
    return taken[0]


async def by_handshake(annotation: Any, query: str) -> object:
    taken: list[object] = []

    async def live(websocket: WebSocket, x: Any) -> None:
        taken.append(x)
        await websocket.accept()

    live.__annotations__["x"] = annotation
    async with serving(route("/", live)) as app:
        try:
            async with websocket_connect(app, f"/{query}"):
                return taken[0]
        except SocketDenied as denied:
            refusal = denied
    assert taken == []
    assert (refusal.status, refusal.json()["errors"][0]["name"]) == (422, "x")
    return REFUSED


@pytest.mark.parametrize("read", [by_http, by_handshake])
@pytest.mark.parametrize(("annotation", "query", "value"), TABLE)
async def test_text_becomes_the_same_value_on_both_sides(
    read: Any, annotation: Any, query: str, value: object
) -> None:
    found = await read(annotation, query)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("read", [by_http, by_handshake])
@pytest.mark.parametrize(
    ("default", "query", "value"),
    [(20, "?x=5", 5), (20, "", 20), (Level.LOW, "?x=2", Level.HIGH), (None, "?x=a", "a")],
)
async def test_a_default_says_the_type_where_no_annotation_does(
    read: Any, default: object, query: str, value: object
) -> None:
    assert await bare(read, default, query) == value


async def bare(read: Any, default: object, query: str) -> object:
    taken: list[object] = []
    if read is by_http:
        router = Router()

        @router.get("/")
        async def show(x=default) -> None:  # type: ignore[no-untyped-def]
            taken.append(x)

        async with Served(router) as served:
            assert (await served.get(f"/{query}")).status == 204
    else:

        async def live(websocket: WebSocket, x=default) -> None:  # type: ignore[no-untyped-def]
            taken.append(x)
            await websocket.accept()

        async with (
            serving(route("/", live)) as app,
            websocket_connect(app, f"/{query}"),
        ):
            pass
    return taken[0]
