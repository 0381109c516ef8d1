"""Which operations a document has, where each stands and what it is called."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from nexios.adapters.asgi.url import quote_path
from nexios.adapters.http.compile import Unit
from nexios.adapters.http.controller import Controller
from nexios.adapters.openapi.config import Requirement
from nexios.adapters.routing.template import Template
from nexios.records import dataclass

METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
"""The methods OpenAPI 3.1 knows; the others stay out of the document."""

_FIELD: Final = re.compile(r"\{[^{}]*\}")
NO_WORD: Final = re.compile(r"\W+", re.ASCII)


class DuplicateOperationId(ValueError):
    """Two operations of one document would have the same id."""

    def __init__(self, operation_id: str, first: Unit, second: Unit) -> None:
        self.operation_id = operation_id
        self.units = (first, second)
        super().__init__(operation_id, first, second)

    def __str__(self) -> str:
        lines = "".join(f"\n  {one.point.label}   {one.flat.route.where}" for one in self.units)
        return (
            f"two operations have the id {self.operation_id!r}{lines}"
            '\n  fix: operation_id="..." on one of them, or exclude_from_schema=True'
        )


@dataclass(frozen=True, slots=True)
class Listed:
    """One operation, before it is described.

    Attributes:
        method: In lower case.
        path: As the document has it, without converters.
        names: The name of each path value in ``path``, where it is not the handler's own.
        id: The ``operationId``.
    """

    unit: Unit
    method: str
    path: str
    names: Mapping[str, str]
    id: str


def listed(units: Iterable[Unit]) -> tuple[list[Listed], list[DuplicateOperationId]]:
    """Return the operations of a document, and those of them that are called alike.

    The order is that of paths and methods, never that of registration.
    """
    found = [
        (unit, method)
        for unit in sorted(units, key=lambda unit: unit.templates[0].raw)
        if not (unit.flat.mount or _excluded(unit))
        for method in METHODS
        if method.upper() in unit.flat.route.methods
    ]
    ids = [_id_of(unit, method) for unit, method in found]
    paths: dict[str, dict[str, set[str]]] = {}
    operations: list[Listed] = []
    problems: list[DuplicateOperationId] = []
    by_id: dict[str, Unit] = {}
    taken: set[tuple[object, str]] = set()
    for (unit, method), operation_id in zip(found, ids, strict=True):
        template = unit.templates[0]
        if (template.shape, method) in taken:
            continue  # under "first-wins" the second one never answers
        taken.add((template.shape, method))
        final = _told_apart(operation_id, unit, method, found, ids)
        if final in by_id:
            problems.append(DuplicateOperationId(final, by_id[final], unit))
        by_id.setdefault(final, unit)
        path, names = _place(template, method, paths)
        operations.append(Listed(unit, method, path, names, final))
    return operations, problems


def _excluded(unit: Unit) -> bool:
    options = unit.flat.route.options
    return bool(options.get("exclude_from_schema", unit.flat.around.exclude_from_schema))


def _id_of(unit: Unit, method: str) -> str:
    flat = unit.flat
    given = flat.route.options.get("operation_id")
    several = len(flat.route.methods) > 1
    if given:
        return f"{given}_{method}" if several else given
    if not _is_controller(unit):
        return _spelled(unit, method)
    named = NO_WORD.sub("_", flat.name)
    return f"{named}_{method}" if several else named


def _is_controller(unit: Unit) -> bool:
    # The methods of a class-based view are told apart by their verb, not by a name.
    owner = unit.flat.around.owner
    return owner is not None and issubclass(owner, Controller)


def _spelled(unit: Unit, method: str) -> str:
    """Return verb and path: ``get_users_by_user_id``."""
    return f"{method}_{spelled(unit.templates[0])}"


def spelled(template: Template) -> str:
    """Return a path in words: ``users_by_user_id``."""
    text = _FIELD.sub(lambda field: f" by {field[0][1:-1].partition(':')[0]} ", template.raw)
    return "_".join(NO_WORD.sub(" ", text).split()) if text != "/" else "root"


def _told_apart(
    operation_id: str,
    unit: Unit,
    method: str,
    found: Sequence[tuple[Unit, str]],
    ids: Sequence[str],
) -> str:
    """Return the id; of a method of a controller that wears several verbs the longer one."""
    route = unit.flat.route
    if not _is_controller(unit) or route.options.get("operation_id"):
        return operation_id
    twins = [
        other
        for (other, _), its in zip(found, ids, strict=True)
        if its == operation_id and other is not unit
    ]
    same = [twin for twin in twins if twin.flat.route.handler is route.handler]
    return _spelled(unit, method) if same and len(same) == len(twins) else operation_id


def _place(
    template: Template, method: str, paths: dict[str, dict[str, set[str]]]
) -> tuple[str, dict[str, str]]:
    """Return where an operation stands in the document.

    Paths that differ in nothing but the names of their values are one path there, so the names
    of the first hold. Where both have the method they stay apart: `{n}` beside `{n_int}`.
    """
    path = address_of(template, {})
    places = paths.setdefault(_FIELD.sub("{}", path), {})
    first = next((known for known, methods in places.items() if method not in methods), None)
    names: dict[str, str] = {}
    if first is not None:
        told = [field[1:-1] for field in _FIELD.findall(first)]
        names = dict(zip(template.param_names, told, strict=True))
        path = first
    while method in places.get(path, ()):
        # {n:int} beside {n}: a name says which of them takes the value.
        names = {
            field.name: f"{names.get(field.name, field.name)}_{field.converter}"
            for field in template.fields
        }
        path = address_of(template, names)
    places.setdefault(path, set()).add(method)
    return path, {name: told for name, told in names.items() if name != told}


def address_of(template: Template, names: Mapping[str, str]) -> str:
    """Return a path as documents have it: without converters.

    Args:
        names: Of its values, where they are not the handler's own.
    """
    segments = []
    for segment in template.segments:
        text = quote_path(segment.literals[0])
        for field, literal in zip(segment.fields, segment.literals[1:], strict=True):
            text += f"{{{names.get(field.name, field.name)}}}{quote_path(literal)}"
        segments.append(text)
    return "/" + "/".join(segments)


def asked_for(unit: Unit) -> Sequence[Requirement] | None:
    """Return what ``security=`` says of a route; None where it says nothing."""
    own = unit.flat.route.options.get("security")
    return unit.flat.around.security if own is None else own
