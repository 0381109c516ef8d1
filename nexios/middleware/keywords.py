"""Settings written at a middleware instead of in the configuration."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from nexios.application.sections.section import Section
from nexios.application.spelling import suggestion

S = TypeVar("S", bound=Section)


def section_of(
    kind: type[S], keys: Mapping[str, Any], aliases: Mapping[str, str] | None = None
) -> S:
    """Make a section of keywords.

    Raises:
        TypeError: A keyword is not known, or given under two names.
        ValueError: A value does not fit.
    """
    known = [one.name for one in fields(kind)]  # type: ignore[arg-type]  # sections are dataclasses
    given: dict[str, Any] = {}
    for key, value in keys.items():
        name = (aliases or {}).get(key, key)
        if name not in known:
            near = suggestion(key, known)
            hint = f"did you mean {near!r}?" if near else f"known: {', '.join(known)}"
            raise TypeError(f"unknown keyword {key!r}; {hint}")
        if name in given:
            raise TypeError(f"{key!r} and {name!r} are the same setting; keep one of them")
        given[name] = value
    return kind(**given)
