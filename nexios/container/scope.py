"""Lifetimes, and the running scope: what it made, what it was given, what it must close."""

import threading
from collections.abc import Callable, Mapping
from enum import Enum
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar, overload

import anyio
from typing_extensions import TypeForm

from nexios.container.closing import Exit, Shield, close_exits, close_exits_now
from nexios.container.entered import enter, leave
from nexios.container.errors import (
    ContainerError,
    ContainerNotRunning,
    MissingValue,
    NeedsAsyncClose,
    ScopeClosed,
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


_PAUSE_S: Final = 0.001

_LENGTH = {Scope.SINGLETON: 3, Scope.CONNECTION: 2, Scope.REQUEST: 1, Scope.TRANSIENT: 0}


class Resolver(Protocol):
    """What a scope needs from the container above it.

    Attributes:
        makers: What was asked of a request's scope before, and makes it without awaiting.
    """

    shield: Shield
    makers: "dict[object, Callable[[ScopeContext], object]]"

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


class ScopeContext:
    """A running scope: what it made, what it must close, and the values that came with it.

    A scope is asked by any task of its request; tasks that outlive it get ``ScopeClosed``.
    """

    __slots__ = (
        "__weakref__", "_locks", "cache", "closed", "direct", "exits", "kind", "parent",
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
        # A request right below the root: what makers are written for.
        self.direct = kind is Scope.REQUEST and parent is self.root
        self._locks: dict[int | None, Any] = {}

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
        make = self._maker(form)
        if make is None:
            return await self.resolver.get(self, form)
        lock = self.lock(0)
        while not lock.acquire(blocking=False):  # noqa: ASYNC110  # a thread lock has no event
            # A thread of this request makes something meanwhile; the event loop goes on.
            await anyio.sleep(_PAUSE_S)
        try:
            return make(self)
        finally:
            lock.release()

    @overload
    def get_now(self, form: Key[T]) -> T: ...
    @overload
    def get_now(self, form: TypeForm[T]) -> T: ...
    def get_now(self, form: object) -> object:
        """Return the object for a key without awaiting.

        Raises:
            NeedsAwait: Something in its graph awaits and has not been made yet.
        """
        make = self._maker(form)
        if make is None:
            return self.resolver.get_now(self, form)
        with self.lock(0):
            return make(self)

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
            if scope.values is not None:
                value = scope.values.get(key, MISSING)
                if value is not MISSING:
                    return value
            if scope.supplies is not None and key in scope.supplies:
                made = scope.supplies[key]()
                if scope.values is None:
                    scope.values = {}
                scope.values[key] = made
                return made
            scope = scope.parent
        return MISSING

    def lock(self, slot: int) -> "threading.RLock":
        """Return the thread lock under which the object of ``slot`` is made.

        Singletons have one each, for a slow one must not hold up the others; a scope below the
        root has one for all.
        """
        name = slot if self.parent is None else None
        lock: threading.RLock = self._lock(name, threading.RLock)
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
            await close_exits(exits, error, self.resolver.shield)

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
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close; an exception of the body goes on."""
        leave(self)
        await self.close(error)

    def __enter__(self) -> Self:
        """Return this scope, for bodies without ``await``."""
        enter(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close synchronously; an exception of the body goes on."""
        leave(self)
        self.close_now(error)

    def _maker(self, form: object) -> "Callable[[ScopeContext], object] | None":
        if not self.direct or self.closed or self.root.closed:
            return None
        try:
            return self.resolver.makers.get(form)
        except TypeError:  # a form without a hash, such as Annotated with a list in it
            return None

    def _lock(self, slot: int | None, make: Callable[[], object]) -> Any:
        known = self._locks.get(slot)
        # ``setdefault`` is one step: of two threads that come at once both get the same lock.
        return self._locks.setdefault(slot, make()) if known is None else known


def _fast_lock() -> anyio.Lock:
    return anyio.Lock(fast_acquire=True)


def given(scope: ScopeContext, key: AnyKey) -> object:
    """Return the value that came with a scope.

    Raises:
        MissingValue: It did not come.
    """
    # Its own first, without a call: what plans in an open scope ask for most.
    value = MISSING if scope.values is None else scope.values.get(key, MISSING)
    if value is MISSING:
        value = scope.value(key)
    if value is MISSING:
        raise MissingValue(
            f"{key} comes with the scope, and did not come",
            key=key,
            fix=f"container.enter(values={{{key}: ...}})",
        )
    return value


def task_name() -> str:
    """Return the name of the running task, or of the thread where there is none."""
    try:
        return anyio.get_current_task().name or "unnamed"
    except RuntimeError:
        return threading.current_thread().name
