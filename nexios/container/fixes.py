"""The lines that mend a problem, and what was probably meant."""

import inspect
from collections.abc import Iterable
from difflib import get_close_matches

from typing_extensions import is_protocol

from nexios.container.binding import Answer, Binding
from nexios.container.keys import AnyKey, collected, is_value_type, show
from nexios.container.module import Module, variable
from nexios.container.ports import class_of, misfit_of_class
from nexios.container.registry import Registry
from nexios.container.signature import display


def module_place(module: Module) -> str:
    """Return ``(module "users", app/users/module.py)`` for the end of a fix line."""
    file = str(module.where).partition(":")[0]
    return f'(module "{module.name}", {file})' if file else f'(module "{module.name}")'


def bind_line(registry: Registry, module: Module, key: AnyKey) -> str:
    """Return the line that provides ``key`` in ``module``."""
    answer = next(iter(satisfying(registry, key)), None)
    start = f"{variable(module.name)}.bind({key})"
    if answer is not None:
        line = f"{start}.to({show(answer)})"
    elif key.is_named or not _is_concrete(class_of(key.form)):
        line = f"{start}.to(...)"
    else:
        line = start
    return f"{line}   {module_place(module)}"


def near(registry: Registry, key: AnyKey) -> tuple[str, ...]:
    """Return what might have been meant: classes that fit, other names, close spellings."""
    lines: list[str] = []
    for answer in satisfying(registry, key):
        homes = [
            binding for binding in registry.bindings
            if binding.key.form is answer and not binding.key.is_named
        ]  # fmt: skip
        if homes:
            home = registry.home[homes[0]].name
            own = f'module "{home}" has it under its own name only'
            lines.append(f"near: {show(answer)} satisfies it; {own}")
        else:
            lines.append(f"near: {show(answer)} satisfies it")
    same = sorted({str(item) for item in registry.keys if _same_type(item, key)})
    lines += [f"near: {other} is bound" for other in same]
    names = sorted({str(item) for item in registry.keys} - {str(key)})
    taken = " ".join(lines)
    close = get_close_matches(str(key), names, n=2, cutoff=0.75)
    lines += [f"near: {item} is bound" for item in close if item not in taken]
    return tuple(lines[:3])


def satisfying(registry: Registry, key: AnyKey) -> list[type]:
    """Return the known classes that could answer for ``key``, by name."""
    port = class_of(key.form)
    if port is None or is_value_type(port) or collected(key) is not None:
        return []
    known: dict[type, None] = {}
    for binding in registry.bindings:
        for candidate in (binding.source, binding.key.form):
            if isinstance(candidate, type) and binding.answer is Answer.SOURCE:
                known.setdefault(candidate)
    for candidate in _subclasses(port):
        known.setdefault(candidate)
    fitting = [
        candidate for candidate in known
        if candidate is not port and _is_concrete(candidate)
        and (is_protocol(port) or port in candidate.__mro__)
        and not (is_protocol(port) and not _has_methods(port))
        and not misfit_of_class(port, candidate)
    ]  # fmt: skip
    return sorted(fitting, key=lambda item: item.__name__)


def port_of(registry: Registry, form: object) -> AnyKey | None:
    """Return the key an adapter class is bound to, where that is another than itself."""
    for binding in registry.bindings:
        if binding.source is form and binding.key.form is not form:
            return binding.key
    return None


def describe(binding: Binding) -> str:
    """Return what answers in a binding, for lists of candidates."""
    if binding.answer is Answer.SOURCE:
        return display(binding.source)
    return str(binding.answer.value)


def close_name(name: str, names: Iterable[str]) -> str:
    """Return the nearest of ``names``, or an empty text."""
    return next(iter(get_close_matches(name, list(names), n=1, cutoff=0.5)), "")


def _same_type(other: AnyKey, key: AnyKey) -> bool:
    if other == key:
        return False
    same_form = other.form == key.form
    same_name = show(other.form) == show(key.form) and other.form is not key.form
    return same_form or same_name


def _is_concrete(cls: type | None) -> bool:
    return cls is not None and not inspect.isabstract(cls) and not is_protocol(cls)


def _has_methods(port: type) -> bool:
    return any(
        inspect.isfunction(member) and not name.startswith("_")
        for name, member in vars(port).items()
    )


def _subclasses(port: type) -> list[type]:
    try:
        return list(type.__subclasses__(port))
    except TypeError:
        return []
