"""What is said when conditions leave no binding of a key, or two, for the profile that runs."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from nexios.container.binding import Answer, Binding, Condition
from nexios.container.errors import ProfileGap, WiringProblem
from nexios.container.fixes import as_written, describe
from nexios.container.generics import fits
from nexios.container.graph import Graph, Wired
from nexios.container.keys import AnyKey, collected
from nexios.container.module import Module
from nexios.container.places import Step
from nexios.container.registry import Registry

_COUNTS = {2: "two", 3: "three"}


def none_remains(
    registry: Registry,
    key: AnyKey,
    left_out: Sequence[Binding],
    steps: Sequence[Step] = (),
    label: str = "",
) -> WiringProblem:
    """Return the problem of a key whose bindings are all for other profiles."""
    return ProfileGap(
        f"{_running(registry.profile)} no binding of {key} remains",
        key=key, asked_by=(*steps, *_conditions(left_out)), label=label,
        fix=_filled(registry, left_out),
    )  # fmt: skip


def two_remain(
    registry: Registry,
    key: AnyKey,
    bindings: Sequence[Binding],
    steps: Sequence[Step] = (),
    label: str = "",
) -> WiringProblem:
    """Return the problem of conditions that overlap; one of the bindings has one."""
    count = _COUNTS.get(len(bindings), str(len(bindings)))
    return ProfileGap(
        f"{_running(registry.profile)} {count} bindings of {key} remain",
        key=key, asked_by=(*steps, *_conditions(bindings)), label=label,
        fix=_parted(registry, bindings),
    )  # fmt: skip


def gaps(registry: Registry, graph: Graph, wired: Sequence[Wired]) -> Iterator[WiringProblem]:
    """Return the ports that have bindings for other profiles only, and that nobody asks for.

    Who asks for one and cannot do without is told where it asks.
    """
    asked = _asked(registry, graph, wired) if registry.left_out else set()
    told: set[tuple[Module, AnyKey]] = set()
    for binding in registry.left_out:
        key, module = binding.key, registry.home[binding]
        if binding.many or _names_itself(binding) or (module, key) in told:
            continue
        if any(fits(key, item) for item in asked):
            continue
        told.add((module, key))
        if not registry.is_seen_above(module, key):
            yield none_remains(registry, key, registry.left_out_of(module, key))


def _asked(registry: Registry, graph: Graph, wired: Sequence[Wired]) -> set[AnyKey]:
    """Return the keys of other profiles that somebody asks for, alone or in a dictionary."""
    asking = [(node.module, node.arguments) for node in graph.nodes]
    asking += [
        (entry.point.module or registry.root, call.arguments)
        for entry in wired
        for call in entry.calls
    ]
    asked = {
        argument.asked
        for module, arguments in asking
        for argument in arguments
        if argument.asked is not None and registry.left_out_of(module, argument.asked)
    }
    dictionaries = {
        how[1].form
        for node in graph.nodes
        if (how := collected(node.binding.key)) is not None and node.binding.answer is Answer.DICT
    }
    named = (binding.key for binding in registry.left_out if binding.key.is_named)
    return asked | {key for key in named if key.form in dictionaries}


def has_condition(bindings: Sequence[Binding]) -> bool:
    """Return whether one of several bindings, decorators taken off, is for some profiles."""
    bare = {binding.base.written for binding in bindings}
    return len(bare) > 1 and any(binding.when is not None for binding in bare)


def _names_itself(binding: Binding) -> bool:
    """Return whether a class is bound to itself: a part that may be absent, not a port."""
    return binding.answer is Answer.SOURCE and binding.itself


def _running(profile: str | None) -> str:
    return "without a profile" if profile is None else f'for profile "{profile}"'


def _conditions(bindings: Sequence[Binding]) -> list[Step]:
    return [
        Step("bound", f"{describe(item)}{f', when={item.when}' if item.when else ''}", item.where)
        for item in (binding.base.written for binding in bindings)
    ]


def _filled(registry: Registry, left_out: Sequence[Binding]) -> str:
    """Return the line of the last binding, let in for the profile that runs."""
    last, profile = left_out[-1], registry.profile
    module = registry.home[last]
    if profile is not None:
        return as_written(registry, module, replace(last, when=_with(last.when, profile)))
    others = [item.when for item in left_out[:-1] if item.when is not None]
    names = tuple(dict.fromkeys(name for when in others for name in when.names))
    line = as_written(registry, module, replace(last, when=~Condition(names) if names else None))
    known = last.when.names[0] if last.when is not None else "dev"
    return f'Container(..., profile="{known}"), or {line}'


def _with(when: Condition | None, profile: str) -> Condition | None:
    if when is None or not when.negated:
        return None if when is None else Condition((*when.names, profile))
    names = tuple(name for name in when.names if name != profile)
    return ~Condition(names) if names else None


def _parted(registry: Registry, bindings: Sequence[Binding]) -> str:
    """Return the line of one binding with a condition that leaves the other alone."""
    bare = [binding.base.written for binding in bindings]
    changed = next((item for item in bare if item.when is None), bare[-1])
    other = next(item for item in bare if item is not changed and item.when is not None)
    mended, when = changed, _without(changed.when, registry.profile)
    if when is None and changed.when is not None:
        mended, when = other, _without(other.when, registry.profile)
    if when is None and other.when is not None:
        mended, when = changed, ~other.when
    line = as_written(registry, registry.home[mended], replace(mended, when=when))
    return f"remove one, or {line}"


def _without(when: Condition | None, profile: str | None) -> Condition | None:
    """Return a condition that leaves a profile out and holds elsewhere; None without one."""
    if when is None or profile is None:
        return None
    if when.negated:
        return ~Condition((*when.names, profile))
    names = tuple(name for name in when.names if name != profile)
    return Condition(names) if names else None
