"""Knows which types of JSON bodies can come to hold an infinity, and keeps it from the others.

``1e999`` is JSON, and no float holds it (RFC 8259, 6): the engine reads an infinity. A type whose
every number is checked by its validator says so itself, and its bodies need not be searched for
such numbers: 0.9 us a KiB (CPython 3.11).
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

Node = Mapping[str, Any]

# What refuses an infinity, never sees one, or is as safe as the schemas within it.
_PLAIN: Final = frozenset({"bool", "bytes", "enum", "float", "int", "literal", "none", "str"})
_FROM_TEXT: Final = frozenset({"date", "datetime", "decimal", "time", "timedelta", "url", "uuid"})
_MANY: Final = frozenset({"dict", "frozenset", "list", "set", "tuple", "union", "tagged-union"})
_RECORDS: Final = frozenset(
    {f"{kind}{part}" for kind in ("model", "typed-dict", "dataclass") for part in ("", "-field")}
)
_AROUND: Final = frozenset({"custom-error", "default", "lax-or-strict", "nullable"})
_NAMED: Final = frozenset({"definitions", "definition-ref", "model-fields", "dataclass-args"})
_CALLED: Final = frozenset({"function-after", "no-info", "with-info"})
_SAFE: Final = _PLAIN | _FROM_TEXT | _MANY | _RECORDS | _AROUND | _NAMED | _CALLED
# Without this a value may be anything.
_NEEDS: Final = {
    "dict": "values_schema",
    "frozenset": "items_schema",
    "list": "items_schema",
    "set": "items_schema",
    "tuple": "items_schema",
}
# Where one of these is told, values are taken that no schema has checked, or numbers as text.
_LOOSE: Final = ("allow_inf_nan", "coerce_numbers_to_str", "custom_init", "extras_schema")
_EXTRAS: Final = ("extra_behavior", "extras_behavior", "extra_fields_behavior")


def refuses_infinity(nodes: Iterable[Node]) -> bool:
    """Tell whether no value of a type holds an infinity once its floats refuse one.

    Args:
        nodes: Every mapping of its core schema that is a schema or part of one.
    """
    return all(map(_is_safe, nodes))


def _is_safe(node: Node) -> bool:
    kind = node.get("type")
    if kind is None:
        return True
    if not isinstance(kind, str) or kind not in _SAFE:
        return False
    if kind in _NEEDS and node.get(_NEEDS[kind]) is None:
        return False
    config = node.get("config") or {}
    if any(where.get(name) for where in (node, config) for name in _LOOSE if kind != "float"):
        return False
    return all(where.get(name) != "allow" for where in (node, config) for name in _EXTRAS)


def with_finite_floats(node: dict[str, Any]) -> dict[str, Any]:
    """Return a node of a schema, changed where it is that of a float, which then is finite."""
    return {**node, "allow_inf_nan": False} if node.get("type") == "float" else node
