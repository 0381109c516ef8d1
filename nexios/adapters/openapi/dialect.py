"""Turns the schemas of OpenAPI 3.1 into those of AsyncAPI 3, which speak JSON Schema draft 7."""

from collections.abc import Mapping
from typing import Any, Final

_ONE: Final = frozenset(
    {"items", "additionalItems", "additionalProperties", "not", "contains", "propertyNames"}
)
_SEVERAL: Final = frozenset({"anyOf", "oneOf", "allOf", "items"})
_NAMED: Final = frozenset({"properties", "patternProperties"})


def draft7(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy that means the same in draft 7, with AsyncAPI's discriminator.

    There what stands beside a ``$ref`` is not read (draft 7 core, 8.3), so it goes around it;
    a tuple is a list of ``items``; a discriminator is the name of its property.
    """
    left = dict(schema)
    discriminator = left.get("discriminator")
    if isinstance(discriminator, Mapping):
        left["discriminator"] = discriminator["propertyName"]
    if "prefixItems" in left:
        rest = left.pop("items", None)
        left["items"] = left.pop("prefixItems")
        if rest is not None:
            left["additionalItems"] = rest
    if "$ref" in left and len(left) > 1:
        left["allOf"] = [*left.get("allOf", ()), {"$ref": left.pop("$ref")}]
    return {word: _part(word, value) for word, value in left.items()}


def _part(word: str, value: Any) -> Any:
    if word in _ONE and isinstance(value, Mapping):
        return draft7(value)
    if word in _SEVERAL and isinstance(value, list):
        return [draft7(one) if isinstance(one, Mapping) else one for one in value]
    if word in _NAMED and isinstance(value, Mapping):
        return {
            name: draft7(one) if isinstance(one, Mapping) else one for name, one in value.items()
        }
    return value
