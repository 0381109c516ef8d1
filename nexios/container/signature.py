"""Reads callables: what they are, and their parameters with evaluated hints."""

import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import Enum
from typing import Annotated, ClassVar, Final, get_args, get_origin, get_type_hints

from nexios.container.depend import Marker
from nexios.container.keys import MISSING, printable, show
from nexios.container.names import Names, callee
from nexios.container.places import Where
from nexios.container.typevars import (
    Types,
    class_behind,
    standing_for,
    substitute,
    variables,
)
from nexios.records import constructed, dataclass

Kind = inspect._ParameterKind  # noqa: SLF001  # public through Parameter.kind only


class SourceKind(Enum):
    """How a source makes its value."""

    CLASS = "class"
    FUNCTION = "function"
    COROUTINE = "coroutine function"
    GENERATOR = "generator"
    ASYNC_GENERATOR = "async generator"

    @property
    def awaits(self) -> bool:
        """Whether making the value has to be awaited."""
        return self in (SourceKind.COROUTINE, SourceKind.ASYNC_GENERATOR)

    @property
    def exits(self) -> bool:
        """Whether the source has a clean-up."""
        return self in (SourceKind.GENERATOR, SourceKind.ASYNC_GENERATOR)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a callable, or one annotated attribute of a class.

    Attributes:
        annotation: The evaluated hint with its ``Annotated`` metadata; MISSING when absent;
            ``Unresolved`` when its name is not known where it stands.
        default: MISSING when absent; a marker object when the default is one.
        index: Its place among the parameters, the bound first one not counted.
    """

    name: str
    annotation: object
    default: object
    kind: Kind
    index: int
    where: Where

    @property
    def marker(self) -> Marker | None:
        """The ``Depend`` marker in the default or in the ``Annotated`` metadata."""
        if isinstance(self.default, Marker):
            return self.default
        hint = self.annotation
        if not isinstance(hint, type) and get_origin(hint) is Annotated:
            for item in get_args(hint)[1:]:
                if isinstance(item, Marker):
                    return item
        return None

    @property
    def has_default(self) -> bool:
        """Whether the callable can do without; a ``Depend`` marker is no default."""
        return self.default is not MISSING and not isinstance(self.default, Marker)


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A string annotation that could not be evaluated.

    Attributes:
        local: Whether it stands inside a function, whose names nobody can look up.
    """

    text: str
    unknown: str
    local: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """A callable as the container sees it.

    Attributes:
        attributes: Whether the parameters are annotated attributes, set after the call.
    """

    parameters: tuple[Parameter, ...]
    attributes: bool = False
    open_keywords: bool = False


_PLAIN: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def kind_of(source: Callable[..., object]) -> SourceKind:
    """Return how ``source`` makes its value, looked at from the outside, not through wrappers."""
    if isinstance(source, type) or isinstance(get_origin(source), type):
        return SourceKind.CLASS
    function = callee(source)
    if inspect.isasyncgenfunction(function):
        return SourceKind.ASYNC_GENERATOR
    if inspect.isgeneratorfunction(function):
        return SourceKind.GENERATOR
    if inspect.iscoroutinefunction(function):
        return SourceKind.COROUTINE
    return SourceKind.FUNCTION


def makes_context_manager(source: object) -> bool:
    """Return whether ``source`` is a function decorated with ``@(async)contextmanager``."""
    if isinstance(source, type):
        return False
    function = callee(source)
    inner = getattr(function, "__wrapped__", None)
    code = getattr(function, "__code__", None)
    return inner is not None and code is not None and code.co_filename.endswith("contextlib.py")


def place_of(source: object, text: str = "") -> Where:
    """Return where a class or function is written; line 0 when it cannot be told."""
    cls = source if isinstance(source, type) else get_origin(source)
    if isinstance(cls, type):
        return _place_of_class(cls, text)
    function = inspect.unwrap(callee(source)) if callable(source) else source
    code = getattr(function, "__code__", None)
    if code is None:
        return Where("", 0, text)
    return Where(code.co_filename, code.co_firstlineno, text)


def is_installed(module: str) -> bool:
    """Return whether a module comes with a package that somebody else wrote and pip installed."""
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return "site-packages" in file or "dist-packages" in file


def display(source: object) -> str:
    """Return the short name of a class, function or callable object."""
    function = callee(source) if callable(source) and not isinstance(source, type) else source
    name = getattr(get_origin(source) or function, "__qualname__", None)
    if not isinstance(name, str):
        return printable(type(source).__name__)
    return printable(name.rpartition("<locals>.")[2])


def read(
    source: Callable[..., object],
    names: Mapping[str, object] | None = None,
    *,
    bound: bool = False,
    types: Types | None = None,
) -> Signature:
    """Read the parameters of a class, function, partial, method or callable object.

    Args:
        source: What will be called; of ``SqlRepository[User]``, ``Mapper[T]`` is ``Mapper[User]``.
        names: Further names that string annotations may mean, such as registered classes.
        bound: Whether the first parameter is filled already (``self`` of a plain function).
        types: What the type variables of a function stand for.
    """
    cls = class_behind(source)
    if cls is not None:
        return _closed(_read_class(cls, show(source), names or {}), source, cls)
    signature = _read_function(source, display(source), Names(source, names), bound=bound)
    return signature if not types else _with(signature, lambda _: types)


def hint_of(function: Callable[..., object], names: Mapping[str, object] | None = None) -> object:
    """Return the evaluated return annotation; MISSING when there is none."""
    written = inspect.unwrap(callee(function))
    raw = getattr(written, "__annotations__", {}).get("return", MISSING)
    return _evaluate(raw, Names(function, names))


def _closed(signature: Signature, source: object, cls: type) -> Signature:
    """Return a signature with the type variables of the class, and of its bases, replaced."""

    def types(name: str) -> Types:
        constructor = constructor_of(cls)
        holder = None
        if constructor is not None and "__signature__" not in vars(cls):
            function, _, base = constructor
            holder = None if _is_generated(function) else base
        # A generated __init__ says of each field what the class that declares it says.
        owner = holder or next((base for base in cls.__mro__ if _declares(base, name)), cls)
        return standing_for(source, owner)

    return _with(signature, types)


def _with(signature: Signature, types: Callable[[str], Types]) -> Signature:
    if not any(map(_is_open, signature.parameters)):
        return signature
    return replace(
        signature, parameters=tuple(_replaced(i, types(i.name)) for i in signature.parameters)
    )


def _is_open(parameter: Parameter) -> bool:
    default = parameter.default
    return bool(
        variables(parameter.annotation)
        or (isinstance(default, Marker) and variables(default.source))
    )


def _replaced(parameter: Parameter, types: Types) -> Parameter:
    default = parameter.default
    if isinstance(default, Marker) and variables(default.source):
        default = Marker(substitute(default.source, types))
    return replace(parameter, annotation=substitute(parameter.annotation, types), default=default)


def _declares(base: type, name: str) -> bool:
    own = inspect.get_annotations(base)
    return name in own or f"_{name}" in own


def _is_generated(function: object) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and code.co_filename.startswith("<")


def _read_function(
    source: Callable[..., object],
    name: str,
    names: Names,
    *,
    bound: bool,
    place: Where | None = None,
) -> Signature:
    try:
        signature = inspect.signature(source)
    except (ValueError, TypeError):
        return Signature((), open_keywords=True)
    place = place or place_of(source)
    parameters = list(signature.parameters.values())[1 if bound else 0 :]
    found = [
        _parameter(place, name, names, parameter, index)
        for index, parameter in enumerate(parameters)
        if parameter.kind not in _PLAIN
    ]
    open_ = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
    return Signature(tuple(found), open_keywords=open_)


def _parameter(
    place: Where,
    name: str,
    names: Names,
    parameter: inspect.Parameter,
    index: int,
) -> Parameter:
    raw = parameter.annotation
    annotation = _evaluate(MISSING if raw is inspect.Parameter.empty else raw, names)
    default = MISSING if parameter.default is inspect.Parameter.empty else parameter.default
    if isinstance(annotation, Marker) and default is MISSING:
        # `db: Depend(connect)`, as the pages of Nexios 2 have it: the same without a type.
        annotation, default = MISSING, annotation
    where = Where(place.file, place.line, f"{name}({parameter.name})", place.anchor)
    found = Parameter(parameter.name, annotation, default, parameter.kind, index, where)
    if found.marker is not None:
        found.marker.noted(name, parameter.name)
    return found


def _read_class(cls: type, name: str, names: Mapping[str, object]) -> Signature:
    constructor = constructor_of(cls)
    if constructor is None:
        return _read_attributes(cls, name, names)
    function, label, _ = constructor
    spaces = Names(function, names, cls)
    if "__signature__" in vars(cls):
        return _read_function(cls, f"{name}.{label}", spaces, bound=False)
    written = inspect.isfunction(function) and function.__code__.co_filename != "<string>"
    # A generated __init__ (dataclass, attrs) has no line of its own: the class has.
    place = None if written else place_of(cls)
    return _read_function(function, f"{name}.{label}", spaces, bound=True, place=place)


def constructor_of(cls: type) -> tuple[Callable[..., object], str, type] | None:
    """Return the ``__init__`` or ``__new__`` that a class runs, its name, and whose it is."""
    for label in ("__init__", "__new__"):
        for base in cls.__mro__:
            constructed(base)
            function = vars(base).get(label)
            if base in (object, typing.Generic) or function is None:
                continue
            if getattr(function, "__name__", "") == "_no_init_or_replace_init":
                continue
            function = getattr(function, "__func__", function)
            if function is not getattr(object, label):
                return function, label, base
    return None


def _read_attributes(cls: type, name: str, names: Mapping[str, object]) -> Signature:
    """Read the bare annotated attributes of a class that has no constructor of its own."""
    found: dict[str, Parameter] = {}
    spaces = Names(None, names, cls)
    for base in reversed(cls.__mro__):
        for attribute, raw in inspect.get_annotations(base).items():
            found.pop(attribute, None)
            value = getattr(cls, attribute, MISSING)
            has_value = value is not MISSING and not inspect.ismemberdescriptor(value)
            if has_value or base.__module__ == "typing" or _is_class_variable(raw):
                continue
            annotation = _evaluate(raw, spaces)
            where = place_of(cls, f"{name}.{attribute}")
            found[attribute] = Parameter(
                attribute, annotation, MISSING, Kind.KEYWORD_ONLY, len(found), where
            )
    return Signature(tuple(found.values()), attributes=True)


def _is_class_variable(raw: object) -> bool:
    if isinstance(raw, str):
        return raw.partition("[")[0].rpartition(".")[2].strip() == "ClassVar"
    return raw is ClassVar or get_origin(raw) is ClassVar


def _evaluate(raw: object, names: Names) -> object:
    if raw is MISSING or isinstance(raw, type):
        return raw
    holder = types.SimpleNamespace(__annotations__={"value": raw})
    try:
        return get_type_hints(holder, {}, names, include_extras=True)["value"]
    except NameError as unknown:
        text = raw if isinstance(raw, str) else str(raw)
        return Unresolved(printable(text), unknown.name or printable(text), names.local)
    except (SyntaxError, TypeError, AttributeError, IndexError):
        # ``Annotated[x, 3]`` and the like are fine; what Python itself cannot read is named.
        return raw if not isinstance(raw, str) else Unresolved(printable(raw), printable(raw))


def _place_of_class(cls: type, text: str) -> Where:
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None) or ""
    constructor = vars(cls).get("__init__")
    code = getattr(constructor, "__code__", None)
    if code is not None and code.co_filename == file:
        return Where(file, code.co_firstlineno, text)
    line = getattr(cls, "__firstlineno__", 0)
    return Where(file, line if isinstance(line, int) else 0, text, cls)
