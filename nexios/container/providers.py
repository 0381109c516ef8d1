"""The engine: one dependency-injector provider for each node. The only file that imports it."""

import importlib
import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar, Token
from dataclasses import field
from typing import Any, Final, TypeVar

from dependency_injector import providers

from nexios.container.binding import Answer
from nexios.container.depend import Lazy, Provider
from nexios.container.errors import ContainerError, ContainerNotRunning, WrongScope
from nexios.container.graph import Argument, Graph, Node
from nexios.container.keys import MISSING, AnyKey
from nexios.container.scope import Scope, ScopeContext, given
from nexios.records import dataclass

T = TypeVar("T")
_NO_WORD: Final = re.compile(r"\W")
AnyProvider = Any  # its stubs are partly unknown; nothing of them leaves this file


@dataclass(slots=True)
class Frame:
    """What a provider call happens in: the owning scope, and what Nexios made for its askers."""

    scope: ScopeContext
    prepared: dict[int, deque[object]] = field(default_factory=dict)


_frame: Final[ContextVar[Frame]] = ContextVar("nexios_container_frame")


_NO_TAGS: Final[frozenset[int]] = frozenset()


def frame() -> Frame:
    """Return the frame of the provider call that is running."""
    try:
        return _frame.get()
    except LookupError:
        raise ContainerNotRunning("an object asked of a provider outside a scope") from None


def enter_frame(scope: ScopeContext, prepared: dict[int, deque[object]]) -> Token[Frame]:
    """Evaluate providers for ``scope`` from now on, until ``leave_frame``."""
    return _frame.set(Frame(scope, prepared))


def leave_frame(token: Token[Frame]) -> None:
    """Go back to the frame before."""
    _frame.reset(token)


def within(scope: ScopeContext, prepared: dict[int, deque[object]], make: Callable[[], T]) -> T:
    """Return what ``make`` makes with providers evaluated for ``scope``."""
    token = _frame.set(Frame(scope, prepared))
    try:
        return make()
    finally:
        _frame.reset(token)


class _Announcing:
    """Tells the engine when somebody overrides a provider, by whatever way."""

    notify: Callable[[int], None] | None = None
    slot: int = -1

    def override(self, provider: object) -> Any:
        """Override, and announce it."""
        context = super().override(provider)  # type: ignore[misc]  # of the provider beside
        self._changed()
        return context

    def reset_last_overriding(self) -> None:
        """Undo the last override, and announce it."""
        super().reset_last_overriding()  # type: ignore[misc]  # of the provider beside
        self._changed()

    def reset_override(self) -> Any:
        """Undo all overrides, and announce it."""
        undone = super().reset_override()  # type: ignore[misc]  # of the provider beside
        self._changed()
        return undone

    def __deepcopy__(self, memo: Any) -> Any:
        """Copy with the attributes that the engine's own copy drops."""
        copied = super().__deepcopy__(memo)  # type: ignore[misc]  # of the provider beside
        copied.slot = self.slot
        return copied

    def _changed(self) -> None:
        if self.notify is not None:
            self.notify(self.slot)


class PlainFactory(_Announcing, providers.Factory[T]):
    """Makes one object for each asker."""


class TakingFactory(_Announcing, providers.Factory[T]):
    """Hands over what Nexios made; its edges are there to be seen, and never evaluated."""

    make: Callable[[], T]

    def __deepcopy__(self, memo: Any) -> Any:
        """Copy with the function that hands over."""
        copied = super().__deepcopy__(memo)
        copied.make = self.make
        return copied

    def _provide(self, args: Any, kwargs: Any) -> Any:  # noqa: ARG002  # the engine's signature
        return self.make()


class ConstantObject(_Announcing, providers.Object[T]):
    """Hands out one value, and does not print it: it may be a password."""

    def __str__(self) -> str:
        """Return what is handed out, by type."""
        return f"<{type(self).__name__} of a {type(self()).__name__}>"

    def __repr__(self) -> str:
        """Return the same; the engine's own shows the value."""
        return str(self)


class CollectedDict(_Announcing, providers.Dict):
    """Makes a dictionary of what its members make."""


class ScopedFactory(_Announcing, providers.Factory[T]):
    """Makes one object per scope; the scope, not the provider, owns the object."""

    lifetime: Scope = Scope.REQUEST
    title: str = ""
    driven: bool = False

    def __deepcopy__(self, memo: Any) -> Any:
        """Copy with what was set after the making."""
        copied = super().__deepcopy__(memo)
        copied.lifetime, copied.title, copied.driven = self.lifetime, self.title, self.driven
        return copied

    def _provide(self, args: Any, kwargs: Any) -> Any:
        # Called for each edge: two calls less here are a tenth of interpreted mode.
        current = _frame.get(None) or frame()
        scope = current.scope
        owner = scope if scope.kind is self.lifetime else scope.at(self.lifetime)
        if owner is None:
            raise WrongScope(self.title, self.lifetime.value, scope.kind.value)
        value = owner.cache.get(self.slot, MISSING)
        if value is not MISSING:
            return value
        if self.driven:
            raise InternalError(f"{self.title} was asked of its provider before it was made")
        with owner.lock(self.slot, self.title):
            value = owner.cache.get(self.slot, MISSING)
            if value is MISSING:
                if owner.closed:
                    owner.refuse_if_closed(self.title)
                of_root = owner.parent is None
                tags = owner.tags(self.slot) if of_root else _NO_TAGS
                if owner is scope:
                    value = super()._provide(args, kwargs)  # type: ignore[misc]  # not in its stubs
                else:
                    make = super()._provide  # type: ignore[misc]  # not in its stubs
                    value = within(owner, current.prepared, lambda: make(args, kwargs))
                if not of_root:
                    # A plan may have made it meanwhile, in another thread: the first one stays.
                    return owner.cache.setdefault(self.slot, value)
                owner.keep(self.slot, value, tags)
        return value


class Engine:
    """One provider for each node of the graph, in one dependency-injector container."""

    def __init__(self, notify: Callable[[int], None]) -> None:
        """Start without providers.

        Args:
            notify: Told the slot of a provider that somebody overrides or resets.
        """
        # ``containers`` imports the library's wiring: not before a container is built.
        containers = importlib.import_module("dependency_injector.containers")
        self.container: Any = containers.DynamicContainer()
        self.providers: list[AnyProvider] = []
        self._notify = notify
        self._quiet = False

    def grow(self, graph: Graph, values: dict[int, object]) -> None:
        """Add providers for the nodes that have none, then set their edges and compare.

        Args:
            graph: The whole graph.
            values: Slot to value, for built-in values the graph does not know.
        """
        new = graph.nodes[len(self.providers) :]
        for node in new:
            provider = self._make(node, values)
            provider.disable_async_mode()
            if isinstance(provider, _Announcing):
                provider.slot, provider.notify = node.slot, self._announce
            self.providers.append(provider)
            name = _NO_WORD.sub("_", node.title)
            self.container.set_provider(f"p{node.slot:04d}_{name}", provider)
        for node in new:
            self._connect(node)
        if new and (difference := self.difference(graph, new)):
            raise InternalError(difference)

    def call(self, slot: int) -> object:
        """Return what the provider of ``slot`` gives in the running frame."""
        return self.providers[slot]()

    def difference(self, graph: Graph, nodes: Sequence[Node]) -> str:
        """Return where the edges the engine has differ from the graph's; empty when equal."""
        numbers = {id(provider): slot for slot, provider in enumerate(self.providers)}
        for node in nodes:
            ours = sorted(graph.nodes[node.slot].slots)
            provider = self.providers[node.slot]
            skipped = set(map(id, provider.overridden))
            related = [item for item in map(id, provider.related) if item not in skipped]
            theirs = sorted(numbers[item] for item in related if item in numbers)
            if ours != theirs:
                return f"{node.title}: the graph has edges to {ours}, the engine to {theirs}"
        return ""

    def override(self, slot: int, stack: Iterable[object]) -> None:
        """Set the overrides of one provider to ``stack``, the last one on top."""
        provider = self.providers[slot]
        self._quiet = True
        try:
            provider.reset_override()
            for item in stack:
                provider.override(item)
        finally:
            self._quiet = False

    def overridden(self, slot: int) -> tuple[object, ...]:
        """Return the providers that stand in for one, the last one on top."""
        return tuple(self.providers[slot].overridden)

    def value(self, slot: int) -> object:
        """Return the object of a slot bound to a value, whatever stands in for it."""
        return self.providers[slot].provides

    def constant(self, value: object) -> object:
        """Return a provider of one value, for use as an override."""
        provider: ConstantObject[object] = ConstantObject(value)
        provider.disable_async_mode()
        return provider

    def handed(self, ask: Callable[[], T]) -> Callable[[], T]:
        """Return a provider that asks, for use in somebody else's container."""
        provider: providers.Callable[T] = providers.Callable(ask)
        provider.disable_async_mode()
        return provider

    def _announce(self, slot: int) -> None:
        if not self._quiet:
            self._notify(slot)

    def _make(self, node: Node, values: dict[int, object]) -> AnyProvider:
        binding = node.binding
        match binding.answer:
            case Answer.VALUE:
                return ConstantObject(values.get(node.slot, binding.source))
            case Answer.ALIAS:
                return PlainFactory(_same)
            case Answer.CURRENT:
                return PlainFactory(_current)
            case Answer.LIST:
                return PlainFactory(_as_list)
            case Answer.TUPLE:
                return PlainFactory(_as_tuple)
            case Answer.DICT:
                return CollectedDict()
            case Answer.PROVIDER | Answer.LAZY:
                handle = Provider if binding.answer is Answer.PROVIDER else Lazy
                return self._taking(_handle(handle, node))
            case Answer.GIVEN:
                return self._scoped(node, _given(binding.key))
        source = node.function
        if node.lifetime is not Scope.TRANSIENT:
            return self._scoped(node, source)
        return self._taking(_take(node)) if node.driven else PlainFactory(source)

    def _scoped(self, node: Node, source: Callable[..., object]) -> AnyProvider:
        provider: ScopedFactory[object] = ScopedFactory(source)
        provider.lifetime, provider.title = node.lifetime, node.title
        provider.driven = node.driven
        return provider

    def _taking(self, make: Callable[[], object]) -> AnyProvider:
        provider: TakingFactory[object] = TakingFactory(make)
        provider.make = make
        return provider

    def _connect(self, node: Node) -> None:
        if not node.arguments:
            return
        provider = self.providers[node.slot]
        edges = [argument for argument in node.arguments if argument.getter is None]
        if node.soft or node.driven:
            # Never evaluated, but there: the engine's graph is ours.
            provider.add_args(*(self.providers[slot] for slot in node.slots))
        elif node.binding.answer is Answer.DICT:
            members = [self._fill(argument) for argument in edges]
            provider.add_kwargs(dict(zip(node.names, members, strict=True)))
        elif node.attributes:
            provider.add_attributes(**{e.parameter.name: self._fill(e) for e in edges})
        else:
            provider.add_args(*(self._fill(e) for e in edges if not e.by_name))
            if named := {e.parameter.name: self._fill(e) for e in edges if e.by_name}:
                provider.add_kwargs(**named)

    def _fill(self, argument: Argument) -> object:
        if argument.slot is not None:
            return self.providers[argument.slot]
        if isinstance(argument.value, providers.Provider):
            return providers.Object(argument.value)
        return argument.value


class InternalError(ContainerError):
    """The container's own order was broken; never the user's mistake."""


def _same(value: object) -> object:
    return value


def _as_list(*values: object) -> list[object]:
    # The engine's own ``List`` gives a tuple when it is empty.
    return list(values)


def _as_tuple(*values: object) -> tuple[object, ...]:
    return values


def _current() -> ScopeContext:
    return frame().scope


def _given(key: AnyKey) -> Callable[[], object]:
    return lambda: given(frame().scope, key)


def _handle(handle: type, node: Node) -> Callable[[], object]:
    def make() -> object:
        return handle(frame().scope, next(iter(node.slots)))

    return make


def _take(node: Node) -> Callable[[], object]:
    def take() -> object:
        ready = frame().prepared.get(node.slot)
        if not ready:
            raise InternalError(f"{node.title} was asked of its provider before it was made")
        return ready.popleft()

    return take
