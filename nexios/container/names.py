"""The names that an annotation may use: those that stand where it is written."""

import builtins
import functools
import inspect
import sys
import types
import typing
from collections.abc import Mapping, Sequence

from nexios.container.keys import show


class Names(dict[str, object]):
    """The names an annotation may use: its module, its class, its bases' modules, then more."""

    def __init__(
        self, source: object, names: Mapping[str, object] | None, owner: type | None = None
    ) -> None:
        """Look where ``source`` stands, in its class, then in ``names``."""
        super().__init__()
        self._source, self._further, self._owner = source, names, owner

    def __missing__(self, name: str) -> object:
        """Return what the first space says of ``name``."""
        for space in self._spaces:
            if name in space:
                return space[name]
        raise KeyError(name)

    @property
    def local(self) -> bool:
        """Whether the annotation stands inside a function, whose names nobody can look up."""
        named = (getattr(item, "__qualname__", "") for item in (self._owner, self._function))
        return any("<locals>" in name for name in named)

    @functools.cached_property
    def _function(self) -> object:
        source = self._source
        return inspect.unwrap(callee(source)) if callable(source) else source

    @functools.cached_property
    def _spaces(self) -> Sequence[Mapping[str, object]]:
        # Gathered when a name is looked up: most hints are types already.
        function = self._function
        spaces: list[Mapping[str, object]] = [getattr(function, "__globals__", {})]
        for base in self._owner.__mro__ if self._owner is not None else ():
            spaces.append(vars(base))
            spaces.append(_parameters_by_name(base))
            spaces.append(vars(sys.modules.get(base.__module__, builtins)))
        spaces.append(_parameters_by_name(function))
        # A nested function knows the names of its closure.
        return [*spaces, _closure(function), vars(builtins), self._further or {}]


def callee(source: object) -> typing.Any:
    """Return the function that runs when ``source`` is called."""
    while isinstance(source, functools.partial):
        source = source.func
    if isinstance(source, types.MethodType):
        return source.__func__
    if inspect.isroutine(source) or isinstance(source, type):
        return source
    call = inspect.getattr_static(type(source), "__call__", None)
    return call if inspect.isfunction(call) else source


def _parameters_by_name(holder: object) -> dict[str, object]:
    """Return the type parameters that ``class Box[T]`` or ``def make[T]()`` declares."""
    return {show(item): item for item in getattr(holder, "__type_params__", ())}


def _closure(function: object) -> dict[str, object]:
    code = getattr(function, "__code__", None)
    cells = getattr(function, "__closure__", None) or ()
    found: dict[str, object] = {}
    for name, cell in zip(getattr(code, "co_freevars", ()), cells, strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            continue
    return found
