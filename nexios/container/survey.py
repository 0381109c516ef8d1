"""The wiring as people look at it: modules, objects, entries and who asks for whom."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from nexios.container.binding import Answer, Binding, Origin
from nexios.container.fixes import source_text
from nexios.container.graph import Argument, Graph, Node, Wired
from nexios.container.keys import printable
from nexios.container.module import Module
from nexios.container.places import Where
from nexios.container.registry import BUILT_IN, Registry
from nexios.container.rules import inner_form
from nexios.container.scope import Scope
from nexios.container.signature import place_of
from nexios.container.typevars import class_behind
from nexios.layers.rules import Layer, LayerMap
from nexios.records import dataclass

_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")


@dataclass(frozen=True, slots=True)
class Ask:
    """One edge.

    Attributes:
        name: The parameter; empty for aliases and members of collections.
        part: Index of what fills it, in ``Survey.parts``.
        handle: ``Provider`` or ``Lazy`` where it is asked for later; else empty.
    """

    name: str
    part: int
    handle: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One object of the wiring; a function dependency of many entries is one.

    Attributes:
        id: Module and key, made unique: ``orders/Orders``.
        source: What answers, where that is not the key itself.
        layer: Of the key: what the rule of who may ask is on.
        home_layer: Of what answers: where the object is at home.
        awaits: Whether making it, its dependencies made, is awaited.
        path: Dotted path of what answers; empty where it has none.
    """

    id: str
    title: str
    room: str
    answer: Answer
    origin: Origin
    source: str
    scope: Scope
    effective: Scope
    layer: Layer | None
    home_layer: Layer | None
    awaits: bool
    cleans_up: bool
    kept: str
    bound: Where
    written: Where
    path: str
    asks: tuple[Ask, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One entry point and what it asks for, guards first."""

    label: str
    room: str
    scope: Scope
    layer: Layer | None
    asks: tuple[Ask, ...]


@dataclass(frozen=True, slots=True)
class Room:
    """One module, by a name that is unique here."""

    name: str
    layer: Layer | None
    includes: tuple[str, ...]
    exports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Survey:
    """All of it, in an order that neither hashes nor addresses decide."""

    rooms: tuple[Room, ...]
    parts: tuple[Part, ...]
    calls: tuple[Call, ...]


def survey(graph: Graph, registry: Registry, layers: LayerMap) -> Survey:
    """Return what there is to look at; what Nexios brings only where somebody asks for it."""
    return _Surveyor(graph, registry, layers).survey()


def plain(text: object) -> str:
    """Return a name without addresses and line ends."""
    return printable(_ADDRESS.sub("", str(text)))


def answering(binding: Binding) -> str:
    """Return what answers for a key in words; empty where it is the key itself."""
    match binding.answer:
        case Answer.SOURCE if binding.itself and binding.origin is not Origin.DECORATOR:
            return ""
        case Answer.SOURCE:
            return plain(source_text(binding.source))
        case Answer.VALUE:
            return "a value"
        case Answer.ALIAS:
            return f"alias of {plain(binding.other)}"
        case Answer.GIVEN:
            return "given with the scope"
    return str(binding.answer.value)


def path_to(source: object) -> str:
    """Return the dotted path of a class or function; empty where it has none."""
    source = class_behind(source) or source
    module, name = getattr(source, "__module__", None), getattr(source, "__qualname__", None)
    return plain(f"{module}.{name}") if isinstance(module, str) and name else ""


def _depth(binding: Binding) -> int:
    """Return how many decorators a binding is, one around the other."""
    return 0 if binding.inner is None else 1 + _depth(binding.inner)


class _Surveyor:
    def __init__(self, graph: Graph, registry: Registry, layers: LayerMap) -> None:
        self._graph = graph
        self._registry = registry
        self._layers = layers
        self._names = _unique_names((*registry.modules, BUILT_IN))
        self._order = {binding: index for index, binding in enumerate(registry.home)}
        self._slots = {node.binding: node.slot for node in graph.nodes}
        self._index: dict[int, int] = {}
        theirs = [node.slot for node in self._shown() if not node.module.where.ours]
        for wired in graph.wired.values():
            theirs += [slot for call in wired.calls for slot in call.slots]
        self._asked = graph.reach(theirs)

    def survey(self) -> Survey:
        groups = self._groups()
        self._index = {node.slot: index for index, nodes in enumerate(groups) for node in nodes}
        ids: dict[str, int] = {}
        parts = tuple(self._part(nodes, ids) for nodes in groups)
        wired = [one for one in self._graph.wired.values() if not one.point.internal]
        calls = tuple(map(self._call, wired))
        lived_in = {part.room for part in parts} | {call.room for call in calls}
        rooms = tuple(
            self._room(module)
            for module in self._names
            if self._names[module] in lived_in
            or module is self._registry.root
            or not module.where.ours
        )
        return Survey(rooms, parts, calls)

    def _shown(self) -> Iterator[Node]:
        return (node for node in self._graph.nodes if node.binding.origin is not Origin.OVERRIDE)

    def _groups(self) -> list[list[Node]]:
        """Return the nodes of each part, module by module, as registered, then by name.

        Closed forms stand where their open binding does, decorators behind what they wrap.
        """
        rooms = {module: index for index, module in enumerate(self._names)}
        groups: dict[object, list[Node]] = {}
        for node in self._shown():
            if node.soft or (node.module.where.ours and node.slot not in self._asked):
                continue
            of_function = node.binding.origin is Origin.FUNCTION
            name: object = (node.module, node.binding.source) if of_function else node.slot
            groups.setdefault(name, []).append(node)
        last = len(self._order)
        return sorted(
            groups.values(),
            key=lambda nodes: (
                rooms[nodes[0].module],
                self._order.get(nodes[0].binding.base.written, last),
                plain(nodes[0].title),
                _depth(nodes[0].binding),
                path_to(nodes[0].binding.source),
            ),
        )

    def _part(self, nodes: Sequence[Node], ids: dict[str, int]) -> Part:
        node, room = nodes[0], self._names[nodes[0].module]
        binding, title = node.binding, plain(node.title)
        bound_in = node.module.layer
        layer = self._layers.of(inner_form(binding.key), bound_in)
        home = layer
        has_source = binding.answer is Answer.SOURCE
        if has_source:
            home = self._layers.of(binding.source, bound_in)
        if binding.origin is Origin.FUNCTION:
            layer = home
        name = f"{room}/{title}"
        ids[name] = ids.get(name, 0) + 1
        return Part(
            id=name if ids[name] == 1 else f"{name}#{ids[name]}",
            title=title,
            room=room,
            answer=binding.answer,
            origin=binding.origin,
            source="" if binding.origin is Origin.FUNCTION else answering(binding),
            scope=node.lifetime,
            effective=self._graph.effective(node.slot),
            layer=layer,
            home_layer=home,
            awaits=node.awaits,
            cleans_up=node.kind is not None and node.kind.exits,
            kept=node.kept,
            bound=binding.where,
            written=place_of(binding.source) if has_source else Where("", 0),
            path=path_to(binding.source) if has_source else "",
            asks=self._asks(argument for one in nodes for argument in one.arguments),
        )

    def _call(self, wired: Wired) -> Call:
        point = wired.point
        asks: list[Ask] = []
        for call in wired.calls:
            if call.owner is not None:
                asks += self._ask("", call.owner)
            asks += self._asks(call.arguments)
        bound_in = point.module.layer if point.module is not None else None
        layer = self._layers.of(point.owner or point.target, bound_in)
        room = self._names[point.module or self._registry.root]
        return Call(plain(point.label), room, point.scope, layer, tuple(dict.fromkeys(asks)))

    def _asks(self, arguments: Iterable[Argument]) -> tuple[Ask, ...]:
        found: list[Ask] = []
        for argument in arguments:
            if argument.slot is not None:
                # An edge that no signature shows is named as its key.
                nameless = argument.parameter.name == str(argument.asked)
                found += self._ask("" if nameless else argument.parameter.name, argument.slot)
        return tuple(dict.fromkeys(found))

    def _ask(self, name: str, slot: int) -> Iterator[Ask]:
        handle = ""
        node = self._graph.nodes[slot]
        while node.soft:
            handle = "Lazy" if node.binding.answer is Answer.LAZY else "Provider"
            node = self._graph.nodes[next(node.slots)]
        if node.slot in self._index:
            yield Ask(plain(name), self._index[node.slot], handle)

    def _room(self, module: Module) -> Room:
        exports: list[str] = []
        for key, _ in module.exported:
            slots = [self._slots.get(binding) for binding in self._registry.own(module, key)]
            if not module.where.ours or self._asked.intersection(slots):
                exports.append(plain(key))
        includes = tuple(self._names[inner] for inner in module.included)
        return Room(self._names[module], module.layer, includes, tuple(dict.fromkeys(exports)))


def _unique_names(modules: Iterable[Module]) -> dict[Module, str]:
    names: dict[Module, str] = {}
    counted: dict[str, int] = {}
    for module in modules:
        name = plain(module.name)
        counted[name] = counted.get(name, 0) + 1
        names[module] = name if counted[name] == 1 else f"{name} #{counted[name]}"
    return names


def by_room(found: Survey, room: str) -> list[Part]:
    """Return the objects of one module, in order."""
    return [part for part in found.parts if part.room == room]


def by_layer(parts: Iterable[Part]) -> list[tuple[Layer | None, list[Part]]]:
    """Return parts grouped by the layer of their key, outer layers first, neutral ones last."""
    groups: dict[Layer | None, list[Part]] = {}
    for part in parts:
        groups.setdefault(part.layer, []).append(part)
    order: list[Layer | None] = [*OUTER_FIRST, None]
    return [(layer, groups[layer]) for layer in order if layer in groups]


OUTER_FIRST: Final = (
    Layer.COMPOSITION, Layer.HTTP, Layer.WEBSOCKET, Layer.APPLICATION, Layer.DOMAIN,
    Layer.PERSISTENCE, Layer.INFRASTRUCTURE,
)  # fmt: skip
