"""What a request costs more while somebody listens to the application's signals.

    python benchmarks/hooks.py                  over HTTP and in process
    python benchmarks/hooks.py --rounds 200 --json
    python benchmarks/hooks.py --check          end with 1 when the bar is missed

off        nobody listens, in both halves: what is not 1 there is noise
finished   one listener of `RequestFinished`, which adds the duration to a sum
all        one listener of each of the four events of requests

``GET /users/{id:int}`` of a worker of ``nexios run``, which has a core to itself; its client has
the other one, with 16 connections that each send the next request when all were answered. The
worker tells the CPU seconds of its process, so that the client's and everybody else's do not
count. In process the application is called without server or socket.

One process does both halves of a comparison: listeners come and go between batches, which take
turns. The ratio is taken inside a round, and the median over the rounds counts. Bar: with one
listener, over HTTP, at most 1.03.
"""

import argparse
import asyncio
import gc
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from in_process import Driver
from timing import result_of
from workers import free_port, stay_on_core, until_it_listens

from nexios import MakeConfig, NexiosApp
from nexios.application.signals import (
    RequestCancelled,
    RequestFailed,
    RequestFinished,
    RequestStarted,
)

BAR: Final = 1.03
MODES: Final = ("off", "finished", "all")
CONNECTIONS: Final = 16
BATCH: Final = 25  # of so many requests on each connection
CALLS: Final = 200


class Sum:
    """A sink as small as they get."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.events = 0

    def finished(self, event: RequestFinished) -> None:
        """Take note of an answer."""
        self.seconds += event.duration_s

    def other(self, _: object) -> None:
        """Take note of anything else."""
        self.events += 1


class Switched:
    """An application whose listeners come and go."""

    def __init__(self) -> None:
        self.app = NexiosApp(config=MakeConfig(openapi={"enabled": False}))
        self.sum = Sum()
        finished: dict[type, Callable[[Any], None]] = {RequestFinished: self.sum.finished}
        others = dict.fromkeys((RequestStarted, RequestCancelled, RequestFailed), self.sum.other)
        self._wanted: dict[str, dict[type, Callable[[Any], None]]] = {
            "off": {},
            "finished": finished,
            "all": {**finished, **others},
        }
        self._mode = "off"

        @self.app.get("/users/{id:int}")
        async def user(id: int) -> dict[str, object]:
            return {"id": id, "name": f"user-{id}"}

        @self.app.get("/switch/{mode}")
        async def switch(mode: str) -> dict[str, str]:
            self.switch(mode)
            return {"mode": mode}

        @self.app.get("/cpu")
        async def cpu() -> dict[str, float]:
            return {"seconds": time.process_time()}

    def switch(self, mode: str) -> None:
        """Let these listen, and nobody else."""
        signals = self.app.signals
        for kind, listener in self._wanted[self._mode].items():
            signals.off(kind, listener)
        for kind, listener in self._wanted[mode].items():
            signals.on(kind, listener)
        self._mode = mode


class Client:
    """Some connections to a worker."""

    def __init__(self, port: int) -> None:
        self._sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
        for one in self._sockets:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, path: str) -> Any:
        """Return what a request is answered with."""
        one = self._sockets[0]
        one.sendall(_request(path))
        answer = one.recv(65536)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"{path} is answered with {answer[:60]!r}")
        return json.loads(answer.partition(b"\r\n\r\n")[2])

    def batch(self, times: int) -> float:
        """Return the mean CPU seconds that a request cost the worker."""
        self.ask("/users/42")
        gc.collect()
        request = _request("/users/42")
        started: float = self.ask("/cpu")["seconds"]
        for _ in range(times):
            for one in self._sockets:
                one.sendall(request)
            for one in self._sockets:
                one.recv(65536)
        ended: float = self.ask("/cpu")["seconds"]
        return (ended - started) / (times * CONNECTIONS)


def _request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: */*\r\n\r\n".encode()


@contextmanager
def worker() -> Iterator[int]:
    """Run a worker on a core of its own and yield its port."""
    port = free_port()
    with subprocess.Popen(
        [sys.executable, __file__, "--serve", str(port)], stdout=subprocess.DEVNULL
    ) as child:
        try:
            until_it_listens(port, child)
            yield port
        finally:
            child.terminate()


def over_http(rounds: int) -> dict[str, dict[str, float]]:
    """Compare on a worker."""
    with worker() as port:
        client = Client(port)

        def batch(mode: str) -> float:
            client.ask(f"/switch/{mode}")
            return client.batch(BATCH)

        return compared(batch, rounds)


def in_process(rounds: int) -> dict[str, dict[str, float]]:
    """Compare without a server."""
    switched = Switched()
    driver = Driver(switched.app, "/users/42")
    with asyncio.Runner() as loop:
        loop.run(driver.answer())

        def batch(mode: str) -> float:
            switched.switch(mode)
            gc.collect()
            gc.disable()
            try:
                return loop.run(driver.batch(CALLS))
            finally:
                gc.enable()

        return compared(batch, rounds)


def compared(batch: Callable[[str], float], rounds: int) -> dict[str, dict[str, float]]:
    """Return what each mode costs against nobody listening.

    Args:
        batch: Returns the mean seconds of a request in a mode.
        rounds: How often each pair is measured.
    """
    found = {}
    for mode in MODES:
        pairs = []
        for number in range(rounds + 1):
            # In turns, so that a core growing slower or faster favours neither.
            if number % 2:
                off = batch("off")
                pairs.append((batch(mode), off))
            else:
                pairs.append((batch(mode), batch("off")))
        result = result_of(pairs[1:])  # the first one warms up
        found[mode] = {"us": result.ours_us, "off_us": result.other_us, "ratio": result.ratio}
    return found


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="end with 1 when the bar is missed")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.serve is not None:
        stay_on_core(0)
        Switched().app.run(port=told.serve)
        return
    stay_on_core(1)
    found = {"http": over_http(told.rounds), "in process": in_process(told.rounds)}
    if told.json:
        print(json.dumps(found))
    else:
        for where, modes in found.items():
            print(f"{where:<12}{'us':>8}{'off us':>8}{'ratio':>8}")
            for mode, row in modes.items():
                print(f"  {mode:<10}{row['us']:8.2f}{row['off_us']:8.2f}{row['ratio']:8.3f}")
    if told.check and found["http"]["finished"]["ratio"] > BAR:
        raise SystemExit(f"over the bar of {BAR}: {found['http']['finished']['ratio']:.3f}")


if __name__ == "__main__":
    main()
