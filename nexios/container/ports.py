"""Does a class, a source or a value satisfy the port it is bound to?"""

import collections.abc
import inspect
import types
from collections.abc import Callable, Mapping
from typing import Any, Final, NewType, get_args, get_origin

from typing_extensions import get_protocol_members, is_protocol

from nexios.container.keys import MISSING, AnyKey, show
from nexios.container.mounting import Mounted
from nexios.container.signature import Unresolved, hint_of, kind_of
from nexios.container.typevars import as_base, class_behind, opened

_YIELDING = (
    collections.abc.AsyncIterator, collections.abc.AsyncGenerator, collections.abc.AsyncIterable,
    collections.abc.Iterator, collections.abc.Generator, collections.abc.Iterable,
)  # fmt: skip
# PEP 484: an int is welcome where a float is asked for.
_PROMOTED: Final[Mapping[type, tuple[type, ...]]] = {float: (int,), complex: (int, float)}
_AWAITABLE = (collections.abc.Awaitable, collections.abc.Coroutine)


def misfit(key: AnyKey, source: object) -> str:
    """Return why ``source`` cannot answer for ``key``; empty when it can, or nobody can tell."""
    port = class_of(key.form)
    made = made_by(source)
    if port is None or made is None:
        return ""
    return misfit_of_class(port, made) or misfit_of_arguments(key.form, made_form(source))


def misfit_of_value(key: AnyKey, value: object) -> str:
    """Return why ``value`` cannot answer for ``key``; empty when it can, or nobody can tell."""
    port = class_of(key.form)
    if port is None or port is object:
        return ""
    if is_protocol(port):
        if isinstance(value, type) or hasattr(type(value), "__getattr__"):
            return ""
        return _protocol_misfit(port, type(value), holder=value)
    try:
        fits = isinstance(value, (port, *_PROMOTED.get(port, ())))
    except TypeError:
        return ""
    # Not the value: it may be a password from the configuration.
    return "" if fits else f"{_a(type(value))} is no {show(port)}"


def misfit_of_mounted(key: AnyKey, mounted: Mounted) -> str:
    """Return why a mounted provider cannot answer for ``key``; empty when nobody can tell."""
    source, value = mounted.made()
    if value is not MISSING:
        return misfit_of_value(key, value)
    return "" if source is MISSING else misfit(key, source)


def misfit_of_class(port: type, made: type) -> str:
    """Return why instances of ``made`` do not satisfy ``port``; empty when they do."""
    if port is object or made is object:
        return ""
    if is_protocol(port):
        if port in made.__mro__:
            return ""
        return _protocol_misfit(port, made)
    try:
        fits = issubclass(made, (port, *_PROMOTED.get(port, ())))
    except TypeError:
        return ""
    return "" if fits else f"{show(made)} is no {show(port)}"


def misfit_of_arguments(form: object, made: object) -> str:
    """Return why a generic class, closed otherwise, does not satisfy ``form``; else empty.

    Only classes that share nothing are told apart: variance is the type checker's.
    """
    port = class_of(form)
    seen = None if port is None else as_base(made, port)
    for wanted, found in zip(get_args(form), get_args(seen), strict=False):
        if _strangers(wanted, found):
            return f"{show(made)} is a {show(seen)}, not a {show(form)}"
    return ""


def class_of(form: object) -> type | None:
    """Return the class behind a key's type; None where a value cannot be compared with it."""
    while isinstance(form, NewType):
        form = form.__supertype__
    origin = get_origin(form)
    if isinstance(origin, type):
        return None if origin in (type, types.UnionType) else origin
    if form is Any:  # a class on Python 3.11
        return None
    return form if isinstance(form, type) else None


def made_form(source: object) -> object:
    """Return the type of what a source makes; MISSING where nobody can tell.

    Of a bare generic class it is open, whatever its parameters are by default.
    """
    if isinstance(source, type):
        return opened(source, {})
    if class_behind(source) is not None:
        return source
    if not callable(source):
        return MISSING
    hint = hint_of(source)
    if isinstance(hint, Unresolved):
        return MISSING
    if kind_of(source).exits:
        return get_args(hint)[0] if get_origin(hint) in _YIELDING and get_args(hint) else MISSING
    return MISSING if get_origin(hint) in _AWAITABLE else hint


def made_by(source: object) -> type | None:
    """Return the class of what a source makes; None when its hints do not tell."""
    form = made_form(source)
    return None if form is MISSING else class_of(form)


def _strangers(wanted: object, found: object) -> bool:
    if not isinstance(wanted, type) or not isinstance(found, type) or Any in (wanted, found):
        return False
    if is_protocol(wanted) or is_protocol(found):
        return False
    return wanted not in found.__mro__ and found not in wanted.__mro__


def _a(cls: type) -> str:
    return "None" if cls is type(None) else f"{show(cls)} object"


def _protocol_misfit(port: type, made: type, holder: object = None) -> str:
    name = f"{show(made)} does not satisfy {show(port)}"
    for member in sorted(get_protocol_members(port)):
        wanted = inspect.getattr_static(port, member, MISSING)
        if not inspect.isfunction(wanted):
            continue
        found = inspect.getattr_static(made, member, MISSING)
        if found is MISSING and holder is not None:
            found = getattr(holder, member, MISSING)
            if found is not MISSING:
                continue
        if found is MISSING:
            if hasattr(made, "__getattr__") or member in getattr(made, "__annotations__", {}):
                continue
            return f"{name}: it has no {member}()"
        if found is None:
            return f"{name}: its {member} is None"
        if says := _method_misfit(member, wanted, found):
            return f"{name}: {says}"
    return ""


def _method_misfit(name: str, wanted: Callable[..., object], found: object) -> str:
    bound = not isinstance(found, staticmethod)
    function = getattr(found, "__func__", found)
    if not inspect.isfunction(function):
        return ""
    if _awaited(wanted) and not _may_be_awaited(function):
        return f"{name}() is a plain function, the port awaits it"
    if inspect.iscoroutinefunction(function) and not _may_be_awaited(wanted):
        return f"{name}() is a coroutine function, the port does not await it"
    try:
        ours, theirs = inspect.signature(wanted), inspect.signature(function)
    except (TypeError, ValueError):
        return ""
    passed = list(ours.parameters.values())[1:]
    positional = [item for item in passed if item.kind in _POSITIONAL]
    named = {item.name: None for item in passed if item.kind is inspect.Parameter.KEYWORD_ONLY}
    try:
        theirs.bind(*([None] * (len(positional) + bound)), **named)
    except TypeError:
        takes = [
            item for item in list(theirs.parameters.values())[bound:] if item.kind in _POSITIONAL
        ]
        missing = set(named) - set(theirs.parameters)
        if missing:
            return f"{name}() takes no {min(missing)}, the port passes it"
        many = "parameter" if len(takes) == 1 else "parameters"
        return f"{name}() takes {len(takes)} {many}, the port passes {len(positional)}"
    return ""


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _awaited(function: Callable[..., object]) -> bool:
    return inspect.iscoroutinefunction(function)


def _may_be_awaited(function: Callable[..., object]) -> bool:
    if inspect.iscoroutinefunction(inspect.unwrap(function)) or hasattr(function, "__wrapped__"):
        return True
    hint = hint_of(function)
    if hint is MISSING or hint is Any or isinstance(hint, Unresolved):
        return True
    return get_origin(hint) in _AWAITABLE or hint in _AWAITABLE
