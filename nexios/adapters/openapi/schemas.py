"""Turns types into JSON schemas: one for each class, under ``components``, by its name."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema, to_jsonable_python

from nexios.adapters.asgi.annotations import JSON_SCHEMA

REF: Final = "#/components/schemas/"
Slot = dict[str, Any]
"""A schema of the document: empty until `Schemas.resolve` fills it, the same object after."""

Mode = Literal["validation", "serialization"]


class Schemas:
    """Collects every type of a document, then writes them all at once.

    All at once, since only then is it known which names two classes share: those become
    module-qualified, and nobody else. A class that is read and written in different shapes has
    two schemas, ``-Input`` and ``-Output``.
    """

    def __init__(self) -> None:
        self._asked: dict[tuple[int, Mode], tuple[Slot, CoreSchema]] = {}
        self._kept: list[object] = []
        self.components: dict[str, Slot] = {}

    def ask(self, annotation: Any, mode: Mode) -> Slot:
        """Return the slot of a type.

        Args:
            annotation: Anything pydantic takes; of what it does not take any value will do.
            mode: ``validation`` for what is read, ``serialization`` for what is written.
        """
        key = (id(annotation), mode)
        if key not in self._asked:
            try:
                adapter: TypeAdapter[Any] = TypeAdapter(annotation)
                if not adapter.pydantic_complete:
                    adapter.rebuild()
                found = adapter.core_schema
            except (PydanticUserError, NameError):
                found = core_schema.any_schema()
            self._asked[key] = ({}, found)
            self._kept.append(annotation)  # so that its id stays its own
        return self._asked[key][0]

    def resolve(self) -> None:
        """Fill every slot that was asked for, and ``components``."""
        inputs: list[tuple[int, JsonSchemaMode, CoreSchema]] = [
            (number, mode, schema)
            for number, ((_, mode), (_, schema)) in enumerate(self._asked.items())
        ]
        writer = _Writer(by_alias=True, ref_template=REF + "{model}")
        written, definitions = writer.generate_definitions(inputs)
        schemas = {str(name): schema for name, schema in definitions.items()}
        one = _one_for_both(schemas)
        self.components = {one.get(name, name): _renamed(schemas[name], one) for name in schemas}
        for number, ((_, mode), (slot, _)) in enumerate(self._asked.items()):
            slot.update(_renamed(written[number, mode], one))

    def members(self, slot: Mapping[str, Any]) -> Iterator[tuple[str, Slot, bool]]:
        """Yield each member of an object: its name, its schema, and whether it has to be there."""
        whole = self.followed(without_null(slot))
        required = whole.get("required", ())
        for name, schema in whole.get("properties", {}).items():
            yield name, schema, name in required

    def holds_file(self, slot: Mapping[str, Any]) -> bool:
        """Tell whether a field of a form is a file, or has one among its members."""
        schema = self.followed(without_null(slot))
        inner = [schema["items"]] if "items" in schema else schema.get("properties", {}).values()
        return schema.get("format") == "binary" or any(map(self.holds_file, inner))

    def followed(self, slot: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the schema that is meant, references followed."""
        while "$ref" in slot:
            slot = self.components[slot["$ref"].removeprefix(REF)]
        return slot


def without_null(schema: Mapping[str, Any]) -> Slot:
    """Return the schema less its null: no text of a path, a query or a header means null."""
    left = dict(schema)
    if left.get("default", 0) is None:
        del left["default"]
    members = left.get("anyOf")
    if members is None:
        return left
    kept = [member for member in members if member != {"type": "null"}]
    if len(kept) == 1:
        del left["anyOf"]
        return {**kept[0], **left}
    return {**left, "anyOf": kept}


def with_default(schema: Slot, default: object) -> Slot:
    """Return the schema with the value that stands in, where JSON can say it."""
    if default is None:
        return schema
    try:
        return {**schema, "default": to_jsonable_python(default)}
    except ValueError:
        return schema


def referenced(document: object) -> set[str]:
    """Return the names of the schemas that something in ``document`` refers to."""
    found: set[str] = set()
    waiting = [document]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Mapping):
            ref = current.get("$ref")
            if isinstance(ref, str) and ref.startswith(REF):
                found.add(ref.removeprefix(REF))
            waiting += current.values()
        elif isinstance(current, (list, tuple)):
            waiting += current
    return found


def used(components: Mapping[str, Slot], document: object) -> dict[str, Slot]:
    """Return the schemas that ``document`` needs, by name, in the order of the names."""
    needed: set[str] = set()
    waiting = referenced(document)
    while waiting:
        needed |= waiting
        waiting = referenced([components[name] for name in waiting if name in components]) - needed
    return {name: components[name] for name in sorted(needed) if name in components}


def _one_for_both(schemas: Mapping[str, Slot]) -> dict[str, str]:
    """Return the names that ``-Input`` and ``-Output`` give way to, where the two are equal.

    Pydantic does so itself, except where a class refers to itself: the two then differ in
    nothing but that reference.
    """
    inputs = {name for name in schemas if name.endswith("-Input")}
    pairs = {name.removesuffix("-Input") for name in inputs}
    pairs = {name for name in pairs if f"{name}-Output" in schemas and name not in schemas}
    while True:
        one = {f"{name}{side}": name for name in pairs for side in ("-Input", "-Output")}
        unlike = {
            name
            for name in pairs
            if _renamed(schemas[f"{name}-Input"], one) != _renamed(schemas[f"{name}-Output"], one)
        }
        if not unlike:
            return one
        pairs -= unlike


def _renamed(node: Any, names: Mapping[str, str]) -> Any:
    """Return a copy in which every reference has its new name."""
    if isinstance(node, Mapping):
        return {key: _renamed(value, names) for key, value in node.items()}
    if isinstance(node, list):
        return [_renamed(value, names) for value in node]
    if isinstance(node, str) and node.startswith(REF):
        name = node.removeprefix(REF)
        return REF + names.get(name, name)
    return node


class _Writer(GenerateJsonSchema):
    """Pydantic's writer, less the titles it makes up and the errors over unknown types."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # its port
        return False

    def handle_invalid_for_json_schema(
        self,
        schema: Any,  # noqa: ARG002
        error_info: str,  # noqa: ARG002
    ) -> JsonSchemaValue:
        """Let any value do where the type says nothing about JSON."""
        return {}

    def emit_warning(self, kind: Any, detail: str) -> None:
        """Stay silent: what the document leaves out (a default, mostly) is still served."""

    def decimal_schema(self, schema: Any) -> JsonSchemaValue:
        """Write a number as text with the pattern of one, in what every language reads."""
        written = super().decimal_schema(schema)
        digits = f"{{0,{schema['decimal_places']}}}" if "decimal_places" in schema else "*"
        for text in (written, *written.get("anyOf", ())):
            if text.get("type") == "string":
                fraction = rf"([0-9]+\.?[0-9]{digits}|\.[0-9]+)"
                text["pattern"] = f"^[+-]?{fraction}([eE][+-]?[0-9]+)?$"
        return written

    def function_plain_schema(self, schema: Any) -> JsonSchemaValue:
        """Write what a class of ours says of itself: an identity, an uploaded file."""
        told = (schema.get("metadata") or {}).get(JSON_SCHEMA)
        return super().function_plain_schema(schema) if told is None else dict(told)
