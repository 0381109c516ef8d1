"""``NexiosApp(json=...)``: one codec in place of our own, wherever JSON is answered."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel, Field

from nexios import MakeConfig, NexiosApp, Request, Response, ServerSentEvent
from nexios.adapters.http.codec import NoCodec
from nexios.middleware import BaseMiddleware
from tests.support.asgi import Peer, ask

pytestmark = pytest.mark.asyncio


class Item(BaseModel):
    name: str
    made: date = Field(alias="madeOn")


@dataclass
class Pair:
    left: int
    right: int


def marked(value: object) -> str:
    """Tell itself apart, and write dates in a way of its own."""
    return "~" + json.dumps(value, default=dates_in_days)


def dates_in_days(value: object) -> int:
    if isinstance(value, date):
        return value.toordinal()
    raise TypeError(type(value))


class Renaming(BaseMiddleware):
    async def process_response(self, request: Request, response: Response) -> object:
        return {"by": "middleware"} if request.path == "/replaced" else None


def app_of(codec: Any) -> NexiosApp:
    app = NexiosApp(json=codec, config=MakeConfig())
    app.add_middleware(Renaming())

    @app.get("/plain")
    async def plain() -> dict[str, Any]:
        return {"day": date.fromordinal(9)}

    @app.get("/builder")
    async def builder(response: Response) -> Response:
        return response.json([1, {"day": date.fromordinal(9)}], indent=2)

    @app.get("/model")
    async def model() -> Item:
        return Item(name="a", madeOn=date.fromordinal(9))

    @app.get("/bare")
    async def bare():  # type: ignore[no-untyped-def]  # nothing is known of what it returns
        return [Pair(1, 2), Item(name="a", madeOn=date(2026, 1, 2))]

    @app.get("/filtered")
    async def filtered() -> Pair:
        return {"left": 1, "right": 2, "secret": 3}  # type: ignore[return-value]  # validated into it

    @app.get("/replaced")
    async def replaced() -> str:
        return "text"

    @app.get("/events")
    async def events() -> AsyncIterator[ServerSentEvent[dict[str, int]]]:
        yield ServerSentEvent({"n": 1})

    @app.get("/broken")
    async def broken() -> None:
        raise LookupError

    @app.add_exception_handler(LookupError)
    async def lost(request: Request, response: Response, error: Exception) -> object:
        return {"lost": True}

    @app.get("/odd")
    async def odd():  # type: ignore[no-untyped-def]  # ibid.
        return {"x": object()}

    return app


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/plain", '~{"day": 9}'),
        ("/builder", '~[1, {"day": 9}]'),
        ("/model", '~{"name": "a", "madeOn": 9}'),
        ("/bare", '~[{"left": 1, "right": 2}, {"name": "a", "madeOn": "2026-01-02"}]'),
        ("/filtered", '~{"left": 1, "right": 2}'),
        ("/replaced", '~{"by": "middleware"}'),
        ("/broken", '~{"lost": true}'),
    ],
)
async def test_the_codec_writes_every_json_answer(path: str, text: str) -> None:
    answer = await ask(app_of(marked), "GET", path)
    assert answer.text == text
    assert answer.header("content-type") == "application/json"
    assert answer.header("content-length") == str(len(text))


async def test_events_are_written_by_it_too() -> None:
    answer = await ask(app_of(marked), "GET", "/events", peer=Peer(stays=True))
    assert b'data: ~{"n": 1}\n' in answer.body


async def test_problems_stay_ours() -> None:
    assert (await ask(app_of(marked), "GET", "/nothing")).json()["status"] == 404


@pytest.mark.parametrize("codec", [json, json.dumps, lambda value: json.dumps(value).encode()])
async def test_a_module_or_a_function_of_text_or_bytes(codec: Callable[[Any], Any]) -> None:
    app = app_of(codec)
    assert (await ask(app, "GET", "/model")).text == '{"name": "a", "madeOn": "0001-01-09"}'


async def test_two_apps_have_each_their_own() -> None:
    mine, other = app_of(marked), app_of(None)
    assert (await ask(mine, "GET", "/replaced")).text.startswith("~")
    assert (await ask(other, "GET", "/replaced")).text == '{"by":"middleware"}'
    assert (await ask(mine, "GET", "/plain")).text.startswith("~")
    assert (await ask(other, "GET", "/plain")).text == '{"day":"0001-01-09"}'


async def test_what_nobody_can_write_is_a_500() -> None:
    answer = await ask(app_of(marked), "GET", "/odd")
    assert answer.status == 500
    assert "object" not in answer.text


async def test_what_cannot_write_is_refused_where_it_is_given() -> None:
    with pytest.raises(NoCodec, match="json=orjson"):
        NexiosApp(json=7)
