"""In-process cost of a request (W0) against a raw ASGI callable, both in one run.

    python benchmarks/in_process.py            microseconds a call and the ratio, every workload
    python benchmarks/in_process.py W1 W2 --rounds 40 --json
    python benchmarks/in_process.py --check    end with 1 when a bar is missed

W1  ``GET /`` answered with plain text
W2  ``GET /users/{id:int}`` answered with a small JSON object
W3  ``GET /di``: a request-scoped graph of three objects, one of them cleaned up afterwards
W4  ``POST /orders``: 1 kB of nested JSON validated into a model, a model serialised back
W5  1,000 routes, half of them with a parameter: the first, the middle, the last, a miss
W6  W2 behind five middlewares that only pass on

W5 is compared with itself: the ratio is that to the first route, and a miss makes a problem body
where a hit makes a small object. ``--check`` ends with 1 when a ratio is over its bar.

Raw and Nexios take turns batch by batch, the collector is off inside a batch, the ratio is taken
inside a round, and the median over the rounds counts. Many short rounds get past a busy
neighbour better than a few long ones.
"""

import argparse
import asyncio
import gc
import json
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from pydantic import BaseModel, Field

from nexios import Depend, NexiosApp

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

HELLO = "Hello, World!"
TEXT = [(b"content-type", b"text/plain; charset=utf-8")]
JSON = [(b"content-type", b"application/json")]
LAYERS = 5
ROUTES = 1000
WARM_UP_CALLS = 500
BATCH_CALLS = 200


def user(id: int) -> dict[str, object]:
    """Return what both applications answer with."""
    return {"id": id, "name": f"user-{id}"}


class Session:
    """What is opened for a request and closed after it."""

    def __init__(self) -> None:
        self.open = True

    async def fetch(self, id: int) -> dict[str, object]:
        """Return a user, as a database would."""
        if not self.open:
            raise RuntimeError("the session is closed")
        return user(id)


async def session() -> AsyncIterator[Session]:
    """Open a session and close it."""
    opened = Session()
    try:
        yield opened
    finally:
        opened.open = False


class Repository:
    """Stands between the service and the session."""

    def __init__(self, session: Session) -> None:
        self.session = session


class Service:
    """What the handler asks for."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository

    async def get(self, id: int) -> dict[str, object]:
        """Return a user."""
        return await self.repository.session.fetch(id)


class Customer(BaseModel):
    """Of an order."""

    name: str
    email: str
    address: dict[str, str]


class Item(BaseModel):
    """Of an order."""

    sku: str
    name: str
    quantity: int = Field(gt=0)
    price: float = Field(ge=0)
    tags: list[str]


class Order(BaseModel):
    """What comes in."""

    id: int
    customer: Customer
    items: list[Item]


class Priced(BaseModel):
    """What goes out."""

    id: int
    total: float
    customer: Customer
    items: list[Item]


def priced(order: Order) -> Priced:
    """Return the order with its total."""
    total = sum(item.price * item.quantity for item in order.items)
    return Priced.model_construct(
        id=order.id, total=total, customer=order.customer, items=order.items
    )


ADDRESS = {"street": "Lindenweg 5", "city": "Bern", "zip": "3000", "country": "CH"}
CUSTOMER = {"name": "Ada Byron", "email": "ada@example.com", "address": ADDRESS}
ITEMS = [
    {"sku": f"sku-{n}", "name": "a thing", "quantity": n, "price": 9.5, "tags": ["new", "red"]}
    for n in range(1, 11)
]
ORDER = json.dumps({"id": 7, "customer": CUSTOMER, "items": ITEMS}).encode()


dumps = json.JSONEncoder(separators=(",", ":")).encode
open_session = asynccontextmanager(session)
validate = Order.__pydantic_validator__.validate_json
serialise = Priced.__pydantic_serializer__.to_json


async def raw(scope: Message, receive: Receive, send: Send) -> None:
    """Answer as somebody would who has no framework at all."""
    path, headers = scope["path"], JSON
    if path == "/":
        body, headers = HELLO.encode(), TEXT
    elif path == "/di":
        async with open_session() as opened:
            body = dumps(await Service(Repository(opened)).get(1)).encode()
    elif path == "/orders":
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message.get("more_body", False)
        body = serialise(priced(validate(body)))
    else:
        body = dumps(user(int(path[7:]))).encode()
    length = (b"content-length", str(len(body)).encode())
    start = {"type": "http.response.start", "status": 200, "headers": [*headers, length]}
    await send(start)
    await send({"type": "http.response.body", "body": body})


def raw_layers() -> Application:
    """Return the raw callable behind callables that only pass on."""

    def layer(inner: Application) -> Application:
        async def passing(scope: Message, receive: Receive, send: Send) -> None:
            await inner(scope, receive, send)

        return passing

    made: Application = raw
    for _ in range(LAYERS):
        made = layer(made)
    return made


def nexios_app(layers: int = 0) -> NexiosApp:
    """Build the same routes as a user would write them."""
    app = NexiosApp()

    @app.get("/")
    async def hello() -> str:
        return HELLO

    @app.get("/users/{id:int}")
    async def show(id: int) -> dict[str, object]:
        return user(id)

    def repository(session: Session = Depend(session)) -> Repository:
        return Repository(session)

    def service(repository: Repository = Depend(repository)) -> Service:
        return Service(repository)

    @app.get("/di")
    async def graph(service: Service = Depend(service)) -> dict[str, object]:
        return await service.get(1)

    @app.post("/orders")
    async def order(order: Order) -> Priced:
        return priced(order)

    for _ in range(layers):

        @app.middleware
        async def passing(request: Any, response: Any, call_next: Any) -> Any:
            return await call_next()

    return app


class Driver:
    """Calls an application as a server would, without sockets."""

    def __init__(self, app: Application, path: str) -> None:
        self._app = app
        self._sent: list[Message] = []
        self._body = ORDER if path == "/orders" else b""
        self._headers = [(b"host", b"127.0.0.1:8000")]
        if self._body:
            self._headers += [*JSON, (b"content-length", str(len(self._body)).encode())]
        self._scope: Message = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 5000),
            "scheme": "http",
            "root_path": "",
            "method": "POST" if self._body else "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": self._headers,
        }

    async def answer(self) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Return status, sorted headers and body of one call."""
        await self._call()
        start, body = self._sent
        self._sent.clear()
        return start["status"], sorted(start["headers"]), body["body"]

    async def batch(self, calls: int) -> float:
        """Return the mean CPU seconds a call took: what others take of the core does not count."""
        started = time.thread_time()
        for _ in range(calls):
            await self._call()
            self._sent.clear()
        return (time.thread_time() - started) / calls

    async def _call(self) -> None:
        scope = {**self._scope, "headers": self._headers.copy(), "state": {}}
        await self._app(scope, self._receive, self._send)

    async def _send(self, message: Message) -> None:
        self._sent.append(message)

    async def _receive(self) -> Message:
        return {"type": "http.request", "body": self._body, "more_body": False}


PATHS = {"W1": "/", "W2": "/users/42", "W3": "/di", "W4": "/orders", "W6": "/users/42"}
BARS = {"W1": 2.0, "W2": 1.2, "W3": 1.1, "W4": 1.1}
W5 = "W5"
OF_ROUTES = {"first": 0, "middle": ROUTES // 4, "last": ROUTES // 2 - 1, "miss": ROUTES}
BAR_OF_ROUTES = 1.1


def routes_app() -> NexiosApp:
    """Build an application of 1,000 routes, half of them with a parameter."""
    app = NexiosApp()

    async def static() -> str:
        return "ok"

    async def item(id: int) -> dict[str, object]:
        return {"id": id}

    for number in range(ROUTES // 2):
        app.get(f"/api/v1/res{number}/items")(static)
        app.get(f"/api/v1/res{number}/items/{{id:int}}")(item)
    return app


async def measure_routes(rounds: int) -> dict[str, dict[str, float]]:
    """Return for each place among the routes the median, and the ratio to the first."""
    app = routes_app()
    drivers = {
        name: Driver(app, f"/api/v1/res{number}/items/7") for name, number in OF_ROUTES.items()
    }
    for name, driver in drivers.items():
        status, _, _ = await driver.answer()
        if status != (404 if name == "miss" else 200):
            raise SystemExit(f"{W5}: {name} was answered with {status}")
        await driver.batch(WARM_UP_CALLS)
    found: dict[str, list[float]] = {name: [] for name in drivers}
    for _ in range(rounds):
        for name, driver in drivers.items():
            # Before each: whoever comes first after it finds the caches cold.
            gc.collect()
            gc.disable()
            found[name].append(await driver.batch(BATCH_CALLS))
            gc.enable()
    first = statistics.median(found["first"])
    return {
        f"{W5} {name}": {
            "raw_us": first * 1e6,
            "nexios_us": statistics.median(batches) * 1e6,
            "ratio": statistics.median(
                one / base for one, base in zip(batches, found["first"], strict=True)
            ),
        }
        for name, batches in found.items()
    }


async def measure(cells: list[str], rounds: int) -> dict[str, dict[str, float]]:
    """Return for each workload the medians in microseconds and the median ratio."""
    plain: tuple[Application, Application] = nexios_app(), raw
    layered: tuple[Application, Application] = nexios_app(LAYERS), raw_layers()
    table: dict[str, dict[str, float]] = {}
    for name in cells:
        ours, bare = (Driver(a, PATHS[name]) for a in (layered if name == "W6" else plain))
        if (given := await ours.answer()) != (expected := await bare.answer()):
            raise SystemExit(f"{name}: the answers differ: {given} and {expected}")
        await ours.batch(WARM_UP_CALLS)
        await bare.batch(WARM_UP_CALLS)
        pairs = []
        for _ in range(rounds):
            gc.collect()
            gc.disable()
            pairs.append((await bare.batch(BATCH_CALLS), await ours.batch(BATCH_CALLS)))
            gc.enable()
        table[name] = {
            "raw_us": statistics.median(pair[0] for pair in pairs) * 1e6,
            "nexios_us": statistics.median(pair[1] for pair in pairs) * 1e6,
            "ratio": statistics.median(pair[1] / pair[0] for pair in pairs),
        }
    return table


def bar_of(name: str) -> float | None:
    """Return what the ratio of a row may be at most; None where there is no bar."""
    if name == f"{W5} miss":
        return None  # its bar is one of requests a second on a server, see benchmarks/peers
    return BAR_OF_ROUTES if name.startswith(W5) else BARS.get(name)


def main() -> None:
    """Measure and print the table."""
    cells = sorted([*PATHS, W5])
    parser = argparse.ArgumentParser(description="HTTP workloads in process, against raw ASGI")
    parser.add_argument("cells", nargs="*", metavar="W", help=f"of {', '.join(cells)}; all")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="end with 1 when a bar is missed")
    options = parser.parse_args()
    if unknown := [cell for cell in options.cells if cell not in cells]:
        parser.error(f"there is no workload {unknown[0]}")
    asked = options.cells or cells
    table = asyncio.run(measure([cell for cell in asked if cell != W5], options.rounds))
    if W5 in asked:
        table |= asyncio.run(measure_routes(options.rounds))
    if options.json:
        print(json.dumps(table))
    else:
        print("| cell | raw us | nexios us | ratio | bar |\n|---|---:|---:|---:|---:|")
        for name, row in table.items():
            times = f"{row['raw_us']:.2f} | {row['nexios_us']:.2f} | {row['ratio']:.2f}"
            print(f"| {name} | {times} | {bar_of(name) or '-'} |")
    missed = [n for n, row in table.items() if row["ratio"] > (bar_of(n) or row["ratio"])]
    if options.check and missed:
        raise SystemExit(f"over the bar: {', '.join(missed)}")


if __name__ == "__main__":
    main()
