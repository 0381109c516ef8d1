"""Bounds on the work one JSON body can make its validator do.

Every missing field of every item in a list is a fault of its own, so a few kilobytes of ``{}``
are a million faults, each an object in memory before the first of them is looked at. What maps
and sets of numbers may hold is in ``keyed.py``.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic_core import SchemaValidator

from nexios.adapters.http.keyed import capped

FAULTS: Final = 60_000
"""A body that could have more of them is checked up to the first bad item of each list."""

Node = dict[str, Any]

_HASTY: Final = frozenset({"list", "set", "frozenset", "tuple"})
_FIELDS: Final = frozenset({"model-fields", "typed-dict", "dataclass-args"})
# Values of the schema that are no schemas.
_OPAQUE: Final = frozenset({"metadata", "default", "cls", "config", "serialization", "expected"})
_STRUCTURE: Final = (b",", b":", b"[", b"{")


class BoundedValidator:
    """Validates JSON bodies of one type, in work that its size bounds."""

    __slots__ = ("_each", "_full", "_hasty", "_schema")

    def __init__(self, adapter: TypeAdapter[Any], keyed_items: int) -> None:
        """Look the schema through, once.

        Args:
            adapter: Of the body's type.
            keyed_items: ``limits.keyed_items``.
        """
        self._schema = capped(adapter.core_schema, keyed_items)
        same = self._schema is adapter.core_schema
        # Ready-made validators of nested models do not know of the cap.
        validator = (
            adapter.validator if same else SchemaValidator(self._schema, _use_prebuilt=False)
        )
        self._full: Callable[[bytes], Any] = validator.validate_json
        self._hasty: Callable[[bytes], Any] | None = None
        nodes = list(_nodes(self._schema))
        lists = any(node.get("type") in _HASTY for node in nodes)
        self._each = _faults_of_one(nodes) if lists else 0

    def __call__(self, content: bytes) -> Any:
        """Return the value of a body.

        Raises:
            ValidationError: With all its faults, or if there could be more than ``FAULTS``
                with those up to the first bad item of each list.
        """
        # Few bytes cannot have many tokens; nearly every body ends here.
        if len(content) * self._each <= FAULTS:
            return self._full(content)
        if sum(map(content.count, _STRUCTURE)) * self._each <= FAULTS:
            return self._full(content)
        if self._hasty is None:
            # Only an odd body ever needs it, so no start pays for it.
            hasty = _changed(self._schema, _to_the_first_bad_item)
            made = SchemaValidator(hasty, _use_prebuilt=False)
            self._hasty = made.validate_json
        return self._hasty(content)


def _faults_of_one(nodes: list[Node]) -> int:
    """Return how many faults one token can cause: what an empty object lacks, in each member."""
    needed = max((_required(node) for node in nodes), default=0)
    choices = max((len(node.get("choices", ())) for node in nodes), default=0)
    return max(needed, 1) * max(choices, 1)


def _required(node: Node) -> int:
    if node.get("type") not in _FIELDS:
        return 0
    fields = node["fields"]
    held = fields.values() if isinstance(fields, Mapping) else fields
    return sum(field.get("schema", {}).get("type") != "default" for field in held)


def _to_the_first_bad_item(node: Node) -> Node:
    return {**node, "fail_fast": True} if node.get("type") in _HASTY else node


def _nodes(schema: Any) -> Iterator[Node]:
    """Yield every mapping of a schema, outer before inner."""
    waiting = [schema]
    while waiting:
        current = waiting.pop()
        if isinstance(current, dict):
            yield current
            waiting += [value for name, value in current.items() if name not in _OPAQUE]
        elif isinstance(current, (list, tuple)):
            waiting += current


def _changed(schema: Any, change: Callable[[Node], Node]) -> Any:
    """Return a copy of a schema with ``change`` applied to its mappings, inner before outer."""
    if isinstance(schema, dict):
        return change(
            {
                name: value if name in _OPAQUE else _changed(value, change)
                for name, value in schema.items()
            }
        )
    if isinstance(schema, (list, tuple)):
        return type(schema)(_changed(value, change) for value in schema)
    return schema
