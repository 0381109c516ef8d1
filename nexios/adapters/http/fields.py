"""Which annotations a JSON body or a whole group of parameters fills, and what validates one."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

import pydantic
import typing_extensions

from nexios.adapters.asgi.annotations import (
    MANY,
    UNIONS,
    Member,
    is_model,
    is_parsed,
    members_adapter,
    without_none,
)
from nexios.adapters.asgi.bounds import BoundedValidator


def is_structure(annotation: object) -> bool:
    """Tell whether this is a model, a dataclass or a TypedDict."""
    inner = without_none(annotation)
    cls = get_origin(inner) or inner
    if not isinstance(cls, type):
        return False
    return is_model(cls) or dataclasses.is_dataclass(cls) or typing_extensions.is_typeddict(cls)


def is_body(annotation: object) -> bool:
    """Tell whether only a JSON body can hold this (http.md 3, line 5)."""
    inner = without_none(annotation)
    if is_structure(inner):
        return not is_parsed(inner)
    origin = get_origin(inner) or inner
    if origin in (dict, Mapping):
        return True
    if origin in MANY and get_args(inner):
        return all(is_body(item) for item in get_args(inner) if item is not Ellipsis)
    if origin in UNIONS:
        members = [member for member in get_args(inner) if member is not type(None)]
        return all(is_body(member) for member in members)
    return False


def members_of(annotation: object) -> list[tuple[str, Any]]:
    """Return each member of a structure: its name on the wire and its annotation."""
    inner = without_none(annotation)
    cls = get_origin(inner) or inner
    if isinstance(cls, type) and is_model(cls):
        return [
            (on_wire, info.annotation)
            for name, info in cls.model_fields.items()
            for on_wire in _wire_names(name, info)
        ]
    hints = typing_extensions.get_type_hints(cls, include_extras=True)
    if dataclasses.is_dataclass(cls):
        return [(item.name, hints[item.name]) for item in dataclasses.fields(cls) if item.init]
    return list(hints.items())


def _wire_names(name: str, info: Any) -> list[str]:
    alias = info.validation_alias if info.validation_alias is not None else info.alias
    if isinstance(alias, pydantic.AliasChoices):
        return [choice for choice in alias.choices if isinstance(choice, str)] or [name]
    return [alias if isinstance(alias, str) else name]


def body_validator(annotation: Any, keyed_items: int) -> BoundedValidator:
    """Return what validates the bytes of a JSON body of this type.

    Args:
        annotation: What the parameter says.
        keyed_items: ``limits.keyed_items`` of the route.
    """
    return BoundedValidator(pydantic.TypeAdapter(annotation), keyed_items)


def embedded_validator(members: Sequence[Member], keyed_items: int) -> BoundedValidator:
    """Return what validates a JSON object whose members are parameters."""
    return BoundedValidator(members_adapter(members), keyed_items)
