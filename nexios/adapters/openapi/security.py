"""What a way in asks of its callers, as both documents have it."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from nexios.adapters.openapi.config import Requirement


def requirements(
    guards: Iterable[Any], said: Sequence[Requirement] | None, known: Mapping[str, object]
) -> list[Requirement] | None:
    """Return what an operation asks for, any one of these; None where it asks for nothing.

    Args:
        guards: The checks before its handler.
        said: What ``security=`` adds; None where it says nothing.
        known: Every scheme, by name.
    """
    wanted = [_schemes_of(guard, known) for guard in guards]
    choices = [names for names in wanted if names]
    guarded: list[Requirement] = []
    if choices:
        sets = list(dict.fromkeys(frozenset(chosen) for chosen in product(*choices)))
        # Who meets a smaller set meets the larger one too.
        least = [each for each in sets if not any(other < each for other in sets)]
        guarded = [{name: [] for name in sorted(each)} for each in least]
    if said is None:
        return guarded or None
    return [*guarded, *(dict(each) for each in said if each not in guarded)]


def _schemes_of(guard: Any, known: Mapping[str, object]) -> tuple[str, ...]:
    """Return the schemes any one of which satisfies a guard; none where it does not say."""
    named: tuple[str, ...] | None = getattr(guard, "schemes", None)
    if named is None and not hasattr(guard, "permissions"):
        return ()
    return tuple(name for name in named or sorted(known) if name in known)
