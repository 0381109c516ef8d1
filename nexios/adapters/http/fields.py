"""One validator for all simple parameters of an endpoint, and one for its body."""

import dataclasses
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Final, Literal, NewType, NotRequired, get_args, get_origin
from uuid import UUID

import typing_extensions
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter
from pydantic_core import PydanticCustomError, core_schema
from typing_extensions import TypedDict

from nexios.domain.errors import DomainError

Validate = Callable[[Any], Any]

_SCALARS: Final = (str, int, float, bool, Decimal, UUID, date, datetime, time, timedelta, Enum)
_MANY: Final = (list, set, frozenset, tuple, Sequence)
_UNIONS: Final = (typing.Union, types.UnionType)


def without_metadata(annotation: object) -> tuple[Any, tuple[object, ...]]:
    """Return the annotation without ``Annotated``, and what was annotated."""
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        return inner, tuple(metadata)
    return annotation, ()


def without_none(annotation: object) -> Any:
    """Return ``T`` of ``T | None``, anything else as it is."""
    inner, _ = without_metadata(annotation)
    if get_origin(inner) in _UNIONS:
        members = [member for member in get_args(inner) if member is not type(None)]
        if len(members) == 1 and len(get_args(inner)) == 2:
            return without_metadata(members[0])[0]
    return inner


def is_parsed(annotation: object) -> bool:
    """Tell whether this is a class with a ``parse(text)`` classmethod, as an Identity is."""
    return (
        isinstance(annotation, type)
        and not issubclass(annotation, BaseModel)
        and callable(getattr(annotation, "parse", None))
    )


def is_many(annotation: object) -> bool:
    """Tell whether every value of a repeated name is wanted."""
    inner = without_none(annotation)
    return (get_origin(inner) or inner) in _MANY


def is_scalar(annotation: object) -> bool:
    """Tell whether one piece of text can become a value of this type."""
    inner = without_none(annotation)
    if isinstance(inner, NewType):
        return is_scalar(inner.__supertype__)
    origin = get_origin(inner)
    if origin is Literal:
        return True
    if origin in _UNIONS:
        return all(is_scalar(member) for member in get_args(inner))
    if isinstance(inner, type) and origin is None:
        return issubclass(inner, _SCALARS) or _is_text_type(inner) or is_parsed(inner)
    return False


def _is_text_type(inner: type) -> bool:
    # AnyUrl, SecretStr, EmailStr, IPv4Address and kin: validated by pydantic from text.
    return inner.__module__ == "ipaddress" or (
        inner.__module__.partition(".")[0] == "pydantic" and not issubclass(inner, BaseModel)
    )


def is_list_of_scalars(annotation: object) -> bool:
    """Tell whether this is a list, set or tuple that a repeated name can fill."""
    inner = without_none(annotation)
    if not is_many(inner):
        return False
    return all(is_scalar(item) for item in get_args(inner) if item is not Ellipsis)


def is_structure(annotation: object) -> bool:
    """Tell whether this is a model, a dataclass or a TypedDict."""
    inner = without_none(annotation)
    cls = get_origin(inner) or inner
    if not isinstance(cls, type):
        return False
    return (
        issubclass(cls, BaseModel)
        or dataclasses.is_dataclass(cls)
        or typing_extensions.is_typeddict(cls)
    )


def is_body(annotation: object) -> bool:
    """Tell whether only a JSON body can hold this (http.md 3, line 5)."""
    inner = without_none(annotation)
    if is_structure(inner):
        return not is_parsed(inner)
    origin = get_origin(inner) or inner
    if origin in (dict, Mapping):
        return True
    if origin in _MANY and get_args(inner):
        return all(is_body(item) for item in get_args(inner) if item is not Ellipsis)
    if origin in _UNIONS:
        members = [member for member in get_args(inner) if member is not type(None)]
        return all(is_body(member) for member in members)
    return False


def members_of(annotation: object) -> list[tuple[str, bool]]:
    """Return each member of a structure by its name on the wire, and whether it holds many."""
    inner = without_none(annotation)
    cls = get_origin(inner) or inner
    if isinstance(cls, type) and issubclass(cls, BaseModel):
        return [
            (_wire_name(name, info), is_many(info.annotation))
            for name, info in cls.model_fields.items()
        ]
    hints = typing_extensions.get_type_hints(cls, include_extras=True)
    if dataclasses.is_dataclass(cls):
        return [(item.name, is_many(hints[item.name])) for item in dataclasses.fields(cls)]
    return [(name, is_many(hint)) for name, hint in hints.items()]


def _wire_name(name: str, info: Any) -> str:
    alias = info.validation_alias if info.validation_alias is not None else info.alias
    return alias if isinstance(alias, str) else name


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

    return core_schema.no_info_plain_validator_function(
        read, serialization=core_schema.to_string_ser_schema()
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
    elif origin in _UNIONS:
        changed = typing.Union[tuple(from_text(member) for member in arguments)]  # noqa: UP007
    elif origin in _MANY and arguments:
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


def _text(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _tabled(annotation: Any, table: Mapping[str, object]) -> Any:
    if all(isinstance(getattr(value, "value", value), str) for value in table.values()):
        return annotation

    def look_up(value: Any) -> Any:
        return table.get(value, value) if isinstance(value, str) else value

    return Annotated[annotation, BeforeValidator(look_up)]


@dataclass(frozen=True, slots=True)
class Member:
    """One key of a typed-dict schema: what it holds, and whether it may be absent."""

    key: str
    annotation: Any
    required: bool


def constrained(annotation: Any, constraints: Iterable[tuple[str, Any]]) -> Any:
    """Return the annotation with a marker's constraints upon it."""
    given: dict[str, Any] = dict(constraints)
    return Annotated[annotation, Field(**given)] if given else annotation


def check_annotation(annotation: Any) -> str | None:
    """Return why pydantic cannot read this annotation, or None when it can."""
    try:
        TypeAdapter(annotation)
    except Exception as refusal:
        # pydantic raises several unrelated classes here, PydanticUserError among them.
        return str(refusal).partition("\n")[0]
    return None


def members_validator(members: Sequence[Member]) -> Any:
    """Return the core validator of a typed dict with these members; nan and inf are refused."""
    shape = {m.key: m.annotation if m.required else NotRequired[m.annotation] for m in members}
    make: Any = TypedDict  # made from data, which no type checker follows
    fields = make("Fields", shape)
    fields.__pydantic_config__ = ConfigDict(allow_inf_nan=False)
    return TypeAdapter(fields).validator


def body_validator(annotation: Any) -> Any:
    """Return the core validator of a JSON body of this type."""
    return TypeAdapter(annotation).validator
