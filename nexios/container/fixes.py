"""The lines that mend a problem, and what was probably meant."""

import inspect
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import get_origin

from typing_extensions import is_protocol

from nexios.container.binding import Answer, Binding, Origin
from nexios.container.generics import fits, solved, why_not
from nexios.container.keys import AnyKey, Key, collected, is_value_type, show
from nexios.container.module import Module, variable
from nexios.container.ports import class_of, made_form, misfit_of_arguments, misfit_of_class
from nexios.container.registry import Registry
from nexios.container.scope import Scope
from nexios.container.signature import display, is_installed
from nexios.container.typevars import class_behind, is_open, listed, parameters
from nexios.layers.rules import Layer


def module_place(module: Module) -> str:
    """Return ``(module "users", app/users/module.py)`` for the end of a fix line."""
    file = str(module.where).rpartition(":")[0]
    return f'(module "{module.name}", {file})' if file else f'(module "{module.name}")'


def bind_line(registry: Registry, module: Module, key: AnyKey) -> str:
    """Return the line that provides ``key`` in ``module``."""
    answer = next(iter(satisfying(registry, key)), None)
    line = f"bind({key})"
    if answer is not None:
        line += f".to({show(_closed_for(answer, key))})"
    elif key.is_named or not _is_ready(class_of(key.form)):
        line += ".to(...)"
    return _written(registry, module, key, line)


def as_written(
    registry: Registry,
    module: Module,
    binding: Binding,
    *,
    scope: Scope | None = None,
    replace: bool = False,
    using: str = "",
    instead: str = "",
) -> str:
    """Return the line of a binding with something changed in it, and what else would do."""
    binding = binding.written
    if binding.origin is Origin.DECORATOR:
        return decorate_line(registry, module, binding, using=using)
    options = [str(binding.key)]
    if binding.mounted is not None:
        options = ["container", f'{{{binding.key}: "{binding.mounted.name}"}}']
    if scope is None and binding.scope is not Scope.REQUEST:
        scope = binding.scope
    if scope is not None:
        options.append(f"scope=Scope.{scope.value}")
    if binding.when is not None:
        options.append(f"when={binding.when}")
    if replace:
        options.append("replace=True")
    line = f"{'add' if binding.many else 'bind'}({', '.join(options)})"
    match binding.answer:
        case _ if binding.mounted is not None:
            line = f"mount({', '.join(options)})"
        case Answer.SOURCE if not binding.itself:
            line += f".to({source_text(binding.source)})"
        case Answer.VALUE:
            line += ".value(...)"
        case Answer.ALIAS:
            line += f".alias({binding.other})"
        case Answer.GIVEN:
            line += ".given()"
    return _written(registry, module, binding.key, line + _using(binding, using), instead)


def decorate_line(
    registry: Registry,
    module: Module,
    binding: Binding,
    *,
    key: AnyKey | None = None,
    using: str = "",
) -> str:
    """Return the line of a decorator with another key or one parameter more in it."""
    source = "..." if binding.source is None else source_text(binding.source)
    when = "" if binding.when is None else f", when={binding.when}"
    line = f"decorate({key or binding.key}{when}).with_({source})"
    return _written(registry, module, binding.key, line + _using(binding, using))


def _using(binding: Binding, more: str) -> str:
    names = [*binding.using, *([more] if more else [])]
    return f".using({', '.join(f'{name}=...' for name in names)})" if names else ""


def said_line(registry: Registry, module: Module, binding: Binding, said: Sequence[object]) -> str:
    """Return the line that says what type variables of a source stand for."""
    cls = class_behind(binding.source)
    if cls is None:
        return f"let the type that {display(binding.source)}() returns say what {listed(said)} is"
    if not set(parameters(cls)) & set(said):
        holder = next((base for base in cls.__mro__ if set(parameters(base)) & set(said)), cls)
        if holder is cls:
            return f"write a type without {listed(said)} in {display(cls)}"
        return f"class {display(cls)}({display(holder)}[...]): say what {listed(said)} is"
    if binding.itself:
        return f"{variable(module.name)}.bind({display(cls)}[...])   {module_place(module)}"
    line = f"bind({binding.written.key}).to({display(cls)}[...])"
    if binding.origin is Origin.DECORATOR:
        line = f"decorate({binding.written.key}).with_({display(cls)}[...])"
    return _written(registry, module, binding.key, line)


def source_text(source: object) -> str:
    """Return a source as it is written in a binding, with its type arguments."""
    return display(source) if get_origin(source) is None else show(source)


def _closed_for(answer: type, key: AnyKey) -> object:
    """Return a generic class with its parameters as ``key`` says them."""
    return solved(Binding(key, Answer.SOURCE, answer))[0]


def _written(registry: Registry, module: Module, key: AnyKey, line: str, instead: str = "") -> str:
    """Return a line as said of ``module``, or of one that people can write it in."""
    if not module.where.ours:
        return f"{variable(module.name)}.{line}{instead}   {module_place(module)}"
    # The application's own root module: nobody has it in a variable.
    theirs = [item for item in module.included if not item.where.ours]
    if not theirs:
        return f'part = Module("part"); part.{line}; part.export({key}); NexiosApp(part)'
    answers = satisfying(registry, key)
    holding = (
        registry.home[binding] for binding in registry.bindings if binding.key.form in answers
    )
    home = next((item for item in holding if item in theirs), theirs[0])
    name = variable(home.name)
    return f"{name}.{line}; {name}.export({key})   {module_place(home)}"


def near(registry: Registry, key: AnyKey) -> tuple[str, ...]:
    """Return what might have been meant: classes that fit, other names, close spellings."""
    refused = (why_not(item, key) for item in sorted(registry.keys, key=str))
    lines = [f"near: {why}" for why in refused if why]
    forms = (
        item for item in registry.keys if is_open(item) and class_behind(item.form) is key.form
    )
    lines += [
        f"near: {form} is bound, so ask for a form of it" for form in sorted(map(str, forms))
    ]
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
    lines += [
        f"near: {key} is bound when={binding.when}   {module_place(registry.home[binding])}"
        for binding in registry.left_out
        if fits(binding.key, key)
    ]
    if not lines:
        # Spelling alone is a guess: nothing beside a class that fits.
        names = {str(item) for item in registry.keys if _may_be_meant(item, key)}
        close = get_close_matches(str(key), sorted(names), n=2, cutoff=0.75)
        lines += [f"near: {item} is bound" for item in close]
    return tuple(lines[:3])


def near_name(registry: Registry, name: str) -> tuple[str, ...]:
    """Return the bound keys that a name which says nothing was probably meant to be."""
    close = get_close_matches(name, sorted({str(item) for item in registry.keys}), n=2, cutoff=0.7)
    return tuple(f"near: {item} is bound" for item in close)


def satisfying(registry: Registry, key: AnyKey) -> list[type]:
    """Return the known classes that could answer for ``key``, by name."""
    port = class_of(key.form)
    if port is None or is_value_type(port) or collected(key) is not None:
        return []
    known: dict[type, None] = {}
    for binding in registry.bindings:
        for candidate in (binding.source, binding.key.form):
            cls = class_behind(candidate)
            if cls is not None and binding.answer is Answer.SOURCE:
                known.setdefault(cls)
    for candidate in _subclasses(port):
        known.setdefault(candidate)
    fitting = [
        candidate for candidate in known
        if candidate is not port and _is_concrete(candidate)
        and (is_protocol(port) or port in candidate.__mro__)
        and not (is_protocol(port) and not _has_methods(port))
        and not misfit_of_class(port, candidate)
        and not misfit_of_arguments(key.form, made_form(candidate))
    ]  # fmt: skip
    return sorted(fitting, key=lambda item: item.__name__)


def port_of(registry: Registry, form: object, asked: Iterable[AnyKey] = ()) -> AnyKey | None:
    """Return the port of an adapter class: what it is bound to, inherits, or satisfies.

    Args:
        form: The class.
        asked: Keys that somebody asks for, bound or not.
    """
    cls = class_behind(form)
    if cls is None:
        return None
    for binding in registry.bindings:
        if class_behind(binding.source) is cls and class_behind(binding.key.form) is not cls:
            return binding.key
    for base in cls.__mro__[1:]:
        top = base.__module__.partition(".")[0]
        if top != "nexios" and top not in sys.stdlib_module_names and not _is_concrete(base):
            return Key(base)
    for key in sorted({*registry.keys, *asked}, key=str):
        port = class_of(key.form)
        if port is not None and is_protocol(port) and cls in satisfying(registry, key):
            return key
    return None


def describe(binding: Binding) -> str:
    """Return what answers in a binding, for lists of candidates."""
    if binding.answer is Answer.SOURCE:
        return source_text(binding.source)
    return str(binding.answer.value)


def port_line(
    registry: Registry, asker: Layer, layer: Layer, asked: object, keys: Iterable[AnyKey]
) -> str:
    """Return what an ``asker`` does instead of asking for something of ``layer``."""
    port = port_of(registry, asked, keys)
    name = show(asked)
    if port is not None:
        return f"ask for {port}, which {name} implements"
    if layer in (Layer.HTTP, Layer.WEBSOCKET):
        return f"take what is needed of {name} as an argument"
    if asker in (Layer.HTTP, Layer.WEBSOCKET):
        return f"ask for an application service; {name} belongs behind a port of its own"
    if is_installed(getattr(asked, "__module__", "")):
        return f"declare a port in the domain, and let its adapter ask for {name}"
    port_name = f"{display(asked)}Port"
    return f"declare a port in the domain (class {port_name}(Protocol)) and bind the adapter to it"


def close_name(name: str, names: Iterable[str]) -> str:
    """Return the nearest of ``names``, or an empty text."""
    return next(iter(get_close_matches(name, list(names), n=1, cutoff=0.5)), "")


def _may_be_meant(other: AnyKey, key: AnyKey) -> bool:
    """Return whether a key of like name could answer for ``key`` as well."""
    port, found = class_of(key.form), class_of(other.form)
    if other == key or port is None or found is None:
        return other != key
    return not is_protocol(port) or not misfit_of_class(port, found)


def _same_type(other: AnyKey, key: AnyKey) -> bool:
    if other == key:
        return False
    same_form = other.form == key.form
    same_name = show(other.form) == show(key.form) and other.form is not key.form
    return same_form or same_name


def _is_concrete(cls: type | None) -> bool:
    return cls is not None and not inspect.isabstract(cls) and not is_protocol(cls)


def _is_ready(cls: type | None) -> bool:
    """Return whether a class is probably bound to itself."""
    return _is_concrete(cls) and not is_installed(getattr(cls, "__module__", ""))


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
