"""The second halves of ``bind(key)`` and ``decorate(key)``: what answers, what goes around it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Generic, Self, TypeVar, overload

from typing_extensions import TypeForm

from nexios.container.binding import Answer, Declaration
from nexios.container.keys import Key, key_of

T = TypeVar("T")


class Binder(Generic[T]):
    """The second half of ``bind(key)``: what answers for the key."""

    __slots__ = ("_declaration",)

    def __init__(self, declaration: Declaration) -> None:
        """Made by ``Module.bind`` and ``Module.add``."""
        self._declaration = declaration

    @overload
    def to(self, source: type[T]) -> Self: ...
    @overload
    def to(self, source: Callable[..., AsyncIterator[T]]) -> Self: ...
    @overload
    def to(self, source: Callable[..., Iterator[T]]) -> Self: ...
    @overload
    def to(self, source: Callable[..., Awaitable[T]]) -> Self: ...
    @overload
    def to(self, source: Callable[..., T]) -> Self: ...
    def to(self, source: object) -> Self:
        """Answer with what a class, function, coroutine function or generator makes."""
        self._declaration.answered(Answer.SOURCE, source)
        return self

    def value(self, value: T) -> Self:
        """Answer with this very object; it is never closed by the container."""
        self._declaration.answered(Answer.VALUE, value)
        return self

    @overload
    def alias(self, other: Key[T]) -> Self: ...
    @overload
    def alias(self, other: TypeForm[T]) -> Self: ...
    def alias(self, other: object) -> Self:
        """Answer with the object of another key."""
        self._declaration.answered(Answer.ALIAS, key_of(other))
        return self

    def given(self) -> Self:
        """Answer with the value that comes with the scope: ``enter(values={Tenant: t})``."""
        self._declaration.answered(Answer.GIVEN, None)
        return self

    def using(self, **values: object) -> Self:
        """Fill named parameters of the source with values, or with the object of a ``Key``."""
        self._declaration.using.update(values)
        return self


class Decorator(Generic[T]):
    """The second half of ``decorate(key)``: what wraps the object of the key."""

    __slots__ = ("_declaration",)

    def __init__(self, declaration: Declaration) -> None:
        """Made by ``Module.decorate``."""
        self._declaration = declaration

    @overload
    def with_(self, source: type[T]) -> Self: ...
    @overload
    def with_(self, source: Callable[..., AsyncIterator[T]]) -> Self: ...
    @overload
    def with_(self, source: Callable[..., Iterator[T]]) -> Self: ...
    @overload
    def with_(self, source: Callable[..., Awaitable[T]]) -> Self: ...
    @overload
    def with_(self, source: Callable[..., T]) -> Self: ...
    def with_(self, source: object) -> Self:
        """Wrap with what a class, function, coroutine function or generator makes.

        The source's own parameter of the key is what it wraps. It lives as long as that does.
        """
        self._declaration.answered(Answer.SOURCE, source)
        return self

    def using(self, **values: object) -> Self:
        """Fill named parameters of the source with values, or with the object of a ``Key``."""
        self._declaration.using.update(values)
        return self
