"""Circles: objects that need each other to be made, found before anything is."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from nexios.container.binding import Answer, Origin
from nexios.container.errors import DependencyCycle, WiringProblem
from nexios.container.fixes import as_written
from nexios.container.graph import Argument, Graph, Node
from nexios.container.module import variable
from nexios.container.places import Step
from nexios.container.registry import Registry
from nexios.container.signature import display
from nexios.container.trails import path_of
from nexios.layers.rules import Layer, LayerMap


def cycles(
    graph: Graph, registry: Registry, layers: LayerMap, new: Sequence[Node]
) -> Iterator[WiringProblem]:
    """Return each circle once, rotated to its smallest name, below it who leads into it."""
    for component in _components(graph, new):
        ring = _ring(graph, component)
        if not ring:
            continue
        nodes = [graph.nodes[slot] for slot in ring]
        titles = _titles(nodes)
        chain = " -> ".join([*titles, titles[0]])
        asks = [
            (node, next(item for item in node.arguments if item.slot == following))
            for node, following in zip(nodes, [*ring[1:], ring[0]], strict=True)
        ]
        steps = [Step("asks", item.parameter.where.text, item.parameter.where) for _, item in asks]
        first = nodes[0]
        if len(nodes) == 1:
            says = f"{first.title} asks for itself"
            fix = _wrapped(registry, first)
        else:
            says = f"{titles[0]} needs itself: {chain}"
            fix = _broken_by_handle(layers, asks)
        above, label = _into(graph, nodes)
        yield DependencyCycle(
            says, key=first.binding.key, asked_by=(*steps, *above), fix=fix, label=label
        )


def _titles(nodes: Sequence[Node]) -> list[str]:
    """Return the names of a ring; a decorator and what it wraps have the same key."""
    titles = [node.title for node in nodes]
    return [
        title if titles.count(title) == 1 else display(node.binding.source)
        for node, title in zip(nodes, titles, strict=True)
    ]


def _wrapped(registry: Registry, node: Node) -> str:
    """Return how something that asks for its own key gets another object than itself."""
    binding = node.binding.written
    key = binding.key
    if binding.answer is not Answer.SOURCE or binding.origin is not Origin.DECLARED:
        return f"ask for another key, such as Key({node.title}, 'inner'), and bind that"
    inner = f"{variable(node.module.name)}.bind({key}).to(...)"
    outer = as_written(registry, node.module, replace(binding, origin=Origin.DECORATOR))
    return f"bind what is inside, {inner}, and wrap it: {outer}"


def _broken_by_handle(layers: LayerMap, asks: Sequence[tuple[Node, Argument]]) -> str:
    for node, argument in asks:
        source = node.binding.source
        outer = layers.of(source, node.module.layer) not in (Layer.DOMAIN, Layer.APPLICATION)
        # What binds by lists and aliases has no parameter to write a handle at.
        if outer and node.binding.answer is Answer.SOURCE and argument.asked is not None:
            where = argument.parameter.where.text.partition("(")[0]
            return f"{argument.parameter.name}: Lazy[{argument.asked}] in {where}"
    return "move what both need into a third class, or let one tell the other by a domain event"


def _into(graph: Graph, ring: Sequence[Node]) -> tuple[tuple[Step, ...], str]:
    """Return the way from an entry into a circle; empty when no entry leads there."""
    slots = {node.slot for node in ring}
    for node in ring:
        if node.asked_by is not None and node.asked_by.above not in slots:
            return path_of(graph, node.asked_by)
    return (), ""


def _components(graph: Graph, new: Sequence[Node]) -> Iterator[frozenset[int]]:
    """Return the strongly connected components of the hard edges (Tarjan, explicit stack)."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    kept: list[int] = []
    on_stack: set[int] = set()
    for start in new:
        if start.slot in index:
            continue
        work: list[tuple[int, Iterator[int]]] = []
        _visit(graph, start.slot, index, low, kept, on_stack, work)
        while work:
            slot, rest = work[-1]
            following = next(rest, None)
            if following is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[slot])
                if low[slot] == index[slot]:
                    yield _pop(slot, kept, on_stack)
            elif following not in index:
                _visit(graph, following, index, low, kept, on_stack, work)
            elif following in on_stack:
                low[slot] = min(low[slot], index[following])


def _visit(
    graph: Graph, slot: int, index: dict[int, int], low: dict[int, int], kept: list[int],
    on_stack: set[int], work: list[tuple[int, Iterator[int]]],
) -> None:  # fmt: skip
    index[slot] = low[slot] = len(index)
    kept.append(slot)
    on_stack.add(slot)
    work.append((slot, _hard(graph, slot)))


def _pop(slot: int, kept: list[int], on_stack: set[int]) -> frozenset[int]:
    found: set[int] = set()
    while True:
        item = kept.pop()
        on_stack.discard(item)
        found.add(item)
        if item == slot:
            return frozenset(found)


def _hard(graph: Graph, slot: int) -> Iterator[int]:
    node = graph.nodes[slot]
    return iter(()) if node.soft else node.slots


def _ring(graph: Graph, component: frozenset[int]) -> list[int]:
    """Return the shortest circle through the smallest name; empty where there is no circle."""
    if len(component) == 1 and component.isdisjoint(_hard(graph, min(component))):
        return []
    start = min(component, key=lambda slot: (graph.nodes[slot].title, slot))
    queue: list[list[int]] = [[start]]
    seen: set[int] = set()
    while queue:
        trail = queue.pop(0)
        for inner in _hard(graph, trail[-1]):
            if inner == start:
                return trail
            if inner in component and inner not in seen:
                seen.add(inner)
                queue.append([*trail, inner])
    return []
