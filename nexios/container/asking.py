"""What a parameter asks for: where it is looked at from, and what cannot be meant."""

import functools
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from typing import Annotated, Any, Final, cast, get_args, get_origin

from nexios.container.binding import Answer, Binding
from nexios.container.depend import Lazy, Provider
from nexios.container.entry import EntryPoint
from nexios.container.errors import UnreadableParameter
from nexios.container.graph import Fault
from nexios.container.keys import (
    MISSING,
    AnyKey,
    Key,
    is_form,
    is_value_type,
    key_of,
    optional_of,
    show,
    union_members,
)
from nexios.container.module import Module
from nexios.container.ports import class_of, made_by, misfit_of_class
from nexios.container.registry import Registry
from nexios.container.signature import (
    Kind,
    Parameter,
    Unresolved,
    display,
    is_installed,
    makes_context_manager,
)
from nexios.container.typevars import class_behind
from nexios.records import dataclass

HANDLES: Final = {Provider: Answer.PROVIDER, Lazy: Answer.LAZY}


@dataclass(frozen=True, slots=True)
class View:
    """Where a parameter is looked at from.

    Attributes:
        point: The entry whose adapter reads what the container does not; None in constructors.
        automatic: Whether concrete classes bind themselves: handlers put directly on the app,
            and what was bound that way.
        marked: Whether only marked parameters are the container's.
        inner: What a decorator wraps.
        wrapped: The keys that mean ``inner`` here.
    """

    module: Module
    asker: Callable[..., object]
    point: EntryPoint | None = None
    before: bool = False
    automatic: bool = False
    marked: bool = False
    using: Mapping[str, object] = field(default_factory=dict)
    inner: Binding | None = None
    wrapped: frozenset[AnyKey] = frozenset()


def wrapped_keys(binding: Binding, parameters: Sequence[Parameter]) -> frozenset[AnyKey]:
    """Return the keys that, in a decorator's signature, mean what it wraps.

    Of a named key the plain type means it too, unless a parameter asks by the name: one class
    may decorate the same type under several names.
    """
    if binding.inner is None:
        return frozenset()
    key = binding.inner.key
    if not key.is_named or any(key == _key_asked(item, binding) for item in parameters):
        return frozenset({key})
    return frozenset({key, Key(cast("Any", key.form))})


def _key_asked(parameter: Parameter, binding: Binding) -> AnyKey | None:
    asked = binding.using.get(parameter.name, parameter.annotation)
    if parameter.marker is not None and parameter.marker.source is not MISSING:
        asked = parameter.marker.source
    if isinstance(asked, Key):
        return asked
    form, _ = optional_of(asked)
    if not is_form(form):
        return None
    key = key_of(form)
    return Key(get_args(key.form)[0], key.name) if get_origin(key.form) in HANDLES else key


def registry_names(registry: Registry) -> dict[str, object]:
    """Return the classes that are bound, by name, where the name says one thing only."""
    names: dict[str, object] = {}
    twice: set[str] = set()
    for key in registry.keys:
        cls = class_behind(key.form)
        if cls is not None and cls.__module__ != "builtins":
            name = cls.__name__
            if names.setdefault(name, cls) is not cls:
                twice.add(name)
    return {name: form for name, form in names.items() if name not in twice}


def has_source(binding: Binding) -> bool:
    """Return whether a binding's source is something to call."""
    return binding.answer is Answer.SOURCE and callable(binding.source)


def readable(source: object) -> bool:
    """Return whether a source has parameters worth reading."""
    return callable(source) and not makes_context_manager(source)


def nameless(text: str, binding: Binding) -> Parameter:
    """Return a parameter for an edge that no signature shows."""
    where = replace(binding.where, text=text)
    return Parameter(text, MISSING, MISSING, Kind.POSITIONAL_ONLY, 0, where)


def hint_text(annotation: object) -> str:
    """Return a hint as people write it, for the line that mends."""
    if isinstance(annotation, Unresolved):
        return annotation.text
    says_something = is_form(annotation) and not is_value_type(annotation)
    return show(annotation) if says_something else "TheService"


def unreadable(parameter: Parameter, form: object) -> Fault | None:
    """Return the fault of a hint that cannot be a key; None when it can."""
    text = parameter.where.text
    if form is MISSING:
        says, fix = f"{text} has no annotation", f"{parameter.name}: TheType"
    elif isinstance(form, Unresolved):
        says = f"{text} is annotated {form.text!r}, and no {form.unknown} is known where it stands"
        fix = f"import {form.unknown} at run time, outside `if TYPE_CHECKING:`"
        if form.local:
            fix = f"import {form.unknown} at run time, or move it out of the function it is in"
        return Fault(UnreadableParameter, says=says, fix=fix, unknown=form.unknown)
    elif members := union_members(form):
        names = ", ".join(map(show, members))
        says = f"{text} may be any of {names}"
        fix = f"ask for one of {names}, or for a port they share"
    elif not is_form(form):
        says, fix = f"{text} is annotated {form!r}, which is no type", f"{parameter.name}: TheType"
    else:
        return None
    return Fault(UnreadableParameter, says=says, fix=fix)


def disagreement(parameter: Parameter, asked: AnyKey | Callable[..., object]) -> Fault | None:
    """Return the fault of an annotation and a marker that contradict each other.

    Args:
        asked: What the marker asks for: a key, or the function that makes the value.
    """
    annotation = parameter.annotation
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    annotation, _ = optional_of(annotation)
    port = class_of(annotation)
    made = class_of(asked.form) if isinstance(asked, Key) else made_by(asked)
    if port is None or made is None:
        return None
    other_arguments = isinstance(asked, Key) and _differ(annotation, asked.form)
    if not other_arguments and not misfit_of_class(port, made):
        return None
    if isinstance(asked, Key):
        says, fix = f"Depend({asked})", f"{parameter.name}: {asked} = Depend()"
    else:
        name = display(asked)
        says = f"Depend({name}), which makes {show(made)}"
        fix = f"{parameter.name}: {show(made)} = Depend({name})"
    return Fault(
        UnreadableParameter, asked if isinstance(asked, Key) else None,
        says=f"{parameter.where.text} is annotated {show(annotation)} and marked {says}",
        fix=fix,
    )  # fmt: skip


def _differ(annotation: object, form: object) -> bool:
    """Return whether two forms of one generic class were given different classes."""
    pairs = zip(get_args(annotation), get_args(form), strict=False)
    return get_origin(annotation) == get_origin(form) and any(
        one is not other and isinstance(one, type) and isinstance(other, type)
        for one, other in pairs
    )


def binds_itself(key: AnyKey, view: View) -> bool:
    """Return whether a class that nothing binds may be made for a handler on the app."""
    cls = key.form
    if not isinstance(cls, type) or key.is_named or get_origin(cls) is not None:
        return False
    top = cls.__module__.partition(".")[0]
    if top == "nexios" or (top in sys.stdlib_module_names and top != "__main__"):
        return False
    if inspect.isabstract(cls) or getattr(cls, "_is_protocol", False):
        return False
    asker = view.asker
    while isinstance(asker, functools.partial):
        asker = asker.func
    module = getattr(asker, "__module__", "")
    if module.partition(".")[0] == top:
        return True
    if view.point is not None:
        return not is_installed(cls.__module__)
    return _folder(module) == _folder(cls.__module__) is not None


def _folder(module: str) -> str | None:
    file = getattr(sys.modules.get(module), "__file__", None)
    return file.rpartition("/")[0] if isinstance(file, str) else None
