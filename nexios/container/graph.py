"""The wiring as data: nodes, arguments, entries, and the one order in which things are made."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field

from nexios.container.binding import Answer, Binding, Origin
from nexios.container.bytecode import assigns_attributes
from nexios.container.entry import EntryPoint, Getter
from nexios.container.errors import DependencyCycle, WiringProblem
from nexios.container.keys import MISSING, AnyKey
from nexios.container.module import Module
from nexios.container.places import Step
from nexios.container.registry import Found
from nexios.container.scope import Scope
from nexios.container.signature import Parameter, SourceKind, display, place_of
from nexios.container.timed import Clock, Made
from nexios.records import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a parameter cannot be filled; the checks turn it into a problem with path and fix.

    Attributes:
        unknown: A name that says nothing where it stands; something near may be bound.
    """

    error: type[WiringProblem]
    key: AnyKey | None = None
    found: Found | None = None
    says: str = ""
    fix: str = ""
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Argument:
    """What fills one parameter: exactly one of slot, value, getter, fault."""

    parameter: Parameter
    by_name: bool
    slot: int | None = None
    value: object = MISSING
    getter: Getter | None = None
    fault: Fault | None = None
    asked: AnyKey | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asked first for a node: its line, and the node or the entry above.

    Attributes:
        step: None where the asker is Nexios' own and would tell nobody anything.
    """

    step: Step | None
    above: int | None
    entry: str = ""


@dataclass(slots=True, eq=False)
class Node:
    """One binding in the graph, one provider in the engine.

    Attributes:
        lifetime: Its scope; TRANSIENT for what is made for each asker.
        arguments: What fills its parameters, in order.
        attributes: Whether the arguments are set as attributes after the call.
        names: The names of a dictionary's members.
        kept: Why a controller is one object for the app; empty when it is not.
        point: The entry a function dependency belongs to.
        before: Whether that function dependency runs before the target's input is bound.
        watch: Told how long the making took; None where nobody wants to know.
    """

    slot: int
    binding: Binding
    module: Module
    kind: SourceKind | None
    lifetime: Scope
    arguments: tuple[Argument, ...] = ()
    attributes: bool = False
    names: tuple[Hashable, ...] = ()
    kept: str = ""
    asked_by: Asked | None = None
    point: EntryPoint | None = None
    before: bool = False
    watch: Made | None = None
    _title: str = field(default="", init=False, repr=False)
    _timed: Callable[..., object] | None = field(default=None, init=False, repr=False)

    @property
    def title(self) -> str:
        """The name people know it by; put together once, since each scope asks for it."""
        if not self._title:
            of_function = self.binding.origin is Origin.FUNCTION
            self._title = (
                f"{display(self.binding.source)}()" if of_function else str(self.binding.key)
            )
        return self._title

    @property
    def function(self) -> Callable[..., object]:
        """What is called to make it: the source, timed where somebody watches."""
        source = self.binding.function
        if self.watch is None or self.kind is None:
            return source
        if self._timed is None:
            self._timed = Clock(self.title, self.lifetime, self.watch).around(source, self.kind)
        return self._timed

    @property
    def driven(self) -> bool:
        """Whether Nexios makes the value itself, and the provider only takes it."""
        if self.kind is not None and (self.kind.awaits or self.kind.exits):
            return True
        return any(argument.getter is not None for argument in self.arguments)

    @property
    def awaits(self) -> bool:
        """Whether making the value, its dependencies made, has to be awaited."""
        if self.kind is not None and self.kind.awaits:
            return True
        return any(
            argument.getter is not None and argument.getter.awaits for argument in self.arguments
        )

    @property
    def soft(self) -> bool:
        """Whether it is a handle: it asks later, so it makes no cycle and needs no order."""
        return self.binding.answer in (Answer.PROVIDER, Answer.LAZY)

    @property
    def slots(self) -> Iterator[int]:
        """The slots of its arguments, in order."""
        return (argument.slot for argument in self.arguments if argument.slot is not None)


@dataclass(frozen=True, slots=True)
class Call:
    """A guard, a side-effect dependency or a target, with what fills its parameters.

    Attributes:
        function: None when there is nothing to call: the arguments are asked for, no more.
        owner: The slot of the object that is its first argument.
    """

    function: Callable[..., object] | None
    owner: int | None
    arguments: tuple[Argument, ...]
    awaits: bool

    @property
    def slots(self) -> tuple[int, ...]:
        """The slots it needs, its owner first."""
        own = () if self.owner is None else (self.owner,)
        return own + tuple(item.slot for item in self.arguments if item.slot is not None)


@dataclass(frozen=True, slots=True)
class Wired:
    """An entry point with its calls, in the order they run."""

    point: EntryPoint
    before: tuple[Call, ...]
    target: Call

    @property
    def calls(self) -> tuple[Call, ...]:
        """Guards and side effects, then the target."""
        return (*self.before, self.target)

    @property
    def slots(self) -> tuple[int, ...]:
        """What its calls need, in the order they run."""
        return tuple(slot for call in self.calls for slot in call.slots)


@dataclass(slots=True)
class Graph:
    """All nodes and entries of a container. Grows only by a builder, as a copy."""

    nodes: list[Node] = field(default_factory=list)
    wired: dict[EntryPoint, Wired] = field(default_factory=dict)

    def copy(self) -> "Graph":
        """Return a graph that can grow while this one stays."""
        return Graph(list(self.nodes), dict(self.wired))

    def effective(self, slot: int) -> Scope:
        """Return the scope a node lives in; of a TRANSIENT, the shortest it reaches."""
        shortest = Scope.SINGLETON
        seen, stack = {slot}, [slot]
        while stack:
            node = self.nodes[stack.pop()]
            if node.lifetime is not Scope.TRANSIENT:
                if node.lifetime.length < shortest.length:
                    shortest = node.lifetime
                continue
            for inner in node.slots:
                if inner not in seen:
                    seen.add(inner)
                    stack.append(inner)
        return shortest

    def askers(self) -> Mapping[int, Sequence[int]]:
        """Return who asks for each slot that is asked for, handles counted."""
        found: dict[int, list[int]] = {}
        for node in self.nodes:
            for inner in node.slots:
                found.setdefault(inner, []).append(node.slot)
        return found

    @staticmethod
    def dependents(slots: Iterable[int], askers: Mapping[int, Sequence[int]]) -> frozenset[int]:
        """Return the nodes that reach one of ``slots`` by ``askers``, those included."""
        found = set(slots)
        stack = list(found)
        while stack:
            for outer in askers.get(stack.pop(), ()):
                if outer not in found:
                    found.add(outer)
                    stack.append(outer)
        return frozenset(found)

    def reach(self, slots: Iterable[int]) -> frozenset[int]:
        """Return all nodes below ``slots``, those included, handles counted."""
        found = set(slots)
        stack = list(found)
        while stack:
            for inner in self.nodes[stack.pop()].slots:
                if inner not in found:
                    found.add(inner)
                    stack.append(inner)
        return frozenset(found)

    def promote(self, new: Sequence[Node]) -> None:
        """Keep controllers as singletons where nothing they ask for is shorter-lived."""
        for node in new:
            if node.binding.origin is not Origin.CONTROLLER or node.lifetime is not Scope.REQUEST:
                continue
            if all(self.effective(slot) is Scope.SINGLETON for slot in node.slots):
                source = node.binding.source
                if isinstance(source, type) and not assigns_attributes(source):
                    node.lifetime = Scope.SINGLETON
                    node.kept = "all it asks for is SINGLETON and no method assigns an attribute"


class Paths:
    """The order of making, under the overrides of the moment."""

    def __init__(self, graph: Graph, instead: Mapping[int, int | None] | None = None) -> None:
        """Take the graph and what stands in.

        Args:
            graph: The wiring.
            instead: Slot to the slot that stands in; None for an object the engine alone knows.
        """
        self.graph = graph
        self.instead = dict(instead or {})
        self._orders: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._steps: dict[tuple[int, ...], tuple[tuple[int, Scope, bool], ...]] = {}
        self._taken: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._prepares: dict[int, tuple[int, ...]] = {}
        self._step_awaits: dict[int, bool] = {}

    def node(self, slot: int) -> Node | None:
        """Return the node that answers for ``slot``; None when only the engine knows."""
        inner = self.instead.get(slot, slot)
        return None if inner is None else self.graph.nodes[inner]

    def order(self, slots: tuple[int, ...]) -> tuple[int, ...]:
        """Return the cached nodes that ``slots`` need, each after what it needs itself.

        Depth first, arguments in order; nodes made for each asker belong to their asker's step.
        """
        known = self._orders.get(slots)
        if known is None:
            known = self._orders[slots] = tuple(self._walk(slots))
        return known

    def steps(self, slots: tuple[int, ...]) -> tuple[tuple[int, Scope, bool], ...]:
        """Return the order with each node's lifetime, and whether its provider alone makes it."""
        known = self._steps.get(slots)
        if known is None:
            nodes = [self.graph.nodes[slot] for slot in self.order(slots)]
            known = self._steps[slots] = tuple(
                (node.slot, node.lifetime, not node.driven and not self.prepares(node.slot))
                for node in nodes
            )
        return known

    def taken(self, slots: tuple[int, ...]) -> tuple[int, ...]:
        """Return what ``transients`` does, worked out once."""
        known = self._taken.get(slots)
        if known is None:
            known = self._taken[slots] = tuple(self.transients(slots))
        return known

    def prepares(self, slot: int) -> tuple[int, ...]:
        """Return what Nexios makes for one step, in the order the engine will ask for it."""
        known = self._prepares.get(slot)
        if known is None:
            node = self.node(slot)
            known = () if node is None else tuple(self.transients(tuple(node.slots)))
            self._prepares[slot] = known
        return known

    def transients(self, slots: Sequence[int]) -> Iterator[int]:
        """Return the driven nodes made for each asker that ``slots`` reach through plain ones."""
        stack = list(reversed(slots))
        while stack:
            node = self.node(stack.pop())
            if node is None or node.lifetime is not Scope.TRANSIENT or node.soft:
                continue
            if node.driven:
                yield node.slot
            else:
                stack.extend(reversed(list(node.slots)))

    def step_awaits(self, slot: int) -> bool:
        """Return whether one step, its cached dependencies made, has to be awaited."""
        known = self._step_awaits.get(slot)
        if known is None:
            node = self.node(slot)
            known = node is not None and (
                node.awaits or any(self.step_awaits(inner) for inner in self.prepares(slot))
            )
            self._step_awaits[slot] = known
        return known

    def awaited(self, point: EntryPoint, made: frozenset[int]) -> Iterator[object]:
        """Yield the functions an entry awaits; those of objects already ``made`` it does not."""
        wired = self.graph.wired[point]
        yield from (call.function for call in wired.calls if call.awaits)
        slots = tuple(dict.fromkeys(wired.slots))
        for slot in dict.fromkeys((*self.order(slots), *self.transients(slots))):
            for inner in (slot, *self.prepares(slot)):
                node = self.node(inner)
                if node is None or node.kind is None or inner in made:
                    continue
                if node.kind.awaits:
                    yield node.binding.source

    def first_awaiting(self, slots: tuple[int, ...], made: frozenset[int]) -> int | None:
        """Return the first node that ``slots`` need and that awaits; those ``made`` do not."""
        for slot in self.order(slots):
            if slot not in made and self.step_awaits(slot):
                return slot
        for slot in self.transients(slots):
            if self.step_awaits(slot):
                return slot
        return None

    def _walk(self, slots: tuple[int, ...]) -> Iterator[int]:
        done: set[int] = set()
        stack: list[tuple[Node, Iterator[int]]] = []
        for start in slots:
            self._push(start, done, stack)
            while stack:
                node, rest = stack[-1]
                inner = next(rest, None)
                if inner is not None:
                    self._push(inner, done, stack)
                    continue
                stack.pop()
                done.add(-1 - node.slot)
                if node.lifetime is not Scope.TRANSIENT and (
                    node.binding.answer is Answer.SOURCE or node.driven
                ):
                    yield node.slot

    def _push(self, slot: int, done: set[int], stack: list[tuple[Node, Iterator[int]]]) -> None:
        node = self.node(slot)
        if node is None or -1 - node.slot in done:
            return
        if node.slot in done:
            raise _circle_of_overrides(stack, node)
        done.add(node.slot)
        stack.append((node, iter(()) if node.soft else node.slots))


def _circle_of_overrides(
    stack: Sequence[tuple[Node, Iterator[int]]], node: Node
) -> DependencyCycle:
    """Return the error of a circle that only what stands in makes; the checks refuse others."""
    nodes = [item for item, _ in stack]
    ring = nodes[nodes.index(node) :]
    names = [
        display(item.binding.source) if item.binding.origin is Origin.OVERRIDE else item.title
        for item in [*ring, node]
    ]
    return DependencyCycle(
        f"what stands in needs itself: {' -> '.join(names)}",
        key=node.binding.key,
        asked_by=[Step("asks", name, place_of(item.binding.source))
                  for name, item in zip(names, ring, strict=False)],
        fix="let one of the overrides be a value: container.override(...).value(...)",
    )  # fmt: skip
