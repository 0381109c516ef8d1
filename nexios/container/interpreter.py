"""Walks the order, drives what awaits or cleans up, and calls providers for the rest."""

from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from functools import partial
from time import perf_counter
from typing import Final, NamedTuple, cast

from nexios.container.closing import Exit, close_exits, close_exits_now
from nexios.container.errors import (
    ContainerError,
    NeedsAwait,
    NothingYielded,
    WrongScope,
)
from nexios.container.graph import Argument, Node, Paths
from nexios.container.keys import MISSING
from nexios.container.providers import Engine, enter_frame, leave_frame, within
from nexios.container.scope import Scope, ScopeContext
from nexios.container.signature import SourceKind

Values = tuple[object, ...]


class Ask(NamedTuple):
    """What is asked for on whose behalf: the values of a call, and the label of its entry."""

    values: Values = ()
    label: str = ""


NOBODY: Final = Ask()
Prepared = dict[int, deque[object]]

_NOTHING: Final[Prepared] = {}


class Interpreter:
    """Makes objects by calling their providers, deps first, in the one order."""

    def __init__(self, engine: Engine, paths: Paths, check_loop: Callable[[], None]) -> None:
        """Take the engine and the order.

        Args:
            check_loop: Refuses another event loop than the one the container started on.
        """
        self.engine = engine
        self.paths = paths
        self._check_loop = check_loop

    async def fill(self, scope: ScopeContext, slots: tuple[int, ...], ask: Ask) -> Prepared:
        """Make everything that ``slots`` need; what remains is calls of providers."""
        paths = self.paths
        prepared: Prepared = {}
        for slot, lifetime, plain in paths.steps(slots):
            if self._is_made(scope, slot, lifetime):
                continue
            if plain:
                self._plain(scope, slot, ask)
            else:
                await self._step(scope, slot, ask)
        for slot in paths.taken(slots):
            made = await self._drive(scope, slot, ask, scope.tags(slot))
            prepared.setdefault(slot, deque()).append(made)
        if self.paths is not paths:
            # An override began or ended meanwhile: what it needs now is made beside.
            return await self.fill(scope, slots, ask)
        return prepared

    async def start(self, scope: ScopeContext, slots: tuple[int, ...]) -> dict[int, float]:
        """Make what ``slots`` need, and return the seconds each took, its dependencies apart."""
        took: dict[int, float] = {}
        for slot, lifetime, plain in self.paths.steps(slots):
            if self._is_made(scope, slot, lifetime):
                continue
            begun = perf_counter()
            if plain:
                self._plain(scope, slot, NOBODY)
            else:
                await self._step(scope, slot, NOBODY)
            took[slot] = perf_counter() - begun
        return took

    def fill_now(self, scope: ScopeContext, slots: tuple[int, ...], ask: Ask) -> Prepared:
        """Do the same without awaiting."""
        paths = self.paths
        prepared: Prepared = {}
        for slot, lifetime, plain in paths.steps(slots):
            # ``_is_made``, written out: asked for every object of every call.
            owner = scope if scope.kind is lifetime else scope.at(lifetime)
            if owner is not None and slot in owner.cache:
                continue
            if plain:
                self._plain(scope, slot, ask)
            else:
                self._step_now(scope, slot, ask)
        for slot in paths.taken(slots):
            made = self._drive_now(scope, slot, ask, scope.tags(slot))
            prepared.setdefault(slot, deque()).append(made)
        if self.paths is not paths:
            # Another thread began or ended an override: what it needs now is made beside.
            return self.fill_now(scope, slots, ask)
        return prepared

    async def fetch(self, scope: ScopeContext, slot: int, ask: Ask = NOBODY) -> object:
        """Return the object of ``slot`` for ``scope``."""
        self.refuse_if_over(scope, slot)
        prepared = await self.fill(scope, (slot,), ask)
        return self._provided(scope, self.paths.graph.nodes[slot], prepared, ask)

    def fetch_now(self, scope: ScopeContext, slot: int, ask: Ask = NOBODY) -> object:
        """Return the object of ``slot`` for ``scope`` without awaiting.

        Raises:
            NeedsAwait: Something it needs awaits and has not been made.
        """
        self.refuse_if_over(scope, slot)
        prepared = self.fill_now(scope, (slot,), ask)
        return self._provided(scope, self.paths.graph.nodes[slot], prepared, ask)

    async def step(self, scope: ScopeContext, slot: int, ask: Ask) -> object:
        """Return the object of a slot whose dependencies are made, making it when it is not."""
        await self._step(scope, slot, ask)
        return self._owner(scope, slot).cache[slot]

    def step_now(self, scope: ScopeContext, slot: int, ask: Ask) -> object:
        """Do the same without awaiting."""
        self._step_now(scope, slot, ask)
        return self._owner(scope, slot).cache[slot]

    async def made(self, scope: ScopeContext, slot: int, ask: Ask) -> object:
        """Return an object for one asker, its cached dependencies made."""
        return await self._drive(scope, slot, ask, scope.tags(slot))

    def made_now(self, scope: ScopeContext, slot: int, ask: Ask) -> object:
        """Do the same without awaiting."""
        return self._drive_now(scope, slot, ask, scope.tags(slot))

    def _is_made(self, scope: ScopeContext, slot: int, lifetime: Scope) -> bool:
        """Return whether the object of ``slot`` is in the cache that owns it."""
        owner = scope if scope.kind is lifetime else scope.at(lifetime)
        return slot in (self._owner(scope, slot) if owner is None else owner).cache

    def _plain(self, scope: ScopeContext, slot: int, ask: Ask) -> None:
        """Make what its provider alone makes: it looks in the cache, locks, and keeps."""
        node = self.paths.graph.nodes[slot]
        if node.lifetime is Scope.SINGLETON:
            self._check_loop()
        try:
            within(scope, _NOTHING, self.engine.providers[slot])
        except Exception as error:
            note(error, node, ask.label)
            raise

    def refuse_if_over(self, scope: ScopeContext, slot: int) -> None:
        """Raise ScopeClosed when a scope that would own something has ended."""
        above: ScopeContext | None = scope
        while above is not None:
            if above.closed:
                above.refuse_if_closed(self.paths.graph.nodes[slot].title)
            above = above.parent

    def arguments(
        self, arguments: Sequence[Argument], read: Sequence[object], scope: ScopeContext,
        prepared: Prepared, label: str = "",
    ) -> tuple[list[object], dict[str, object]]:  # fmt: skip
        """Return positionals and keywords; ``read`` holds what the getters gave, in order."""
        slot: int | None = None
        positional: list[object] = []
        named: dict[str, object] = {}
        rest = iter(read)
        providers = self.engine.providers
        token = enter_frame(scope, prepared)
        try:
            for argument in arguments:
                slot = argument.slot
                if slot is not None:
                    value = providers[slot]()
                else:
                    value = next(rest) if argument.getter is not None else argument.value
                if argument.by_name:
                    named[argument.parameter.name] = value
                else:
                    positional.append(value)
        except Exception as error:
            if slot is not None:
                note(error, self.paths.graph.nodes[slot], label)
            raise
        finally:
            leave_frame(token)
        return positional, named

    async def read(self, arguments: Sequence[Argument], values: Values) -> list[object]:
        """Return what the getters among ``arguments`` read."""
        found: list[object] = []
        for argument in arguments:
            if argument.getter is not None:
                value = argument.getter.read(*values)
                found.append(await value if argument.getter.awaits else value)  # type: ignore[misc]  # it says it awaits
        return found

    def read_now(self, arguments: Sequence[Argument], values: Values) -> list[object]:
        """Return what the getters read, where none awaits."""
        return [item.getter.read(*values) for item in arguments if item.getter is not None]

    def _owner(self, scope: ScopeContext, slot: int) -> ScopeContext:
        node = self.paths.graph.nodes[slot]
        owner = scope.at(node.lifetime)
        if owner is None:
            raise WrongScope(node.title, node.lifetime.value, scope.kind.value)
        return owner

    async def _step(self, scope: ScopeContext, slot: int, ask: Ask) -> None:
        if not self.paths.step_awaits(slot):
            self._step_now(scope, slot, ask)
            return
        node = self.paths.graph.nodes[slot]
        owner = self._owner(scope, slot)
        self._check_loop()
        async with owner.async_lock(slot, node.title):
            if slot not in owner.cache:
                tags = owner.tags(slot)
                made = await self._drive(owner, slot, ask, tags)
                owner.refuse_if_closed(node.title)
                owner.keep(slot, made, tags)

    def _step_now(self, scope: ScopeContext, slot: int, ask: Ask) -> None:
        node = self.paths.graph.nodes[slot]
        owner = self._owner(scope, slot)
        if self.paths.step_awaits(slot):
            raise _needs_await(node)
        if node.lifetime is Scope.SINGLETON:
            self._check_loop()
        # Its provider takes the other lock, unless the provider only hands over.
        lock = owner.lock if node.driven else owner.preparing_lock
        with lock(slot, node.title):
            if slot not in owner.cache:
                tags = owner.tags(slot)
                made = self._drive_now(owner, slot, ask, tags)
                owner.keep(slot, made, tags)

    async def _drive(
        self, owner: ScopeContext, slot: int, ask: Ask, tags: frozenset[int]
    ) -> object:
        """Make one object whose cached dependencies are made."""
        node = self.paths.graph.nodes[slot]
        if owner.closed:
            raise owner.over(node.title)
        prepared: Prepared = {}
        for inner in self.paths.prepares(slot):
            made = await self._drive(owner, inner, ask, tags)
            prepared.setdefault(inner, deque()).append(made)
        if not node.driven:
            return self._provided(owner, node, prepared, ask)
        read = await self.read(node.arguments, ask.values)
        positional, named = self.arguments(node.arguments, read, owner, prepared, ask.label)
        source = node.function
        with _noting(node, ask.label):
            made = source(*positional, **named)
            if node.kind is SourceKind.COROUTINE:
                return await made  # type: ignore[misc]  # a coroutine
            if node.kind is SourceKind.ASYNC_GENERATOR:
                return await self._opened(owner, node, made, tags)
            if node.kind is SourceKind.GENERATOR:
                return self._opened_now(owner, node, made, tags)
            return made

    def _drive_now(self, owner: ScopeContext, slot: int, ask: Ask, tags: frozenset[int]) -> object:
        node = self.paths.graph.nodes[slot]
        if owner.closed:
            raise owner.over(node.title)
        if node.awaits:
            raise _needs_await(node)
        prepared: Prepared = {}
        for inner in self.paths.prepares(slot):
            made = self._drive_now(owner, inner, ask, tags)
            prepared.setdefault(inner, deque()).append(made)
        if not node.driven:
            return self._provided(owner, node, prepared, ask)
        read = self.read_now(node.arguments, ask.values)
        positional, named = self.arguments(node.arguments, read, owner, prepared, ask.label)
        source = node.function
        with _noting(node, ask.label):
            made = source(*positional, **named)
            if node.kind is SourceKind.GENERATOR:
                return self._opened_now(owner, node, made, tags)
            return made

    def _provided(self, owner: ScopeContext, node: Node, prepared: Prepared, ask: Ask) -> object:
        with _noting(node, ask.label):
            return within(owner, prepared, partial(self.engine.call, node.slot))

    async def _opened(
        self, owner: ScopeContext, node: Node, generator: object, tags: frozenset[int]
    ) -> object:
        opened = cast("AsyncGenerator[object, None]", generator)
        innermost = owner.resolver.shield.innermost
        before = innermost()
        try:
            value = await anext(opened)
        except StopAsyncIteration:
            raise NothingYielded(node.title) from None
        exit_ = Exit(node.title, opened, tags, innermost() is not before)
        if owner.closed:
            late = owner.over(node.title)
            await close_exits([exit_], late, owner.resolver.shield)
            raise late
        owner.exits.append(exit_)
        return value

    def _opened_now(
        self, owner: ScopeContext, node: Node, generator: object, tags: frozenset[int]
    ) -> object:
        opened = cast("Generator[object, None, None]", generator)
        value = next(opened, MISSING)
        if value is MISSING:
            raise NothingYielded(node.title)
        exit_ = Exit(node.title, opened, tags)
        if owner.closed:
            late = owner.over(node.title)
            close_exits_now([exit_], late)
            raise late
        owner.exits.append(exit_)
        return value


def _needs_await(node: Node) -> NeedsAwait:
    return NeedsAwait(
        f"{node.title} awaits, and was asked without await",
        key=node.binding.key,
        fix=f"await scope.get({node.title})",
    )


class _noting:  # noqa: N801  # reads as a statement
    """Adds the node to what its making raises."""

    __slots__ = ("_label", "_node")

    def __init__(self, node: Node, label: str) -> None:
        self._node = node
        self._label = label

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            note(error, self._node, self._label)


def note(error: Exception, node: Node, label: str) -> None:
    """Say on an exception of the user's what was being made, for whom, in which entry."""
    if not isinstance(error, ContainerError):
        error.add_note(making(node, label))


def making(node: Node, label: str) -> str:
    """Return ``while making SqlUsers for UserService(users), GET /users``."""
    above = node.asked_by
    asker = f" for {above.step.text}" if above is not None and above.step else ""
    return f"while making {node.title}{asker}{', ' if label else ''}{label}"
