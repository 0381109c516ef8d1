"""Snippet 1: a transaction around a query, behind a real server."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from examples.seed_page.async_handlers import app
from examples.seed_page.database import db
from nexios import NexiosApp
from nexios.adapters.asgi.types import Message, Receive, Scope, Send
from nexios.adapters.persistence import Database
from tests.seed.conftest import Serve, served
from tests.support.server import serving

PEOPLE = [
    {"id": 1, "name": "Ada"},
    {"id": 2, "name": "Grace"},
    {"id": 3, "name": "Edsger"},
]


lent: list[int] = []


async def watched(scope: Scope, receive: Receive, send: Send) -> None:
    """The example, with a note of the connections lent when a head leaves."""

    async def noting(message: Message) -> None:
        if message["type"] == "http.response.start":
            lent.append(db.status.in_use)
        await send(message)

    await app(scope, receive, noting if scope["type"] == "http" else send)


@pytest.fixture(scope="module")
def client() -> Iterator[httpx2.Client]:
    with served(watched) as client:
        yield client


def test_users_come_as_json(client: httpx2.Client) -> None:
    answer = client.get("/users")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json() == PEOPLE


def test_twenty_calls_at_once_never_mix(tmp_path: Path) -> None:
    echo = NexiosApp()
    own = Database(f"sqlite:///{tmp_path / 'own.db'}")
    echo.on_shutdown(own.stop)
    inside: list[int] = []
    all_inside = asyncio.Event()

    @echo.get("/users/{number:int}")
    async def one(request: Any, response: Any, number: int) -> Any:
        inside.append(number)
        if len(inside) == 20:
            all_inside.set()
        await all_inside.wait()
        async with own.transaction():
            found = await own.fetch_value("SELECT ?", [number])
        response.set_header("x-number", request.headers["x-number"])
        return response.json({"number": number, "found": found})

    async def ask_all(address: str) -> list[httpx2.Response]:
        async with httpx2.AsyncClient(base_url=f"http://{address}") as client:
            return await asyncio.gather(
                *(
                    client.get(f"/users/{number}", headers={"x-number": str(number)})
                    for number in range(20)
                )
            )

    with serving(echo) as address:
        answers = asyncio.run(ask_all(address))

    for number, answer in enumerate(answers):
        assert answer.status_code == 200
        assert answer.json() == {"number": number, "found": number}
        assert answer.headers["x-number"] == str(number)


def test_twenty_calls_of_the_snippet_at_once_all_get_the_users(client: httpx2.Client) -> None:
    async def ask_all() -> list[httpx2.Response]:
        async with httpx2.AsyncClient(base_url=client.base_url) as many:
            return await asyncio.gather(*(many.get("/users") for _ in range(20)))

    answers = asyncio.run(ask_all())

    assert [answer.json() for answer in answers] == [PEOPLE] * 20


def test_the_transaction_is_left_before_a_byte_is_sent(client: httpx2.Client) -> None:
    lent.clear()

    assert client.get("/users").json() == PEOPLE
    assert lent == [0]


def test_an_exception_inside_rolls_back_and_answers_500_without_traceback(
    serve: Serve, tmp_path: Path
) -> None:
    failing = NexiosApp()
    own = Database(f"sqlite:///{tmp_path / 'own.db'}")
    failing.on_startup(lambda: own.execute("CREATE TABLE users (id INTEGER, name TEXT)"))
    failing.on_shutdown(own.stop)

    @failing.post("/users")
    async def add(request: Any, response: Any) -> None:
        async with own.transaction():
            await own.execute("INSERT INTO users (id, name) VALUES (?, ?)", [9, "Nobody"])
            raise RuntimeError("the secret reason")

    @failing.get("/users")
    async def count(request: Any, response: Any) -> Any:
        return response.json(await own.fetch_value("SELECT count(*) FROM users"))

    client = serve(failing)
    answer = client.post("/users")

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    for word in ("Traceback", "secret reason", "RuntimeError", "INSERT", ".py"):
        assert word not in answer.text
    assert client.get("/users").json() == 0
