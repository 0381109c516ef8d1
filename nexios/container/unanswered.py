"""What is said of a key without one answer: missing, private, exported twice, one of many."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from nexios.container.binding import Binding
from nexios.container.errors import AmbiguousBinding, MissingBinding, NotVisible, WiringProblem
from nexios.container.fixes import as_written, bind_line, describe, module_place, near
from nexios.container.generics import is_same, pattern_of, solved
from nexios.container.keys import AnyKey, Key, is_value_type
from nexios.container.module import Module, variable
from nexios.container.places import Step
from nexios.container.profiles import has_condition, none_remains, two_remain
from nexios.container.registry import Found, Registry
from nexios.container.typevars import listed, variables


def unanswered(
    registry: Registry,
    module: Module,
    key: AnyKey,
    found: Found,
    steps: Sequence[Step],
    label: str,
) -> WiringProblem:
    """Return the problem of a key that nothing, or more than one thing, answers for ``module``."""
    if found.many:
        named = ", ".join(describe(binding) for binding in found.bindings)
        return AmbiguousBinding(
            f"one {key} asked, several added: {named}",
            key=key, asked_by=(*steps, *bound_at(found.bindings)), label=label,
            fix=f"ask for list[{key}]",
        )  # fmt: skip
    if said := variables(key.form):
        return MissingBinding(
            f"{key} is open, and only a closed form of it can be made",
            key=key, asked_by=steps, label=label,
            fix=f"ask for one that says what {listed(said)} is",
        )  # fmt: skip
    patterns = [pattern_of(binding) for binding in found.bindings]
    if any(not is_same(patterns[0], other) for other in patterns[1:]):
        return _both_fit(registry, module, key, found.bindings, steps, label)
    if found.bindings:
        if has_condition(found.bindings):
            return two_remain(registry, key, found.bindings, steps, label)
        return _exported_twice(registry, key, found.bindings, steps, label)
    if left_out := registry.left_out_of(module, key):
        return none_remains(registry, key, left_out, steps, label)
    if found.private:
        return not_visible(registry, module, key, found.private[0], steps, label)
    if is_value_type(key.form) and not key.is_named:
        one: AnyKey = Key(cast("Any", key.form), "name")
        return MissingBinding(
            f"nothing provides {key}, which says nothing as a key",
            key=key, asked_by=steps, label=label,
            fix=f"{variable(module.name)}.bind({one}).value(...), and ask for {one}",
        )  # fmt: skip
    return MissingBinding(
        f"nothing provides {key}",
        key=key, asked_by=steps, notes=near(registry, key), label=label,
        fix=bind_line(registry, module, key),
    )  # fmt: skip


def _both_fit(
    registry: Registry,
    module: Module,
    key: AnyKey,
    bindings: Sequence[Binding],
    steps: Sequence[Step],
    label: str,
) -> WiringProblem:
    names = list(dict.fromkeys(str(pattern_of(item)) for item in bindings))
    every = "both" if len(names) == 2 else "all"
    bindings = [item.base for item in bindings]
    last = bindings[-1]
    closed = replace(last, open=None, source=solved(last)[0])
    return AmbiguousBinding(
        f"{' and '.join(names)} {every} fit {key}",
        key=key,
        asked_by=(
            *steps,
            *(Step("bound", str(pattern_of(item)), item.where) for item in bindings),
        ),
        label=label,
        fix=f"bind it itself: {as_written(registry, module, closed)}",
    )


def _exported_twice(
    registry: Registry,
    key: AnyKey,
    bindings: Sequence[Binding],
    steps: Sequence[Step],
    label: str,
) -> WiringProblem:
    homes = [registry.home[item] for item in bindings]
    names = list(dict.fromkeys(home.name for home in homes))
    every = "both" if len(homes) == 2 else "all"
    last = homes[-1]
    listed = " and ".join(f'"{name}"' for name in names)
    says = f"{listed} {every} export {key}"
    written = bindings[-1].written
    named = replace(written, key=Key(cast("Any", written.key.form), last.name))
    fix = f"export it from one of them, or name one: {as_written(registry, last, named)}"
    if bindings[-1].inner is not None:
        fix = "export it from one of them, and decorate it there"
    if len(names) == 1:
        says = f'{len(homes)} modules "{last.name}" {every} export {key}'
        fix = f'make module "{last.name}" once, and include that object wherever it is needed'
    return AmbiguousBinding(
        says, key=key, asked_by=(*steps, *bound_at(bindings)), label=label, fix=fix
    )


def bound_at(bindings: Sequence[Binding]) -> list[Step]:
    """Return a line for each binding, with its place."""
    return [
        Step("bound" if item.inner is None else "decorated", describe(item), item.where)
        for item in bindings
    ]


def not_visible(
    registry: Registry,
    module: Module,
    key: AnyKey,
    binding: Binding,
    steps: Sequence[Step],
    label: str,
) -> WiringProblem:
    """Return the problem of a key whose binding ``module`` does not see."""
    home = registry.home[binding]
    says = f'{key} is private to module "{home.name}"'
    place, lines = home, []
    if registry.is_exported(home, key):
        says = f'{key} is exported by module "{home.name}", which "{module.name}" does not include'
        place = module
    else:
        lines.append(f"{variable(home.name)}.export({pattern_of(binding)})")
    if home not in module.included:
        lines.append(f"{variable(module.name)}.include({variable(home.name)})")
    return NotVisible(
        says, key=key, asked_by=steps, label=label,
        fix=f"{'; '.join(lines)}   {module_place(place)}",
    )  # fmt: skip
