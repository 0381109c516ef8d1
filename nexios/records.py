"""The standard library's ``dataclass``, its constructor written when it is first called.

The standard library writes five methods of a frozen class as text and compiles each when the
module is imported. A start of Nexios imports two hundred such classes and calls the constructors
of half: 0.49 -> 0.06 ms a class at import on CPython 3.11, ``benchmarks/cold_start.py``. So here
only the constructor is written as text, once it is called; the others need none.

``records.pyi`` tells type checkers that this is the standard library's decorator. `fields`,
`replace`, pickling and inheritance work as with that one; an ``InitVar`` is not served.
"""

import dataclasses
from functools import partial
from operator import attrgetter
from reprlib import recursive_repr

_MADE = object()
"""Default of a parameter whose value comes from the field's default factory."""


def dataclass(cls=None, /, *, frozen=False, slots=False, eq=True, repr=True, kw_only=False):
    """Make of ``cls`` what ``dataclasses.dataclass`` with these arguments makes of it."""
    if cls is None:
        return partial(dataclass, frozen=frozen, slots=slots, eq=eq, repr=repr, kw_only=kw_only)
    # The standard library wants a class frozen when its base is, and only then.
    below = any(base.__dataclass_params__.frozen for base in _ancestors(cls))
    record = dataclasses.dataclass(
        init=False, repr=False, eq=False, frozen=below, slots=slots, kw_only=kw_only
    )(cls)
    told = record.__dataclass_params__
    told.init, told.repr, told.eq, told.frozen = True, repr, eq, frozen
    methods = {"__init__": _first(record)}
    if repr:
        methods["__repr__"] = _shown
    if eq:
        methods |= _comparison(record, frozen=frozen)
    if frozen and not below:
        methods |= _refusals(record)
        methods |= {"__getstate__": _state, "__setstate__": _restore} if slots else {}
    for name, method in methods.items():
        # As with the standard library, what the class says itself stays.
        if name not in vars(record) or (name == "__hash__" and vars(record)[name] is None):
            setattr(record, name, method)
    return record


def constructed(cls):
    """Write the constructor of ``cls`` now where it is a record's: its signature is wanted."""
    write = getattr(vars(cls).get("__init__"), "write", None)
    if write is not None:
        write()


def _ancestors(cls):
    return [base for base in cls.__mro__[1:] if "__dataclass_params__" in vars(base)]


def _first(record):
    """Return what stands in for the constructor until it is called."""

    def first(self, *values, **named):
        write()
        record.__init__(self, *values, **named)

    def write():
        record.__init__ = _constructor(record)

    first.write = write
    return first


def _constructor(record):
    given = dataclasses.fields(record)
    frozen = record.__dataclass_params__.frozen
    names = {"_set": object.__setattr__, "_MADE": _MADE}
    lines, places, keywords = [], [], []
    for field in given:
        name = field.name
        value = name
        if field.default_factory is not dataclasses.MISSING:
            names[f"_make_{name}"] = field.default_factory
            value = f"_make_{name}()"
            value = f"{value} if {name} is _MADE else {name}" if field.init else value
            default = "=_MADE"
        elif field.default is not dataclasses.MISSING:
            names[f"_default_{name}"] = field.default
            default = f"=_default_{name}"
            value = name if field.init else f"_default_{name}"
        else:
            default = ""
        if field.init:
            (keywords if field.kw_only else places).append(name + default)
        if field.init or value != name:
            lines.append(
                f"_set(_record, {name!r}, {value})" if frozen else f"_record.{name} = {value}"
            )
    if hasattr(record, "__post_init__"):
        lines.append("_record.__post_init__()")
    parameters = ", ".join(["_record", *places, *(["*", *keywords] if keywords else [])])
    body = "\n ".join(lines or ["pass"])
    # Our own names and literals only, as in the standard library.
    exec(f"def __init__({parameters}):\n {body}", names)  # noqa: S102
    made = names["__init__"]
    made.__module__ = record.__module__
    made.__qualname__ = f"{record.__qualname__}.__init__"
    made.__annotations__ = {field.name: field.type for field in given if field.init}
    made.__annotations__["return"] = None
    return made


@recursive_repr()
def _shown(self):
    told = (
        f"{one.name}={getattr(self, one.name)!r}" for one in dataclasses.fields(self) if one.repr
    )
    return f"{type(self).__qualname__}({', '.join(told)})"


def _comparison(record, *, frozen):
    compared = [one for one in dataclasses.fields(record) if one.compare]
    values = _values([one.name for one in compared])

    def equal(self, other):
        if other.__class__ is self.__class__:
            return values(self) == values(other)
        return NotImplemented

    names = [one.name for one in compared if one.hash is not False]
    kept = values if len(names) == len(compared) else _values(names)

    def hashed(self):
        return hash(kept(self))

    return {"__eq__": equal, "__hash__": hashed if frozen else None}


def _values(names):
    if not names:
        return lambda _: ()
    return attrgetter(*names)


def _refusals(record):
    names = frozenset(one.name for one in dataclasses.fields(record))

    def set_(self, name, value):
        if type(self) is record or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super(record, self).__setattr__(name, value)

    def delete(self, name):
        if type(self) is record or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        super(record, self).__delattr__(name)

    return {"__setattr__": set_, "__delattr__": delete}


def _state(self):
    return [getattr(self, one.name) for one in dataclasses.fields(self)]


def _restore(self, state):
    for one, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, one.name, value)
