"""Lifetimes, the running scope, and how it closes: last in, first out, all of it."""

import threading
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, overload

import anyio
from typing_extensions import TypeForm

from nexios.container.errors import (
    CleanupTimedOut,
    ContainerError,
    ContainerNotRunning,
    NeedsAsyncClose,
    ScopeClosed,
    YieldedTwice,
)
from nexios.container.keys import MISSING, AnyKey, Key

T = TypeVar("T")


class Scope(Enum):
    """How long an object lives."""

    SINGLETON = "SINGLETON"
    CONNECTION = "CONNECTION"
    REQUEST = "REQUEST"
    TRANSIENT = "TRANSIENT"

    @property
    def length(self) -> int:
        """The longer the life, the higher; TRANSIENT lives as long as its asker."""
        return _LENGTH[self]


_LENGTH = {Scope.SINGLETON: 3, Scope.CONNECTION: 2, Scope.REQUEST: 1, Scope.TRANSIENT: 0}


class Resolver(Protocol):
    """What a scope needs from the container above it."""

    close_timeout_s: float

    def enter(
        self, parent: "ScopeContext", kind: Scope, values: Mapping[object, object] | None
    ) -> "ScopeContext":
        """Return a new scope below ``parent``."""

    async def get(self, scope: "ScopeContext", form: object) -> object:
        """Return the object for ``form``, awaiting where its graph does."""

    def get_now(self, scope: "ScopeContext", form: object) -> object:
        """Return the object for ``form``, or refuse where its graph awaits."""

    async def call(
        self, scope: "ScopeContext", target: Callable[..., object], given: Mapping[str, object]
    ) -> object:
        """Call ``target``, filling what is not given."""

    async def fetch(self, scope: "ScopeContext", slot: int) -> object:
        """Return the object of a slot, awaiting where its graph does."""

    def fetch_now(self, scope: "ScopeContext", slot: int) -> object:
        """Return the object of a slot, or refuse where its graph awaits."""

    def tags(self, slot: int) -> frozenset[int]:
        """Return the overrides under which the root's object of ``slot`` is made now."""

    def keep(self, slot: int, made: object, tags: frozenset[int]) -> None:
        """Keep a root object whose making began under other overrides than those of now."""


@dataclass(frozen=True, slots=True)
class Exit:
    """A generator that yielded its value and has its clean-up ahead."""

    name: str
    generator: Generator[object, None, None] | AsyncGenerator[object, None]
    tags: frozenset[int] = frozenset()

    @property
    def awaits(self) -> bool:
        """Whether the clean-up has to be awaited."""
        return isinstance(self.generator, AsyncGenerator)


class ScopeContext:
    """A running scope: what it made, what it must close, and the values that came with it.

    A scope is asked by any task of its request; tasks that outlive it get ``ScopeClosed``.
    """

    __slots__ = (
        "__weakref__", "_locks", "cache", "closed", "exits", "kind", "parent",
        "resolver", "root", "supplies", "values",
    )  # fmt: skip

    def __init__(
        self,
        resolver: Resolver,
        kind: Scope,
        parent: "ScopeContext | None" = None,
        values: dict[AnyKey, object] | None = None,
        supplies: Mapping[AnyKey, Callable[[], object]] | None = None,
    ) -> None:
        """Open a scope.

        Args:
            resolver: The container.
            kind: SINGLETON for the root, CONNECTION or REQUEST below it.
            parent: The scope this one stands in; None for the root.
            values: Key to value, for bindings declared with ``given()``; the scope keeps it.
            supplies: Key to what computes its value when it is first asked for.
        """
        self.resolver = resolver
        self.kind = kind
        self.parent = parent
        self.root: ScopeContext = self if parent is None else parent.root
        self.values = values
        self.supplies = supplies
        self.cache: dict[int, object] = {}
        self.exits: list[Exit] = []
        self.closed = False
        self._locks: dict[int, Any] = {}

    @overload
    async def get(self, form: Key[T]) -> T: ...
    @overload
    async def get(self, form: TypeForm[T]) -> T: ...
    async def get(self, form: object) -> object:
        """Return the object for a key, made once in the scope it lives in.

        Raises:
            MissingBinding: Nothing provides it; ask for ``T | None`` to get None instead.
            ScopeClosed: This scope has ended.
        """
        return await self.resolver.get(self, form)

    @overload
    def get_now(self, form: Key[T]) -> T: ...
    @overload
    def get_now(self, form: TypeForm[T]) -> T: ...
    def get_now(self, form: object) -> object:
        """Return the object for a key without awaiting.

        Raises:
            NeedsAwait: Something in its graph awaits and has not been made yet.
        """
        return self.resolver.get_now(self, form)

    async def call(self, target: Callable[..., object], /, **given: object) -> object:
        """Call a function, or make an unregistered class, filling the parameters not given.

        Args:
            target: What to call; awaited when it is a coroutine function.
            given: Values for parameters by name; the container leaves them alone.
        """
        return await self.resolver.call(self, target, given)

    def enter(
        self, kind: Scope = Scope.REQUEST, *, values: Mapping[object, object] | None = None
    ) -> "ScopeContext":
        """Return a scope below this one, to be used in an ``async with``."""
        return self.resolver.enter(self, kind, values)

    def at(self, lifetime: Scope) -> "ScopeContext | None":
        """Return the scope that owns objects of ``lifetime``; None where there is none above.

        Where no connection is above, the request stands in for it.
        """
        if lifetime is Scope.SINGLETON:
            return self.root
        if lifetime is Scope.TRANSIENT or self.kind is lifetime:
            return self
        if self.kind is Scope.SINGLETON or lifetime is Scope.REQUEST:
            return None
        above = self.parent
        while above is not None:
            if above.kind is Scope.CONNECTION:
                return above
            above = above.parent
        return self

    def value(self, key: AnyKey) -> object:
        """Return the value given for ``key`` here or above; MISSING when there is none."""
        scope: ScopeContext | None = self
        while scope is not None:
            if scope.values is not None and key in scope.values:
                return scope.values[key]
            if scope.supplies is not None and key in scope.supplies:
                made = scope.supplies[key]()
                if scope.values is None:
                    scope.values = {}
                scope.values[key] = made
                return made
            scope = scope.parent
        return MISSING

    def lock(self, slot: int) -> AbstractContextManager[object]:
        """Return the thread lock under which the object of ``slot`` is made."""
        lock: AbstractContextManager[object] = self._lock(slot, threading.RLock)
        return lock

    def async_lock(self, slot: int) -> anyio.Lock:
        """Return the task lock under which the object of ``slot`` is made."""
        # Beside the thread lock of the same slot, which a provider takes for the making itself.
        lock: anyio.Lock = self._lock(-1 - slot, _fast_lock)
        return lock

    def refuse_if_closed(self, asked: str) -> None:
        """Raise what ``over`` returns when this scope has ended."""
        if self.closed:
            raise self.over(asked)

    def over(self, asked: str) -> ContainerError:
        """Return the error of an ask that comes after the end: of a scope, or of the container."""
        if self.kind is Scope.SINGLETON:
            return ContainerNotRunning(asked)
        return ScopeClosed(self.kind.value, asked, task_name())

    async def close(self, error: BaseException | None = None) -> None:
        """End the scope; ``error`` is thrown into the generators.

        Raises:
            Exception: A clean-up failed; several are raised as one group.
        """
        self.closed = True
        exits, self.exits = self.exits, []
        if exits:
            await close_exits(exits, error, self.resolver.close_timeout_s)

    def close_now(self, error: BaseException | None = None) -> None:
        """End the scope without awaiting.

        Raises:
            NeedsAsyncClose: A clean-up awaits; the scope stays open.
        """
        if waiting := [item.name for item in self.exits if item.awaits]:
            raise NeedsAsyncClose(waiting)
        self.closed = True
        exits, self.exits = self.exits, []
        close_exits_now(exits, error)

    async def __aenter__(self) -> Self:
        """Return this scope."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close; an exception of the body goes on."""
        await self.close(error)

    def __enter__(self) -> Self:
        """Return this scope, for bodies without ``await``."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close synchronously; an exception of the body goes on."""
        self.close_now(error)

    def _lock(self, slot: int, make: Callable[[], object]) -> Any:
        known = self._locks.get(slot)
        # ``setdefault`` is one step: of two threads that come at once both get the same lock.
        return self._locks.setdefault(slot, make()) if known is None else known


def _fast_lock() -> anyio.Lock:
    return anyio.Lock(fast_acquire=True)


def task_name() -> str:
    """Return the name of the running task, or of the thread where there is none."""
    try:
        return anyio.get_current_task().name or "unnamed"
    except RuntimeError:
        return threading.current_thread().name


async def close_exits(
    exits: Sequence[Exit], error: BaseException | None, timeout_s: float
) -> None:
    """Run clean-ups last-in-first-out, shielded from cancellation, each within ``timeout_s``.

    What fails is thrown into the clean-ups after it, as nested ``async with`` would do, so an
    outer transaction rolls back when an inner commit fails.
    """
    failed: list[BaseException] = []
    current = error
    for item in reversed(exits):
        try:
            if isinstance(item.generator, Generator):
                _finish(item.name, item.generator, current)
                continue
            with anyio.move_on_after(timeout_s, shield=True) as limit:
                await _afinish(item.name, item.generator, current)
            if limit.cancelled_caught:
                raise CleanupTimedOut(item.name, timeout_s)
        except BaseException as failure:  # all clean-ups run; it is raised below
            if failure is not current:
                failed.append(failure)
                current = failure
    _raise(failed, error)


def close_exits_now(exits: Sequence[Exit], error: BaseException | None) -> None:
    """Run clean-ups that do not await, last-in-first-out."""
    failed: list[BaseException] = []
    current = error
    for item in reversed(exits):
        try:
            if isinstance(item.generator, Generator):
                _finish(item.name, item.generator, current)
        except BaseException as failure:  # all clean-ups run; it is raised below
            if failure is not current:
                failed.append(failure)
                current = failure
    _raise(failed, error)


def _finish(
    name: str, generator: Generator[object, None, None], error: BaseException | None
) -> None:
    try:
        if error is None:
            next(generator)
        else:
            generator.throw(error)
    except StopIteration:
        return
    except RuntimeError as wrapped:
        # Python wraps a StopIteration that passes through a generator.
        if error is not None and wrapped.__cause__ is error and isinstance(error, StopIteration):
            return
        raise
    generator.close()
    raise YieldedTwice(name)


async def _afinish(
    name: str, generator: AsyncGenerator[object, None], error: BaseException | None
) -> None:
    try:
        if error is None:
            await anext(generator)
        else:
            await generator.athrow(error)
    except StopAsyncIteration:
        return
    except RuntimeError as wrapped:
        stopped = isinstance(error, StopIteration | StopAsyncIteration)
        if stopped and wrapped.__cause__ is error:
            return
        raise
    await generator.aclose()
    raise YieldedTwice(name)


def _raise(failed: Sequence[BaseException], error: BaseException | None) -> None:
    if not failed:
        return
    outcome = failed[0]
    if len(failed) > 1:
        outcome = BaseExceptionGroup(f"{len(failed)} clean-ups failed", failed)
    if error is not None and outcome.__context__ is None:
        outcome.__context__ = error
    raise outcome
