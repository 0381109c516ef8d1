"""Open generics: which open bindings fit a closed key, which fits best, and closing them."""

import sys
import types
import typing
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Annotated, Any, Final, ForwardRef, TypeVar, cast, get_args, get_origin

from nexios.container.binding import Answer, Binding
from nexios.container.keys import MISSING, AnyKey, Key, show, union_members
from nexios.container.ports import class_of, made_form, misfit_of_class
from nexios.container.typevars import (
    Types,
    as_base,
    class_behind,
    is_open,
    opened,
    parameters,
    substitute,
    variables,
    with_defaults,
)

_UNIONS: Final = (typing.Union, types.UnionType)


def matched(pattern: AnyKey, key: AnyKey) -> dict[object, object] | None:
    """Return what the variables of ``pattern`` stand for in ``key``, whatever their bounds.

    None where the two do not match. A variable alone matches nothing: it says no key.
    """
    same_name = type(pattern.name) is type(key.name) and pattern.name == key.name
    found: dict[object, object] = {}
    if isinstance(pattern.form, TypeVar) or not same_name:
        return None
    return found if _unify(pattern.form, key.form, found) else None


def fit(pattern: AnyKey, key: AnyKey) -> dict[object, object] | None:
    """Return what the variables of ``pattern`` stand for in ``key``; None where it does not fit.

    Bounds and constraints count; a bound that nobody can evaluate lets all through.
    """
    found = matched(pattern, key)
    return found if found is not None and refused(found) is None else None


def refused(found: Types) -> tuple[TypeVar, object] | None:
    """Return the first variable whose bound or constraints refuse what it stands for."""
    for item, form in found.items():
        if isinstance(item, TypeVar) and not _allows(item, form):
            return item, form
    return None


def fits(pattern: AnyKey, key: AnyKey) -> bool:
    """Return whether ``pattern`` is ``key``, or is open and can be closed to it."""
    return pattern == key or fit(pattern, key) is not None


def is_same(one: AnyKey, other: AnyKey) -> bool:
    """Return whether two open keys say the same, whatever their variables are called."""
    return fit(one, other) is not None and fit(other, one) is not None


def most_specific(bindings: Iterable[Binding]) -> tuple[Binding, ...]:
    """Return the bindings that no other of them is more specific than, in order."""
    found = tuple(dict.fromkeys(bindings))
    if len(found) < 2:
        return found
    return tuple(item for item in found if not any(is_more_specific(o, item) for o in found))


def preferred(nearer: Sequence[Binding], farther: Sequence[Binding]) -> tuple[Binding, ...]:
    """Return the most specific of two groups; between equals the nearer one."""
    hidden = [pattern_of(item) for item in nearer]
    kept = [item for item in farther if not any(is_same(pattern_of(item), o) for o in hidden)]
    return most_specific((*nearer, *kept))


def pattern_of(binding: Binding) -> AnyKey:
    """Return the key as it was bound: ``Repository[T]`` of what answers ``Repository[User]``."""
    return binding.base.written.key


def is_more_specific(one: Binding, other: Binding) -> bool:
    """Return whether one binding beats another for a key that both answer."""
    ours, theirs = pattern_of(one), pattern_of(other)
    return fit(theirs, ours) is not None and fit(ours, theirs) is None


def close(binding: Binding, key: AnyKey, *, late: bool = False) -> Binding:
    """Return the closed form of an open binding for a key that it fits.

    Args:
        binding: Its key has type variables.
        key: Has none.
        late: Whether the container runs, so that nothing makes a new singleton at the start.
    """
    found = fit(binding.key, key) or {}
    source = binding.source
    if binding.itself:
        source = key.form
    elif binding.answer is Answer.ALIAS:
        source = _closed_key(binding.other, found)
    elif binding.answer is Answer.SOURCE and get_origin(source) is not None:
        source = substitute(source, found)
    using = {
        name: _closed_key(value, found) if isinstance(value, Key) else value
        for name, value in binding.using.items()
    }
    return replace(
        binding, key=key, source=source, using=using, open=binding, types=found,
        lazy=binding.lazy or late,
    )  # fmt: skip


def solved(binding: Binding) -> tuple[object, Types]:
    """Return the source of a binding with its type variables closed as far as its key says.

    A bare generic class becomes an alias of it; what a function's variables stand for comes
    beside. Bases and return types tell; where a class only has the port's shape, variables
    that both share, then the order of the parameters.
    """
    source, form = binding.source, binding.key.form
    port = class_behind(form)
    if not isinstance(source, type):
        if get_origin(source) is not None:
            return source, binding.types
        made = made_form(source)
        return source, _told(made, form, port) or binding.types
    if not parameters(source):
        return source, {}
    known = _told(made_form(source), form, port)
    own = parameters(source)
    if not known and port is not None and as_base(source, port) is None:
        known = {item: binding.types[item] for item in own if item in binding.types}
        if not known and len(get_args(form)) == len(own):
            known = dict(zip(own, get_args(form), strict=True))
    known = with_defaults(source, known)
    return (opened(source, known) if known else source), {}


def _told(made: object, form: object, port: type | None) -> Types:
    found: dict[object, object] = {}
    seen = None if made is MISSING or port is None else as_base(made, port)
    return found if seen is not None and _unify(seen, form, found) else {}


def _closed_key(key: AnyKey, found: Types) -> AnyKey:
    return Key(cast("Any", substitute(key.form, found)), key.name)


def _unify(pattern: object, form: object, found: dict[object, object]) -> bool:
    if isinstance(pattern, TypeVar):
        return bool(found.setdefault(pattern, form) == form)
    if isinstance(pattern, list):
        return isinstance(form, list) and _all(pattern, form, found)
    if not variables(pattern):
        return bool(pattern == form)
    pattern, form = _plain(pattern), _defaulted(_plain(form))
    if get_origin(pattern) in _UNIONS:
        return get_origin(form) in _UNIONS and _unify_unions(pattern, form, found)
    if get_origin(pattern) != get_origin(form):
        return False
    return _all(get_args(pattern), get_args(form), found)


def _all(patterns: Sequence[object], forms: Sequence[object], found: dict[object, object]) -> bool:
    return len(patterns) == len(forms) and all(
        _unify(pattern, form, found) for pattern, form in zip(patterns, forms, strict=True)
    )


def _unify_unions(pattern: object, form: object, found: dict[object, object]) -> bool:
    """Match ``T | None`` with ``User | None``: what is closed must be there, T is the rest."""
    members = list(get_args(form))
    rest: list[object] = []
    for item in get_args(pattern):
        if item in members:
            members.remove(item)
        else:
            rest.append(item)
    if len(rest) == 1 and members and variables(rest[0]):
        return _unify(rest[0], typing.Union[tuple(members)], found)  # noqa: UP007  # at run time
    return _all(rest, members, found)


def _plain(form: object) -> object:
    return get_args(form)[0] if get_origin(form) is Annotated else form


def _defaulted(form: object) -> object:
    """Return a bare generic class as what PEP 696 says it means."""
    if not isinstance(form, type) or not parameters(form):
        return form
    known = with_defaults(form, {})
    return opened(form, known) if len(known) == len(parameters(form)) else form


def _allows(item: TypeVar, form: object) -> bool:
    if form is Any:
        return True
    if isinstance(form, TypeVar):
        return form is item or _allows_variable(item, form)
    if item.__constraints__:
        return any(form == _evaluated(item, each) for each in item.__constraints__)
    if item.__bound__ is None:
        return True
    bound = _evaluated(item, item.__bound__)
    return all(_is_within(member, bound) for member in union_members(form) or (form,))


def _allows_variable(item: TypeVar, other: TypeVar) -> bool:
    if item.__constraints__:
        return set(other.__constraints__) <= set(item.__constraints__) and bool(
            other.__constraints__
        )
    if item.__bound__ is None:
        return True
    if other.__constraints__:
        return all(_allows(item, each) for each in other.__constraints__)
    return other.__bound__ is not None and _allows(item, _evaluated(other, other.__bound__))


def _is_within(form: object, bound: object) -> bool:
    if members := union_members(bound):
        return any(_is_within(form, member) for member in members)
    port, cls = class_of(bound), class_of(form)
    if port is None or bound is Any:
        return True
    return form is not None and cls is not None and not misfit_of_class(port, cls)


def _evaluated(item: TypeVar, form: object) -> object:
    """Return a bound or constraint, written as text or not; Any where nobody can tell."""
    if not isinstance(form, ForwardRef):
        return form
    space = vars(sys.modules.get(item.__module__, typing))
    holder = types.SimpleNamespace(__annotations__={"bound": form})
    try:
        return typing.get_type_hints(holder, dict(space))["bound"]
    except (NameError, SyntaxError, TypeError, AttributeError):
        return Any


def why_not(pattern: AnyKey, key: AnyKey) -> str:
    """Return why an open key that has the form of ``key`` does not fit it; empty where it does."""
    found = matched(pattern, key) if is_open(pattern) else None
    odd = None if found is None else refused(found)
    if odd is None:
        return ""
    item, form = odd
    if item.__constraints__:
        names = " or ".join(show(_evaluated(item, each)) for each in item.__constraints__)
        return f"{pattern} takes {names} for {show(item)}, not {show(form)}"
    bound = show(_evaluated(item, item.__bound__))
    return f"{pattern} takes only {bound} for {show(item)}, which {show(form)} is not"
