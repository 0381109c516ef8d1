"""What a signature may ask with: the ``Depend`` marker and the handles."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any, Generic, NoReturn, Protocol, TypeVar, overload

from nexios.container.errors import MarkerNotResolved
from nexios.container.keys import MISSING, Key
from nexios.container.scope import Scope, ScopeContext

T = TypeVar("T")


class Marker:
    """The default value that asks the container; it explains itself when used as the object."""

    __slots__ = ("function", "parameter", "source")

    def __init__(self, source: object = MISSING) -> None:
        """Take what is asked for; MISSING means the annotation says it."""
        self.source = source
        self.function = ""
        self.parameter = ""

    def noted(self, function: str, parameter: str) -> "Marker":
        """Remember where the marker stands, for the text of ``MarkerNotResolved``."""
        self.function = self.function or function
        self.parameter = self.parameter or parameter
        return self

    def __repr__(self) -> str:
        """Return the way people write it."""
        name = getattr(self.source, "__name__", None) or str(self.source)
        return "Depend()" if self.source is MISSING else f"Depend({name})"

    def _refuse(self) -> NoReturn:
        raise MarkerNotResolved(self.function, self.parameter)

    def __getattr__(self, attribute: str) -> NoReturn:
        """Refuse: the function was called without the container."""
        self._refuse()

    def __call__(self, *_: object, **__: object) -> NoReturn:
        """Refuse, as for an attribute."""
        self._refuse()

    def __getitem__(self, item: object) -> NoReturn:
        """Refuse, as for an attribute."""
        self._refuse()

    def __iter__(self) -> NoReturn:
        """Refuse, as for an attribute."""
        self._refuse()

    def __await__(self) -> NoReturn:
        """Refuse, as for an attribute."""
        self._refuse()

    def __aiter__(self) -> NoReturn:
        """Refuse, as for an attribute."""
        self._refuse()

    async def __aenter__(self) -> NoReturn:
        """Refuse, as for an attribute."""
        self._refuse()

    async def __aexit__(self, *_: object) -> None:
        """Is there because ``async with`` asks for it first."""

    def __enter__(self) -> NoReturn:
        """Refuse, as for an attribute."""
        self._refuse()

    def __exit__(self, *_: object) -> None:
        """Is there because ``with`` asks for it first."""


@overload
def Depend() -> Any: ...
@overload
def Depend(source: Key[T]) -> T: ...
@overload
def Depend(source: type[T]) -> T: ...
@overload
def Depend(source: Callable[..., AsyncIterator[T]]) -> T: ...
@overload
def Depend(source: Callable[..., Iterator[T]]) -> T: ...
@overload
def Depend(source: Callable[..., Awaitable[T]]) -> T: ...
@overload
def Depend(source: Callable[..., T]) -> T: ...
def Depend(source: object = MISSING) -> Any:  # noqa: N802  # reads as a type where it stands
    """Ask the container for a parameter of a handler, a guard or a function dependency.

    Args:
        source: A class, a ``Key``, or a function that makes the value from parameters of its own
            (one result per request). Left out, the annotation says what is asked for.
    """
    return Marker(source)


class Provider(Generic[T]):
    """Asks the scope it was made in, at each call; breaks cycles.

    ``provider()`` returns the object; ``await provider.get()`` where its graph awaits.
    """

    __slots__ = ("_scope", "_slot")

    def __init__(self, scope: ScopeContext, slot: int) -> None:
        """Made by the container, for the scope its holder lives in."""
        self._scope = scope
        self._slot = slot

    def __call__(self) -> T:
        """Return the object; NeedsAwait where something in its graph awaits."""
        return self._scope.resolver.fetch_now(self._scope, self._slot)  # type: ignore[return-value]  # the slot of T

    async def get(self) -> T:
        """Return the object."""
        return await self._scope.resolver.fetch(self._scope, self._slot)  # type: ignore[return-value]  # the slot of T


class Lazy(Generic[T]):
    """Asks once, at the first call, and keeps the answer; breaks cycles."""

    __slots__ = ("_scope", "_slot", "_value")

    def __init__(self, scope: ScopeContext, slot: int) -> None:
        """Made by the container, for the scope its holder lives in."""
        self._scope = scope
        self._slot = slot
        self._value: T | object = MISSING

    def __call__(self) -> T:
        """Return the object; NeedsAwait where something in its graph awaits."""
        if self._value is MISSING:
            self._keep(self._scope.resolver.fetch_now(self._scope, self._slot))
        return self._value  # type: ignore[return-value]  # the slot of T

    async def get(self) -> T:
        """Return the object."""
        if self._value is MISSING:
            self._keep(await self._scope.resolver.fetch(self._scope, self._slot))
        return self._value  # type: ignore[return-value]  # the slot of T

    def _keep(self, made: object) -> None:
        # Of two tasks that ask at once for what is made for each asker, the first one's is kept.
        if self._value is MISSING:
            self._value = made


class Opener(Protocol):
    """What ``Scopes`` needs of the container."""

    def enter(
        self, kind: Scope = Scope.REQUEST, *, values: Mapping[object, object] | None = None
    ) -> ScopeContext:
        """Return a new scope below the root."""


class Scopes:
    """The legal way to open a short scope from something long-lived."""

    __slots__ = ("_opener",)

    def __init__(self, opener: Opener) -> None:
        """Made by the container, once."""
        self._opener = opener

    def enter(
        self, kind: Scope = Scope.REQUEST, *, values: Mapping[object, object] | None = None
    ) -> ScopeContext:
        """Return a scope to be used in an ``async with``; it stands below the root.

        Args:
            kind: REQUEST or CONNECTION.
            values: Key to value, for bindings declared with ``given()``.
        """
        return self._opener.enter(kind, values=values)

    async def call(self, target: Callable[..., object], /, **given: object) -> object:
        """Call ``target`` in a REQUEST scope of its own, filling what is not given."""
        async with self._opener.enter(Scope.REQUEST) as scope:
            return await scope.call(target, **given)
