"""Sockets on the wire, against hand-written ASGI; every figure a ratio taken in one run.

    python benchmarks/realtime.py
    python benchmarks/realtime.py --only fanout --rounds 15
    python benchmarks/realtime.py --only idle --sockets 2000 --json

``echo``    round trips of one socket: the application against raw, both on our engine.
``fanout``  one message to 200 sockets, four in flight: deliveries a second and server CPU of one,
            on our engine and on stock uvicorn, both against raw ASGI on stock uvicorn.
``deflate`` the same with 0.8 KB, to sockets that offer permessage-deflate.
``idle``    bytes of the server's memory for one open socket, in a channel and not.
``slow``    the 99th percentile of the delay from publishing to arrival at 490 sockets, with ten
            more that read and with ten more that stand still.

Servers are processes of their own. What is compared runs in turns of a fraction of a second, first
one and then the other, so that a machine with other work slows both; a ratio is the median over
the pairs. CPU is that of the server's loop, which other work disturbs less than a rate.
"""

import argparse
import asyncio
import json
import re
import statistics
import time
from collections.abc import Callable
from typing import Any, Final

import uvloop
from realtime_client import OFFER, Client, connected
from realtime_servers import Process, serving

SOCKETS: Final = 200
IN_FLIGHT: Final = 4
TEXT: Final = b"x" * 64
LARGE: Final = b" ".join(b"seat %d of the room has something to say;" % n for n in range(20))
"""For those who inflate: 0.8 KB, of which a tenth is left."""
TRIPS: Final = 1000
"""Round trips in one turn: 50 ms."""
_MOMENT: Final = re.compile(rb"@(\d+\.\d+)@")

Row = dict[str, Any]


async def _counted(process: Process, seconds: float, total: list[int], frame: int) -> Row:
    """Return what came in a while, once it runs evenly."""
    await asyncio.sleep(seconds / 4)
    before, cpu, start = total[0], process.cpu_s(), time.perf_counter()
    await asyncio.sleep(seconds)
    count = (total[0] - before) / frame
    spent = time.perf_counter() - start
    return {"rate": count / spent, "cpu_us": (process.cpu_s() - cpu) / max(count, 1) * 1e6}


class Echo:
    """One socket of a server, which sends a message each time it has come back."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._client: Client
        self._left = 0
        self._done: asyncio.Future[None]

    async def open(self) -> None:
        """Connect."""
        self._client = await connected(self._process.port, "/ws", self._arrived)

    def close(self) -> None:
        self._client.transport.abort()

    async def trips(self, number: int) -> Row:
        """Return round trips a second and the server's CPU for each of so many."""
        self._left = number * (len(TEXT) + 2)
        self._done = asyncio.get_running_loop().create_future()
        cpu, start = self._process.cpu_s(), time.perf_counter()
        self._client.say(TEXT)
        await self._done
        spent = time.perf_counter() - start
        return {"rate": number / spent, "cpu_us": (self._process.cpu_s() - cpu) / number * 1e6}

    def _arrived(self, client: Client, data: bytes) -> None:
        self._left -= len(data)
        if self._left > 0:
            client.say(TEXT)
        else:
            self._done.set_result(None)


async def echoes(ours: Process, raw: Process, seconds: float) -> list[tuple[Row, Row]]:
    """Return pairs of turns, which are short: what else runs then slows both alike."""
    pair = [Echo(ours), Echo(raw)]
    for one in pair:
        await one.open()
        await one.trips(TRIPS)
    rows: list[tuple[Row, Row]] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        first, second = (pair[0], pair[1]) if len(rows) % 2 else (pair[1], pair[0])
        found = {one: await one.trips(TRIPS) for one in (first, second)}
        rows.append((found[pair[0]], found[pair[1]]))
    for one in pair:
        one.close()
    return rows


async def fanout(process: Process, seconds: float, *, quoted: bool, squeezed: bool = False) -> Row:
    """Send a message to all, four in flight, the next when one has come to all."""
    text, offer = (LARGE, OFFER) if squeezed else (TEXT, "")
    # A channel speaks JSON; compressed frames are counted, as their size is the server's affair.
    frame = 1 if squeezed else len(text) + 2 + (2 if quoted else 0)
    total, due = [0], [frame * SOCKETS]

    def arrived(client: Client, data: bytes) -> None:
        total[0] += client.frames.count(data) if squeezed else len(data)
        while total[0] >= due[0]:
            due[0] += frame * SOCKETS
            clients[0].say(text)

    clients = [
        await connected(process.port, "/chat", arrived, offer=offer) for _ in range(SOCKETS)
    ]
    for _ in range(IN_FLIGHT):
        clients[0].say(text)
    row = await _counted(process, seconds, total, frame)
    for client in clients:
        client.transport.abort()
    await asyncio.sleep(0.2)
    return row


async def idle(process: Process, path: str, number: int) -> float:
    """Return the bytes one open socket takes of the server."""
    warm = [await connected(process.port, path, lambda *_: None) for _ in range(50)]
    await asyncio.sleep(0.5)
    before = process.memory()
    clients = []
    for _ in range(number // 50):
        opening = (connected(process.port, path, lambda *_: None) for _ in range(50))
        clients += await asyncio.gather(*opening)
    await asyncio.sleep(1.0)
    grown = (process.memory() - before) / len(clients)
    for client in (*warm, *clients):
        client.transport.abort()
    return grown


async def slow(process: Process, seconds: float, stopped: int, *, sockets: int = 500) -> float:
    """Return the 99th percentile of the delay, in milliseconds, for those who read.

    Those that stand still have to fall behind the kernel's buffers, or nothing is measured: it is
    seen in the end that the server has given each of them up.

    Raises:
        RuntimeError: It has not.
    """
    delays: list[float] = []
    counting = False

    def arrived(_: Client, data: bytes) -> None:
        if counting:
            now = time.perf_counter()
            # A moment that is cut in two by the reads is not counted.
            delays.extend(now - float(moment) for moment in _MOMENT.findall(data))

    clients = [await connected(process.port, "/chat", arrived) for _ in range(sockets - 10)]
    others = [
        await connected(process.port, "/chat", lambda *_: None, buffer=4096) for _ in range(10)
    ]
    for client in others[:stopped]:
        client.transport.pause_reading()
    pad = b"x" * 4000
    start = time.perf_counter()
    for number in range(int(seconds * 20)):
        counting = number >= 60
        clients[0].say(b"@%f@%s" % (time.perf_counter(), pad))
        await asyncio.sleep(max(0.0, start + (number + 1) / 20 - time.perf_counter()))
    counting = False
    for client in others[:stopped]:
        client.transport.resume_reading()
    await asyncio.sleep(2.0)
    left = sum(not client.transport.is_closing() for client in others[:stopped])
    for client in (*clients, *others):
        client.transport.abort()
    await asyncio.sleep(0.3)
    if left:
        raise RuntimeError(f"{left} of {stopped} sockets that stood still were never behind")
    cuts: list[float] = statistics.quantiles(delays, n=100)
    return float(cuts[98]) * 1e3


# The rows


def _ratio(rows: list[tuple[Row, Row]], field: str) -> float:
    ratios: list[float] = [ours[field] / raw[field] for ours, raw in rows]
    return round(statistics.median(ratios), 3)


def _figures(name: str, rows: list[tuple[Row, Row]]) -> Row:
    return {
        "name": name,
        "rate": round(statistics.median(ours["rate"] for ours, _ in rows)),
        "raw_rate": round(statistics.median(raw["rate"] for _, raw in rows)),
        "ratio": _ratio(rows, "rate"),
        "cpu_us": round(statistics.median(ours["cpu_us"] for ours, _ in rows), 2),
        "cpu_ratio": _ratio(rows, "cpu_us"),
    }


def echo_rows(rounds: int, seconds: float) -> list[Row]:
    rows = []
    for _ in range(rounds):
        with serving("nexios-ours", "raw-ours") as servers:
            ours, raw = servers.values()
            rows += uvloop.run(echoes(ours, raw, seconds))
    return [_figures("echo, both on our engine (bar 0.95)", rows)]


def fanout_rows(rounds: int, seconds: float) -> list[Row]:
    with serving("nexios-ours", "nexios-stock", "raw-stock") as servers:
        ours, stock = [], []
        for _ in range(rounds):
            found = {
                kind: uvloop.run(fanout(process, seconds, quoted=kind.startswith("nexios")))
                for kind, process in servers.items()
            }
            ours.append((found["nexios-ours"], found["raw-stock"]))
            stock.append((found["nexios-stock"], found["raw-stock"]))
    return [
        _figures("fan-out, our engine (bar 1.5)", ours),
        _figures("fan-out, stock uvicorn (bar 0.8)", stock),
    ]


def deflate_rows(rounds: int, seconds: float) -> list[Row]:
    pairs: list[tuple[Row, Row]] = []
    with serving("nexios-ours-deflate", "raw-stock-deflate") as servers:
        ours, raw = servers.values()
        for _ in range(rounds):
            first = uvloop.run(fanout(ours, seconds, quoted=True, squeezed=True))
            pairs.append((first, uvloop.run(fanout(raw, seconds, quoted=False, squeezed=True))))
    return [_figures("fan-out with deflate, our engine (bar 2)", pairs)]


def idle_rows(number: int) -> list[Row]:
    rows = []
    raw = 0.0
    cases = (("raw-ours", "/ws"), ("nexios-ours", "/ws"), ("nexios-ours", "/chat"))
    for kind, path in cases:
        with serving(kind) as servers:
            size = uvloop.run(idle(servers[kind], path, number))
        raw = raw or size
        name = f"idle, {kind} {path}, {number} sockets"
        rows.append({"name": name, "bytes": round(size), "ratio": round(size / raw, 3)})
    return rows


def slow_rows(rounds: int, seconds: float) -> list[Row]:
    with serving("nexios-ours") as servers:
        process = servers["nexios-ours"]
        pairs = []
        for number in range(rounds):
            found = {}
            for stopped in (0, 10) if number % 2 else (10, 0):
                found[stopped] = uvloop.run(slow(process, seconds, stopped))
            pairs.append((found[10], found[0]))
    return [
        {
            "name": "p99 in ms, 10 of 500 stopped (bar 1.2)",
            "stopped_ms": round(statistics.median(pair[0] for pair in pairs), 2),
            "without_ms": round(statistics.median(pair[1] for pair in pairs), 2),
            "ratio": round(statistics.median(pair[0] / pair[1] for pair in pairs), 3),
        }
    ]


def main() -> None:
    """Run what was asked for and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=("echo", "fanout", "deflate", "idle", "slow"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--sockets", type=int, default=10_000, help="idle ones")
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    kinds: dict[str, Callable[[], list[Row]]] = {
        "echo": lambda: echo_rows(told.rounds, told.seconds),
        "fanout": lambda: fanout_rows(told.rounds, told.seconds),
        "deflate": lambda: deflate_rows(told.rounds, told.seconds),
        "idle": lambda: idle_rows(told.sockets),
        "slow": lambda: slow_rows(max(1, told.rounds // 2), told.seconds * 10),
    }
    for name, rows in kinds.items():
        if told.only in (None, name):
            for row in rows():
                print(json.dumps(row) if told.json else _shown(row), flush=True)


def _shown(row: Row) -> str:
    rest = "  ".join(f"{key} {value}" for key, value in row.items() if key != "name")
    return f"{row['name']:<44} {rest}"


if __name__ == "__main__":
    main()
