"""Promises that only a real server shows whole."""

import asyncio

import anyio
import httpx2
import pytest

from nexios import NexiosApp, Request, Response
from nexios.http import Created
from tests.support.server import serving

pytestmark = pytest.mark.asyncio


async def test_twenty_requests_never_mix() -> None:
    app = NexiosApp()
    gate = asyncio.Event()
    waiting: list[int] = []

    @app.post("/{n:int}")
    async def show(
        request: Request, response: Response, n: int, data: dict[str, int]
    ) -> dict[str, object]:
        waiting.append(n)
        if len(waiting) == 20:
            gate.set()
        await gate.wait()  # all twenty are in flight before the first is answered
        response.set_header("x-n", request.headers["x-n"] or "")
        await anyio.lowlevel.checkpoint()
        response.set_cookie("n", request.cookies["n"], secure=False)
        return {"path": n, "body": data["n"], "state": request.state.get("n")}

    async def mark(request: Request, response: Response, call_next):  # type: ignore[no-untyped-def]
        request.state.n = int(request.headers["x-n"] or "")
        return await call_next()

    app.add_middleware(mark)
    with serving(app) as address:
        limits = httpx2.Limits(max_connections=20)
        async with httpx2.AsyncClient(base_url=f"http://{address}", limits=limits) as client:

            async def one(n: int) -> None:
                headers = {"x-n": str(n), "cookie": f"n={n}"}
                answer = await client.post(f"/{n}", headers=headers, json={"n": n})
                assert answer.json() == {"path": n, "body": n, "state": n}
                assert answer.headers["x-n"] == str(n)
                assert answer.headers["set-cookie"].startswith(f"n={n};")

            async with anyio.create_task_group() as tasks:
                for n in range(20):
                    tasks.start_soon(one, n)
    assert sorted(waiting) == list(range(20))


async def test_created_has_location() -> None:
    app = NexiosApp()

    @app.post("/items")
    async def make() -> Created[dict[str, int]]:
        return Created({"id": 7}, location="/items/7 a")

    with serving(app) as address:
        answer = httpx2.post(f"http://{address}/items")
        document = httpx2.get(f"http://{address}/openapi.json").json()
    assert (answer.status_code, answer.json()) == (201, {"id": 7})
    assert answer.headers["location"] == "/items/7%20a"
    declared = document["paths"]["/items"]["post"]["responses"]
    assert "201" in declared
    assert "200" not in declared
