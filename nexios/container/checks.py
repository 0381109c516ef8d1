"""Every check of the wiring: graph in, problems out, all of them, in a stable order."""

import inspect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from nexios.container.binding import Answer, Binding, Origin
from nexios.container.circles import cycles
from nexios.container.declared import modules
from nexios.container.decorated import wraps_nothing
from nexios.container.entry import EntryPoint
from nexios.container.errors import (
    MissingBinding,
    MissingValue,
    NeedsAwait,
    PortMismatch,
    UnreadableParameter,
    UnusableSource,
    WiringErrors,
    WiringProblem,
)
from nexios.container.fixes import (
    as_written,
    bind_line,
    close_name,
    decorate_line,
    near_name,
)
from nexios.container.graph import (
    Argument,
    Asked,
    Call,
    Fault,
    Graph,
    Node,
    Paths,
    Wired,
)
from nexios.container.keys import AnyKey, Key, is_value_type, show
from nexios.container.module import Module, variable
from nexios.container.open_bindings import open_nodes, unclosable
from nexios.container.places import Step
from nexios.container.ports import misfit, misfit_of_mounted
from nexios.container.profiles import gaps
from nexios.container.registry import Found, Registry
from nexios.container.rules import breach, captives, edges_outward, unmatched_waivers
from nexios.container.scope import Scope, ScopeContext
from nexios.container.signature import display, makes_context_manager, place_of, read
from nexios.container.trails import path_of, path_within
from nexios.container.typevars import class_behind
from nexios.container.unanswered import unanswered
from nexios.container.wiring import Builder
from nexios.layers.rules import LayerMap


def refuse(problems: Iterable[WiringProblem]) -> None:
    """Raise one problem as itself, several as a group; return when there is none.

    Raises:
        WiringProblem: The one.
        WiringErrors: All, sorted by entry label, then file and line.
    """
    found = sorted(problems, key=lambda problem: problem.order)
    if len(found) == 1:
        raise found[0]
    if found:
        raise WiringErrors(f"{len(found)} wiring problems", found)


def check(
    builder: Builder, layers: LayerMap, points: Sequence[EntryPoint], *, whole: bool
) -> list[WiringProblem]:
    """Return all problems of what a builder added.

    Args:
        points: The entries to look at.
        whole: Whether modules and waivers are looked at too.
    """
    graph, registry = builder.graph, builder.registry
    wired = [graph.wired[point] for point in points]
    problems: list[WiringProblem] = []
    nodes = list(builder.new)
    if whole:
        problems += modules(registry)
        problems += gaps(registry, graph, wired)
        problems += unclosable(builder)
        nodes += open_nodes(registry)
    for node in nodes:
        problems += _sources(registry, graph, node)
        if node.binding.open not in builder.endless:
            problems += wraps_nothing(graph, node)
    outward = edges_outward(graph, registry, layers, builder.new, wired)
    problems += [breach(graph, registry, edge) for edge in outward]
    # Who may not ask at all is not told how to bind it.
    problems += _faults(builder, wired, [edge.argument for edge in outward])
    problems += cycles(graph, registry, layers, builder.new)
    problems += captives(graph, registry, builder.new, wired)
    if whole:
        problems += unmatched_waivers(graph, registry, layers, builder.new, wired)
    if not problems:
        # Both walk the order of making, which only a graph without cycles has.
        problems += _awaiting(graph, wired)
        problems += _values(graph, registry, wired)
    # One class bound twice says each of its mistakes twice.
    return list({str(problem): problem for problem in problems}.values())


def problem_of_ask(builder: Builder, key: AnyKey, found: Found) -> WiringProblem:
    """Return the problem of a key asked at run time."""
    return unanswered(builder.registry, builder.registry.root, key, found, (), "")


def problems_of_call(builder: Builder, call: Call) -> Iterator[WiringProblem]:
    """Return the problems of something called at run time."""
    for argument in call.arguments:
        if argument.fault is not None:
            steps, _ = path_of(builder.graph, _asked(argument, None, ""))
            yield _problem(builder, argument.fault, builder.registry.root, steps, "")


def _faults(
    builder: Builder, wired: Sequence[Wired], told: Sequence[Argument]
) -> Iterator[WiringProblem]:
    seen: set[object] = {id(argument) for argument in told}
    for entry in wired:
        module = entry.point.module or builder.registry.root
        for call in entry.calls:
            for argument in _faulty(call):
                asked = _asked(argument, None, entry.point.label)
                yield from _fault(builder, argument, module, asked, seen)
    for node in builder.new:
        for argument in _faulty(node):
            label = node.point.label if node.point is not None and node.asked_by is None else ""
            asked = _asked(argument, node.slot, label)
            yield from _fault(builder, argument, node.module, asked, seen)


def _faulty(holder: Call | Node) -> list[Argument]:
    return [argument for argument in holder.arguments if argument.fault is not None]


def _asked(argument: Argument, slot: int | None, label: str) -> Asked:
    where = argument.parameter.where
    return Asked(Step("asked by", where.text, where), slot, label)


def _fault(
    builder: Builder, argument: Argument, module: Module, asked: Asked, seen: set[object]
) -> Iterator[WiringProblem]:
    fault = argument.fault
    if fault is None or id(argument) in seen:
        return
    if fault.error is MissingBinding:
        # One mistake, one problem: who else asks for the same key has the same fix.
        name = (module, fault.key)
        if name in seen:
            return
        seen.add(name)
    steps, label = path_of(builder.graph, asked)
    yield _problem(builder, fault, module, steps, label)


def _problem(
    builder: Builder,
    fault: Fault,
    module: Module,
    steps: Sequence[Step],
    label: str,
) -> WiringProblem:
    if fault.found is None or fault.key is None or fault.says:
        notes = near_name(builder.registry, fault.unknown) if fault.unknown else ()
        return fault.error(
            fault.says, key=fault.key, asked_by=steps, notes=notes, fix=fault.fix, label=label
        )
    return unanswered(builder.registry, module, fault.key, fault.found, steps, label)


def _sources(registry: Registry, graph: Graph, node: Node) -> Iterator[WiringProblem]:
    binding = node.binding
    if binding.answer is Answer.VALUE and binding.origin is Origin.DECLARED:
        if says := _misfit_of_value(binding):
            fix = f"give a value that fits {binding.key}"
            yield PortMismatch(says, key=binding.key, asked_by=_bound(node), fix=fix)
        return
    said = binding.origin is Origin.DECORATOR and binding.source is None
    if binding.answer is not Answer.SOURCE or said or binding.open is not None:
        return  # a closed form is as right as the open binding it closes
    if makes_context_manager(binding.source):
        yield _context_manager(graph, node)
        return
    if binding.origin is Origin.FUNCTION:
        return
    if says := _unusable(binding):
        fix = _usable(registry, node.module, binding)
        yield UnusableSource(says, key=binding.key, asked_by=_bound(node), fix=fix)
        return
    yield from _mismatch(node)
    if binding.using and callable(binding.source):
        yield from _unknown_using(registry, node)


def _mismatch(node: Node) -> Iterator[WiringProblem]:
    binding = node.binding
    if binding.mounted is not None:
        if says := misfit_of_mounted(binding.key, binding.mounted):
            fix = f'name the provider of {binding.key} in mount(), not "{binding.mounted.name}"'
            yield PortMismatch(says, key=binding.key, asked_by=_bound(node), fix=fix)
    elif says := misfit(binding.key, binding.source):
        name, port = display(binding.source), show(binding.key.form)
        place = Step("written", name, place_of(binding.source))
        fix = f"give {name} the signature that {port} has"
        if not getattr(binding.key.form, "_is_protocol", False):
            made = isinstance(binding.source, type)
            fix = f"class {name}({port}): ..." if made else f"let {name}() return a {port}"
        yield PortMismatch(says, key=binding.key, asked_by=(place, *_bound(node)), fix=fix)


def _context_manager(graph: Graph, node: Node) -> WiringProblem:
    name = display(node.binding.source)
    steps, label = _bound(node), ""
    what = str(node.binding.key)
    if node.binding.origin is Origin.FUNCTION:
        steps, label = path_of(graph, node.asked_by)
        what = "value"
    return UnusableSource(
        f"{name}() makes a context manager, not a {what}",
        key=node.binding.key, asked_by=steps, label=label,
        fix=f"drop @contextmanager: {name}() yields the value itself",
    )  # fmt: skip


def _misfit_of_value(binding: Binding) -> str:
    from_value = misfit(binding.key, type(binding.source))
    return "" if isinstance(binding.source, type) else from_value


def _unusable(binding: Binding) -> str:
    itself = binding.itself
    source = class_behind(binding.source) or binding.source
    if not callable(source):
        made = show(type(source))
        return f"{binding.key} is answered by a {made} object, which makes nothing"
    if is_value_type(source):
        return f"{binding.key} says no source"
    kind = "a Protocol" if getattr(source, "_is_protocol", False) else ""
    kind = kind or ("abstract" if inspect.isabstract(source) else "")
    if kind and isinstance(source, type):
        whose = "itself" if itself else str(binding.key)
        lacks = ", ".join(sorted(getattr(source, "__abstractmethods__", ())))
        kind += f" ({lacks} missing)" if lacks and not itself else ""
        return f"{display(source)} is {kind} and cannot answer for {whose}"
    return ""


def _usable(registry: Registry, module: Module, binding: Binding) -> str:
    if binding.origin is Origin.DECORATOR:
        return decorate_line(registry, module, replace(binding, source=None, using={}))
    if not callable(binding.source):
        return f"{variable(module.name)}.bind({binding.key}).value(...)"
    return bind_line(registry, module, binding.key)


def _unknown_using(registry: Registry, node: Node) -> Iterator[WiringProblem]:
    source = node.binding.function
    names = [parameter.name for parameter in read(source).parameters]
    for name in node.binding.using:
        if name not in names:
            meant = close_name(name, names)
            fix = f"it has {', '.join(names) or 'none'}"
            if meant:
                mended = replace(node.binding, using={meant: ...})
                fix = as_written(registry, node.module, mended)
            yield UnreadableParameter(
                f"{display(source)} has no parameter {name}",
                key=node.binding.key, asked_by=_bound(node), fix=fix,
            )  # fmt: skip


def _bound(node: Node) -> tuple[Step, ...]:
    where = node.binding.where
    how = "decorated" if node.binding.origin is Origin.DECORATOR else "bound"
    return (Step(how, f'{node.title} in module "{node.module.name}"', where),)


def _awaiting(graph: Graph, wired: Sequence[Wired]) -> Iterator[WiringProblem]:
    eager = frozenset(
        node.slot for node in graph.nodes
        if node.lifetime is Scope.SINGLETON and not node.binding.lazy
    )  # fmt: skip
    paths = Paths(graph)
    for entry in wired:
        target = entry.target
        if target.awaits or target.function is None:
            continue
        slot = paths.first_awaiting(target.slots, eager)
        if slot is None:
            continue
        node = graph.nodes[slot]
        name = display(target.function)
        steps = path_within(graph, entry, slot)
        yield NeedsAwait(
            f"plain def {name}() needs {node.title}, which awaits",
            key=node.binding.key, asked_by=steps, label=entry.point.label,
            fix=f"async def {name.rpartition('.')[2]}(...)",
        )  # fmt: skip


def _values(graph: Graph, registry: Registry, wired: Sequence[Wired]) -> Iterator[WiringProblem]:
    current: AnyKey = Key(ScopeContext)
    points = list(graph.wired)
    for entry in wired:
        point = entry.point
        have = set(point.values) | set(point.supplies)
        if current in have:
            # A shared one runs in whichever scope calls it, and has what that one was given.
            within = (Scope.CONNECTION, Scope.REQUEST) if point.shared else (Scope.CONNECTION,)
            for other in points:
                if other.scope in within:
                    have |= set(other.values) | set(other.supplies)
        for slot in sorted(graph.reach(s for call in entry.calls for s in call.slots)):
            node = graph.nodes[slot]
            if node.binding.answer is Answer.GIVEN and node.binding.key not in have:
                yield _missing_value(graph, registry, entry, node, points)


def _missing_value(
    graph: Graph, registry: Registry, entry: Wired, node: Node, points: Sequence[EntryPoint]
) -> WiringProblem:
    key = node.binding.key
    givers = [other for other in points if key in other.values or key in other.supplies]
    if any(other.scope is Scope.CONNECTION for other in givers) or (
        node.lifetime is Scope.CONNECTION
    ):
        who = "which only a connection supplies"
    elif givers:
        who = f"which {givers[0].label} supplies"
    else:
        who = "which nothing here supplies"
    module = entry.point.module or registry.root
    # What an adapter hands over beside that is its own business.
    names = sorted(
        str(item) for item in {*entry.point.values, *entry.point.supplies}
        if any(found.answer is Answer.GIVEN for found in registry.find(module, item).bindings)
    )  # fmt: skip
    return MissingValue(
        f"{entry.point.label} needs {key}, {who}",
        key=key, asked_by=path_within(graph, entry, node.slot), label=entry.point.label,
        fix=f"ask for what this entry has: {', '.join(names)}" if names
        else f"ask for {key} where it is given",
    )  # fmt: skip
