"""A small ASGI harness: one router behind a gateway, called without a server."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

import anyio

from nexios.adapters.asgi.types import ASGIApp, Message, Scope
from nexios.adapters.http.background import Tasks
from nexios.adapters.http.builder import Response
from nexios.adapters.http.compile import compile_routes
from nexios.adapters.http.gateway import Gateway
from nexios.adapters.http.ordering import Added
from nexios.adapters.http.request import Request
from nexios.adapters.http.router import Router
from nexios.adapters.http.settings import HttpSettings
from nexios.application.caller import Caller
from nexios.container.container import Container
from nexios.container.module import Module


@dataclass(slots=True)
class Answer:
    """What one request got back."""

    status: int
    raw: list[tuple[bytes, bytes]]
    body: bytes
    messages: list[Message]

    def header(self, name: str) -> str | None:
        found = self.headers(name)
        return found[-1] if found else None

    def headers(self, name: str) -> list[str]:
        wanted = name.lower().encode()
        return [value.decode("latin-1") for key, value in self.raw if key == wanted]

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class Peer:
    """The other end of the wire: sends body chunks, counts what is asked of it."""

    chunks: Sequence[bytes] = (b"",)
    leaves: bool = False
    stays: bool = False  # waits for more of the answer, as a client does
    sent: list[Message] = field(default_factory=list)
    asked: int = 0

    async def receive(self) -> Message:
        self.asked += 1
        index = self.asked - 1
        if self.leaves and index >= len(self.chunks):
            return {"type": "http.disconnect"}
        if self.stays and index >= len(self.chunks):
            await anyio.sleep_forever()
        if index >= len(self.chunks):
            raise AssertionError("the body was over, and more was asked for")
        more = self.leaves or index + 1 < len(self.chunks)
        return {"type": "http.request", "body": self.chunks[index], "more_body": more}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def answer(self) -> Answer:
        if not self.sent:
            raise AssertionError("nothing was answered")
        start, *rest = self.sent
        assert start["type"] == "http.response.start"
        body = b"".join(message.get("body", b"") for message in rest)
        return Answer(start["status"], list(start["headers"]), body, self.sent)


def http_scope(
    method: str, target: str, headers: Mapping[str, str] | Iterable[tuple[str, str]] = ()
) -> Scope:
    """Return the scope of one request, as a server makes it."""
    path, _, query = target.partition("?")
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    if not any(key.lower() == "host" for key, _ in pairs):
        pairs.insert(0, ("host", "testserver"))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": quote(path, safe="/%:@!$&'()*+,;=~\\").encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(key.lower().encode(), value.encode("latin-1")) for key, value in pairs],
        "client": ("127.0.0.1", 50000),
        "server": ("testserver", 80),
    }


async def ask(
    app: ASGIApp,
    method: str,
    target: str,
    *,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    body: bytes | None = None,
    as_json: object = None,
    peer: Peer | None = None,
) -> Answer:
    """Send one request and return its answer; a body gets its length and JSON its type."""
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    if as_json is not None:
        body = json.dumps(as_json).encode()
        pairs.append(("content-type", "application/json"))
    if body is not None:
        pairs.append(("content-length", str(len(body))))
    peer = peer or Peer((body or b"",))
    await app(http_scope(method, target, pairs), peer.receive, peer.send)
    return peer.answer()


class Served:
    """A router behind container and gateway, as ``NexiosApp`` puts them together."""

    def __init__(
        self,
        router: Router,
        *,
        modules: Iterable[Module] = (),
        root: Module | None = None,
        settings: HttpSettings | None = None,
        middleware: Sequence[Any] = (),
        exception_handlers: Mapping[Any, Callable[..., Any]] | None = None,
        server_error_handler: Callable[..., Any] | None = None,
    ) -> None:
        self.router = router
        self.settings = settings or HttpSettings()
        self.reports: list[tuple[BaseException, str, str]] = []
        given = Module("everywhere")
        for key in (Request, Response, Caller, Tasks):
            given.bind(key).given()
        given.export(Request, Response, Caller, Tasks)
        home = root or Module("app")
        home.include(*modules)
        compiled = compile_routes(router, self.settings)
        if compiled.problems:
            raise compiled.problems[0]
        self.container = Container(home, entries=compiled.points, everywhere=given)
        self.container.validate()
        added = [one if isinstance(one, Added) else Added(one) for one in middleware]
        self.gateway = Gateway(
            compiled,
            self.container,
            middleware=added,
            exception_handlers=exception_handlers,
            server_error_handler=server_error_handler,
            settings=self.settings,
            report=lambda error, _request, error_id, where: self.reports.append(
                (error, error_id, where)
            ),
        )

    def recompile(self) -> None:
        """Do what the app does when a router changes after the start."""
        compiled = compile_routes(self.router, self.settings, earlier=self.gateway.routes)
        if compiled.problems:
            raise compiled.problems[0]
        self.gateway.adopt(compiled)

    async def __aenter__(self) -> "Served":
        await self.container.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.container.stop()

    async def call(self, method: str, target: str, **request: Any) -> Answer:
        """Send one request through the gateway."""
        return await ask(self.gateway, method, target, **request)

    async def get(self, target: str, **request: Any) -> Answer:
        """Send a GET."""
        return await self.call("GET", target, **request)

    async def post(self, target: str, **request: Any) -> Answer:
        """Send a POST."""
        return await self.call("POST", target, **request)
