"""What people ask for: types, qualified types and collections, in one normal form."""

import collections.abc
import datetime as dt
import decimal
import operator
import pathlib
import types
import typing
import uuid
from collections.abc import Hashable
from enum import Enum
from typing import (
    Annotated,
    Any,
    Final,
    Generic,
    NewType,
    TypeVar,
    cast,
    get_args,
    get_origin,
    overload,
)

from typing_extensions import TypeAliasType, TypeForm

T = TypeVar("T")


class Missing(Enum):
    """The absence of a value, where None is a value."""

    MISSING = "MISSING"

    def __repr__(self) -> str:
        """Return the bare word."""
        return "MISSING"


MISSING: Final = Missing.MISSING


class Collected(Enum):
    """How the many bindings of one key are handed over."""

    LIST = "list"
    TUPLE = "tuple"
    DICT = "dict"


class Key(Generic[T]):
    """A type, or a type and a name, as something to bind and to ask for.

    ``Key(Cache, "hot")`` is a key wherever one is expected; ``Annotated[Cache, Key("hot")]`` is
    the same in a signature. A name is any hashable: ``0`` and ``""`` are real names.
    """

    __slots__ = ("_hash", "form", "name")

    form: object
    name: Hashable

    @overload
    def __init__(self, form: TypeForm[T], name: Hashable = ...) -> None: ...
    @overload
    def __init__(self: "Key[Any]", form: Hashable) -> None: ...
    def __init__(self, form: object, name: Hashable = MISSING) -> None:
        """Take a type with an optional name, or, inside ``Annotated``, the name alone."""
        base: object = form
        if name is MISSING and not is_form(form):
            if not isinstance(form, Hashable):
                raise TypeError(f"the name of a key must be hashable, not {form!r}")
            base, name = MISSING, form
        elif base is not MISSING:
            base, found = _normal(base)
            name = found if name is MISSING else name
        object.__setattr__(self, "form", base)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "_hash", hash((base, name)))

    def __setattr__(self, attribute: str, value: object) -> None:
        """Refuse: keys are values."""
        raise AttributeError(f"a Key cannot be changed ({attribute}={value!r})")

    def __hash__(self) -> int:
        """Return the hash computed once."""
        return self._hash  # type: ignore[no-any-return,attr-defined]  # set past __setattr__

    def __eq__(self, other: object) -> bool:
        """Return whether type and name are the same; ``0``, ``False`` and ``0.0`` differ."""
        return (
            isinstance(other, Key)
            and bool(self.form == other.form)
            and type(self.name) is type(other.name)
            and self.name == other.name
        )

    @property
    def is_name_only(self) -> bool:
        """Whether this is a qualifier for use inside ``Annotated``."""
        return self.form is MISSING

    @property
    def is_named(self) -> bool:
        """Whether the key carries a name."""
        return self.name is not MISSING

    def __str__(self) -> str:
        """Return the way people write it: ``Cache`` or ``Key(Cache, 'hot')``."""
        if self.is_name_only:
            return f"Key({self.name!r})"
        return f"Key({show(self.form)}, {self.name!r})" if self.is_named else show(self.form)

    def __repr__(self) -> str:
        """Return the constructor call."""
        return str(self) if self.is_named else f"Key({self})"


AnyKey = Key[Any]

_VALUE_TYPES: Final = frozenset(
    {
        str, int, float, bool, bytes, bytearray, complex, dict, list, set, tuple, frozenset,
        object, type, type(None), dt.datetime, dt.date, dt.time,
        dt.timedelta, decimal.Decimal, uuid.UUID, pathlib.Path, pathlib.PurePath,
    }
)  # fmt: skip
_FORMS: Final = (type, types.GenericAlias, types.UnionType, NewType, TypeAliasType)
_COLLECTIONS: Final = {
    list: Collected.LIST,
    collections.abc.Sequence: Collected.LIST,
    tuple: Collected.TUPLE,
    dict: Collected.DICT,
    collections.abc.Mapping: Collected.DICT,
}


def is_form(value: object) -> bool:
    """Return whether ``value`` is a type expression rather than a name."""
    return (
        isinstance(value, _FORMS)
        or get_origin(value) is not None
        or value is Any
        or isinstance(value, TypeVar)
    )


def key_of(form: object) -> AnyKey:
    """Return the key that ``form`` stands for.

    Raises:
        TypeError: ``form`` is no type, or a qualifier without a type.
    """
    if isinstance(form, Key):
        if form.is_name_only:
            raise TypeError(f"{form!r} names no type; write Key(TheType, {form.name!r})")
        return form
    if not is_form(form):
        raise TypeError(f"{form!r} is not a type, so it cannot be a key")
    return Key(form)


def optional_of(form: object) -> tuple[object, bool]:
    """Return ``form`` without its ``| None``, and whether it had one.

    The metadata of an ``Annotated`` around the union stays with what is left.
    """
    if isinstance(form, type):
        return form, False
    if isinstance(form, TypeAliasType):
        return optional_of(form.__value__)
    origin = get_origin(form)
    if origin is Annotated:
        inner, *metadata = get_args(form)
        bare, optional = optional_of(inner)
        if not optional:
            return form, False
        return operator.getitem(Annotated, (bare, *metadata)), True
    if origin in (typing.Union, types.UnionType):
        members = [member for member in get_args(form) if member is not type(None)]
        if len(members) == 1 and len(members) != len(get_args(form)):
            return members[0], True
    return form, False


def union_members(form: object) -> tuple[object, ...]:
    """Return the members of a union other than None; empty when it is no union."""
    if not isinstance(form, type) and get_origin(form) in (typing.Union, types.UnionType):
        return tuple(member for member in get_args(form) if member is not type(None))
    return ()


def is_value_type(form: object) -> bool:
    """Return whether ``form`` is a bare type such as ``str`` that says nothing as a key."""
    return form is Any or (is_form(form) and form in _VALUE_TYPES)


def collected(key: AnyKey) -> tuple[Collected, AnyKey] | None:
    """Return how ``key`` collects and what, or None when it is no collection."""
    origin: Any = get_origin(key.form)
    how = _COLLECTIONS.get(origin)
    arguments = get_args(key.form)
    if how is None or not arguments:
        return None
    if how is Collected.DICT:
        return how, Key(arguments[1])
    if how is Collected.TUPLE and (len(arguments) != 2 or arguments[1] is not Ellipsis):
        return None
    return how, Key(arguments[0], key.name)


def show(form: object) -> str:
    """Return a type as people write it, safe to print on one line."""
    if form is None or form is type(None):
        return "None"
    if form is Ellipsis:
        return "..."
    if isinstance(form, list):
        return f"[{', '.join(show(item) for item in form)}]"
    if members := union_members(form):
        tail = " | None" if type(None) in get_args(form) else ""
        return " | ".join(show(member) for member in members) + tail
    origin = None if isinstance(form, type) else get_origin(form)
    if origin is Annotated:
        return show(get_args(form)[0])
    if origin is not None:
        return f"{show(origin)}[{', '.join(show(item) for item in get_args(form))}]"
    name = getattr(form, "__name__", None)
    return printable(name if isinstance(name, str) else str(form))


def printable(text: str) -> str:
    """Return ``text`` with everything that could break a line or a terminal replaced."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "?" for char in text)


def _normal(form: object) -> tuple[object, Hashable]:
    if isinstance(form, type):
        return form, MISSING
    if isinstance(form, TypeAliasType):
        return _normal(form.__value__)
    origin = get_origin(form)
    if origin is Annotated:
        inner, *metadata = get_args(form)
        base, name = _normal(inner)
        for item in metadata:
            if isinstance(item, Key):
                name = item.name
        return base, name
    if isinstance(origin, TypeAliasType):
        said = dict(zip(origin.__type_params__, get_args(form), strict=False))
        value = cast("Any", origin.__value__)
        return _normal(value[tuple(said[item] for item in value.__parameters__)])
    if origin is not None and origin.__module__ in ("builtins", "collections.abc"):
        return origin[get_args(form)], MISSING
    return form, MISSING
