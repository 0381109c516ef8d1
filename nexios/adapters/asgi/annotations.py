"""What an annotation asks for, and how text from the wire becomes it.

The one file of this room that knows pydantic: HTTP and sockets bind their input by it. Its parts
are named where they are used (``pydantic.TypeAdapter``): it loads what builds schemas, 50 ms and
10 MiB, when the first of them is, and text, numbers and plain JSON need none.
"""

import sys
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Final, Literal, NewType, NotRequired, get_args, get_origin
from uuid import UUID

import pydantic
from pydantic_core import PydanticCustomError, core_schema
from typing_extensions import TypedDict, TypeIs

from nexios.domain.errors import DomainError
from nexios.records import dataclass

MANY: Final = (list, set, frozenset, tuple, Sequence)
UNIONS: Final = (typing.Union, types.UnionType)
JSON_SCHEMA: Final = "nexios_json_schema"
"""The key of a core schema's metadata for the JSON schema of it, for documents."""

_SCALARS: Final = (str, int, float, bool, Decimal, UUID, date, datetime, time, timedelta, Enum)


def without_metadata(annotation: object) -> tuple[Any, tuple[object, ...]]:
    """Return the annotation without ``Annotated``, and what was annotated."""
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        return inner, tuple(metadata)
    return annotation, ()


def without_none(annotation: object) -> Any:
    """Return ``T`` of ``T | None``, anything else as it is."""
    inner, _ = without_metadata(annotation)
    if get_origin(inner) in UNIONS:
        members = [member for member in get_args(inner) if member is not type(None)]
        if len(members) == 1 and len(get_args(inner)) == 2:
            return without_metadata(members[0])[0]
    return inner


def is_model(cls: type) -> "TypeIs[type[pydantic.BaseModel]]":
    """Tell whether a class is a pydantic model; none is before that part of pydantic is loaded."""
    return "pydantic.main" in sys.modules and issubclass(cls, pydantic.BaseModel)


def is_parsed(annotation: object) -> bool:
    """Tell whether this is a class with a ``parse(text)`` classmethod, as an Identity is."""
    return (
        isinstance(annotation, type)
        and not is_model(annotation)
        and callable(getattr(annotation, "parse", None))
    )


def is_many(annotation: object) -> bool:
    """Tell whether every value of a repeated name is wanted."""
    inner = without_none(annotation)
    return (get_origin(inner) or inner) in MANY


def is_scalar(annotation: object) -> bool:
    """Tell whether one piece of text can become a value of this type."""
    inner = without_none(annotation)
    if isinstance(inner, NewType):
        return is_scalar(inner.__supertype__)
    origin = get_origin(inner)
    if origin is Literal:
        return True
    if origin in UNIONS:
        return all(is_scalar(member) for member in get_args(inner))
    if isinstance(inner, type) and origin is None:
        return issubclass(inner, _SCALARS) or _is_text_type(inner) or is_parsed(inner)
    return False


def _is_text_type(inner: type) -> bool:
    # AnyUrl, SecretStr, EmailStr, IPv4Address and kin: validated by pydantic from text.
    return inner.__module__ == "ipaddress" or (
        inner.__module__.partition(".")[0] == "pydantic" and not is_model(inner)
    )


def is_list_of_scalars(annotation: object) -> bool:
    """Tell whether this is a list, set or tuple that a repeated name can fill."""
    inner = without_none(annotation)
    if not is_many(inner):
        return False
    return all(is_scalar(item) for item in get_args(inner) if item is not Ellipsis)


def parsed_schema(cls: Any) -> core_schema.CoreSchema:
    """Return a schema that hands text to ``cls.parse`` and takes finished values as they are."""
    parse = cls.parse

    def read(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        try:
            return parse(value)
        except (ValueError, TypeError, AttributeError, DomainError):
            raise PydanticCustomError("value_parsing", "is not valid") from None

    text = {"type": "string", "format": "uuid"} if issubclass(cls, UUID) else {"type": "string"}
    return core_schema.no_info_plain_validator_function(
        read, serialization=core_schema.to_string_ser_schema(), metadata={JSON_SCHEMA: text}
    )


class Parsed:
    """Makes pydantic read a class by its ``parse(text)``: ``Annotated[OrderId, Parsed()]``."""

    __slots__ = ()

    def __get_pydantic_core_schema__(self, source: Any, _handler: object) -> Any:
        return parsed_schema(source)


def from_text(annotation: Any) -> Any:
    """Return the annotation so that pydantic accepts it from text.

    Enums and literals whose values are no text get a table from text to value, since lax mode
    refuses ``"1"`` for them; classes with ``parse`` are read by it. Goes through ``Annotated``,
    ``Optional`` and collections.
    """
    inner, metadata = without_metadata(annotation)
    origin, arguments = get_origin(inner), get_args(inner)
    if origin is Literal:
        changed = _tabled(inner, {_text(value): value for value in arguments})
    elif origin in UNIONS:
        changed = typing.Union[tuple(from_text(member) for member in arguments)]  # noqa: UP007
    elif origin in MANY and arguments:
        changed = origin[tuple(a if a is Ellipsis else from_text(a) for a in arguments)]
    elif isinstance(inner, NewType) and is_parsed(inner.__supertype__):
        changed = from_text(inner.__supertype__)
    elif isinstance(inner, type) and origin is None and issubclass(inner, Enum):
        changed = _tabled(inner, {_text(member.value): member for member in inner})
    elif is_parsed(inner):
        changed = Annotated[inner, Parsed()]
    else:
        changed = inner
    return Annotated[(changed, *metadata)] if metadata else changed


def is_text(annotation: Any) -> bool:
    """Tell whether empty text is a value of this type, or of the items of this collection."""
    inner = without_none(annotation)
    if isinstance(inner, NewType):
        return is_text(inner.__supertype__)
    origin, arguments = get_origin(inner), get_args(inner)
    if origin is Literal:
        return "" in arguments
    if origin in UNIONS or origin in MANY:
        return any(is_text(item) for item in arguments)
    if inner in MANY or inner in (Any, object):
        return True
    return isinstance(inner, type) and issubclass(inner, str) and not issubclass(inner, Enum)


def values_by_text(annotation: Any) -> dict[str, object]:
    """Return what texts stand for where validation alone refuses them: ``"1"`` of an enum.

    Empty for every type that is read from text as it is. Of a collection, for its items.
    """
    inner = without_none(annotation)
    origin, arguments = get_origin(inner), get_args(inner)
    if origin in UNIONS or origin in MANY:
        return {text: one for a in arguments for text, one in values_by_text(a).items()}
    table: dict[str, object] = {}
    if origin is Literal:
        table = {_text(value): value for value in arguments}
    elif isinstance(inner, type) and origin is None and issubclass(inner, Enum):
        table = {_text(member.value): member for member in inner}
    return {} if _all_text(table) else table


def _text(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _tabled(annotation: Any, table: Mapping[str, object]) -> Any:
    if _all_text(table):
        return annotation

    def look_up(value: Any) -> Any:
        return table.get(value, value) if isinstance(value, str) else value

    return Annotated[annotation, pydantic.BeforeValidator(look_up)]


def _all_text(table: Mapping[str, object]) -> bool:
    return all(isinstance(getattr(value, "value", value), str) for value in table.values())


@dataclass(frozen=True, slots=True)
class Member:
    """One key of a typed-dict schema: what it holds, and whether it may be absent."""

    key: str
    annotation: Any
    required: bool


def constrained(annotation: Any, constraints: Iterable[tuple[str, Any]]) -> Any:
    """Return the annotation with a marker's constraints upon it."""
    given: dict[str, Any] = dict(constraints)
    return Annotated[annotation, pydantic.Field(**given)] if given else annotation


def check_annotation(annotation: Any) -> str | None:
    """Return why pydantic cannot read this annotation, or None when it can."""
    try:
        pydantic.TypeAdapter(annotation)
    except Exception as refusal:
        # pydantic raises several unrelated classes here, PydanticUserError among them.
        return str(refusal).partition("\n")[0]
    return None


def members_validator(members: Sequence[Member]) -> Any:
    """Return the core validator of a typed dict with these members; nan and inf are refused."""
    return members_adapter(members).validator


def members_adapter(members: Sequence[Member]) -> "pydantic.TypeAdapter[Any]":
    """Return the adapter of a typed dict with these members; nan and inf are refused."""
    shape = {m.key: m.annotation if m.required else NotRequired[m.annotation] for m in members}
    make: Any = TypedDict  # made from data, which no type checker follows
    fields = make("Fields", shape)
    fields.__pydantic_config__ = pydantic.ConfigDict(allow_inf_nan=False)
    return pydantic.TypeAdapter(fields)
