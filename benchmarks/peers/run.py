"""Nexios as a peer in the side-by-side benchmark of web frameworks, on one server and core.

    python benchmarks/peers/run.py PATH/TO/bench --peers nexios,starlette --rounds 8 --seconds 1
    python benchmarks/peers/run.py PATH/TO/bench --check --out results.jsonl --peers nexios

``PATH/TO/bench`` holds ``bench.py``, ``peers.toml`` and ``apps/``; what follows goes to
``bench.py``. It is copied aside, so nothing is written there, and this folder's ``nexios_app.py``
joins the peers with this checkout as its requirement. With ``--check`` and ``--out`` it ends with
1 when the best round of a workload is below its bar.
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


def joined(peers: str) -> str:
    """Return the table of peers with this checkout in the place of any other Nexios."""
    others = re.sub(r"(?ms)^\[nexios\]\n.*?(?=^\[|\Z)", "", peers)
    requires = json.dumps([str(PROJECT)])
    return f'{others}\n[nexios]\napp = "nexios_app"\nserver = "uvicorn"\nrequires = {requires}\n'


def forget() -> None:
    """Remove the environments that hold a Nexios: they are kept by its path, whatever it was."""
    cache = Path(os.environ.get("BENCH_CACHE") or Path.home() / ".cache" / "asgi-bench")
    for installed in cache.glob("*/lib/*/site-packages/nexios"):
        shutil.rmtree(cache / installed.relative_to(cache).parts[0])


def ratios(results: Path) -> dict[str, float]:
    """Return for each workload the best round as a part of the raw callable's best round."""
    best: dict[tuple[str, str], float] = {}
    for line in results.read_text().splitlines():
        row = json.loads(line)
        where = row["peer"], row["cell"]
        best[where] = max(best.get(where, 0.0), row["value"])
    measured = {cell for peer, cell in best if peer == "nexios"}
    return {cell: best["nexios", cell] / best["raw", cell] for cell in BARS if cell in measured}


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
        out = [] if options.out is None else ["--out", str(options.out.resolve())]
        done = subprocess.run([sys.executable, copy / "bench.py", *out, *rest], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    if options.check:
        found = ratios(options.out)
        missed = [f"{cell} {found[cell]:.2f}" for cell in found if found[cell] < BARS[cell]]
        if missed:
            raise SystemExit(f"below the bar: {', '.join(missed)}")


if __name__ == "__main__":
    main()
