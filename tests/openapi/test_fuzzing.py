"""A fuzzer that knows nothing but the document: what is declared is what happens."""

import re
import subprocess
import sys
from collections.abc import Sequence
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import anyio
import httpx2
import pytest
from pydantic import BaseModel, ConfigDict, Field

from examples.accounts.appoint import appoint
from examples.accounts.main import application as accounts
from examples.seed_page.authentication import SECRET
from examples.seed_page.authentication import app as authentication
from examples.shop.main import shop
from nexios import Cookie, Header, HTTPException, MakeConfig, NexiosApp, Query, Request, Response
from nexios.auth.backends.jwt import create_jwt
from nexios.http import Accepted, Created, NoContent
from tests.support.server import serving

_ST = Path(sys.executable).with_name("st")


def fuzz(app: Any, where: Path, *options: str) -> None:
    """Run every check of schemathesis against a served application; show what failed."""
    with serving(app) as address:
        command: Sequence[str] = (
            *(str(_ST), "run", f"http://{address}/openapi.json", "--checks", "all"),
            *("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "20"),
            *("--continue-on-failure", "--seed", "1", "--no-color", *options),
        )
        run = subprocess.run(
            command, check=False, cwd=where, capture_output=True, text=True, timeout=120
        )
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
    assert re.search(r"([1-9]\d*) generated, \1 passed", run.stdout), run.stdout[-8000:]


def test_the_shop_answers_as_declared(tmp_path: Path) -> None:
    fuzz(shop(MakeConfig(database_url=f"sqlite:///{tmp_path / 'shop.db'}")), tmp_path)


@pytest.mark.parametrize("known", [False, True])
def test_the_authentication_example_answers_as_declared(tmp_path: Path, known: bool) -> None:
    token = create_jwt({"sub": 1}, SECRET)
    given = ("-H", f"Authorization: Bearer {token}") if known else ()

    fuzz(authentication, tmp_path, *given)


@pytest.mark.parametrize("known", [False, True])
def test_the_accounts_answer_as_declared(tmp_path: Path, known: bool) -> None:
    secret = "only-for-these-tests-and-never-in-production"
    url = f"sqlite:///{tmp_path / 'accounts.db'}"
    app = accounts(MakeConfig(database_url=url, secret_key=secret))
    given: tuple[str, ...] = ()
    if known:
        with serving(app) as address:
            told = {"name": "ada", "password": "correct horse battery"}
            httpx2.post(f"http://{address}/members", json=told)
            pair = httpx2.post(f"http://{address}/tokens", json=told).json()
        anyio.run(appoint, app, "ada", ["admin"])
        given = ("-H", f"Authorization: Bearer {pair['access_token']}")

    fuzz(app, tmp_path, *given)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    colour: Colour
    labels: Annotated[list[Annotated[str, Field(max_length=5)]], Field(max_length=3)] = []


class Thing(BaseModel):
    id: UUID
    inner: Inner
    kind: Literal["a", "b"] = "a"
    amount: Decimal = Decimal(1)


def everything() -> NexiosApp:
    """An application with one operation for each kind of input and answer."""
    app = NexiosApp()

    @app.get("/things/{number:int}/{name}")
    async def read(
        number: int,
        name: str,
        size: Size = Size.SMALL,
        colours: Annotated[list[Colour] | None, Query()] = None,
        ratio: Annotated[float | None, Query(ge=0, le=1)] = None,
        deep: bool = False,
        x_trace: str | None = Header(None),
        theme: Literal["dark", "light"] = Cookie("light"),
    ) -> Thing | None:
        if number % 2:
            raise HTTPException(409, "odd")
        return None

    @app.post("/things", responses={201: Thing})
    async def write(thing: Thing) -> Created[Thing] | Accepted[Thing]:
        return Created(thing) if thing.kind == "a" else Accepted(thing)

    @app.put("/things/{number:int}", status=202)
    async def change(number: int, inner: Inner) -> Inner:
        return inner

    @app.delete("/other/{key:uuid}")
    async def remove(key: UUID) -> NoContent:
        return NoContent()

    @app.get("/text")
    async def text() -> str:
        return "text"

    @app.get("/pair")
    async def pair() -> tuple[dict[str, int], int]:
        return {"a": 1}, 206

    @app.get("/free")
    async def free(request: Request, response: Response) -> Response:
        return response.json({"free": True}).status(203)

    return app


def test_every_kind_of_input_and_answer_is_as_declared(tmp_path: Path) -> None:
    # U+0000 is refused wherever it comes, and JSON Schema has no word for that.
    fuzz(everything(), tmp_path, "--generation-allow-x00", "false")
