"""Reads compiled methods: does a class change its objects after they are made?"""

import dis
import inspect
import typing
from collections.abc import Iterator
from functools import partial
from typing import Final

# ``await`` and ``async with``, ``async for``; a bare ``yield`` is neither.
_WAITING: Final = frozenset({"GET_AWAITABLE", "GET_ANEXT"})


def assigns_attributes(cls: type) -> bool:
    """Return whether a method besides ``__init__`` sets or deletes an attribute."""
    for base in cls.__mro__:
        if base in (object, typing.Generic):
            continue
        for name, member in vars(base).items():
            if name != "__init__" and any(map(_stores, _codes(member))):
                return True
    return False


def never_waits(function: object) -> bool:
    """Return whether an async generator function holds no ``await`` at all, so that a step of it
    ends without letting anybody else run.
    """
    code = getattr(function, "__code__", None)
    if code is None or not code.co_flags & inspect.CO_ASYNC_GENERATOR:
        return False  # it calls or wraps the one that yields
    return not any(step.opname in _WAITING for step in dis.get_instructions(code))


def holds_await(function: object) -> bool:
    """Return whether a call of ``function`` may let somebody else run before it is over.

    What has no code to look into is thought to.
    """
    while isinstance(function, partial):
        function = function.func
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None:
        return True
    return any(step.opname in _WAITING for step in dis.get_instructions(code))


def _codes(member: object) -> Iterator[object]:
    if isinstance(member, property):
        for part in (member.fget, member.fset, member.fdel):
            yield from _codes(part)
        return
    function = getattr(member, "__func__", member)
    if callable(function) and not isinstance(function, type):
        function = inspect.unwrap(function)
    stack = [getattr(function, "__code__", None)]
    while stack:
        code = stack.pop()
        if code is not None:
            yield code
            stack += [item for item in code.co_consts if inspect.iscode(item)]


def _stores(code: object) -> bool:
    return any(
        item.opname in ("STORE_ATTR", "DELETE_ATTR")
        for item in dis.get_instructions(code)  # type: ignore[arg-type]  # a code object
    )
