"""Overrides: what stands in, who is shelved meanwhile, and how all of it comes back."""

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import field
from itertools import count
from types import TracebackType
from typing import Generic, NamedTuple, Protocol, Self, TypeVar, overload

from nexios.container.closing import Exit, Shield, close_exits, close_exits_now
from nexios.container.graph import Graph
from nexios.container.keys import MISSING
from nexios.container.providers import Engine
from nexios.container.scope import ScopeContext
from nexios.records import dataclass

T = TypeVar("T")


class Host(Protocol):
    """What overrides need of the container."""

    root: ScopeContext
    engine: Engine
    shield: Shield

    @property
    def graph(self) -> Graph:
        """The graph of the moment."""

    def instead(self, slots: Mapping[int, int | None], affected: frozenset[int]) -> None:
        """Walk and plan from now on with these slots standing in for others."""

    def check_loop(self) -> None:
        """Refuse another event loop than the one the container started on."""

    def stand_in_value(self, slot: int, value: object) -> object:
        """Return a provider of ``value``, refused when it does not fit."""

    def stand_in(self, slot: int, source: object) -> int:
        """Return the slot of a source wired to stand in for ``slot``."""


@dataclass(eq=False, slots=True)
class Token:
    """One active override."""

    number: int
    slot: int
    provider: object
    instead: int | None


class _Raw(NamedTuple):
    """Providers put by hand over the provider of a slot, and their number among the overrides."""

    stack: tuple[object, ...]
    number: int


@dataclass(slots=True)
class Overrides:
    """All active overrides, and the root's objects made under other sets of them.

    A root object belongs to its slot and to the overrides that reach it. So the cache of any set
    of overrides is found again, whatever the order in which they end.
    """

    host: Host
    tokens: list[Token] = field(default_factory=list)
    _shelf: dict[tuple[int, frozenset[int]], object] = field(default_factory=dict)
    _reached: dict[int, frozenset[int]] = field(default_factory=dict)
    _raw: dict[int, list[_Raw]] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=count)
    # Threads make objects of the root while others begin and end overrides.
    _changing: threading.RLock = field(default_factory=threading.RLock)

    def tags(self, slot: int) -> frozenset[int]:
        """Return the active overrides that reach ``slot``."""
        return frozenset(number for number, slots in self._reached.items() if slot in slots)

    def keep(self, slot: int, made: object, tags: frozenset[int]) -> None:
        """Take an object whose making began under ``tags``, and may have ended under others."""
        root = self.host.root
        with self._changing:
            if tags == self.tags(slot):
                root.cache.setdefault(slot, made)
            elif not root.closed and tags <= self._reached.keys():
                self._shelf[slot, tags] = made

    def begin(self, slot: int, provider: object, instead: int | None) -> Token:
        """Put ``provider`` in the place of a slot's own."""
        token = Token(next(self._numbers), slot, provider, instead)
        with self._changing:
            self._change(lambda: self.tokens.append(token), slot, self._foreign(slot))
        return token

    def end(self, token: Token) -> list[Exit]:
        """Take an override back, in any order; return the clean-ups of what it created."""
        with self._changing:
            foreign = self._foreign(token.slot)
            self._change(lambda: self.tokens.remove(token), token.slot, foreign)
            return self._drop(token.number)

    def noticed(self, slot: int) -> None:
        """Follow a raw ``provider.override`` or ``reset`` done by hand."""
        with self._changing:
            before = self._raw.get(slot, [])
            self._change(lambda: None, None, ())
            for raw in before:
                if raw not in self._raw.get(slot, []):
                    self.host.root.exits += self._drop(raw.number)

    def grown(self) -> None:
        """Look at a graph that has grown: the active overrides may reach what is new in it."""
        with self._changing:
            if self._reached:
                self._settle()

    def forget(self) -> None:
        """Drop what is shelved; the root has ended."""
        self._shelf.clear()

    def _foreign(self, slot: int) -> tuple[object, ...]:
        own = {id(token.provider) for token in self.tokens}
        return tuple(item for item in self.host.engine.overridden(slot) if id(item) not in own)

    def _change(
        self, change: Callable[[], None], slot: int | None, foreign: Sequence[object]
    ) -> None:
        root = self.host.root
        for made, value in root.cache.items():
            self._shelf[made, self.tags(made)] = value
        change()
        if slot is not None:
            stack = [token.provider for token in self.tokens if token.slot == slot]
            self.host.engine.override(slot, [*foreign, *stack])
        instead = self._settle()
        current = {made: value for (made, tags), value in self._shelf.items()
                   if tags == self.tags(made)}  # fmt: skip
        for made in current:
            del self._shelf[made, self.tags(made)]
        root.cache = current
        affected = frozenset().union(*self._reached.values())
        self.host.instead(instead, affected)

    def _settle(self) -> dict[int, int | None]:
        graph = self.host.graph
        # Once for all of them: 78 -> 12 ms for the hundredth of a hundred, 1,000 nodes.
        askers = graph.askers()
        known = {id(token.provider): token for token in self.tokens}
        instead: dict[int, int | None] = {}
        reached = {
            token.number: graph.dependents([token.slot, *_slots(token)], askers)
            for token in self.tokens
        }
        raws: dict[int, list[_Raw]] = {}
        for node in graph.nodes:
            stack = self.host.engine.overridden(node.slot)
            if not stack:
                continue
            token = known.get(id(stack[-1]))
            instead[node.slot] = None if token is None else token.instead
            if foreign := tuple(item for item in stack if id(item) not in known):
                raws[node.slot] = self._raws(node.slot, foreign)
                reached[raws[node.slot][-1].number] = graph.dependents([node.slot], askers)
        self._reached, self._raw = reached, raws
        return instead

    def _raws(self, slot: int, stack: tuple[object, ...]) -> list[_Raw]:
        """Return what of the raw overrides of a slot is there still, the one on top last."""
        raws = [raw for raw in self._raw.get(slot, []) if raw.stack == stack[: len(raw.stack)]]
        if not raws or raws[-1].stack != stack:
            raws.append(_Raw(stack, next(self._numbers)))
        return raws

    def _drop(self, number: int) -> list[Exit]:
        for made in [item for item in self._shelf if number in item[1]]:
            del self._shelf[made]
        root = self.host.root
        dropped = [item for item in root.exits if number in item.tags]
        root.exits = [item for item in root.exits if number not in item.tags]
        return dropped


def _slots(token: Token) -> tuple[int, ...]:
    return () if token.instead is None else (token.instead,)


class Replacement(Generic[T]):
    """The second half of ``override(key)``: what stands in."""

    __slots__ = ("_overrides", "_slot")

    def __init__(self, overrides: Overrides, slot: int) -> None:
        """Made by ``Container.override``."""
        self._overrides = overrides
        self._slot = slot

    def value(self, value: T) -> "Override":
        """Let this very object stand in; it is never closed."""
        return Override(self._overrides, self._slot, value=value)

    @overload
    def to(self, source: type[T]) -> "Override": ...
    @overload
    def to(self, source: Callable[..., AsyncIterator[T]]) -> "Override": ...
    @overload
    def to(self, source: Callable[..., Iterator[T]]) -> "Override": ...
    @overload
    def to(self, source: Callable[..., Awaitable[T]]) -> "Override": ...
    @overload
    def to(self, source: Callable[..., T]) -> "Override": ...
    def to(self, source: Callable[..., object]) -> "Override":
        """Let what a class or function makes stand in; it is wired like a binding."""
        return Override(self._overrides, self._slot, source=source)


class Override:
    """A context in which something stands in; ``with`` or ``async with``.

    ``async with`` closes at its end what the stand-in opened. ``with`` leaves clean-ups that
    await to the stop of the container.
    """

    __slots__ = ("_overrides", "_slot", "_source", "_token", "_value")

    def __init__(
        self,
        overrides: Overrides,
        slot: int,
        *,
        value: object = MISSING,
        source: Callable[..., object] | None = None,
    ) -> None:
        """Made by ``Replacement``."""
        self._overrides = overrides
        self._slot = slot
        self._value = value
        self._source = source
        self._token: Token | None = None

    def __enter__(self) -> Self:
        """Let it stand in from now on."""
        host = self._overrides.host
        host.check_loop()
        if self._token is not None:
            raise RuntimeError("this override is active already; make another one")
        instead: int | None = None
        if self._source is None:
            provider = host.stand_in_value(self._slot, self._value)
        else:
            instead = host.stand_in(self._slot, self._source)
            provider = host.engine.providers[instead]
        self._token = self._overrides.begin(self._slot, provider, instead)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give back what was there."""
        exits = self._end()
        self._overrides.host.root.exits[:0] = [item for item in exits if item.awaits]
        close_exits_now([item for item in exits if not item.awaits], error)

    async def __aenter__(self) -> Self:
        """Let it stand in from now on."""
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give back what was there, and close what the stand-in opened."""
        await close_exits(self._end(), error, self._overrides.host.shield)

    def _end(self) -> list[Exit]:
        if self._token is None:
            raise RuntimeError("this override is not active")
        token, self._token = self._token, None
        return self._overrides.end(token)
