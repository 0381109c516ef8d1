"""Four times what one worker can do, on two cores: what is still answered in time?

    python benchmarks/overload.py               with and without the middleware, and waiting
    python benchmarks/overload.py --check       end with 1 when a bar is missed
    python benchmarks/overload.py --times 3 --seconds 20 --json

A worker of ``nexios run`` has one core to itself, its clients the other one, in a process of
their own. A request takes 2 ms of CPU and waits 10 ms. Clients are an open loop: they come at
their rate whatever becomes of them, and give up after 1 s. Useful is a 200 within 250 ms.

capacity   answers a second to a closed loop of 16 clients, without the middleware: a closed loop
           at saturation is overload, and would be shed
plateau    the best useful rate of open loops at 0.7, 0.85 and 1 of the capacity
overload   four times the capacity; the first two seconds are told apart. `/health/live` is asked
           ten times a second, each time by a new connection
recovery   after it half of the capacity comes: seconds until every request is useful again
waiting    requests that wait 500 ms and use next to no CPU: none may be refused

Bars, with the middleware: goodput >= 70 % of the plateau, p99 of what was accepted <= 250 ms, p99
of the probes <= 100 ms, recovery <= 3 s, no refusal of what waits. The lag of the clients' own
loop is told too: where it is not small the machine was busy, and the figures say little.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from workers import HOST, free_port, stay_on_core, until_it_listens

GIVE_UP_S: Final = 1.0
USEFUL_S: Final = 0.25
SETTLING_S: Final = 2.0
RECOVERY_S: Final = 6.0
TIMES: Final = 4.0
_SHED: Final = "OVERLOAD_SHED"


def burn(seconds: float) -> None:
    """Use so much CPU, however long a busy machine takes for it."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def served() -> Any:
    """Build what the worker serves."""
    from nexios import MakeConfig, NexiosApp
    from nexios.middleware import LoadSheddingMiddleware

    app = NexiosApp(config=MakeConfig(openapi={"enabled": False}))
    if os.environ.get(_SHED) == "1":
        app.add_middleware(LoadSheddingMiddleware())

    @app.get("/work")
    async def work() -> str:
        burn(0.001)
        await asyncio.sleep(0.010)
        burn(0.001)
        return "done"

    @app.get("/wait")
    async def wait() -> str:
        await asyncio.sleep(0.5)
        return "done"

    return app


@dataclass(slots=True)
class Seen:
    """One request as its client saw it; status 0 is given up, -1 a broken connection."""

    at: float
    took_s: float
    status: int

    @property
    def useful(self) -> bool:
        """Whether somebody could use it."""
        return self.status == 200 and self.took_s <= USEFUL_S


class Line(asyncio.Protocol):
    """A connection that carries one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[int] | None = None
        self.closing = False
        self._data = b""

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self.transport = transport

    def ask(self, path: str) -> "asyncio.Future[int]":
        """Send a GET; the future gives the status."""
        assert self.transport is not None
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        return self.answer

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer."""
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        if not found:
            return
        fields = head.lower().split(b"\r\n")
        length = next(int(one[15:]) for one in fields if one.startswith(b"content-length:"))
        if len(body) < length:
            return
        self._data = b""
        self.closing = b"connection: close" in fields
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(int(head[9:12]))

    def connection_lost(self, _error: Exception | None) -> None:
        """Tell whoever waits."""
        self.closing = True
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(-1)


@dataclass(slots=True)
class Clients:
    """Everybody who asks, and what they saw."""

    port: int
    seen: list[Seen] = field(default_factory=list)
    probes: list[Seen] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    _idle: list[Line] = field(default_factory=list)
    _tasks: set[Any] = field(default_factory=set)

    async def one(self, path: str, into: list[Seen], *, fresh: bool = False) -> None:
        """Ask once."""
        started, status, line = time.perf_counter(), 0, None
        try:
            async with asyncio.timeout(GIVE_UP_S):
                while self._idle and not fresh:
                    line = self._idle.pop()
                    if not line.closing:
                        break
                    line = None
                if line is None:
                    loop = asyncio.get_running_loop()
                    _, line = await loop.create_connection(Line, HOST, self.port)
                status = await line.ask(path)
        except TimeoutError:
            pass
        except OSError:
            status = -1
        into.append(Seen(started, time.perf_counter() - started, status))
        if line is not None and line.transport is not None:
            if status > 0 and not line.closing and not fresh:
                self._idle.append(line)
            else:
                line.transport.abort()

    def start(self, path: str, into: list[Seen], *, fresh: bool = False) -> None:
        """Ask once, and wait for nothing."""
        task = asyncio.ensure_future(self.one(path, into, fresh=fresh))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def open_loop(self, path: str, rate: float, seconds: float) -> list[Seen]:
        """Come at a rate, whatever becomes of it; return what was seen."""
        found: list[Seen] = []
        begun = time.perf_counter()
        sent, probed = 0, 0
        while (now := time.perf_counter() - begun) < seconds:
            while sent < now * rate:
                self.start(path, found)
                sent += 1
            if probed < now * 10:
                self.start("/health/live", self.probes, fresh=True)
                probed += 1
            due = time.perf_counter() + 0.002
            await asyncio.sleep(0.002)
            self.lags.append(time.perf_counter() - due)
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        return found

    async def closed_loop(self, path: str, clients: int, seconds: float) -> float:
        """Return the answers a second to so many who come again at once."""
        found: list[Seen] = []
        until = time.perf_counter() + seconds

        async def client() -> None:
            while time.perf_counter() < until:
                await self.one(path, found)

        await asyncio.gather(*(client() for _ in range(clients)))
        return sum(one.status == 200 for one in found) / seconds


def p99(values: Sequence[float]) -> float:
    """Return what 99 of a hundred are not above."""
    return sorted(values)[max(0, int(len(values) * 0.99) - 1)] if values else float("nan")


async def capacity_of(port: int) -> dict[str, float]:
    """Return how many answers a second one worker gives."""
    clients = Clients(port)
    await clients.closed_loop("/work", 16, 1.0)
    return {"capacity": await clients.closed_loop("/work", 16, 3.0)}


async def overload(port: int, seconds: float, times: float, capacity: float) -> dict[str, float]:
    """Ask one worker for too much and return what came of it."""
    clients = Clients(port)
    await clients.open_loop("/work", capacity / 2, 1.0)
    plateau = 0.0
    for share in (0.7, 0.85, 1.0):
        seen = await clients.open_loop("/work", capacity * share, 4.0)
        plateau = max(plateau, sum(one.useful for one in seen) / 4.0)
    clients.probes, clients.lags = [], []
    begun = time.perf_counter()
    load = asyncio.ensure_future(clients.open_loop("/work", capacity * times, seconds))
    await asyncio.sleep(seconds)
    calm_from = time.perf_counter()
    after = await Clients(port).open_loop("/work", capacity / 2, RECOVERY_S)
    seen = await load
    settled = [one for one in seen if one.at - begun >= SETTLING_S]
    good = [one for one in settled if one.status == 200]
    bad = [one.at + one.took_s - calm_from for one in after if not one.useful]
    return {
        "plateau": plateau,
        "asked": capacity * times,
        "goodput": sum(one.useful for one in settled) / (seconds - SETTLING_S),
        "goodput_at_first": sum(one.useful for one in seen if one.at - begun < SETTLING_S)
        / SETTLING_S,
        "accepted_p99_s": p99([one.took_s for one in good]),
        "refused": sum(one.status == 503 for one in settled),
        "given_up": sum(one.status == 0 for one in settled),
        "broken": sum(one.status == -1 for one in settled),
        "probe_p99_s": p99([one.took_s for one in clients.probes]),
        "probes_lost": sum(one.status != 200 for one in clients.probes),
        "recovery_s": max(bad, default=0.0),
        "client_lag_p99_s": p99(clients.lags),
    }


async def waiting(port: int, seconds: float) -> dict[str, float]:
    """Ask for what waits half a second, 400 times a second, and return what came of it."""
    clients = Clients(port)
    seen = await clients.open_loop("/wait", 400.0, seconds)
    return {
        "asked": len(seen),
        "refused": sum(one.status == 503 for one in seen),
        "failed": sum(one.status not in (200, 503) for one in seen),
        "p99_s": p99([one.took_s for one in seen if one.status == 200]),
        "client_lag_p99_s": p99(clients.lags),
    }


@contextmanager
def worker(*, shed: bool) -> Iterator[int]:
    """Run one worker on a core of its own and yield its port."""
    port = free_port()
    here = Path(__file__).resolve().parent
    command = [sys.executable, "-m", "nexios", "run", "overload:app", "--port", str(port)]
    environment = {**os.environ, _SHED: str(int(shed)), "PYTHONPATH": str(here.parent)}
    with subprocess.Popen(  # no threads here
        [*command, "--log-level", "critical"],
        cwd=here,
        env=environment,
        preexec_fn=partial(stay_on_core, 0),  # noqa: PLW1509
    ) as child:
        try:
            until_it_listens(port, child)
            yield port
        finally:
            child.terminate()
            try:
                child.wait(30)
            except subprocess.TimeoutExpired:
                child.kill()


def clients_in_a_process(kind: str, port: int, **figures: float) -> dict[str, float]:
    """Run the clients on the other core and return what they saw."""
    told = subprocess.run(  # no threads here
        [
            *(sys.executable, __file__, "--clients", kind, "--port", str(port)),
            *(part for name, value in figures.items() for part in (f"--{name}", str(value))),
        ],
        check=True,
        capture_output=True,
        preexec_fn=partial(stay_on_core, 1),  # no threads here
    )
    found: dict[str, float] = json.loads(told.stdout)
    return found


def run_once(seconds: float, times: float) -> dict[str, dict[str, float]]:
    """Run every workload once."""
    found = {}
    with worker(shed=False) as port:
        found["alone"] = clients_in_a_process("capacity", port)
        capacity = found["alone"]["capacity"]
        found["without"] = clients_in_a_process(
            "overload", port, seconds=seconds, load=times, capacity=capacity
        )
    with worker(shed=True) as port:
        found["with"] = clients_in_a_process(
            "overload", port, seconds=seconds, load=times, capacity=capacity
        )
    with worker(shed=True) as port:
        found["waiting"] = clients_in_a_process("waiting", port, seconds=seconds)
    return found


def missed(found: dict[str, dict[str, float]]) -> list[str]:
    """Return the bars that were missed, each with its figure."""
    ours, waits = found["with"], found["waiting"]
    share = ours["goodput"] / max(ours["plateau"], found["without"]["plateau"])
    bars = [
        (share >= 0.7, f"goodput is {share:.0%} of the plateau, not 70 %"),
        (ours["accepted_p99_s"] <= 0.25, f"p99 of accepted is {ours['accepted_p99_s']:.3f} s"),
        (ours["probe_p99_s"] <= 0.1, f"p99 of probes is {ours['probe_p99_s']:.3f} s"),
        (ours["recovery_s"] <= 3.0, f"recovery took {ours['recovery_s']:.1f} s"),
        (waits["refused"] == 0, f"{waits['refused']:.0f} of what waits were refused"),
    ]
    return [says for met, says in bars if not met]


def main() -> None:
    """Read the command line, run and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=12.0, help="of overload")
    parser.add_argument("--load", type=float, default=TIMES, help="times the capacity")
    parser.add_argument("--times", type=int, default=1, help="the median of so many runs")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="end with 1 when a bar is missed")
    parser.add_argument(
        "--clients", choices=["capacity", "overload", "waiting"], help=argparse.SUPPRESS
    )
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--capacity", type=float, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.clients is not None:
        asked = {
            "capacity": lambda: capacity_of(told.port),
            "overload": lambda: overload(told.port, told.seconds, told.load, told.capacity),
            "waiting": lambda: waiting(told.port, told.seconds),
        }
        print(json.dumps(asyncio.run(asked[told.clients]())))
        return
    runs = [run_once(told.seconds, told.load) for _ in range(told.times)]
    found = {
        name: {key: statistics.median(run[name][key] for run in runs) for key in runs[0][name]}
        for name in runs[0]
    }
    if told.json:
        print(json.dumps(found, indent=2))
    else:
        for name, figures in found.items():
            print(f"## {name}")
            for key, value in figures.items():
                print(f"{key:20} {value:10.3f}")
    failures = missed(found)
    for one in failures:
        print(f"missed: {one}", file=sys.stderr)
    if told.check and failures:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
elif os.environ.get(_SHED) is not None:
    app = served()
