"""The container: builds, checks, starts, hands out, overrides, stops."""

import os
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from typing_extensions import TypeForm

from nexios.container.assembly import Assembly, Blueprint, loop_of_now
from nexios.container.binding import Answer
from nexios.container.bytecode import holds_await
from nexios.container.closing import Shield
from nexios.container.depend import Scopes
from nexios.container.entry import Entry, EntryPoint
from nexios.container.errors import AmbiguousBinding, ContainerError, UnknownKey
from nexios.container.graph import Graph, Paths
from nexios.container.interpreter import NOBODY
from nexios.container.keys import AnyKey, Key, collected, key_of, optional_of
from nexios.container.module import Module, variable
from nexios.container.override import Replacement
from nexios.container.providers import Engine
from nexios.container.resolving import Resolution
from nexios.container.scope import Scope, ScopeContext
from nexios.container.timed import Made
from nexios.container.typevars import is_open
from nexios.layers.rules import Layer, LayerMap

if TYPE_CHECKING:
    from nexios.container.explain import Explanation
    from nexios.container.hints import Hint
    from nexios.container.rendering import GraphView
    from nexios.container.survey import Survey

T = TypeVar("T")


class Container:
    """One root module and what it includes, proven, then running.

    ``async with Container(root) as container`` validates, makes the eager singletons in
    dependency order, and closes them in reverse. A stopped container may be started again.
    """

    def __init__(
        self,
        root: Module,
        *,
        entries: Sequence[EntryPoint] = (),
        everywhere: Module | None = None,
        profile: str | None = None,
        layers: Mapping[str, Layer] | None = None,
        compiled: bool | None = None,
        close_timeout_s: float = 5.0,
        watch: Made | None = None,
    ) -> None:
        """Take what to build; nothing is read before it is needed.

        Args:
            root: The module whose view this container has, private keys included.
            entries: What the adapters want called.
            everywhere: A module whose exports every module sees.
            profile: What ``when=profile("prod")`` is decided against, once. Without one, what has
                a condition is in only where that is negated: ``~profile("prod")``.
            layers: Dotted path to layer, beside those read from paths and marks.
            compiled: Whether entries run plans written for them; else every object is made by
                calling its provider. Where it is not said, the environment variable
                ``NEXIOS_CONTAINER=interpreted`` says no.
            close_timeout_s: How long one clean-up may take at the end of a scope.
            watch: Told of each object that is opened or awaited, and of each that takes a
                millisecond: its name, its scope, the seconds, and the class of an error.
        """
        compiled = _compiled_by_environment() if compiled is None else compiled
        self._blueprint = Blueprint(root, everywhere, LayerMap(layers), profile, compiled, watch)
        self._points = list(entries)
        self._shield = Shield(close_timeout_s)
        self._resolution = Resolution(self, self._shield)
        self._assembly: Assembly | None = None

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop; an exception of the body is thrown into the generators and goes on."""
        await self.stop(error)

    def __contains__(self, form: object) -> bool:
        """Return whether a key is known: bound, or a collection."""
        bare, _ = optional_of(form)
        key = key_of(bare)
        registry = self.assembly.registry
        return collected(key) is not None or registry.has(registry.root, key)

    @property
    def assembly(self) -> Assembly:
        """What is built; the first ask builds and checks it."""
        if self._assembly is None:
            scopes = Scopes(self)
            self._assembly = Assembly(self._blueprint, self._points, self._resolution, scopes)
        return self._assembly

    @property
    def running(self) -> bool:
        """Whether the container has started and not stopped."""
        return self._assembly is not None and self._assembly.running

    @property
    def layers(self) -> LayerMap:
        """Tells the layer of any class or function; asking builds nothing."""
        return self._blueprint.layers

    @property
    def wiring(self) -> Graph:
        """The wiring as data, for those who build on it."""
        return self.assembly.graph

    @property
    def singletons(self) -> list[object]:
        """The objects that live as long as the container: those made so far, and bound values."""
        assembly = self.assembly
        bound = (
            assembly.value(node.slot)
            for node in assembly.graph.nodes
            if node.binding.answer is Answer.VALUE
        )
        return [*assembly.root.cache.values(), *bound]

    @property
    def engine(self) -> Engine:
        """The dependency-injector side: one provider for each node."""
        return self.assembly.engine

    def graph(self) -> "GraphView":
        """Return the wiring to be looked at: ``text()``, ``mermaid()``, ``dot()``, ``json()``."""
        # What looks at the wiring is loaded by who looks, here and below.
        from nexios.container.rendering import GraphView

        return GraphView(self._survey())

    def explain(self, form: object, *, module: Module | None = None) -> "Explanation":
        """Return what is known about a key: what answers and why, who asks, its life and cost.

        Args:
            form: A type or a ``Key``, private ones too; or a function handlers depend on.
            module: Whose view; the root's unless given, then that of the one who binds it.

        Raises:
            WiringProblem: Nothing answers, with near misses; or more than one thing does.
        """
        from nexios.container.explain import explain

        return explain(self.assembly, self._blueprint.layers, form, module)

    def hints(self) -> "tuple[Hint, ...]":
        """Return what could be tidier: unused bindings and exports, needless REQUEST scopes."""
        from nexios.container.hints import hints

        return hints(self.assembly.graph, self.assembly.registry)

    def validate(self) -> None:
        """Check everything.

        Raises:
            WiringProblem: The one problem there is.
            WiringErrors: All of them, in a stable order.
        """
        _ = self.assembly

    async def start(self) -> None:
        """Validate, then make the eager singletons in dependency order.

        Raises:
            ContainerError: It is running already.
        """
        assembly = self.assembly
        if assembly.running:
            raise ContainerError("the container is running already")
        assembly.started_on = loop_of_now()
        self._shield.settle()
        assembly.root = ScopeContext(self._resolution, Scope.SINGLETON)
        try:
            wanted = tuple(sorted(assembly.eager))
            assembly.took = await assembly.interpreter.start(assembly.root, wanted)
            # An override that began meanwhile has changed what they need.
            await assembly.interpreter.fill(assembly.root, wanted, NOBODY)
            assembly.plans.started()
        except BaseException as error:
            await self.stop(error)
            raise

    async def stop(self, error: BaseException | None = None) -> None:
        """Close the singletons, the last one made first."""
        assembly = self._assembly
        if assembly is None:
            return
        root, assembly.root = assembly.root, assembly.stopped()
        assembly.started_on = None
        assembly.overrides.forget()
        self._resolution.makers = {}
        assembly.plans.settle()
        try:
            await root.close(error)
        finally:
            self._shield.unsettle()
            root.cache = {}

    def derive(self) -> "Container":
        """Return an unstarted twin: same modules and entries, nothing mutable shared."""
        twin = Container(
            self._blueprint.root,
            entries=tuple(self._points),
            everywhere=self._blueprint.everywhere,
            close_timeout_s=self._shield.timeout_s,
        )
        twin._blueprint = self._blueprint  # its twin
        return twin

    def entry(self, point: EntryPoint) -> Entry:
        """Return the entry of a point, wiring it now when it was not there at the build.

        Raises:
            WiringProblem: It cannot be wired; the container stays as it was.
        """
        entry = self.assembly.entry(point)
        if point not in self._points:
            self._points.append(point)
        return entry

    def waits(self, point: EntryPoint) -> bool:
        """Return whether a call of an entry may let others run: a guard, its target or a source
        of what it asks for holds an ``await``. What reads its input does not count.
        """
        assembly = self.assembly
        paths = Paths(assembly.graph)
        return any(holds_await(one) for one in paths.awaited(point, assembly.eager))

    def enter(
        self, kind: Scope = Scope.REQUEST, *, values: Mapping[object, object] | None = None
    ) -> ScopeContext:
        """Return a scope below the root, to be used in an ``async with``.

        Args:
            kind: REQUEST or CONNECTION.
            values: Key to value, for bindings declared with ``given()``.

        Raises:
            ContainerNotRunning: Before the start or after the stop.
        """
        return self._resolution.enter(self.assembly.root, kind, values)

    @overload
    async def get(self, form: Key[T]) -> T: ...
    @overload
    async def get(self, form: TypeForm[T]) -> T: ...
    async def get(self, form: object) -> object:
        """Return a singleton; what is shorter-lived needs a scope."""
        return await self._resolution.get(self.assembly.root, form)

    @overload
    def provider(self, form: Key[T]) -> Callable[[], T]: ...
    @overload
    def provider(self, form: TypeForm[T]) -> Callable[[], T]: ...
    def provider(self, form: object) -> Callable[[], object]:
        """Return a dependency-injector provider of a key, for somebody else's container.

        Called inside ``enter`` it gives the object of that scope, outside a singleton.

        Raises:
            MissingBinding: Nothing provides it.
        """
        return self.engine.handed(self._resolution.handle(form))

    @overload
    def override(self, key: Key[T], *, module: Module | None = None) -> Replacement[T]: ...
    @overload
    def override(self, key: TypeForm[T], *, module: Module | None = None) -> Replacement[T]: ...
    def override(self, key: object, *, module: Module | None = None) -> Replacement[Any]:
        """Let something stand in for a key: ``with container.override(Port).value(fake): ...``.

        Args:
            key: What is replaced; private keys too. A decorated key is replaced as a whole, the
                class inside its decorators by the name of that class.
            module: Whose binding, when several modules bind the key privately.

        Raises:
            UnknownKey: Nothing binds it.
            AmbiguousBinding: Several modules do; pass ``module``.
        """
        return Replacement(self.assembly.overrides, self._overridable(key_of(key), module))

    def _survey(self) -> "Survey":
        from nexios.container.survey import survey

        assembly = self.assembly
        return survey(assembly.graph, assembly.registry, self._blueprint.layers)

    def _overridable(self, key: AnyKey, module: Module | None) -> int:
        assembly = self.assembly
        registry = assembly.registry
        found = registry.find(module or registry.root, key)
        bindings = found.bindings or found.private
        known = {
            slot
            for binding, slot in assembly.builder.slots.items()
            if (binding in bindings if bindings else binding.key == key)
            and binding.answer is not None
        } or _inside_decorators(assembly, key, module)
        if not known and len(bindings) == 1 and bindings[0].base.open is not None:
            known = {assembly.closed(bindings[0])}
        known = known or self._collection(key)
        if len(known) > 1:
            nodes = [assembly.graph.nodes[slot] for slot in sorted(known)]
            if all(node.binding.many for node in nodes):
                every: AnyKey = Key(list[key.form], key.name)  # type: ignore[name-defined]  # any
                raise AmbiguousBinding(
                    f"one {key} is replaced, several are added",
                    key=key,
                    fix=f"container.override({every}).value([...])",
                )
            homes = [node.module for node in nodes]
            binders = ", ".join(f'"{home.name}"' for home in homes)
            raise AmbiguousBinding(
                f"{binders} bind {key}",
                key=key,
                fix=f"container.override({key}, module={variable(homes[0].name)})",
            )
        if not known:
            forms = (node.binding.key for node in assembly.graph.nodes)
            closed = (other for other in (*registry.keys, *forms) if not is_open(other))
            near = get_close_matches(str(key), sorted({*map(str, closed)}), n=3)
            raise UnknownKey(str(key), near, is_open=is_open(key))
        return known.pop()

    def _collection(self, key: AnyKey) -> set[int]:
        """Return the slot of what is collected and nobody asked for yet."""
        registry, how = self.assembly.registry, collected(key)
        if how is None:
            return set()
        inner = how[1]
        if not (registry.added(registry.root, inner) or registry.named(registry.root, inner)):
            return set()
        slot = self._resolution.look(key)
        return {slot} if isinstance(slot, int) else set()


def _inside_decorators(assembly: Assembly, key: AnyKey, module: Module | None) -> set[int]:
    """Return the slots of a class that has no key of its own and is wrapped under another's."""
    graph = assembly.graph
    wrapped = {node.binding.inner for node in graph.nodes}
    return {
        node.slot
        for node in graph.nodes
        if node.binding in wrapped
        and node.binding.answer is Answer.SOURCE
        and node.binding.source == key.form
        and module in (None, node.module)
    }


def _compiled_by_environment() -> bool:
    mode = os.environ.get("NEXIOS_CONTAINER") or "compiled"
    if mode not in ("compiled", "interpreted"):
        raise ValueError(f"NEXIOS_CONTAINER is 'compiled' or 'interpreted', not {mode!r}")
    return mode == "compiled"
