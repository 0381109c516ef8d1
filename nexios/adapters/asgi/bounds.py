"""Validates JSON of one type: by its JSON types, and in work that its size bounds.

Every missing field of every item in a list is a fault of its own, so a few kilobytes of ``{}``
are a million faults, each an object in memory before the first of them is looked at. What maps
and sets of numbers may hold is in ``keyed.py``.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pydantic
from pydantic_core import SchemaValidator, ValidationError, from_json, to_json

from nexios.adapters.asgi.finite import refuses_infinity, with_finite_floats
from nexios.adapters.asgi.keyed import TABLES, capped

FAULTS: Final = 60_000
"""A body that could have more of them is checked up to the first bad item of each list."""

Node = dict[str, Any]

_HASTY: Final = frozenset({"list", "set", "frozenset", "tuple"})
_FIELDS: Final = frozenset({"model-fields", "typed-dict", "dataclass-args"})
# Values of the schema that are no schemas.
_OPAQUE: Final = frozenset({"metadata", "default", "cls", "config", "serialization", "expected"})
# A float beyond it stands for several integers.
_EXACT: Final = 2**53
_INTEGRAL: Final = re.compile(rb"[0-9](?:\.0+(?![0-9])|(?:\.[0-9]+)?[eE][+-]?[0-9])")
_STRUCTURE: Final = (b",", b":", b"[", b"{")


class BoundedValidator:
    """Validates JSON of one type, a body or a message, in work that its size bounds.

    JSON types count: ``true`` and ``"1"`` are no int, a number is no date, ``1`` is no bool, and
    ``1.0`` is an int, as in JSON Schema. What JSON has no type for (dates, UUIDs, enums) is read
    from text, Decimals and enums from numbers, too. A type that says ``strict=False`` somewhere
    is read as pydantic does by default.

    Attributes:
        finite: No value that it returns holds an infinity, whatever numbers come.
        full: What validates content shorter than ``short``, called with ``strict=strict``; for
            those who go straight and hand what it raises to `recover`.
        short: In bytes.
        strict: What ``full`` wants to be told.
    """

    __slots__ = ("_each", "_hasty", "_schema", "finite", "full", "short", "strict")

    def __init__(self, adapter: "pydantic.TypeAdapter[Any]", keyed_items: int) -> None:
        """Look the schema through, once.

        Args:
            adapter: Of the body's type.
            keyed_items: ``limits.keyed_items``.
        """
        schema = capped(adapter.core_schema, keyed_items)
        nodes = list(_nodes(schema))
        self.finite = refuses_infinity(nodes)
        if self.finite and any(node.get("type") == "float" for node in nodes):
            schema = _changed(schema, with_finite_floats)
        self._schema = schema
        # Ready-made validators of nested models do not know of what was changed.
        validator = (
            adapter.validator
            if schema is adapter.core_schema
            else SchemaValidator(schema, _use_prebuilt=False)
        )
        # At the call, since models are validated by ready-made validators of their own.
        self.strict = not any(map(_is_lenient, nodes)) or None
        self.full: Callable[..., Any] = validator.validate_json
        self._hasty: Callable[..., Any] | None = None
        lists = any(node.get("type") in _HASTY for node in nodes)
        self._each = _faults_of_one(nodes) if lists else 0
        self.short = FAULTS // self._each if self._each else sys.maxsize

    def __call__(self, content: bytes) -> Any:
        """Return the value that JSON text in UTF-8 stands for.

        Raises:
            ValidationError: With all its faults, or if there could be more than ``FAULTS``
                with those up to the first bad item of each list.
        """
        # Few bytes cannot have many tokens; nearly every body ends here.
        validate = self.full if len(content) < self.short else self._by_tokens(content)
        try:
            return validate(content, strict=self.strict)
        except ValidationError as error:
            return self.recover(content, error)

    def recover(self, content: bytes, error: ValidationError) -> Any:
        """Return the value of content that was refused for no more than ``1.0`` where an int is.

        Raises:
            ValidationError: The same, or that of what is left to refuse.
        """
        whole = _with_whole_numbers(content, error) if self.strict else None
        if whole is None:
            raise error
        validate = self.full if len(content) < self.short else self._by_tokens(content)
        return validate(whole, strict=True)

    def _by_tokens(self, content: bytes) -> Callable[..., Any]:
        if sum(map(content.count, _STRUCTURE)) * self._each <= FAULTS:
            return self.full
        if self._hasty is None:
            # Only an odd body ever needs it, so no start pays for it.
            hasty = _changed(self._schema, _to_the_first_bad_item)
            made = SchemaValidator(hasty, _use_prebuilt=False)
            self._hasty = made.validate_json
        return self._hasty


def _with_whole_numbers(content: bytes, error: ValidationError) -> bytes | None:
    """Return JSON that was refused with ``1`` for ``1.0``, which is as whole (RFC 8259 knows one
    kind of number); None where that cannot change a thing.
    """
    if _INTEGRAL.search(content) is None:
        return None
    if error.error_count() == 1 and error.errors(include_input=False)[0]["type"] == "json_invalid":
        return None
    return to_json(_whole(from_json(content)), inf_nan_mode="constants")


def _whole(value: Any) -> Any:
    """Return a JSON value with integers in place of floats without a fraction."""
    if isinstance(value, dict):
        return {key: _whole(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_whole(one) for one in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return value


def _is_lenient(node: Node) -> bool:
    return node.get("strict") is False or (node.get("config") or {}).get("strict") is False


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
            for name, value in current.items():
                if name in TABLES and isinstance(value, dict):
                    waiting += value.values()
                elif name not in _OPAQUE:
                    waiting.append(value)
        elif isinstance(current, (list, tuple)):
            waiting += current


def _changed(schema: Any, change: Callable[[Node], Node]) -> Any:
    """Return a copy of a schema with ``change`` applied to its mappings, inner before outer."""
    if isinstance(schema, dict):
        return change({name: _changed_below(name, schema[name], change) for name in schema})
    if isinstance(schema, (list, tuple)):
        return type(schema)(_changed(value, change) for value in schema)
    return schema


def _changed_below(name: str, value: Any, change: Callable[[Node], Node]) -> Any:
    if name in _OPAQUE:
        return value
    if name in TABLES and isinstance(value, dict):
        return {key: _changed(one, change) for key, one in value.items()}
    return _changed(value, change)
