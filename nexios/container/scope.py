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
from nexios.container.locks import TaskLock, ThreadLock, Waits

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


_NO_TAGS: Final[frozenset[int]] = frozenset()
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
        "__weakref__", "cache", "closed", "direct", "exits", "kind", "locks", "making", "parent",
        "resolver", "root", "supplies", "values", "waits",
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
        if parent is None:
            self.waits = Waits()
        self.values = values
        self.supplies = supplies
        self.cache: dict[int, object] = {}
        self.exits: list[Exit] = []
        self.closed = False
        # A request right below the root: what makers are written for, one at a time.
        self.direct = kind is Scope.REQUEST and parent is self.root
        self.making = False
        self.locks: dict[object, Any] = {}

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
        if self.direct and not self.closed and not self.making and not self.root.closed:
            try:
                make = self.resolver.makers[form]
            except (KeyError, TypeError):  # TypeError: Annotated with a list in it has no hash
                return await self.resolver.get(self, form)
            self.making = True
            try:
                return make(self)
            finally:
                self.making = False
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
        if self.direct and not self.closed and not self.making and not self.root.closed:
            try:
                make = self.resolver.makers[form]
            except (KeyError, TypeError):
                return self.resolver.get_now(self, form)
            # What is asked meanwhile, by a constructor or another thread, is locked and watched.
            self.making = True
            try:
                return make(self)
            finally:
                self.making = False
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

    def lock(self, slot: int, title: str) -> ThreadLock:
        """Return the lock under which a thread makes the object of ``slot``."""
        known: ThreadLock | None = self.locks.get(slot)
        if known is None:
            # ``setdefault`` is one step: of two threads that come at once both get the same lock.
            known = self.locks.setdefault(slot, ThreadLock(title, self.root.waits))
        return known

    def preparing_lock(self, slot: int, title: str) -> ThreadLock:
        """Return the lock under which a thread makes what only the object of ``slot`` gets."""
        return self._lock((slot,), title, ThreadLock)  # type: ignore[no-any-return]  # of that kind

    def async_lock(self, slot: int, title: str) -> TaskLock:
        """Return the lock under which a task makes the object of ``slot``."""
        # Beside the thread lock of the same slot, which a provider takes for the making itself.
        return self._lock(-1 - slot, title, TaskLock)  # type: ignore[no-any-return]  # of that kind

    def tags(self, slot: int) -> frozenset[int]:
        """Return the overrides under which an object of ``slot`` is made here now."""
        return self.resolver.tags(slot) if self.parent is None else _NO_TAGS

    def keep(self, slot: int, made: object, tags: frozenset[int]) -> None:
        """Keep an object where it belongs: under the overrides its making began with."""
        if self.parent is None:
            self.resolver.keep(slot, made, tags)
        else:
            # A plan may have made it meanwhile, in another thread: the first one stays.
            self.cache.setdefault(slot, made)

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

    def _lock(self, name: object, title: str, make: Callable[[str, Waits], object]) -> Any:
        known = self.locks.get(name)
        if known is not None:
            return known
        # ``setdefault`` is one step: of two threads that come at once both get the same lock.
        return self.locks.setdefault(name, make(title, self.root.waits))


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
