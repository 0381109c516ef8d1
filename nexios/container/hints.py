"""What could be tidier in a wiring that works: hints, never errors."""

from collections.abc import Callable, Iterator
from enum import Enum

from nexios.container.binding import Answer, Binding, Origin
from nexios.container.bytecode import assigns_attributes
from nexios.container.fixes import as_written
from nexios.container.graph import Graph, Node, Wired
from nexios.container.keys import AnyKey
from nexios.container.module import Module, variable
from nexios.container.places import Where
from nexios.container.registry import Registry
from nexios.container.scope import Scope
from nexios.container.signature import SourceKind, place_of
from nexios.container.survey import plain
from nexios.records import dataclass


class HintKind(Enum):
    """What a hint is about."""

    UNUSED_BINDING = "unused binding"
    UNUSED_EXPORT = "unused export"
    COULD_BE_SINGLETON = "could be SINGLETON"
    HELD_FOR_LONG = "held for long"


@dataclass(frozen=True, slots=True)
class Hint:
    """One thing that could be tidier."""

    kind: HintKind
    says: str
    where: Where
    fix: str

    def __str__(self) -> str:
        """Return place, kind, sentence and fix."""
        place = f"{self.where} " if str(self.where) else ""
        return f"{place}{self.kind.value}: {self.says}\n  fix: {self.fix}"


def hints(graph: Graph, registry: Registry) -> tuple[Hint, ...]:
    """Return all hints, module by module, as registered.

    What ``scope.get`` asks for at run time is in no wiring: what the root itself binds is never
    called unused, and what it sees only where nobody at all asks for it.
    """
    return tuple(_Hints(graph, registry).all())


class _Hints:
    def __init__(self, graph: Graph, registry: Registry) -> None:
        self._graph = graph
        self._registry = registry
        self._nodes = {node.binding: node for node in graph.nodes}
        self._askers: dict[int, set[Module]] = {}
        for node in graph.nodes:
            for slot in node.slots:
                self._askers.setdefault(slot, set()).add(node.module)
        for wired in graph.wired.values():
            module = wired.point.module or registry.root
            for call in wired.calls:
                for slot in call.slots:
                    self._askers.setdefault(slot, set()).add(module)

    def all(self) -> Iterator[Hint]:
        for module in self._registry.modules:
            if module.where.ours:
                continue
            for key, where in module.exported:
                yield from self._export(module, key, where)
            for binding in self._registry.bindings:
                if self._registry.home[binding] is module:
                    yield from self._binding(module, binding)
        for wired in self._graph.wired.values():
            if wired.point.lasting and wired.target.function is not None:
                yield from self._held(wired, wired.target.function)

    def _held(self, wired: Wired, function: Callable[..., object]) -> Iterator[Hint]:
        """Tell what a call that lasts keeps open: what has a clean-up at the end of its scope."""
        seen, stack = set(wired.slots), list(dict.fromkeys(reversed(wired.slots)))
        while stack:
            node = self._graph.nodes[stack.pop()]
            if node.lifetime not in (Scope.REQUEST, Scope.TRANSIENT):
                continue  # it is made to last
            if node.kind is not None and node.kind.exits and not node.module.where.ours:
                yield Hint(
                    HintKind.HELD_FOR_LONG,
                    f"{wired.point.label} keeps {plain(node.title)} open for as long as its"
                    " connection lasts: its clean-up comes at the end of the scope",
                    place_of(function),
                    wired.point.lasting,
                )
            for inner in node.slots:
                if inner not in seen:
                    seen.add(inner)
                    stack.append(inner)

    def _binding(self, module: Module, binding: Binding) -> Iterator[Hint]:
        node = self._nodes.get(binding)
        if node is None:
            return
        if not self._is_used(module, node):
            yield Hint(
                HintKind.UNUSED_BINDING,
                f'nothing asks for {plain(binding.key)}, which module "{module.name}" binds '
                "and does not export",
                binding.where,
                f"drop the line, or {variable(module.name)}.export({plain(binding.key)})",
            )
        elif self._could_be_singleton(node):
            written = as_written(self._registry, module, binding, scope=Scope.SINGLETON)
            yield Hint(
                HintKind.COULD_BE_SINGLETON,
                f"{plain(node.title)} is made in each request; all it asks for is SINGLETON and "
                "no method assigns an attribute",
                binding.where,
                written,
            )

    def _is_used(self, module: Module, node: Node) -> bool:
        binding = node.binding
        seen_outside = module is self._registry.root or self._registry.is_exported(
            module, binding.key
        )
        # One of many is asked for through its list, which other modules may export.
        return bool(self._askers.get(node.slot)) or seen_outside or binding.many

    def _export(self, module: Module, key: AnyKey, where: Where) -> Iterator[Hint]:
        registry = self._registry
        found = registry.find(module, key).one
        node = self._nodes.get(found) if found is not None else None
        if node is None or module is registry.root or self._is_passed_on(module, key):
            return
        askers = self._askers.get(node.slot, set())
        tail = ""
        if module in registry.root.included:
            # What the root sees, code outside of the wiring may ask for; Nexios does for its own.
            if _is_ours(key):
                return
            tail = "; fine where scope.get does"
        else:
            askers = askers - {module}
        if not askers:
            yield Hint(
                HintKind.UNUSED_EXPORT,
                f'nothing asks for {plain(key)}, which module "{module.name}" exports{tail}',
                where,
                f"drop {plain(key)} from the export",
            )

    def _is_passed_on(self, module: Module, key: AnyKey) -> bool:
        return any(
            module in outer.included and self._registry.is_exported(outer, key)
            for outer in self._registry.modules
        )

    def _could_be_singleton(self, node: Node) -> bool:
        binding = node.binding
        return (
            binding.answer is Answer.SOURCE
            and binding.origin is Origin.DECLARED
            and node.lifetime is Scope.REQUEST
            and node.kind is SourceKind.CLASS
            and isinstance(binding.source, type)
            and all(self._graph.effective(slot) is Scope.SINGLETON for slot in node.slots)
            and not assigns_attributes(binding.source)
        )


def _is_ours(key: AnyKey) -> bool:
    return getattr(key.form, "__module__", "").partition(".")[0] == "nexios"
