"""What the hostile run is aimed at: one route for each way in."""

import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any

from pydantic import BaseModel, Field

from nexios import MakeConfig, NexiosApp, Request, Response
from nexios.middleware import CORSMiddleware, SecurityMiddleware


class Line(BaseModel):
    sku: str
    qty: Annotated[int, Field(ge=1)] = 1


class Order(BaseModel):
    number: str
    lines: list[Line] = []
    total: float = 0.0


class Unanswered(logging.Handler):
    """Keeps what the house logged as an error: in this run there is to be none."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))


def made() -> NexiosApp:
    """Return the application; its limits are the defaults but for the wait for a body."""
    app = NexiosApp(
        config=MakeConfig(trailing_slash="redirect", limits={"body_idle_s": 0.4}),
    )
    app.add_middleware(SecurityMiddleware())
    app.add_middleware(CORSMiddleware(allow_origins=["https://page.test"]))
    _bodies(app)
    _reads(app)
    _answers(app)
    return app


def _reads(app: NexiosApp) -> None:
    @app.get("/")
    async def home() -> str:
        return "home"

    @app.get("/url")
    async def url(request: Request) -> dict[str, Any]:
        return {"url": str(request.url), "base": str(request.base_url), "host": request.host}

    @app.get("/items/{number:int}")
    async def item(number: int) -> int:
        return number

    @app.get("/files/{path:path}")
    async def file(path: str) -> str:
        return path

    @app.get("/find")
    async def find(q: str = "", page: int = 1, ratio: float = 0.0) -> dict[str, object]:
        return {"q": q, "page": page, "ratio": ratio}

    @app.get("/cookies")
    async def cookies(request: Request) -> dict[str, str]:
        return dict(request.cookies)

    @app.get("/who")
    async def who(request: Request) -> list[object]:
        return [request.get_client_ip(), request.basic_auth, request.bearer_token, request.scheme]


def _bodies(app: NexiosApp) -> None:
    @app.post("/orders")
    async def orders(order: Order) -> Order:
        return order

    @app.post("/json")
    async def as_json(request: Request) -> dict[str, str]:
        return {"kind": type(await request.json).__name__}

    @app.post("/text")
    async def as_text(request: Request) -> int:
        return len(await request.text)

    @app.post("/stream")
    async def stream(chunks: AsyncIterator[bytes]) -> int:
        return sum([len(chunk) async for chunk in chunks])

    @app.post("/unread")
    async def unread() -> str:
        return "unread"


def _answers(app: NexiosApp) -> None:
    @app.get("/slashed")
    async def slashed() -> str:
        return "slashed"

    @app.get("/echo")
    async def echo(response: Response, value: str = "") -> Any:
        try:
            response.set_header("x-echo", value)
        except ValueError:
            return response.json({"refused": True}, 422)
        return response.text("set")

    @app.get("/go")
    async def go(response: Response, to: str = "/") -> Any:
        try:
            return response.redirect(to)
        except ValueError:
            return response.json({"refused": True}, 422)
