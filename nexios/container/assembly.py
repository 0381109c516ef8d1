"""What a container has built: registry, graph, engine, entries; and how it grows."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

import anyio.lowlevel

from nexios.container.binding import Answer, Binding, Origin
from nexios.container.checks import check, refuse
from nexios.container.depend import Scopes
from nexios.container.entry import Entry, EntryPoint
from nexios.container.errors import DependencyCycle, WrongEventLoop, WrongReplacement
from nexios.container.graph import Graph, Node, Paths
from nexios.container.interpreter import Interpreter
from nexios.container.keys import AnyKey, Key
from nexios.container.module import Module
from nexios.container.override import Overrides
from nexios.container.places import Step
from nexios.container.plans import Plans
from nexios.container.ports import misfit, misfit_of_value
from nexios.container.providers import Engine
from nexios.container.registry import Registry
from nexios.container.scope import Resolver, Scope, ScopeContext
from nexios.container.signature import display, place_of
from nexios.container.timed import Made
from nexios.container.wiring import Builder
from nexios.layers.rules import LayerMap
from nexios.records import dataclass


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a container was asked to build."""

    root: Module
    everywhere: Module | None
    layers: LayerMap
    profile: str | None
    compiled: bool
    watch: Made | None = None


class Assembly:
    """The built container. Grows by drafts that replace what is there only when they check."""

    def __init__(
        self,
        blueprint: Blueprint,
        points: Sequence[EntryPoint],
        resolver: Resolver,
        scopes: Scopes,
    ) -> None:
        """Build and check.

        Raises:
            WiringProblem: The one problem there is.
            WiringErrors: All of them.
        """
        self.blueprint = blueprint
        self.shield = resolver.shield
        self.registry = Registry(blueprint.root, blueprint.everywhere, blueprint.profile)
        self.registry.watch = blueprint.watch
        self.builder = Builder(self.registry)
        self.builder.build(points, whole=True)
        refuse(check(self.builder, blueprint.layers, points, whole=True))
        self.overrides = Overrides(self)
        self.engine = Engine(self.overrides.noticed)
        self.interpreter = Interpreter(self.engine, Paths(self.graph), self.check_loop)
        self.growing = threading.RLock()
        self.started_on: tuple[object, str] | None = None
        self.took: dict[int, float] = {}
        self.resolver = resolver
        self.root = self.stopped()
        self._scopes = scopes
        self.eager: frozenset[int] = frozenset()
        self._commit(self.builder)
        self.plans = Plans(self, compiled=blueprint.compiled)
        for point in points:
            self.plans.add(point)

    @property
    def graph(self) -> Graph:
        """The graph of the moment."""
        return self.builder.graph

    @property
    def running(self) -> bool:
        """Whether the root scope is open."""
        return not self.root.closed

    def stopped(self) -> ScopeContext:
        """Return a root scope that refuses everything."""
        root = ScopeContext(self.resolver, Scope.SINGLETON)
        root.closed = True
        return root

    @property
    def started(self) -> frozenset[int]:
        """The singletons that are there before a call; before the start, those that will be."""
        return self.eager & self.root.cache.keys() if self.running else self.eager

    def value(self, slot: int) -> object:
        """Return the object of a slot bound to a value, whatever stands in for it."""
        return self.engine.value(slot)

    def child(
        self,
        parent: ScopeContext,
        kind: Scope,
        values: dict[AnyKey, object] | None,
        supplies: Mapping[AnyKey, Callable[[], object]] | None = None,
    ) -> ScopeContext:
        """Return a scope below ``parent``."""
        return ScopeContext(self.resolver, kind, parent, values, supplies)

    def entry(self, point: EntryPoint) -> Entry:
        """Return the entry of a point, wiring it when it is new.

        Raises:
            WiringProblem: It cannot be wired; everything stays as it was.
        """
        if point in self.plans:
            return self.plans[point]
        with self.growing:
            if point in self.plans:
                return self.plans[point]  # another thread was there first
            draft = self.draft()
            draft.build([point], whole=False)
            refuse(check(draft, self.blueprint.layers, [point], whole=False))
            self._commit(draft)
            return self.plans.add(point)

    def draft(self) -> Builder:
        """Return a builder that grows a copy of the graph."""
        self.registry.forms.late = self.running
        return Builder(self.registry, self.builder)

    def grow(self, draft: Builder) -> None:
        """Check what a draft added, and take it.

        Raises:
            WiringProblem: What it added is wrong; everything stays as it was.
        """
        refuse(check(draft, self.blueprint.layers, (), whole=False))
        self._commit(draft)

    def closed(self, binding: Binding) -> int:
        """Return the slot of a closed form of an open binding, wiring it when it is new.

        Raises:
            WiringProblem: It cannot be wired; everything stays as it was.
        """
        with self.growing:
            draft = self.draft()
            slot = draft.slot(binding, None)
            draft.settle()
            self.grow(draft)
            return slot

    def instead(self, slots: Mapping[int, int | None], affected: frozenset[int]) -> None:
        """Walk and plan from now on with these slots standing in for others."""
        self.interpreter.paths = Paths(self.graph, slots)
        self.plans.settle(affected)
        # After it: what another thread remembers from here on knows what is affected.
        self.resolver.makers = {}

    def stand_in_value(self, slot: int, value: object) -> object:
        """Return a provider of ``value``.

        Raises:
            WrongReplacement: It does not fit the key.
        """
        key = self.graph.nodes[slot].binding.key
        if says := misfit_of_value(key, value):
            raise WrongReplacement(str(key), says)
        return self.engine.constant(value)

    def stand_in(self, slot: int, source: object) -> int:
        """Return the slot of a source wired to stand in for ``slot``.

        Raises:
            WrongReplacement: It does not fit the key.
            WiringProblem: It cannot be wired, or asks for what it replaces.
        """
        node = self.graph.nodes[slot]
        key = node.binding.key
        if says := misfit(key, source):
            raise WrongReplacement(str(key), says)
        scope = Scope.TRANSIENT if node.lifetime is Scope.TRANSIENT else node.lifetime
        if node.binding.answer is Answer.ALIAS:
            scope = self.graph.effective(slot)
        with self.growing:
            draft = self.draft()
            binding = draft.made.setdefault(
                ("override", slot, source),
                Binding(
                    key, Answer.SOURCE, source, scope, lazy=True,
                    where=place_of(source), origin=Origin.OVERRIDE,
                ),
            )  # fmt: skip
            inner = draft.slot(binding, None, node.module)
            draft.settle()
            asks_itself = slot in draft.graph.nodes[inner].slots
            if not asks_itself:
                # With what stands in already: two that ask for each other's keys never end.
                instead = {**self.interpreter.paths.instead, slot: inner}
                Paths(draft.graph, instead).order((slot,))
            if asks_itself:
                raise DependencyCycle(
                    f"{display(source)} asks for {key}, which it is to stand in for",
                    key=key,
                    asked_by=[Step("written", display(source), place_of(source))],
                    fix=f"keep the real one first: container.override({key}).value(wrapped)",
                )
            self.grow(draft)
            return inner

    def check_loop(self) -> None:
        """Refuse another event loop than the one the container started on.

        Raises:
            WrongEventLoop: Naming both.
        """
        if self.started_on is None:
            return
        here = loop_of_now()
        if here is not None and here[0] != self.started_on[0]:
            raise WrongEventLoop(self.started_on[1], here[1])

    def _commit(self, draft: Builder) -> None:
        built_in = draft.registry.built_in
        opener: AnyKey = Key(Scopes)
        values: dict[int, object] = {}
        slot = draft.slots.get(built_in[opener])
        if slot is not None:
            values[slot] = self._scopes
        if not self.running:
            # Closed forms that an entry asked for before the start are part of it.
            self.eager |= _eager(draft.new)
        self.builder = draft
        self.engine.grow(draft.graph, values)
        self.interpreter.paths = Paths(draft.graph, self.interpreter.paths.instead)
        self.overrides.grown()


def _eager(nodes: Iterable[Node]) -> frozenset[int]:
    return frozenset(
        node.slot
        for node in nodes
        if node.lifetime is Scope.SINGLETON
        and node.binding.answer is Answer.SOURCE
        and not node.binding.lazy
    )


def loop_of_now() -> tuple[object, str] | None:
    """Return the token and the name of the running event loop; None outside of one."""
    try:
        token = anyio.lowlevel.current_token()
    except RuntimeError:
        return None
    loop = getattr(token, "native_token", token)
    library = type(loop).__module__.partition(".")[0]
    thread = threading.current_thread().name
    # Two loops that ran one after the other in one thread differ by their number only.
    return token, f"the {library} loop {id(loop):#x} of thread {thread!r}"
