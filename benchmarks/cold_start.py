"""Cold start: a fresh process imports a framework, builds 50 routes and answers one request.

    python benchmarks/cold_start.py             # installs the peers into a temporary environment
    python benchmarks/cold_start.py --rounds 20 --keep FOLDER   # and keeps it for the next run
    python benchmarks/cold_start.py --alone     # Nexios in this environment, no peers
    python benchmarks/cold_start.py --check     # end with 1 when a bar is missed

``built`` is import and 50 routes, half with an ``int`` in the path; ``served`` is that, one
request to the last of them in process and the interpreter's end. Wall and CPU milliseconds are
those of the whole process, MiB its peak of resident memory; bytecode is cached by a first run
that does not count. The peers take turns, and medians count. Each environment holds a framework
with the libraries it declares and nothing else: dependency-injector, for one, imports PyYAML and
pydantic-settings where it finds them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
import venv
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[1]
PEERS: Final = ("starlette==1.10.0", "fastapi==0.165.0", "pydantic==2.14.3")
BARS: Final = {"starlette": 180 / 108, "fastapi": 180 / 369}
"""Of Nexios, built: milliseconds as a multiple of the peer's."""

BAR_MIB: Final = 32

NEXIOS: Final = """
from nexios import NexiosApp
app = NexiosApp()
async def static() -> str:
    return "ok"
async def item(id: int) -> dict[str, object]:
    return {"id": id}
for n in range(25):
    app.get(f"/api/v1/res{n}/items")(static)
    app.get(f"/api/v1/res{n}/items/{{id:int}}")(item)
"""

STARLETTE: Final = """
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
async def static(request):
    return PlainTextResponse("ok")
async def item(request):
    return JSONResponse({"id": request.path_params["id"]})
routes = []
for n in range(25):
    routes.append(Route(f"/api/v1/res{n}/items", static))
    routes.append(Route(f"/api/v1/res{n}/items/{{id:int}}", item))
app = Starlette(routes=routes)
"""

FASTAPI: Final = """
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
app = FastAPI()
async def static():
    return PlainTextResponse("ok")
async def item(id: int):
    return {"id": id}
for n in range(25):
    app.get(f"/api/v1/res{n}/items")(static)
    app.get(f"/api/v1/res{n}/items/{{id}}")(item)
"""

REQUEST: Final = """
import asyncio
sent = []
async def receive():
    return {"type": "http.request", "body": b"", "more_body": False}
async def send(message):
    sent.append(message)
PATH = "/api/v1/res24/items/7"
SCOPE = {
    "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
    "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 5000), "scheme": "http",
    "root_path": "", "method": "GET", "path": PATH, "raw_path": PATH.encode(),
    "query_string": b"", "headers": [(b"host", b"127.0.0.1:8000")], "state": {},
}
asyncio.run(app(SCOPE, receive, send))
assert sent[0]["status"] == 200 and b"7" in sent[1]["body"], sent
"""

APPS: Final = {"starlette": STARLETTE, "fastapi": FASTAPI, "nexios": NEXIOS}
STAGES: Final = {"built": "", "served": REQUEST}
COUNT: Final = "\nimport sys\nprint(len(sys.modules))\n"

Row = dict[str, float]


def environment(folder: Path, requirements: list[str]) -> Path:
    """Return the interpreter of an environment with these requirements, made when missing."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--quiet", *requirements]
        subprocess.run([*command, "-c", str(PROJECT / "constraints.txt")], check=True)
    return python


def declared() -> list[str]:
    """Return what Nexios itself requires."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    return [str(one) for one in project["dependencies"]]


def once(python: Path, code: str, bytecode: Path) -> Row:
    """Return what one fresh process took."""
    changed = {"PYTHONPATH": str(PROJECT), "PYTHONPYCACHEPREFIX": str(bytecode)}
    kept = {name: value for name, value in os.environ.items() if name[:6] != "PYTHON"}
    kept |= changed
    started = time.perf_counter()
    process = subprocess.Popen([python, "-c", code], env=kept, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        modules = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the application failed with {process.returncode}")
    return {
        "ms": wall * 1e3,
        "cpu_ms": (used.ru_utime + used.ru_stime) * 1e3,
        "MiB": used.ru_maxrss / 1024,
        "modules": float(modules),
    }


def measure(pythons: dict[str, Path], rounds: int, bytecode: Path) -> dict[str, Row]:
    """Return the medians by peer and stage, ``starlette built`` and so on."""
    cells = {
        f"{peer} {stage}": (python, APPS[peer] + request + COUNT)
        for stage, request in STAGES.items()
        for peer, python in pythons.items()
    }
    for python, code in cells.values():
        once(python, code, bytecode)
    found: dict[str, list[Row]] = {name: [] for name in cells}
    for _ in range(rounds):
        for name, (python, code) in cells.items():
            found[name].append(once(python, code, bytecode))
    return {
        name: {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        for name, rows in found.items()
    }


def missed(table: dict[str, Row]) -> list[str]:
    """Return the bars that Nexios is over."""
    ours = table["nexios built"]
    over = [f"{ours['MiB']:.1f} MiB"] if ours["MiB"] > BAR_MIB else []
    for peer, bar in BARS.items():
        if f"{peer} built" in table:
            ratio = ours["ms"] / table[f"{peer} built"]["ms"]
            over += [f"{ratio:.2f} times {peer} (bar {bar:.2f})"] if ratio > bar else []
    return over


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description="Cold start beside Starlette and FastAPI")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--keep", type=Path, help="environments stand there and are used again")
    parser.add_argument("--alone", action="store_true", help="no peers, in this environment")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true", help="end with 1 when a bar is missed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nexios-cold-") as temporary:
        if options.alone:
            pythons = {"nexios": Path(sys.executable)}
        else:
            home = Path(options.keep or temporary).resolve()
            peers = environment(home / "peers", list(PEERS))
            ours = environment(home / "nexios", declared())
            pythons = {"starlette": peers, "fastapi": peers, "nexios": ours}
        table = measure(pythons, options.rounds, Path(temporary) / "bytecode")
    if options.json:
        print(json.dumps(table))
    else:
        print("| | wall ms | CPU ms | MiB | modules |\n|---|---:|---:|---:|---:|")
        for name, row in table.items():
            times = f"{row['ms']:.0f} | {row['cpu_ms']:.0f} | {row['MiB']:.1f}"
            print(f"| {name} | {times} | {row['modules']:.0f} |")
    over = missed(table)
    if options.check and over:
        raise SystemExit(f"over the bar: {', '.join(over)}")


if __name__ == "__main__":
    main()
