"""The checks of decorators: what they wrap is there, and they ask for it."""

from collections.abc import Iterator

from nexios.container.binding import Binding, Origin
from nexios.container.errors import DecoratorMisuse, ModuleMisuse, WiringProblem
from nexios.container.fixes import bind_line, decorate_line, near, source_text
from nexios.container.generics import fits
from nexios.container.graph import Graph, Node
from nexios.container.keys import collected, show
from nexios.container.module import Module
from nexios.container.places import Step
from nexios.container.registry import Registry
from nexios.container.signature import SourceKind, display, place_of
from nexios.container.typevars import class_behind, is_open
from nexios.container.unanswered import bound_at, not_visible, unanswered


def decorators_of(registry: Registry, module: Module) -> Iterator[WiringProblem]:
    """Return what is wrong with the decorators as a module writes them."""
    for written in registry.decorators.written(module):
        step = Step("decorated", f'module "{module.name}"', written.where)
        for says, fix in written.faults:
            yield DecoratorMisuse(says, key=written.key, asked_by=[step], fix=fix)
        if written.source is None:
            yield DecoratorMisuse(
                f"{written.key} is decorated with nothing",
                key=written.key, asked_by=[step], fix=decorate_line(registry, module, written),
            )  # fmt: skip
        yield from _unseen(registry, module, written, step)


def held_twice(registry: Registry) -> Iterator[WiringProblem]:
    """Return one of many that two modules decorate apart: a list above both holds it twice."""
    written = [one for module in registry.modules for one in registry.decorators.written(module)]
    told: set[Binding] = set()
    for key in registry.spread(written):
        for module in registry.modules:
            seen: dict[Binding, Binding] = {}
            for binding in registry.added(module, key):
                other = seen.setdefault(binding.base, binding)
                if other is not binding and binding.base not in told:
                    told.add(binding.base)
                    yield _held_twice(registry, other, binding)


def _held_twice(registry: Registry, one: Binding, two: Binding) -> WiringProblem:
    homes = [registry.home[item].name for item in (one.base, one, two)]
    return DecoratorMisuse(
        f'"{homes[1]}" and "{homes[2]}" both decorate {one.key} of module "{homes[0]}", which '
        "would be there twice",
        key=one.key, asked_by=bound_at([one.base, one, two]),
        fix=f'decorate it in module "{homes[0]}", or in one module that both include',
    )  # fmt: skip


def wraps_nothing(graph: Graph, node: Node) -> Iterator[WiringProblem]:
    """Return the problem of a decorator that makes its object without what it decorates."""
    inner, source = node.binding.inner, node.binding.source
    if inner is None or node.binding.origin is not Origin.DECORATOR or not callable(source):
        return
    if any(_leads_to(graph, slot, inner) for slot in node.slots):
        return
    if any(item.fault is not None and item.asked is None for item in node.arguments):
        return  # a parameter that says nothing is probably the one, and is shown already
    name, key = source_text(node.binding.written.source), inner.key
    steps = [
        Step("written", name, place_of(source)),
        Step("decorated", f'{key} in module "{node.module.name}"', node.binding.where),
    ]
    yield DecoratorMisuse(
        f"{name} decorates {key} but does not ask for it",
        key=key, asked_by=steps, fix=_parameter(node, inner),
    )  # fmt: skip


def _leads_to(graph: Graph, slot: int, inner: Binding) -> bool:
    node = graph.nodes[slot]
    return node.binding is inner or (node.soft and node.binding.inner is inner)


def _parameter(node: Node, inner: Binding) -> str:
    """Return the parameter to add, or the one that asks for the adapter instead of the port."""
    port = show(node.binding.written.key.form)
    made = class_behind(inner.base.source)
    for argument in node.arguments:
        asked = argument.asked
        if asked is not None and made is not None and class_behind(asked.form) is made:
            where = argument.parameter.where.text.partition("(")[0]
            return f"{argument.parameter.name}: {port} in {where}"
    name = display(node.binding.source)
    if node.kind is SourceKind.CLASS:
        return f"{name}.__init__(self, inner: {port}, ...)"
    awaits = node.kind is not None and node.kind.awaits
    return f"{'async ' if awaits else ''}def {name}(inner: {port}, ...)"


def _unseen(
    registry: Registry, module: Module, written: Binding, step: Step
) -> Iterator[WiringProblem]:
    key = written.key
    if (how := collected(key)) is not None and not registry.find(module, key).bindings:
        yield ModuleMisuse(
            f"{key} is a collection, and what it collects is decorated one by one",
            key=key, asked_by=[step], fix=decorate_line(registry, module, written, key=how[1]),
        )  # fmt: skip
        return
    if key in registry.built_in:
        yield ModuleMisuse(
            f"{key} is the container's own and cannot be decorated",
            key=key, asked_by=[step], fix="drop the line",
        )  # fmt: skip
        return
    found = registry.find(module, key)
    seen = found.one is not None or bool(registry.added(module, key))
    if is_open(key):
        seen = not registry.exports_nothing(module, key)
    # What is bound for other profiles only is said where it is missed.
    if seen or registry.left_out_of(module, key):
        return
    problem = unanswered(registry, module, key, found, [step], "")
    if found.bindings:
        yield problem
        return
    notes, fix = problem.notes, problem.fix
    if is_open(key):
        notes, fix = near(registry, key), bind_line(registry, module, key)
        hidden = next((item for item in registry.bindings if fits(key, item.key)), None)
        if hidden is not None:
            notes, fix = (), not_visible(registry, module, key, hidden, (), "").fix
    yield ModuleMisuse(
        f'module "{module.name}" decorates {key}, which it does not see',
        key=key, asked_by=[step], notes=notes, fix=fix,
    )  # fmt: skip
