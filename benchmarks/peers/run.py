"""Nexios as two peers in the side-by-side benchmark of web frameworks, on one server and core.

    python benchmarks/peers/run.py PATH/TO/bench --rounds 8 --seconds 1 \\
        --peers nexios,nexios-run,starlette
    python benchmarks/peers/run.py PATH/TO/bench --workloads W5 --peers nexios
    python benchmarks/peers/run.py PATH/TO/bench --check --out results.jsonl --peers nexios-run

``PATH/TO/bench`` holds ``bench.py``, ``peers.toml`` and ``apps/``; what follows goes to
``bench.py``. It is copied aside, so nothing is written there, and this folder's ``nexios_app.py``
joins the peers with this checkout as its requirement: as ``nexios`` on plain uvicorn, like the
others, and as ``nexios-run`` by ``nexios run``, which is uvicorn within our shell; neither writes
a log of requests. With ``--check`` and ``--out`` it ends with 1 when the best round of a workload
is below its bar. W5 has its first route here, too, and its cells are held against each other.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
BARS = {"W1": 0.90, "W2": 0.95, "W3": 0.95, "W4": 0.95, "W6": 0.92}
"""Requests a second at least, as a part of those of the raw ASGI callable."""
APART = 0.9
"""The slowest of W5's cells at least, as a part of the fastest."""
SERVERS = {"nexios": "uvicorn", "nexios-run": "nexios-run"}
RUN = (
    "{bin}/nexios run {app}:app --host 127.0.0.1 --port {port} --log-format off "
    "--log-level warning"
)
FIRST = '("routes", "GET", "/api/v1/res0/items/7", 200, ITEM)'


def joined(peers: str) -> str:
    """Return the table of peers with this checkout in the place of any other Nexios."""
    made = re.sub(r"(?ms)^\[nexios\]\n.*?(?=^\[|\Z)", "", peers)
    requires = json.dumps([str(PROJECT)])
    for name, server in SERVERS.items():
        made += f'\n[{name}]\napp = "nexios_app"\nserver = "{server}"\nrequires = {requires}\n'
    return made


def widened(bench: str) -> str:
    """Return the benchmark with our server among its own, and the first of a thousand routes."""
    told = {
        "SERVERS = {\n": f'    "nexios-run": {RUN!r},\n',
        "HTTP = {\n": f'    "W5-first": {FIRST},\n',
    }
    for start, more in told.items():
        if start not in bench:
            raise SystemExit(f"bench.py has no line {start.strip()!r} any more")
        bench = bench.replace(start, start + more, 1)
    return bench


def forget() -> None:
    """Remove the environments that hold a Nexios: they are kept by its path, whatever it was."""
    cache = Path(os.environ.get("BENCH_CACHE") or Path.home() / ".cache" / "asgi-bench")
    for installed in cache.glob("*/lib/*/site-packages/nexios"):
        shutil.rmtree(cache / installed.relative_to(cache).parts[0])


def missed(results: Path) -> list[str]:
    """Return the workloads whose best round is too small a part of the raw callable's best."""
    best: dict[tuple[str, str], float] = {}
    for line in results.read_text().splitlines():
        row = json.loads(line)
        where = row["peer"], row["cell"]
        best[where] = max(best.get(where, 0.0), row["value"])
    found = []
    for peer in SERVERS:
        for cell, bar in BARS.items():
            if (peer, cell) in best and best[peer, cell] < bar * best["raw", cell]:
                found.append(f"{peer} {cell} {best[peer, cell] / best['raw', cell]:.2f}")
        many = [value for (one, cell), value in best.items() if one == peer and cell[:2] == "W5"]
        if many and min(many) < APART * max(many):
            found.append(f"{peer} W5 {min(many) / max(many):.2f}")
    return found


def main() -> None:
    """Copy, join, run, and check when asked to."""
    parser = argparse.ArgumentParser(description="Nexios among its peers")
    parser.add_argument("bench", type=Path, help="the folder with bench.py")
    parser.add_argument("--check", action="store_true", help="end with 1 when a bar is missed")
    parser.add_argument("--out", type=Path, help="append every measurement to this file")
    options, rest = parser.parse_known_args()
    if options.check and options.out is None:
        parser.error("--check reads the measurements: give --out too")
    forget()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "bench"
        shutil.copytree(options.bench, copy)
        shutil.copy(HERE / "nexios_app.py", copy / "apps")
        table = copy / "peers.toml"
        table.write_text(joined(table.read_text()))
        script = copy / "bench.py"
        script.write_text(widened(script.read_text()))
        out = [] if options.out is None else ["--out", str(options.out.resolve())]
        done = subprocess.run([sys.executable, script, *out, *rest], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    if options.check:
        below = missed(options.out)
        if below:
            raise SystemExit(f"below the bar: {', '.join(below)}")


if __name__ == "__main__":
    main()
