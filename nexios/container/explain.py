"""Explains one key: what answers and why, who asks, how long it lives, what it costs."""

from collections.abc import Iterator, Sequence
from typing import Final

from nexios.container.assembly import Assembly
from nexios.container.binding import Answer, Binding, Origin
from nexios.container.bytecode import assigns_attributes
from nexios.container.checks import problem_of_ask
from nexios.container.entry import EntryPoint
from nexios.container.errors import AmbiguousBinding
from nexios.container.fixes import source_text
from nexios.container.graph import Graph, Node, Paths
from nexios.container.keys import AnyKey, key_of, optional_of
from nexios.container.module import Module, variable
from nexios.container.places import NOWHERE, Step, Where
from nexios.container.rules import inner_form
from nexios.container.scope import Scope
from nexios.container.signature import place_of
from nexios.container.survey import answering, path_to, plain
from nexios.container.trails import ways_up
from nexios.layers.rules import Because, Layer, LayerMap
from nexios.records import dataclass

_WIDTH: Final = 9
_LISTED: Final = 12


@dataclass(frozen=True, slots=True)
class Placed:
    """A layer, and what says it."""

    layer: Layer | None
    because: Because
    path: str

    def __str__(self) -> str:
        """Return ``domain: the place of its module (shop.domain.order)``."""
        name = self.layer.value if self.layer is not None else "none"
        path = f" ({self.path})" if self.path and self.because is Because.PLACE else ""
        return f"{name}: {self.because.value}{path}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """One object of the wiring; ``str()`` is the whole story.

    Attributes:
        key: What is asked for, as people write it.
        answer: What kind of thing answers.
        source: What answers; empty where it is the key itself.
        because: Why this answers, a sentence each.
        scope: What was said; ``effective`` is the scope it ends up living in.
        kept: Of a controller: why it is kept as one object, or made for each request.
        layer: Of the key; ``source_layer`` of what answers, None where that is the same
            or neutral.
        asks: Parameter and what fills it, in order.
        askers: For each who asks directly, the steps up to an entry.
        entries: Labels of all entries that reach it.
        plans: For each of them how it runs now: sync or async, and why it is interpreted where
            others are compiled.
        awaiting: Titles of what is awaited before it is there, itself included.
        awaited_at_start: Whether all of these are made at start, so that no entry awaits them.
        cleanup: What is cleaned up when its scope ends, itself first.
        made_s: Seconds its making took at start, its dependencies apart; None when not made
            or not measured.
        made: Whether a singleton exists now.
    """

    key: str
    answer: Answer
    source: str
    because: tuple[str, ...]
    module: str
    bound: Where
    written: Where
    scope: Scope
    effective: Scope
    kept: str
    layer: Placed
    source_layer: Placed | None
    asks: tuple[str, ...]
    askers: tuple[tuple[Step, ...], ...]
    entries: tuple[str, ...]
    plans: tuple[str, ...]
    awaiting: tuple[str, ...]
    awaited_at_start: bool
    cleanup: tuple[str, ...]
    made_s: float | None
    made: bool

    def __str__(self) -> str:
        """Return the lines, each with its place in the source."""
        lines = [self.key]
        lines.append(_line("answers", self.source or "itself", self.written))
        lines.append(_line("bound", f'in module "{self.module}"', self.bound))
        lines += _lines("because", self.because)
        lines.append(_line("scope", self._scope()))
        lines += _lines("", [self.kept] if self.kept else [])
        lines.append(_line("layer", str(self.layer)))
        if self.source_layer is not None:
            lines.append(_line("", f"{self.source} is of {self.source_layer}"))
        lines.append(_line("making", self._making()))
        lines.append(_line("clean-up", ", ".join(self.cleanup) or "none"))
        lines.append(_line("took", self._took()))
        lines += _lines("asks", self.asks or ["for nothing"])
        if not self.askers:
            lines.append(_line("asked by", "nobody wired"))
        for number, steps in enumerate(self.askers):
            for depth, step in enumerate(steps):
                label = "asked by" if number == depth == 0 else ""
                lines.append(_line(label, "  " * depth + step.text, step.where))
        runs = [f"{label}   {plan}" for label, plan in zip(self.entries, self.plans, strict=True)]
        lines += _lines("entries", runs or ["none"])
        return "\n".join(lines)

    def _scope(self) -> str:
        if self.scope is self.effective:
            return self.scope.value
        if self.answer is not Answer.SOURCE:
            return f"{self.effective.value}, that of what it hands over"
        return f"{self.scope.value}, living in {self.effective.value}"

    def _making(self) -> str:
        if not self.awaiting:
            return "sync"
        names = " and ".join(self.awaiting)
        verb = "awaits" if len(self.awaiting) == 1 else "await"
        if self.awaited_at_start:
            return f"sync in an entry; {names} {verb} at start"
        return f"async: {names} {verb}"

    def _took(self) -> str:
        if self.made_s is not None:
            return f"{self.made_s * 1000:.3f} ms at start, its dependencies apart"
        if self.effective is not Scope.SINGLETON:
            return f"not made at start: it belongs to a {self.effective.value}"
        return "made, not at start" if self.made else "not made"


def explain(
    assembly: Assembly, layers: LayerMap, form: object, module: Module | None = None
) -> Explanation:
    """Return what is known about a key as ``module``, or else the root, sees it.

    Args:
        form: A type or a ``Key``; a function that handlers depend on.

    Raises:
        WiringProblem: Nothing answers, with near misses; or more than one thing does.
    """
    slot = _unbound(assembly.graph, form, module)
    graph = assembly.graph
    if slot is None:
        bare, _ = optional_of(form)
        graph, slot = _looked_up(assembly, key_of(bare), module)
    return _Explainer(assembly, graph, layers).of(slot)


def _unbound(graph: Graph, form: object, module: Module | None) -> int | None:
    """Return the slot of a controller, guard or function, which no module binds."""
    for node in graph.nodes:
        here = module is None or node.module is module
        unbound = node.binding.origin in (Origin.CONTROLLER, Origin.FUNCTION)
        if here and unbound and node.binding.source is form:
            return node.slot
    return None


def _looked_up(assembly: Assembly, key: AnyKey, module: Module | None) -> tuple[Graph, int]:
    registry = assembly.registry
    # A draft, never taken over: looking at the wiring does not change it.
    draft = assembly.draft()
    found = draft.ask(module or registry.root, key)
    if isinstance(found, int):
        return draft.graph, found
    if found.bindings or not found.private:
        raise problem_of_ask(draft, key, found)
    homes = list(dict.fromkeys(registry.home[binding] for binding in found.private))
    if len(homes) > 1:
        binders = ", ".join(f'"{home.name}"' for home in homes)
        raise AmbiguousBinding(
            f"{binders} bind {key}, each for itself",
            key=key,
            asked_by=[Step("bound", describe_home(item, registry.home[item]), item.where)
                      for item in found.private],
            fix=f"container.explain({key}, module={variable(homes[0].name)})",
        )  # fmt: skip
    return draft.graph, draft.slot(found.private[0], None)


def describe_home(binding: Binding, home: Module) -> str:
    """Return what a binding binds, and in which module."""
    return f'{binding.key} in module "{home.name}"'


class _Explainer:
    def __init__(self, assembly: Assembly, graph: Graph, layers: LayerMap) -> None:
        self._assembly = assembly
        self._registry = assembly.registry
        self._graph = graph
        self._layers = layers

    def of(self, slot: int) -> Explanation:
        node = self._graph.nodes[slot]
        binding = node.binding
        has_source = binding.answer is Answer.SOURCE
        source = "" if binding.origin is Origin.FUNCTION else answering(binding)
        awaiting, at_start = self._awaiting(slot)
        reached = self._graph.dependents((slot,), self._graph.askers())
        points = [
            wired.point
            for wired in self._graph.wired.values()
            if any(inner in reached for call in wired.calls for inner in call.slots)
        ]
        layer, source_layer = self._placed(node)
        return Explanation(
            key=plain(node.title),
            answer=binding.answer,
            source=source,
            because=tuple(self._because(node)),
            module=plain(node.module.name),
            bound=binding.where,
            written=place_of(binding.source) if has_source else NOWHERE,
            scope=node.lifetime,
            effective=self._graph.effective(slot),
            kept=self._kept(node),
            layer=layer,
            source_layer=source_layer,
            asks=tuple(self._asks(node)),
            askers=ways_up(self._graph, slot),
            entries=tuple(plain(point.label) for point in points),
            plans=tuple(map(self._plan, points)),
            awaiting=awaiting,
            awaited_at_start=at_start,
            cleanup=self._cleanup(slot),
            made_s=self._assembly.took.get(slot) if self._assembly.running else None,
            made=slot in self._assembly.root.cache,
        )

    def _because(self, node: Node) -> Iterator[str]:
        binding = node.binding
        module = f'module "{plain(node.module.name)}"'
        match binding.origin:
            case Origin.AUTOMATIC:
                yield "bound automatically: a handler on the app reaches it, and nothing binds it"
            case Origin.CONTROLLER:
                yield f"a controller or guard of {module}, which nothing binds"
            case Origin.FUNCTION:
                yield "a function dependency, read once and called once in each request"
            case Origin.DECLARED:
                yield from self._declared(binding, module)
            case Origin.DECORATOR if binding.inner is not None:
                every = f", as all of {plain(binding.open.key)}" if binding.open else ""
                yield f"{module} decorates {self._told(binding.inner)}{every}"
            case _:
                yield binding.origin.value
        paths = self._assembly.interpreter.paths
        if node.slot in paths.instead:
            inner = paths.instead[node.slot]
            stands = "a value"
            if inner is not None:
                stands = source_text(self._graph.nodes[inner].binding.source)
            yield f"overridden at the moment by {plain(stands)}"

    def _declared(self, binding: Binding, module: str) -> Iterator[str]:
        registry = self._registry
        replaced = registry.replaced_by(binding) if binding.replace else ()
        yielding = registry.yielding_to(binding)
        if binding.open is not None:
            yield f"a closed form of {plain(binding.open.key)}"
        if binding.many:
            yield f"added in {module}, one of many"
        elif binding.default:
            yield f"the default of {module}, and nothing that includes it binds the key"
        elif not replaced and not yielding:
            yield f"{module} binds it, and nothing else does where it is seen"
        for other in replaced:
            yield f"replaces {self._told(other)}"
        for other in yielding:
            yield f"the default {self._told(other)} yields to it"

    def _told(self, binding: Binding) -> str:
        home = self._registry.home[binding].name
        place = f" ({binding.where})" if str(binding.where) else ""
        return f'{answering(binding) or plain(binding.key)} of module "{plain(home)}"{place}'

    def _kept(self, node: Node) -> str:
        if node.kept:
            return f"one object for the app: {node.kept}"
        if node.binding.origin is not Origin.CONTROLLER:
            return ""
        if node.lifetime is not Scope.REQUEST:
            return f"one object for each {node.lifetime.value.lower()}"
        for slot in node.slots:
            if (shorter := self._graph.effective(slot)) is not Scope.SINGLETON:
                title = plain(self._graph.nodes[slot].title)
                return f"one object for each request: {title} is {shorter.value}"
        if isinstance(node.binding.source, type) and assigns_attributes(node.binding.source):
            return "one object for each request: a method assigns an attribute"
        return ""

    def _plan(self, point: EntryPoint) -> str:
        plans = self._assembly.plans
        runs = "async" if plans[point].plan.awaits else "sync"
        why = plans.why_interpreted(point) if plans.compiled else ""
        return f"{runs}, interpreted: {why}" if why else runs

    def _placed(self, node: Node) -> tuple[Placed, Placed | None]:
        binding, bound_in = node.binding, node.module.layer
        form = inner_form(binding.key)
        key = Placed(*self._layers.placed(form, bound_in), _module_of(form))
        if binding.answer is not Answer.SOURCE or binding.source == form:
            return key, None
        source = Placed(*self._layers.placed(binding.source, bound_in), _module_of(binding.source))
        if binding.origin is Origin.FUNCTION:
            return source, None
        return key, None if source.layer in (None, key.layer) else source

    def _awaiting(self, slot: int) -> tuple[tuple[str, ...], bool]:
        paths, eager = Paths(self._graph), self._assembly.eager
        below = [*paths.order((slot,)), *paths.transients((slot,))]
        found = [inner for inner in dict.fromkeys(below) if paths.step_awaits(inner)]
        names = tuple(dict.fromkeys(plain(self._graph.nodes[inner].title) for inner in found))
        return names, bool(found) and all(inner in eager for inner in found)

    def _cleanup(self, slot: int) -> tuple[str, ...]:
        """Return what its own scope has to close for it, the first closed first."""
        paths, life = Paths(self._graph), self._graph.effective(slot).length
        order = [*paths.order((slot,)), *paths.transients((slot,))]
        nodes = [self._graph.nodes[inner] for inner in reversed(order)]
        return tuple(
            plain(node.title)
            for node in nodes
            if node.kind is not None and node.kind.exits and node.lifetime.length <= life
        )

    def _asks(self, node: Node) -> Iterator[str]:
        for argument in node.arguments:
            name = argument.parameter.name
            if argument.slot is not None:
                inner = self._graph.nodes[argument.slot]
                source = answering(inner.binding)
                by = f", answered by {source}" if source and not inner.soft else ""
                known_as = "" if name == str(argument.asked) else f"{plain(name)}: "
                yield f"{known_as}{plain(inner.title)}{by}"
            elif argument.getter is not None:
                yield f"{plain(name)}: read from the call"
            else:
                yield f"{plain(name)}: a value"


def _module_of(source: object) -> str:
    return path_to(source).rpartition(".")[0]


def _line(label: str, text: str, where: Where = NOWHERE) -> str:
    return str(Step(f"{label:<{_WIDTH}}", text, where))


def _lines(label: str, texts: Sequence[str]) -> list[str]:
    shown = list(texts[:_LISTED])
    if len(texts) > _LISTED:
        shown.append(f"and {len(texts) - _LISTED} more")
    return [_line(label if number == 0 else "", text) for number, text in enumerate(shown)]
