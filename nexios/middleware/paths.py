"""Middleware for some paths only."""

import copy
import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial, wraps
from typing import Any, Final

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.http.builder import Response
from nexios.adapters.http.request import Request
from nexios.middleware.base import CallNext

# What is asked of a middleware with the connection as its first argument.
_ASKED: Final = frozenset(("handshake", "mark"))

Pattern = str | re.Pattern[str]


class PathSet:
    """Paths by pattern: whole paths, with ``*`` for any text; ``^...`` and compiled ones are
    regular expressions. A pattern must match the whole decoded path, mounts included.
    """

    __slots__ = ("_found",)

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        """Compile the patterns.

        Raises:
            ValueError: There is none, or one is no regular expression.
        """
        if not patterns:
            raise ValueError('say which paths: only_for("/admin/*")')
        self._found = tuple(map(_test_of, patterns))

    def __contains__(self, path: str) -> bool:
        return any(found(path) for found in self._found)


def _test_of(pattern: Pattern) -> Callable[[str], object]:
    if isinstance(pattern, re.Pattern):
        return pattern.fullmatch
    if pattern.startswith("^"):
        try:
            return re.compile(pattern).fullmatch
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
    if not pattern.startswith(("/", "*")):
        raise ValueError(f"{pattern!r} is no path; write '/{pattern}'")
    if "*" not in pattern:
        return pattern.__eq__
    # A literal between two stars is looked for once from the left: no pattern is slow.
    return _Glob(pattern).matches


class _Glob:
    __slots__ = ("_first", "_last", "_middle")

    def __init__(self, pattern: str) -> None:
        self._first, *self._middle, self._last = pattern.split("*")

    def matches(self, path: str) -> bool:
        end = len(path) - len(self._last)
        at = len(self._first)
        if at > end or not path.startswith(self._first) or not path.endswith(self._last):
            return False
        for part in self._middle:
            found = path.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True


def only_for(*patterns: Pattern) -> Callable[[Any], Any]:
    """Let a middleware stand around these paths only: ``@only_for("/admin/*")``.

    Stands above a function, above a class, or is called with an instance; order and ``requires``
    stay those of the middleware. ``/admin/*`` is what lies below ``/admin``, not itself.

    Raises:
        ValueError: No pattern, or one that cannot be read.
    """
    paths = PathSet(patterns)

    def narrow(middleware: Any) -> Any:
        if isinstance(middleware, type):
            return _narrowed_class(middleware, paths)
        if inspect.isroutine(middleware) or isinstance(middleware, partial):
            return _narrowed_function(middleware, paths)
        twin = copy.copy(middleware)
        twin.__class__ = _narrowed_class(type(middleware), paths)
        return twin

    return narrow


use_for_route = only_for


def _narrowed_function(function: Callable[..., Awaitable[object]], paths: PathSet) -> Any:
    @wraps(function)
    async def narrowed(request: Request, response: Response, call_next: CallNext) -> object:
        if request.path in paths:
            return await function(request, response, call_next)
        return await call_next()

    return narrowed


def _narrowed_class(middleware: type, paths: PathSet) -> type:
    call: Any = middleware.__call__

    async def narrowed(
        self: object, request: Request, response: Response, call_next: CallNext
    ) -> object:
        if request.path in paths:
            return await call(self, request, response, call_next)
        return await call_next()

    # A child of the class, so that before=, after= and requires still find it.
    methods: dict[str, Any] = {"__call__": narrowed, "__slots__": ()}
    for name in _ASKED:
        if hasattr(middleware, name):
            methods[name] = _asked(getattr(middleware, name), paths)
    return type(middleware.__name__, (middleware,), methods)


def _asked(method: Callable[..., Awaitable[None]], paths: PathSet) -> Any:
    async def ask(self: object, connection: Connection, *rest: object) -> None:
        if connection.path in paths:
            await method(self, connection, *rest)

    return ask
