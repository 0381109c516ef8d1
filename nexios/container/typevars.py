"""Type variables in types: which are open, and what they stand for, in base classes too."""

from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Any, Generic, Protocol, TypeVar, Unpack, cast, get_args, get_origin

from typing_extensions import NoDefault, TypeVarTuple

from nexios.container.keys import AnyKey, show

Types = Mapping[object, object]
"""Type variable to what it stands for."""


def variables(form: object) -> tuple[object, ...]:
    """Return the open type variables of a type; a bare generic class has none."""
    if isinstance(form, type):
        return ()
    return (form,) if isinstance(form, TypeVar) else parameters(form)


def parameters(form: object) -> tuple[object, ...]:
    """Return the type parameters of a class, or the open ones of an alias."""
    found = getattr(form, "__parameters__", ())
    return found if isinstance(found, tuple) else ()


def is_open(key: AnyKey) -> bool:
    """Return whether a key stands for many: ``Repository[T]``."""
    return bool(variables(key.form))


def listed(items: Iterable[object]) -> str:
    """Return type variables as one says them: ``T``, ``K and V``."""
    return " and ".join(dict.fromkeys(show(item) for item in items))


def substitute(form: object, types: Types) -> object:
    """Return ``form`` with its type variables replaced; those not in ``types`` stay."""
    if isinstance(form, TypeVar):
        return types.get(form, form)
    found = variables(form)
    if not any(item in types for item in found):
        return form
    return cast("Any", form)[tuple(types.get(item, _itself(item)) for item in found)]


def class_behind(form: object) -> type | None:
    """Return a class, or the class of a generic alias."""
    if isinstance(form, type):
        return form
    origin = get_origin(form)
    return origin if isinstance(origin, type) and origin is not UnionType else None


def standing_for(form: object, base: type) -> Types:
    """Return what the parameters of ``base`` stand for in a class or alias that inherits it.

    Those that nothing says are left out.
    """
    cls, known = class_behind(form), _said(form)
    while cls is not None and cls is not base:
        above = next((item for item in _bases(cls) if _inherits(item, base)), None)
        above = substitute(above, known)
        cls, known = class_behind(above), _said(above)
    return known if cls is base else {}


def as_base(form: object, base: type) -> object | None:
    """Return a class or alias as seen as ``base``: ``Repository[User]`` of ``UserRepository``.

    None where it does not inherit ``base``.
    """
    if not _inherits(form, base):
        return None
    types = standing_for(form, base)
    if class_behind(form) is base and get_origin(form) is not None:
        return form
    return opened(base, types)


def opened(cls: type, types: Types) -> object:
    """Return a generic class with its parameters filled; those not in ``types`` stay open."""
    found = parameters(cls)
    if not found:
        return cls
    return cast("Any", cls)[tuple(types.get(item, _itself(item)) for item in found)]


def with_defaults(cls: object, types: Types) -> Types:
    """Return ``types`` and, for parameters of ``cls`` not in it, what PEP 696 says they are."""
    known = dict(types)
    for item in parameters(cls):
        default = getattr(item, "__default__", NoDefault)
        if item not in known and default is not NoDefault:
            known[item] = substitute(default, known)
    return known


def _said(form: object) -> Types:
    cls = class_behind(form)
    if cls is None:
        return {}
    found = parameters(cls)
    if any(isinstance(item, TypeVarTuple) for item in found):
        return {}
    return with_defaults(cls, dict(zip(found, get_args(form), strict=False)))


def _bases(cls: type) -> tuple[object, ...]:
    found = vars(cls).get("__orig_bases__", cls.__bases__)
    return tuple(item for item in found if class_behind(item) not in (Generic, Protocol))


def _inherits(form: object, base: type) -> bool:
    cls = class_behind(form)
    return cls is not None and base in cls.__mro__


def _itself(item: object) -> object:
    return Unpack[item] if isinstance(item, TypeVarTuple) else item
