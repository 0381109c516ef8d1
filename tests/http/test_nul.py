"""U+0000: no SQL store takes it, so none is given one (security-and-production.md, 5)."""

from typing import Annotated

import pytest
from pydantic import BaseModel, Field

from nexios.adapters.http.request import Request
from nexios.adapters.http.router import Router
from tests.support.asgi import Served

pytestmark = pytest.mark.asyncio

JSON = {"content-type": "application/json"}


class Line(BaseModel):
    sku: str
    qty: Annotated[int, Field(ge=1)]


class NewOrder(BaseModel):
    number: str
    lines: list[Line] = []


async def test_nul_reaches_no_handler() -> None:
    router = Router()

    @router.post("/orders")
    async def create(order: NewOrder, q: str = "") -> str:
        raise AssertionError((order, q))

    @router.get("/find")
    async def find(request: Request) -> str:
        raise AssertionError(request.query_params["q"])

    async with Served(router) as served:
        body = rb'{"number":"a\u0000b","lines":[{"sku":"\u0000","qty":0}]}'
        answer = await served.post("/orders", headers=JSON, body=body)
        assert answer.status == 422
        assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [
            ("#/lines/0/qty", "greater_than_equal"),
            ("#/number", "nul"),
            ("#/lines/0/sku", "nul"),
        ]
        for path in ("/orders", "/find"):
            method = "POST" if path == "/orders" else "GET"
            answer = await served.call(
                method, f"{path}?q=%00", headers=JSON, body=b'{"number":""}'
            )
            assert answer.status == 422
            assert answer.json()["type"] == "urn:nexios:problem:nul-in-query"


async def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    router = Router()

    @router.post("/orders")
    async def create(order: NewOrder) -> str:
        return order.number

    async with Served(router) as served:
        answer = await served.post("/orders", headers=JSON, body=rb'{"number":"\\u0000"}')
        assert answer.body == rb"\u0000"
