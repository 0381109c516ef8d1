"""The checks of open bindings as they are written, before anybody asks for a closed form."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar, cast, get_args

from nexios.container.asking import has_source, readable
from nexios.container.binding import Answer, Binding, Origin
from nexios.container.errors import (
    ModuleMisuse,
    PortMismatch,
    UnreadableParameter,
    UnusableSource,
    WiringProblem,
)
from nexios.container.fixes import as_written, said_line
from nexios.container.generics import matched, solved
from nexios.container.graph import Node
from nexios.container.keys import AnyKey, Key, optional_of, show
from nexios.container.places import Step
from nexios.container.ports import class_of, made_form
from nexios.container.registry import Registry
from nexios.container.scope import Scope
from nexios.container.signature import display, place_of, read
from nexios.container.typevars import as_base, class_behind, is_open, listed, substitute, variables
from nexios.container.wiring import Builder


def open_nodes(registry: Registry) -> Iterator[Node]:
    """Return what is bound or decorated open as nodes, for checks that look at nothing around."""
    found = [(binding, registry.home[binding]) for binding in registry.bindings]
    for module in registry.modules:
        found += [(written, module) for written in registry.decorators.written(module)]
    for binding, home in found:
        # A default that has yielded makes nothing, and is not blamed.
        if is_open(binding.key) and not registry.has_yielded(binding):
            yield Node(-1, binding, home, None, binding.scope or Scope.TRANSIENT)


def unclosable(builder: Builder) -> Iterator[WiringProblem]:
    """Return what no closed form could mend: variables that the key does not say."""
    for node in open_nodes(builder.registry):
        key, binding = node.binding.key, node.binding
        decorates = binding.origin is Origin.DECORATOR
        how, verb = ("decorated", "decorate") if decorates else ("bound", "bind")
        bound = (Step(how, f'{node.title} in module "{node.module.name}"', binding.where),)
        if isinstance(key.form, TypeVar):
            yield ModuleMisuse(
                f"{key} alone fits every key, so it says none",
                key=key, asked_by=bound,
                fix=f"{verb} a type that has it, such as Repository[{key}]",
            )  # fmt: skip
        elif odd := [item for item in variables(key.form) if not isinstance(item, TypeVar)]:
            kind = type(odd[0]).__name__
            yield ModuleMisuse(
                f"{key} is open by {show(odd[0])}, a {kind}, and only a TypeVar can be closed",
                key=key, asked_by=bound, fix=f"{verb} each form of {key} that is asked for",
            )  # fmt: skip
        elif binding.mounted is not None:
            yield ModuleMisuse(
                f'{key} is open, and the mounted "{binding.mounted.name}" makes one form of it',
                key=key, asked_by=bound, fix=f"mount each form of {key} that is asked for",
            )  # fmt: skip
        elif binding.answer is Answer.ALIAS and (left := _left(key, binding.other.form)):
            other = replace(binding, source=_renamed(key, binding.other))
            yield UnusableSource(
                f"{binding.other} leaves {listed(left)} open, which {key} does not say",
                key=key, asked_by=bound, fix=as_written(builder.registry, node.module, other),
            )  # fmt: skip
        elif special := _more_special(binding):
            yield _too_special(builder.registry, node, special, bound)
        elif has_source(binding) and readable(binding.source):
            yield from _source(builder, node, bound)


def _source(builder: Builder, node: Node, bound: tuple[Step, ...]) -> Iterator[WiringProblem]:
    registry, binding, key = builder.registry, node.binding, node.binding.key
    source = binding.source
    if left := _left(key, source):
        mended = replace(binding, source=_renamed(key, Key(cast("Any", source))).form)
        yield UnusableSource(
            f"{show(source)} leaves {listed(left)} open, which {key} does not say",
            key=key, asked_by=bound, fix=as_written(registry, node.module, mended),
        )  # fmt: skip
        return
    form, types = solved(replace(binding, types={item: item for item in variables(key.form)}))
    for item in read(cast("Callable[..., object]", form), builder.names, types=types).parameters:
        annotation, optional = optional_of(item.annotation)
        left = _left(key, annotation)
        if left and not optional and not item.has_default and item.name not in binding.using:
            yield UnreadableParameter(
                f"{item.where.text} asks for {show(annotation)}, and {key} does not say what "
                f"{listed(left)} is",
                key=key, asked_by=(Step("asked by", item.where.text, item.where), *bound),
                fix=said_line(registry, node.module, binding, left),
            )  # fmt: skip


def _too_special(
    registry: Registry, node: Node, special: AnyKey, bound: tuple[Step, ...]
) -> WiringProblem:
    binding, source = node.binding, node.binding.source
    if binding.answer is Answer.VALUE:
        says, steps = f"the value of {binding.key} is {special}, not every form of it", bound
    else:
        name = show(source) if class_behind(source) is not None else f"{display(source)}()"
        says = f"{name} makes {special}, not every {binding.key}"
        steps = (Step("written", name, place_of(source)), *bound)
    fix = as_written(registry, node.module, replace(binding, key=special))
    return PortMismatch(says, key=binding.key, asked_by=steps, fix=fix)


def _left(key: AnyKey, form: object) -> tuple[object, ...]:
    return tuple(item for item in variables(form) if item not in variables(key.form))


def _renamed(key: AnyKey, other: AnyKey) -> AnyKey:
    """Return ``SqlRepository[S]`` as ``SqlRepository[T]`` where the key can only mean that."""
    left, said = _left(key, other.form), variables(key.form)
    types = dict(zip(left, said, strict=False)) if len(left) == len(said) else {}
    return Key(cast("Any", substitute(other.form, types)), other.name)


def _more_special(binding: Binding) -> AnyKey | None:
    """Return the key that a source answers for, where it does not answer for all of its own."""
    if binding.answer not in (Answer.SOURCE, Answer.VALUE) or _left(binding.key, binding.source):
        return None
    source = type(binding.source) if binding.answer is Answer.VALUE else binding.source
    port = class_of(binding.key.form)
    seen = None if port is None else as_base(made_form(source), port)
    said = get_args(seen)
    if not said or any(item is object or item is Any for item in said):
        return None
    found: AnyKey = Key(cast("Any", seen), binding.key.name)
    return None if matched(found, binding.key) is not None else found
