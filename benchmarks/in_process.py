"""In-process cost of a request (W0) against a raw ASGI callable, both in one run.

    python benchmarks/in_process.py            microseconds a call and the ratio, W1 and W2
    python benchmarks/in_process.py --rounds 40 --json

W1 is ``GET /`` answered with plain text, W2 is ``GET /users/{id:int}`` answered with a small JSON
object. Raw and Nexios take turns batch by batch, the collector is off inside a batch, the ratio
is taken inside a round, and the median over the rounds counts.
"""

import argparse
import asyncio
import gc
import json
import statistics
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from nexios import NexiosApp

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

HELLO = "Hello, World!"
TEXT = [(b"content-type", b"text/plain; charset=utf-8")]
JSON = [(b"content-type", b"application/json")]
PATHS = {"W1": "/", "W2": "/users/42"}
WARM_UP_CALLS = 1_000
BATCH_CALLS = 2_000


def user(id: int) -> dict[str, object]:
    """Return what both applications answer with."""
    return {"id": id, "name": f"user-{id}"}


dumps = json.JSONEncoder(separators=(",", ":")).encode


async def raw(scope: Message, receive: Receive, send: Send) -> None:
    """Answer as somebody would who has no framework at all."""
    path = scope["path"]
    if path == "/":
        body, headers = HELLO.encode(), TEXT
    else:
        body, headers = dumps(user(int(path[7:]))).encode(), JSON
    length = (b"content-length", str(len(body)).encode())
    start = {"type": "http.response.start", "status": 200, "headers": [*headers, length]}
    await send(start)
    await send({"type": "http.response.body", "body": body})


def nexios_app() -> NexiosApp:
    """Build the same two routes as a user would write them."""
    app = NexiosApp()

    @app.get("/")
    async def hello() -> str:
        return HELLO

    @app.get("/users/{id:int}")
    async def show(id: int) -> dict[str, object]:
        return user(id)

    return app


class Driver:
    """Calls an application as a server would, without sockets."""

    def __init__(self, app: Application, path: str) -> None:
        self._app = app
        self._sent: list[Message] = []
        self._headers = [(b"host", b"127.0.0.1:8000")]
        self._scope: Message = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 5000),
            "scheme": "http",
            "root_path": "",
            "method": "GET",
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
        """Return the mean seconds a call took."""
        started = time.perf_counter()
        for _ in range(calls):
            await self._call()
            self._sent.clear()
        return (time.perf_counter() - started) / calls

    async def _call(self) -> None:
        scope = {**self._scope, "headers": self._headers.copy(), "state": {}}
        await self._app(scope, self._receive, self._send)

    async def _send(self, message: Message) -> None:
        self._sent.append(message)

    async def _receive(self) -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}


async def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Return for each workload the medians in microseconds and the median ratio."""
    app = nexios_app()
    table: dict[str, dict[str, float]] = {}
    for name, path in PATHS.items():
        ours, bare = Driver(app, path), Driver(raw, path)
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


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description="W1 and W2 in process, against raw ASGI")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    table = asyncio.run(measure(options.rounds))
    if options.json:
        print(json.dumps(table))
        return
    print("| cell | raw us | nexios us | ratio |\n|---|---:|---:|---:|")
    for name, row in table.items():
        print(f"| {name} | {row['raw_us']:.2f} | {row['nexios_us']:.2f} | {row['ratio']:.2f} |")


if __name__ == "__main__":
    main()
