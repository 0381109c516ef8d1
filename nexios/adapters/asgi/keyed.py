"""Caps maps and sets of numbers before they are built: hashes of numbers can be made to collide.

Texts are hashed with a secret of the process; int, float, Decimal and UUID are not, so half a
megabyte of well-chosen keys costs seconds (security-and-production.md, 1.10).
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import PydanticKnownError, to_json

_NUMBERS: Final = frozenset(("int", "float", "decimal", "uuid", "complex"))
_SETS: Final = frozenset(("set", "frozenset"))
# What of a schema holds values of the application, not schemas.
_VALUES: Final = frozenset(("metadata", "serialization", "default", "cls", "expected", "members"))
TABLES: Final = frozenset(("fields", "choices"))
"""What of a schema may map names of the application's own to schemas, and is no schema itself."""


def capped(schema: Any, limit: int) -> Any:
    """Return a core schema with caps in it: the very same object where there is nothing to cap.

    Args:
        schema: Of a body's type.
        limit: Items of a map or set keyed by numbers, wherever in the type it stands; its own
            ``max_length`` replaces this.
    """
    if isinstance(schema, (list, tuple)):
        items = [capped(item, limit) for item in schema]
        same = all(new is old for new, old in zip(items, schema, strict=True))
        return schema if same else type(schema)(items)
    if not isinstance(schema, dict):
        return schema
    changed = {
        key: new
        for key, old in schema.items()
        if key not in _VALUES and (new := _below(key, old, limit)) is not old
    }
    result = {**schema, **changed} if changed else schema
    return _with_cap(result, limit) if _is_keyed_by_numbers(result) else result


def _below(key: str, value: Any, limit: int) -> Any:
    if key not in TABLES or not isinstance(value, dict):
        return capped(value, limit)
    table = {name: capped(one, limit) for name, one in value.items()}
    return value if all(table[name] is one for name, one in value.items()) else table


def _is_keyed_by_numbers(schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type")
    if schema.get("max_length") is not None:
        return False
    if kind == "dict":
        return _is_number(schema.get("keys_schema"))
    if kind in _SETS:
        items = schema.get("items_schema")
        return items is None or items.get("type") == "any" or _is_number(items)
    return False


def _is_number(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    if schema.get("type") in _NUMBERS:
        return True
    if schema.get("type") == "union":
        choices = (one[0] if isinstance(one, tuple) else one for one in schema["choices"])
        return any(map(_is_number, choices))
    return _is_number(schema.get("schema"))


def _with_cap(schema: Mapping[str, Any], limit: int) -> dict[str, Any]:
    kind = "Dictionary" if schema["type"] == "dict" else "Set"

    def refuse(value: Any) -> Any:
        # What came is still a JSON object with texts for keys, or a list: nothing is hashed yet.
        if isinstance(value, (dict, list)) and len(value) > limit:
            context = {"field_type": kind, "max_length": limit, "actual_length": len(value)}
            raise PydanticKnownError("too_long", context)
        # Keys of a JSON object are texts, which only JSON may turn into numbers when it is strict.
        return to_json(value, inf_nan_mode="constants")

    function = {"type": "no-info", "function": refuse}
    plain = {key: value for key, value in schema.items() if key != "ref"}
    inner = {"type": "json", "schema": plain}
    before = {"type": "function-before", "function": function, "schema": inner}
    # Whoever points here means the capped one.
    return {**before, "ref": schema["ref"]} if "ref" in schema else before
