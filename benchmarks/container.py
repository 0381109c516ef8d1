"""The container's bars (``design/container.md`` 7): plans, other containers, building.

    python benchmarks/container.py                 every cell: microseconds, ratio, bar
    python benchmarks/container.py C1 C2 --rounds 80 --json

C1  both singletons and five request-scoped objects in a handler of eight parameters
C2  C1, a generator and an async generator
C3  two singletons
C4  one async generator and two objects above it
shared       C1 in a scope that is open already, against C1
get          ``scope.get_now`` and ``scope.get`` of a key, against the plan of the same graph
interpreted  C1 with every object made by calling its provider, against C1 by hand
peers        C1, C2 and C3 against dishka, wireup and that-depends
build        building and checking 200 bindings against reading their signatures; 1,000 against 200
start        from the first ``Module`` to a running container of 1,000 bindings, milliseconds
memory       bytes a binding of a built container
scopes       ``ScopeContext`` objects made by a hundred calls of C1 and C3

By hand means straight code with the same guarantees (``container_graph.py``). Variants take
turns batch by batch, the collector is off inside a round, the ratio is taken inside a round, and
the median over the rounds counts. Times are CPU times of the one thread.

Other containers, which Nexios does not need:  pip install dishka wireup that-depends
"""

import argparse
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import anyio
from container_builds import (
    ENTRIES,
    against_fewer,
    against_signatures,
    bytes_of_binding,
    start_ms,
)
from container_graph import (
    ByHand,
    Opened,
    Outer,
    Request,
    c1,
    c2,
    c3,
    c4,
    counted,
    graph_module,
    outer,
    point,
)
from container_peers import peers
from timing import Result, Variant, compare

from nexios.container.container import Container
from nexios.container.scope import ScopeContext

FIVE = dict.fromkeys("CDEFG", 1)
SEVEN = dict.fromkeys("CDEFGHI", 1)
THREE = {"Session": 1, "Repository": 1, "Service": 1}
TRANSIENT = {"Outer": 1, "Inner": 2}
PURE_CALLS = 100

Handler = Callable[..., object]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        measure: What the bar is compared with.
        bar: The most it may be; None where there is none.
    """

    cell: str
    against: str
    ours: str
    other: str
    measure: float
    bar: float | None = None

    @property
    def verdict(self) -> str:
        """``ok``, ``over``, or nothing where there is no bar."""
        if self.bar is None:
            return ""
        return "ok" if self.measure <= self.bar else "over"


def row(cell: str, against: str, result: Result, bar: float | None = None) -> Row:
    """Return the line of a ratio."""
    ours, other = f"{result.ours_us:.3f}", f"{result.other_us:.3f}"
    return Row(cell, against, ours, other, result.ratio, bar)


class Bench:
    """Measures cells, each against what it is compared with."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        self.notes: list[str] = []

    async def c1(self) -> list[Row]:
        """C1 against the straight code."""
        async with running() as container:
            return [await self._one("C1", _plan(container, c1), _hand(ByHand().c1()), FIVE, 1.15)]

    async def c2(self) -> list[Row]:
        """C2 against the straight code, shielded as the plan is and not."""
        hand = ByHand()
        return await self._both("C2", c2, hand.c2, SEVEN, 1.35)

    async def c3(self) -> list[Row]:
        """C3 against the straight code."""
        async with running() as container:
            return [await self._one("C3", _plan(container, c3), _hand(ByHand().c3()), {}, 1.2)]

    async def c4(self) -> list[Row]:
        """C4 against the straight code, shielded as the plan is and not."""
        return await self._both("C4", c4, ByHand().c4, THREE, 1.3)

    async def shared(self) -> list[Row]:
        """C1 in an open scope against C1; every call gets a scope of its own."""
        async with running() as container:
            plan = container.entry(point(c1, shared=True)).plan

            def opened(calls: int) -> list[tuple[object, ...]]:
                request = Request()
                return [
                    (request, container.enter(values={Request: request})) for _ in range(calls)
                ]

            inside = Variant(plan.call, opened, plan.awaits, most_calls=100)
            return [await self._one("shared", inside, _plan(container, c1), FIVE, 1.25, "C1 plan")]

    async def get(self) -> list[Row]:
        """A key asked of a scope against an entry that asks for it."""
        async with running() as container, container.enter(values={Request: Request()}) as scope:
            now = Variant(partial(scope.get_now, Outer), _nothing)
            later = Variant(partial(scope.get, Outer), _nothing, awaits=True)
            plan, name = _plan(container, outer), "its plan"
            return [
                await self._one("get_now", now, plan, TRANSIENT, 1.25, name),
                await self._one("get", later, plan, TRANSIENT, None, name),
            ]

    async def interpreted(self) -> list[Row]:
        """C1 without plans against the straight code."""
        if "compiled" not in inspect.signature(Container).parameters:
            self.notes.append("interpreted: skipped, Container takes no compiled= yet")
            return []
        async with running(compiled=False) as container:
            plan = _plan(container, c1)
            return [await self._one("interpreted C1", plan, _hand(ByHand().c1()), FIVE, 20)]

    async def peers(self) -> list[Row]:
        """C1, C2 and C3 against the other containers."""
        present, absent = peers()
        self.notes += [f"{name}: skipped; pip install {name}" for name in absent]
        rows = []
        cells: list[tuple[str, Handler, dict[str, int], float]]
        cells = [("C1", c1, FIVE, 1 / 3), ("C2", c2, SEVEN, 0.8), ("C3", c3, {}, 1 / 3)]
        async with running() as container:
            for cell, handler, made, bar in cells:
                for peer in present:
                    plan = _plan(container, handler)
                    theirs = Variant(peer.cells[cell], _requests, plan.awaits)
                    await theirs.once()  # their singletons are made at the first call
                    rows.append(await self._one(cell, plan, theirs, made, bar, peer.name))
        return rows

    async def build(self) -> list[Row]:
        """Building and checking."""
        read = against_signatures(self.rounds)
        fewer = against_fewer(self.rounds)
        return [
            row("build 200", "reading signatures", read, 10),
            row("build 1000", "build 200", fewer, 7),
        ]

    async def start(self) -> list[Row]:
        """Start, in milliseconds."""
        bare = await start_ms(self.rounds)
        routed = await start_ms(self.rounds, entries=ENTRIES)
        with_entries = f"start 1000, {ENTRIES} entries"
        return [
            Row("start 1000", "", f"{bare:.1f} ms", "", bare, 150),
            Row(with_entries, "", f"{routed:.1f} ms", "", routed),
        ]

    async def memory(self) -> list[Row]:
        """Bytes for each binding."""
        held = bytes_of_binding()
        return [Row("memory", "", f"{held:.0f} bytes a binding", "", held)]

    async def scopes(self) -> list[Row]:
        """Scope objects that the pure path makes."""
        async with running() as container:
            plans = [container.entry(point(handler)).plan for handler in (c1, c3)]
            with _counted_scopes() as made:
                for plan in plans:
                    for _ in range(PURE_CALLS):
                        plan.call(Request())
        return [Row("scopes", f"{PURE_CALLS} calls each", f"{len(made)} made", "", len(made), 0)]

    async def _both(
        self,
        cell: str,
        handler: Handler,
        hand: Callable[..., Callable[[Request], object]],
        made: Mapping[str, int],
        bar: float,
    ) -> list[Row]:
        async with running() as container:
            plan = _plan(container, handler)
            shielded = Variant(hand(shielded=True), _requests, awaits=True)
            bare = Variant(hand(shielded=False), _requests, awaits=True)
            return [
                await self._one(cell, plan, shielded, made, bar),
                await self._one(cell, plan, bare, made, None, "by hand, unshielded"),
            ]

    async def _one(
        self,
        cell: str,
        ours: Variant,
        other: Variant,
        made: Mapping[str, int],
        bar: float | None = None,
        against: str = "by hand",
    ) -> Row:
        await _assert_made(f"{cell}, Nexios", ours, made)
        await _assert_made(f"{cell}, {against}", other, made)
        return row(cell, against, await compare(ours, other, self.rounds), bar)


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[Container]:
    """Start a container of the graph."""
    async with Container(graph_module(), **options) as container:
        yield container


async def _assert_made(name: str, variant: Variant, expected: Mapping[str, int]) -> None:
    """Refuse to time what makes other objects than the graph has, or leaves one open."""
    with counted() as made:
        answer = await variant.once()
    if made != expected:
        raise SystemExit(f"{name}: made {made}, not {dict(expected)}")
    parts = answer if isinstance(answer, tuple) else ()
    if any(isinstance(part, Opened) and part.open for part in parts):
        raise SystemExit(f"{name}: something is open after the call")


def _plan(container: Container, handler: Handler) -> Variant:
    plan = container.entry(point(handler)).plan
    return Variant(plan.call, _requests, plan.awaits)


def _hand(call: Callable[[Request], object]) -> Variant:
    return Variant(call, _requests)


def _requests(calls: int) -> Sequence[tuple[object, ...]]:
    return [(Request(),)] * calls


def _nothing(calls: int) -> Sequence[tuple[object, ...]]:
    return [()] * calls


@contextmanager
def _counted_scopes() -> Iterator[list[ScopeContext]]:
    """Collect the scope objects made in the block."""
    made: list[ScopeContext] = []
    original = ScopeContext.__init__

    def construct(self: ScopeContext, *args: Any, **kwargs: Any) -> None:
        made.append(self)
        original(self, *args, **kwargs)

    ScopeContext.__init__ = construct  # type: ignore[method-assign]  # counted, then put back
    try:
        yield made
    finally:
        ScopeContext.__init__ = original  # type: ignore[method-assign]


def cells_of(bench: Bench) -> dict[str, Callable[[], Awaitable[list[Row]]]]:
    """Return the cells by the name they are chosen with."""
    return {
        "C1": bench.c1,
        "C2": bench.c2,
        "C3": bench.c3,
        "C4": bench.c4,
        "shared": bench.shared,
        "get": bench.get,
        "interpreted": bench.interpreted,
        "peers": bench.peers,
        "build": bench.build,
        "start": bench.start,
        "memory": bench.memory,
        "scopes": bench.scopes,
    }


async def measure(bench: Bench, names: Sequence[str]) -> list[Row]:
    """Return the lines of the cells, in order."""
    cells = cells_of(bench)
    return [line for name in names for line in await cells[name]()]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description="the container's bars")
    bench = Bench(rounds=0)
    names = list(cells_of(bench))
    parser.add_argument("cells", nargs="*", metavar="CELL", help=f"of {', '.join(names)}; all")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if unknown := [cell for cell in options.cells if cell not in names]:
        parser.error(f"there is no cell {unknown[0]}")
    bench.rounds = options.rounds
    rows = anyio.run(measure, bench, options.cells or names)
    if options.json:
        lines = [{**asdict(line), "verdict": line.verdict} for line in rows]
        print(json.dumps({"rows": lines, "notes": bench.notes}))
        return
    print("| cell | against | ours us | other us | ratio | bar | |")
    print("|---|---|---:|---:|---:|---:|---|")
    for line in rows:
        bar = "" if line.bar is None else f"{line.bar:.3g}"
        ratio = f"{line.measure:.2f}" if line.other else ""
        cells = (line.cell, line.against, line.ours, line.other, ratio, bar, line.verdict)
        print(f"| {' | '.join(cells)} |")
    for note in bench.notes:
        print(note)


if __name__ == "__main__":
    main()
