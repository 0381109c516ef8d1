"""The rules about edges: who may keep whom, and who may ask whom."""

from collections.abc import Iterator, Sequence
from typing import get_args, get_origin

from nexios.container.binding import Answer, Binding, Origin
from nexios.container.depend import Lazy, Provider
from nexios.container.errors import CaptiveDependency, LayerBreach, ModuleMisuse, WiringProblem
from nexios.container.fixes import as_written, port_line
from nexios.container.graph import Argument, Asked, Call, Graph, Node, Wired
from nexios.container.keys import AnyKey, collected, is_form, key_of, show
from nexios.container.module import Module, Waiver, variable
from nexios.container.places import NOWHERE, Step
from nexios.container.registry import Registry
from nexios.container.scope import Scope
from nexios.container.signature import display, is_installed, place_of
from nexios.container.trails import path_of
from nexios.layers.rules import Layer, LayerMap, may_ask, rule
from nexios.records import dataclass

_SCOPE_WIDTH = 10
_LAYER_WIDTH = 11


def captives(
    graph: Graph, registry: Registry, new: Sequence[Node], wired: Sequence[Wired]
) -> Iterator[WiringProblem]:
    """Return objects that would keep shorter-lived ones alive, the nearest holder blamed."""
    for node in new:
        if node.lifetime is Scope.TRANSIENT or node.binding.answer is Answer.VALUE:
            continue
        for argument in node.arguments:
            chain = _shorter(graph, argument.slot, node.lifetime)
            if chain:
                yield _captive(graph, registry, node, argument, chain)
                break
    for entry in wired:
        if entry.point.scope is not Scope.CONNECTION:
            continue
        for call in entry.calls:
            for argument in call.arguments:
                chain = _shorter(graph, argument.slot, Scope.CONNECTION)
                if chain:
                    yield _captive_entry(graph, entry, argument, chain)


def edges_outward(
    graph: Graph,
    registry: Registry,
    layers: LayerMap,
    new: Sequence[Node],
    wired: Sequence[Wired],
) -> list["Edge"]:
    """Return who asks outward or sideways, waived pairs left out; bound or not, seen or not."""
    return [
        edge
        for edge in _edges(graph, registry, layers, new, wired)
        if not may_ask(edge.asker_layer, edge.layer) and not _waivers(registry, edge)
    ]


def unmatched_waivers(
    graph: Graph,
    registry: Registry,
    layers: LayerMap,
    new: Sequence[Node],
    wired: Sequence[Wired],
) -> Iterator[WiringProblem]:
    """Return waivers that match nothing, or say no reason."""
    used: set[Waiver] = set()
    waived = any(module.waivers for module in registry.modules)
    for edge in _edges(graph, registry, layers, new, wired) if waived else ():
        if not may_ask(edge.asker_layer, edge.layer):
            used.update(_waivers(registry, edge))
    for module in registry.modules:
        for waiver in module.waivers:
            name = f"allow({show(waiver.asker)}, {show(waiver.asked)})"
            steps = [Step("allowed", f'module "{module.name}"', waiver.where)]
            if not waiver.because.strip():
                fix = f'{variable(module.name)}.{name[:-1]}, because="...")'
                yield ModuleMisuse(f"{name} gives no reason", asked_by=steps, fix=fix)
            elif waiver not in used:
                yield ModuleMisuse(
                    f"{name} matches no breach", asked_by=steps, fix="drop the line"
                )


@dataclass(frozen=True, slots=True)
class Edge:
    """One ask, with the layers of both sides.

    Attributes:
        form: The type asked for, out of its handle or collection.
        binding: What would answer; None where nothing does.
        home: The module it is bound in.
    """

    asker: object
    asker_layer: Layer
    argument: Argument
    key: AnyKey
    form: object
    layer: Layer | None
    binding: Binding | None
    home: Module | None
    asked: Asked


def _edges(
    graph: Graph,
    registry: Registry,
    layers: LayerMap,
    new: Sequence[Node],
    wired: Sequence[Wired],
) -> Iterator[Edge]:
    for entry in wired:
        bound_in = entry.point.module.layer if entry.point.module is not None else None
        for call in entry.calls:
            asker: object = call.function if call.function is not None else entry.point.target
            if call is entry.target and entry.point.owner is not None:
                asker = entry.point.owner
            layer = layers.of(asker, bound_in)
            label = entry.point.label
            yield from _of(graph, registry, layers, asker, layer, call, None, label)
    for node in new:
        if node.binding.answer is Answer.SOURCE:
            source = node.binding.source
            layer = layers.of(source, node.module.layer)
            yield from _of(graph, registry, layers, source, layer, node, node.slot, "")


def _of(
    graph: Graph, registry: Registry, layers: LayerMap, asker: object, layer: Layer | None,
    holder: Call | Node, slot: int | None, label: str,
) -> Iterator[Edge]:  # fmt: skip
    if layer is None:
        return
    for argument in holder.arguments:
        if argument.asked is None:
            continue
        binding, home = _answering(graph, registry, argument)
        form = inner_form(argument.asked)
        bound_in = home.layer if home is not None else None
        where = argument.parameter.where
        asked = Asked(Step("asked by", where.text, where), slot, label)
        yield Edge(
            asker, layer, argument, argument.asked, form, layers.of(form, bound_in),
            binding, home, asked,
        )  # fmt: skip


def _answering(
    graph: Graph, registry: Registry, argument: Argument
) -> tuple[Binding | None, Module | None]:
    """Return what answers an argument, or would if it were seen, and where it is bound."""
    if argument.slot is not None:
        node = graph.nodes[argument.slot]
        return node.binding, node.module
    found = argument.fault.found if argument.fault is not None else None
    binding = next(iter((*found.bindings, *found.private)), None) if found is not None else None
    return binding, None if binding is None else registry.home[binding]


def inner_form(key: AnyKey) -> object:
    """Return the type asked for, out of its handles and collections."""
    form = key.form
    while get_origin(form) in (Provider, Lazy):
        form = get_args(form)[0]
    while is_form(form) and (how := collected(key_of(form))) is not None:
        form = how[1].form
    return form


def _waivers(registry: Registry, edge: Edge) -> list[Waiver]:
    return [
        waiver
        for module in registry.modules
        for waiver in module.waivers
        if waiver.covers(edge.asker, edge.form) and waiver.because.strip()
    ]


def breach(graph: Graph, registry: Registry, edge: Edge) -> WiringProblem:
    """Return the problem of an ask that the rule of its layer does not allow."""
    outer, inner = edge.asker_layer, edge.layer or Layer.COMPOSITION
    asked = show(edge.form)
    name = display(edge.asker)
    where = edge.argument.parameter.where
    steps, label = path_of(graph, edge.asked)
    own = Step(f"{outer.value:<{_LAYER_WIDTH}}", where.text, where)
    place = edge.binding.where if edge.binding is not None else place_of(edge.form)
    if edge.binding is None and is_installed(getattr(edge.form, "__module__", "")):
        place = NOWHERE
    keys = {item.asked for node in graph.nodes for item in node.arguments if item.asked}
    bound = f' in module "{edge.home.name}"' if edge.home is not None else ", which nothing binds"
    other = Step(f"{inner.value:<{_LAYER_WIDTH}}", f"{asked}{bound}", place)
    return LayerBreach(
        f"{name} ({outer.value}) asks for {asked} ({inner.value})",
        key=edge.key,
        asked_by=(own, other, *steps[1:]),
        notes=(f"rule: {rule(outer)}",),
        fix=port_line(registry, outer, inner, edge.form, keys),
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


def _captive(
    graph: Graph, registry: Registry, node: Node, argument: Argument, chain: Sequence[int]
) -> WiringProblem:
    last = graph.nodes[chain[-1]]
    steps = [_scope_step(node.lifetime, argument.parameter.where.text, node)]
    steps += [_scope_step(graph.nodes[s].lifetime, graph.nodes[s].title, graph.nodes[s])
              for s in chain]  # fmt: skip
    above, label = path_of(graph, node.asked_by)
    scopes = ", or ask for Scopes and enter one per use"
    if node.binding.inner is not None:
        # A decorator lives as long as what it wraps: that is where the scope is written.
        base = node.binding.base
        home = registry.home[base]
        fix = "ask for Scopes and enter one per use"
        if base.answer is Answer.SOURCE:
            fix = as_written(registry, home, base, scope=last.lifetime, instead=scopes)
        return _kept_alive(node, last, (*steps, *above), fix, label)
    if node.lifetime is not Scope.CONNECTION:
        mended, scope, instead = node, last.lifetime, scopes
    else:
        line = f"in on_message: {argument.parameter.name}: {argument.asked} = Depend()"
        mended, scope, instead = last, Scope.CONNECTION, f", or {line}"
        if node.binding.origin is not Origin.CONTROLLER:
            instead = scopes
    fix = as_written(registry, mended.module, mended.binding, scope=scope, instead=instead)
    return _kept_alive(node, last, (*steps, *above), fix, label)


def _kept_alive(
    node: Node, last: Node, steps: Sequence[Step], fix: str, label: str
) -> WiringProblem:
    name = node.title if node.binding.inner is None else display(node.binding.source)
    return CaptiveDependency(
        f"{name} would keep {_a(last.lifetime)} {last.title} alive",
        key=node.binding.key, asked_by=steps, fix=fix, label=label,
    )  # fmt: skip


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
