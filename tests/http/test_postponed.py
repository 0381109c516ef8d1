"""Binding with postponed annotations, and with models that only the registering scope knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from nexios import (
    Controller,
    Depend,
    Form,
    Header,
    Query,
    Request,
    Response,
    UploadedFile,
    post,
)
from nexios.adapters.http.router import Router
from tests.support.asgi import Served
from tests.support.forms import MULTIPART, multipart, part

pytestmark = pytest.mark.asyncio


class Known(BaseModel):
    x: int


async def test_models_of_the_module() -> None:
    async def tenant(x_tenant: Annotated[str, Header()] = "none") -> str:
        return x_tenant

    router = Router()

    @router.post("/{a}")
    async def take(
        request: Request,
        response: Response,
        known: Known,
        a: int,
        page: Annotated[int, Query(ge=1)] = 1,
        who: str = Depend(tenant),
    ) -> Response:
        return response.json([known.x, a, page, who, request.method])

    async with Served(router) as served:
        good = await served.post("/2?page=3", as_json={"x": 1}, headers={"x-tenant": "t"})
        bad = await served.post("/b?page=0", as_json={"x": "q"})
    assert good.json() == [1, 2, 3, "t", "POST"]
    assert [e["in"] for e in bad.json()["errors"]] == ["path", "query", "body"]


async def test_forms_and_files() -> None:
    class Local(BaseModel):
        y: int

    router = Router()

    @router.post("/")
    async def take(
        known: Annotated[Known, Form()], local: Annotated[Local, Form()], f: list[UploadedFile]
    ) -> list[object]:
        return [known.x, local.y, f]

    async with Served(router) as served:
        body = multipart(part("x", b"1"), part("y", b"2"), part("f", b"z", filename="n"))
        assert (await served.post("/", headers=MULTIPART, body=body)).json() == [1, 2, ["n"]]


async def test_models_of_the_function_that_registers() -> None:
    class Local(BaseModel):
        x: int

    @dataclass
    class Out:
        y: int

    router = Router()

    @router.post("/a")
    async def decorated(local: Local) -> Out:
        return Out(local.x)

    async def called(locals_: list[Local]) -> list[Out]:
        return [Out(item.x) for item in locals_]

    router.post("/b", called)
    async with Served(router) as served:
        assert (await served.post("/a", as_json={"x": 1})).json() == {"y": 1}
        assert (await served.post("/b", as_json=[{"x": 2}])).json() == [{"y": 2}]
        assert (await served.post("/a", as_json={"x": "q"})).status == 422


async def test_models_of_the_function_around_a_controller() -> None:
    class Local(BaseModel):
        x: int

    class Things(Controller, path="/things"):
        @post()
        async def add(self, local: Local, flag: bool = False) -> dict[str, Any]:
            return {"x": local.x, "flag": flag}

    router = Router()
    router.add_controller(Things)
    async with Served(router) as served:
        answer = await served.post("/things?flag=true", as_json={"x": 1})
    assert answer.json() == {"x": 1, "flag": True}
