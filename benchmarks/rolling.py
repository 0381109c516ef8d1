"""A rolling restart under load: how many requests fail while every worker is replaced.

    python benchmarks/rolling.py --workers 2 --clients 32 --rolls 2

`nexios run --workers N` serves; clients on kept connections and on fresh ones ask as fast as they
are answered; SIGHUP replaces every worker, the next one serving before the old one drains. A
request counts as failed when it was sent and no 200 came back, for whatever reason: nothing is
tried again. A kept connection that the server closed while nothing was asked is no failure.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

APP = """
import os
import anyio
from nexios import MakeConfig, NexiosApp

app = NexiosApp(config=MakeConfig(server={{"drain_s": {drain}}}))

@app.get("/")
async def who() -> str:
    await anyio.sleep({work})
    return str(os.getpid())
"""
REQUEST = b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n"


@dataclass
class Count:
    """What the clients saw."""

    answered: int = 0
    failures: list[str] = field(default_factory=list)
    pids: set[str] = field(default_factory=set)
    slowest_s: float = 0.0


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, bool]:
    """Ask once; return the body and whether the connection may be used again."""
    writer.write(REQUEST)
    head = await reader.readuntil(b"\r\n\r\n")
    size = re.search(rb"content-length: (\d+)", head)
    if not head.startswith(b"HTTP/1.1 200") or size is None:
        raise ConnectionError(head.split(b"\r\n")[0].decode())
    body = await reader.readexactly(int(size[1]))
    return body.decode(), b"connection: close" not in head


async def client(port: int, count: Count, over: asyncio.Event, *, keep: bool) -> None:
    """Ask until it is over, on a kept connection or on a fresh one each time."""
    line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    while not over.is_set():
        begun = time.perf_counter()
        try:
            if line is not None and line[0].at_eof():
                line[1].close()
                line = None
            if line is None:
                line = await asyncio.open_connection("127.0.0.1", port)
            pid, again = await asyncio.wait_for(ask(*line), 30)
        except (OSError, EOFError, TimeoutError) as error:
            count.failures.append(f"{type(error).__name__}: {error}")
            again = False
        else:
            count.answered += 1
            count.pids.add(pid)
            count.slowest_s = max(count.slowest_s, time.perf_counter() - begun)
        if line is not None and not (again and keep):
            line[1].close()
            line = None
    if line is not None:
        line[1].close()


async def said(log: Path, pattern: str, number: int, within_s: float) -> "re.Match[str]":
    """Wait until the server has said something so many times."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        found = list(re.finditer(pattern, await asyncio.to_thread(log.read_text)))
        if len(found) >= number:
            return found[number - 1]
        await asyncio.sleep(0.05)
    raise TimeoutError(pattern)


@contextmanager
def serving(options: argparse.Namespace) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """Run the server, and kill it in the end; its log is the second of the two."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log.txt")
        Path(folder, "main.py").write_text(APP.format(drain=options.drain, work=options.work))
        command = [sys.executable, "-m", "nexios", "run", "main:app", "--port", "0"]
        command += ["--workers", str(options.workers), "--log-level", "info"]
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, cwd=folder, stdout=out, stderr=out, env=dict(os.environ)
            )
        try:
            yield process, log
        finally:
            process.kill()
            process.wait()


async def measure(
    options: argparse.Namespace, process: "subprocess.Popen[bytes]", log: Path
) -> dict[str, object]:
    """Load, roll, stop, and return the count."""
    found = await said(log, r"running on http://[\d.]+:(\d+)", 1, 60)
    await said(log, "startup complete", options.workers, 120)
    count, over = Count(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for number in range(options.clients):
            keep = number % 2 == 0
            tasks.create_task(client(int(found[1]), count, over, keep=keep))
        await asyncio.sleep(1)
        begun = time.perf_counter()
        for roll in range(options.rolls):
            process.send_signal(signal.SIGHUP)
            done = options.workers * (roll + 1)
            wait_s = 60 + options.workers * (options.drain + 30)
            await said(log, "Finished server process", done, wait_s)
        took = time.perf_counter() - begun
        await asyncio.sleep(1)
        over.set()
    process.send_signal(signal.SIGTERM)
    code = await asyncio.to_thread(process.wait, 60)
    return {
        "answered": count.answered,
        "failed": len(count.failures),
        "failures": sorted(set(count.failures))[:5],
        "workers_seen": len(count.pids),
        "slowest_ms": round(count.slowest_s * 1000),
        "seconds": round(took, 1),
        "exit_code": code,
    }


def main() -> None:
    """Print one line of JSON; exit with 1 when a request failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Plain)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--rolls", type=int, default=1, help="how often every worker is replaced")
    parser.add_argument("--drain", type=float, default=5.0, help="server.drain_s")
    parser.add_argument("--work", type=float, default=0.005, help="seconds a request waits")
    options = parser.parse_args()
    with serving(options) as (process, log):
        result = asyncio.run(measure(options, process, log))
    print(json.dumps(result))
    sys.exit(1 if result["failed"] or result["exit_code"] else 0)


class _Plain(argparse.RawDescriptionHelpFormatter):
    pass


if __name__ == "__main__":
    main()
