"""Compiled and interpreted containers do the same: objects, order, clean-up, errors."""

from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings

from nexios.container.container import Container
from nexios.container.depend import Depend
from nexios.container.module import Module
from nexios.container.scope import Scope
from tests.support.graphs import Graph, graphs
from tests.support.wiring import point, run


async def played(graph: Graph, *, compiled: bool) -> list[str]:
    """Return what happens when everything is asked of one kind of container."""
    container = graph.container(compiled=compiled)
    journal = graph.journal
    try:
        async with container:
            for _ in range(2):
                for number in range(len(graph.entries)):
                    await _call(graph, container, number)
            for key in graph.keys:
                await _ask(graph, container, key)
    except Exception as error:
        journal.lines.append(f"container: {told(error)}")
    return journal.lines


async def _call(graph: Graph, container: Container, number: int) -> None:
    point, journal = graph.entries[number], graph.journal
    kind = Scope.REQUEST if point.shared else Scope.CONNECTION
    try:
        async with container.enter(kind) as scope:
            for read in range(2):
                plan = container.entry(point).plan
                values: list[Any] = [{"read": read}, scope][: len(point.values)]
                result: Any = plan.call(*values)
                if plan.awaits:
                    result = await result
                if plan.finish is not None:
                    result = plan.finish(result)
                journal.lines.append(f"answered {result}")
    except Exception as error:
        journal.lines.append(f"{point.label}: {told(error)}")


async def _ask(graph: Graph, container: Container, key: type) -> None:
    try:
        async with container.enter() as scope:
            graph.journal.add("asked", await scope.get(key), await scope.get(key))
    except Exception as error:
        graph.journal.lines.append(f"asked: {told(error)}")


def told(error: BaseException) -> str:
    """Return all that can be seen of an exception."""
    notes = getattr(error, "__notes__", [])
    inner = [told(item) for item in getattr(error, "exceptions", ())]
    return f"{type(error).__name__}({error}) {notes} {inner}"


@given(graphs())
# A thread that another test left may draw a number meanwhile.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[*HealthCheck])
def test_interpreted_and_compiled_agree_on_random_graphs(graph: Graph) -> None:
    compiled = anyio.run(lambda: played(graph, compiled=True))
    interpreted = anyio.run(lambda: played(graph, compiled=False))
    assert compiled == interpreted


def test_the_random_graphs_are_worth_comparing() -> None:
    seen: set[str] = set()

    @given(graphs())
    @settings(max_examples=100, deadline=None, derandomize=True,
              suppress_health_check=[*HealthCheck])  # fmt: skip
    def look(graph: Graph) -> None:
        lines = anyio.run(lambda: played(graph, compiled=True))
        seen.update(line.split()[0].rstrip(":") for line in lines)
        seen.update("decorate" for line in lines if " around " in line)
        seen.update("close a form" for source in graph.sources if source.is_open)
        plans = graph.container(compiled=True).assembly.plans
        seen.update(plans.why_interpreted(point) or "compiled" for point in graph.entries)

    look()
    wanted = {"make", "close", "set", "read", "guard", "call", "handle", "answered", "asked",
              "open", "compiled", "GET", "decorate", "close a form"}  # fmt: skip
    assert wanted <= seen, wanted - seen
    assert "the container is interpreted" not in seen


@pytest.mark.anyio
async def test_a_plan_of_too_many_objects_is_left_to_the_interpreter() -> None:
    module = Module("wide")
    kinds: list[Any] = [type("K0", (), {})]
    for number in range(1, 14):
        below = kinds[-1]

        def __init__(self: Any, a: Any, b: Any) -> None:  # noqa: N807
            self.held = a, b

        __init__.__annotations__ = {"a": below, "b": below}
        kinds.append(type(f"K{number}", (), {"__init__": __init__}))
    for kind in kinds:
        module.bind(kind, scope=Scope.TRANSIENT)

    def show(top: Any = Depend(kinds[-1])) -> Any:
        return top

    entry_point = point(show, module=module)
    async with Container(module, entries=[entry_point], compiled=True) as container:
        assert "too many objects" in container.assembly.plans.why_interpreted(entry_point)
        assert type(await run(container.entry(entry_point))) is kinds[-1]
