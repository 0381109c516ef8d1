"""The checks of modules: what they include, bind, decorate and export."""

from collections.abc import Iterator, Sequence

from nexios.container.binding import Binding
from nexios.container.decorated import decorators_of, held_twice
from nexios.container.errors import DuplicateBinding, ModuleMisuse, UnusableSource, WiringProblem
from nexios.container.fixes import as_written, bind_line, near
from nexios.container.keys import AnyKey, collected
from nexios.container.module import Module
from nexios.container.places import Step
from nexios.container.profiles import has_condition, two_remain
from nexios.container.registry import Registry
from nexios.container.unanswered import bound_at


def modules(registry: Registry) -> Iterator[WiringProblem]:
    """Return what is wrong with the modules as they are written."""
    for ring in registry.cycles:
        names = " -> ".join(f'"{module.name}"' for module in ring)
        yield ModuleMisuse(
            f"modules include each other: {names}",
            asked_by=[Step("module", f'"{item.name}"', item.where) for item in ring[:-1]],
            fix="move what both need into a module that both include",
        )
    yield from _declarations(registry)
    for module in registry.modules:
        yield from _duplicates(registry, module)
        yield from decorators_of(registry, module)
        for misuse in module.misuses:
            error = UnusableSource if misuse.source else ModuleMisuse
            steps = [Step("written", f'module "{module.name}"', misuse.where)]
            yield error(misuse.says, asked_by=steps, fix=misuse.fix)
        for key, where in module.exported:
            # What is bound for other profiles is said where it is missed.
            how = collected(key)
            if registry.exports_nothing(module, key) and not registry.left_out_of(
                module, key if how is None else how[1]
            ):
                yield ModuleMisuse(
                    f'module "{module.name}" exports {key}, which it does not have',
                    key=key,
                    asked_by=[Step("export", f'module "{module.name}"', where)],
                    notes=near(registry, key),
                    fix=bind_line(registry, module, key),
                )
    yield from held_twice(registry)
    for clash in registry.clashes():
        both = (clash.own, clash.other)
        if has_condition(both):
            yield two_remain(registry, clash.own.key, both)
            continue
        fix = as_written(registry, clash.module, clash.own, replace=True)
        yield _duplicate(registry, clash.own.key, both, f"remove one, or {fix}")


def _declarations(registry: Registry) -> Iterator[WiringProblem]:
    for binding in registry.bindings:
        module = registry.home[binding]
        steps = [Step("bound", f'module "{module.name}"', binding.where)]
        for says, fix in binding.faults:
            yield ModuleMisuse(says, key=binding.key, asked_by=steps, fix=fix)
        if (
            binding.replace
            and registry.replaces_nothing(binding)
            and not _elsewhere(registry, module, binding)
        ):
            yield ModuleMisuse(
                f'{binding.key} has replace=True, and module "{module.name}" sees nothing to '
                "replace",
                key=binding.key, asked_by=steps, fix="drop replace=True, or include the module "
                "that exports it",
            )  # fmt: skip


def _elsewhere(registry: Registry, module: Module, binding: Binding) -> bool:
    """Return whether another profile has what a binding stands in for."""
    left_out = registry.left_out_of(module, binding.key)
    return any(registry.home[item] is not module for item in left_out)


def _duplicates(registry: Registry, module: Module) -> Iterator[WiringProblem]:
    for key in dict.fromkeys(item.key for item in module.declarations if not item.many):
        own = registry.own(module, key)
        if len(own) < 2 or own[0].key != key:
            continue  # two open keys may say the same, and are told under the first
        if has_condition(own):
            yield two_remain(registry, key, own)
        else:
            yield _duplicate(registry, key, own, "remove one, or use add() for many")


def _duplicate(
    registry: Registry, key: AnyKey, bindings: Sequence[Binding], fix: str
) -> WiringProblem:
    homes = list(dict.fromkeys(registry.home[item].name for item in bindings))
    where = f'in module "{homes[0]}"' if len(homes) == 1 else "for " + " and ".join(
        f'"{name}"' for name in homes
    )  # fmt: skip
    return DuplicateBinding(
        f"two bindings for {key} {where}",
        key=key,
        asked_by=bound_at(bindings),
        fix=fix,
    )
