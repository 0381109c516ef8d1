"""The rules about edges: who may keep whom, who may ask whom, and no circles."""

from collections.abc import Iterator, Sequence
from typing import get_args, get_origin

from nexios.container.binding import Answer, Origin
from nexios.container.depend import Lazy, Provider
from nexios.container.errors import (
    CaptiveDependency,
    DependencyCycle,
    LayerBreach,
    ModuleMisuse,
    Step,
    WiringProblem,
)
from nexios.container.fixes import port_of
from nexios.container.graph import Argument, Asked, Call, Graph, Node, Wired, path_of
from nexios.container.keys import AnyKey, collected, is_form, key_of, show
from nexios.container.module import Waiver, variable
from nexios.container.registry import Registry
from nexios.container.scope import Scope
from nexios.container.signature import display, place_of
from nexios.layers.rules import Layer, LayerMap, may_ask, rule

_SCOPE_WIDTH = 10
_LAYER_WIDTH = 11


def cycles(graph: Graph, new: Sequence[Node]) -> Iterator[WiringProblem]:
    """Return each circle once, rotated to its smallest name."""
    for component in _components(graph, new):
        ring = _ring(graph, component)
        if not ring:
            continue
        nodes = [graph.nodes[slot] for slot in ring]
        chain = " -> ".join(node.title for node in [*nodes, nodes[0]])
        steps = []
        for node, following in zip(nodes, [*ring[1:], ring[0]], strict=True):
            argument = next(item for item in node.arguments if item.slot == following)
            steps.append(Step("asks", argument.parameter.where.text, argument.parameter.where))
        first = nodes[0]
        if len(nodes) == 1:
            says = f"{first.title} asks for itself"
            fix = f"ask for another key, such as Key({first.title}, 'inner'), and bind that"
        else:
            says = f"{first.title} needs itself: {chain}"
            argument = next(item for item in first.arguments if item.slot == nodes[1].slot)
            fix = f"{argument.parameter.name}: Lazy[{nodes[1].title}] in {first.title}"
        _, label = path_of(graph, first.asked_by)
        yield DependencyCycle(says, key=first.binding.key, asked_by=steps, fix=fix, label=label)


def captives(graph: Graph, new: Sequence[Node], wired: Sequence[Wired]) -> Iterator[WiringProblem]:
    """Return objects that would keep shorter-lived ones alive, the nearest holder blamed."""
    for node in new:
        if node.lifetime is Scope.TRANSIENT or node.binding.answer is Answer.VALUE:
            continue
        for argument in node.arguments:
            chain = _shorter(graph, argument.slot, node.lifetime)
            if chain:
                yield _captive(graph, node, argument, chain)
                break
    for entry in wired:
        if entry.point.scope is not Scope.CONNECTION:
            continue
        for call in entry.calls:
            for argument in call.arguments:
                chain = _shorter(graph, argument.slot, Scope.CONNECTION)
                if chain:
                    yield _captive_entry(graph, entry, argument, chain)


def breaches(
    graph: Graph,
    registry: Registry,
    layers: LayerMap,
    new: Sequence[Node],
    wired: Sequence[Wired],
) -> Iterator[WiringProblem]:
    """Return who asks outward or sideways, waived pairs left out."""
    for edge in _edges(graph, layers, new, wired):
        if not may_ask(edge.asker_layer, edge.layer) and not _waivers(registry, edge):
            yield _breach(graph, registry, edge)


def unmatched_waivers(
    graph: Graph,
    registry: Registry,
    layers: LayerMap,
    new: Sequence[Node],
    wired: Sequence[Wired],
) -> Iterator[WiringProblem]:
    """Return waivers that match nothing, or say no reason."""
    used: set[Waiver] = set()
    for edge in _edges(graph, layers, new, wired):
        if not may_ask(edge.asker_layer, edge.layer):
            used.update(_waivers(registry, edge))
    for module in registry.modules:
        for waiver in module.waivers:
            name = f"allow({show(waiver.asker)}, {show(waiver.asked)})"
            steps = [Step("allowed", f'module "{module.name}"', waiver.where)]
            if not waiver.because.strip():
                yield ModuleMisuse(f"{name} gives no reason", asked_by=steps, fix='because="..."')
            elif waiver not in used:
                yield ModuleMisuse(
                    f"{name} matches no breach", asked_by=steps, fix="drop the line"
                )


class _Edge:
    """One ask, with the layers of both sides."""

    __slots__ = ("argument", "asked", "asker", "asker_layer", "form", "layer", "target")

    def __init__(
        self, asker: object, asker_layer: Layer | None, argument: Argument, form: object,
        layer: Layer | None, target: Node, asked: Asked,
    ) -> None:  # fmt: skip
        self.asker, self.asker_layer = asker, asker_layer
        self.argument, self.form, self.layer = argument, form, layer
        self.target, self.asked = target, asked


def _edges(
    graph: Graph, layers: LayerMap, new: Sequence[Node], wired: Sequence[Wired]
) -> Iterator[_Edge]:
    for entry in wired:
        bound_in = entry.point.module.layer if entry.point.module is not None else None
        for call in entry.calls:
            asker: object = call.function if call.function is not None else entry.point.target
            if call is entry.target and entry.point.owner is not None:
                asker = entry.point.owner
            yield from _of(graph, layers, asker, bound_in, call, None, entry.point.label)
    for node in new:
        if node.binding.answer is Answer.SOURCE:
            source, bound_in = node.binding.source, node.module.layer
            label = ""
            yield from _of(graph, layers, source, bound_in, node, node.slot, label)


def _of(
    graph: Graph, layers: LayerMap, asker: object, bound_in: Layer | None,
    holder: Call | Node, slot: int | None, label: str,
) -> Iterator[_Edge]:  # fmt: skip
    layer = layers.of(asker, bound_in)
    if layer is None:
        return
    for argument in holder.arguments:
        if argument.slot is None or argument.asked is None:
            continue
        target = graph.nodes[argument.slot]
        if target.binding.origin is Origin.FUNCTION:
            continue
        form = _inner_form(argument.asked)
        where = argument.parameter.where
        asked = Asked(Step("asked by", where.text, where), slot, label)
        yield _Edge(
            asker, layer, argument, form, layers.of(form, target.module.layer), target, asked
        )


def _inner_form(key: AnyKey) -> object:
    form = key.form
    while get_origin(form) in (Provider, Lazy):
        form = get_args(form)[0]
    while is_form(form) and (how := collected(key_of(form))) is not None:
        form = how[1].form
    return form


def _waivers(registry: Registry, edge: _Edge) -> list[Waiver]:
    return [
        waiver
        for module in registry.modules
        for waiver in module.waivers
        if waiver.asker == edge.asker and waiver.asked == edge.form and waiver.because.strip()
    ]


def _breach(graph: Graph, registry: Registry, edge: _Edge) -> WiringProblem:
    outer, inner = edge.asker_layer or Layer.COMPOSITION, edge.layer or Layer.COMPOSITION
    asked = show(edge.form)
    name = display(edge.asker)
    where = edge.argument.parameter.where
    steps, label = path_of(graph, edge.asked)
    own = Step(f"{outer.value:<{_LAYER_WIDTH}}", where.text, where)
    other = Step(
        f"{inner.value:<{_LAYER_WIDTH}}",
        f'{asked} in module "{edge.target.module.name}"',
        edge.target.binding.where,
    )
    port = port_of(registry, edge.form)
    fix = f"declare a port in the domain (class {asked}Port(Protocol)) and bind the adapter to it"
    if port is not None:
        fix = f"ask for {port}, which {asked} is bound to"
    return LayerBreach(
        f"{name} ({outer.value}) asks for {asked} ({inner.value})",
        key=edge.target.binding.key,
        asked_by=(own, other, *steps[1:]),
        notes=(f"rule: {rule(outer)}",),
        fix=fix,
        label=label,
    )


def _shorter(graph: Graph, slot: int | None, holder: Scope) -> list[int]:
    """Return the slots from an argument down to something shorter-lived than ``holder``."""
    if slot is None:
        return []
    stack = [[slot]]
    seen = {slot}
    while stack:
        chain = stack.pop()
        node = graph.nodes[chain[-1]]
        if node.lifetime is not Scope.TRANSIENT:
            if node.lifetime.length < holder.length:
                return chain
            continue
        for inner in reversed(list(node.slots)):
            if inner not in seen:
                seen.add(inner)
                stack.append([*chain, inner])
    return []


def _captive(graph: Graph, node: Node, argument: Argument, chain: Sequence[int]) -> WiringProblem:
    last = graph.nodes[chain[-1]]
    steps = [_scope_step(node.lifetime, argument.parameter.where.text, node)]
    steps += [_scope_step(graph.nodes[s].lifetime, graph.nodes[s].title, graph.nodes[s])
              for s in chain]  # fmt: skip
    above, label = path_of(graph, node.asked_by)
    fix = (
        f"{variable(node.module.name)}.bind({node.title}, scope=Scope.{last.lifetime.value}), "
        "or ask for Scopes and enter one per use"
    )
    if node.lifetime is Scope.CONNECTION:
        fix = (
            f"{variable(last.module.name)}.bind({last.title}, scope=Scope.CONNECTION), "
            "or ask for it in the message handlers"
        )
    return CaptiveDependency(
        f"{node.title} would keep {_a(last.lifetime)} {last.title} alive",
        key=node.binding.key,
        asked_by=(*steps, *above),
        fix=fix,
        label=label,
    )


def _captive_entry(
    graph: Graph, entry: Wired, argument: Argument, chain: Sequence[int]
) -> WiringProblem:
    last = graph.nodes[chain[-1]]
    where = argument.parameter.where
    steps = [Step(f"{'CONNECTION':<{_SCOPE_WIDTH}}", where.text, where)]
    steps += [_scope_step(graph.nodes[s].lifetime, graph.nodes[s].title, graph.nodes[s])
              for s in chain]  # fmt: skip
    return CaptiveDependency(
        f"{entry.point.label} would keep {_a(last.lifetime)} {last.title} alive",
        key=last.binding.key,
        asked_by=steps,
        fix="ask for it in the message handlers, or ask for Scopes and enter one per use",
        label=entry.point.label,
    )


def _scope_step(scope: Scope, text: str, node: Node) -> Step:
    where = node.binding.where
    if node.binding.answer is Answer.SOURCE and callable(node.binding.source):
        where = place_of(node.binding.source)
    return Step(f"{scope.value:<{_SCOPE_WIDTH}}", text, where)


def _a(scope: Scope) -> str:
    return {Scope.REQUEST: "a request's", Scope.CONNECTION: "a connection's"}.get(scope, "a")


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
