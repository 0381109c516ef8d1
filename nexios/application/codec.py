"""Events as JSON, by the annotations of their fields; no class path is ever stored."""

import dataclasses
import functools
import math
import types
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from nexios.domain.errors import DomainError, InvalidValue
from nexios.domain.events import DomainEvent
from nexios.domain.values import Identity
from nexios.records import dataclass

Convert = Callable[[Any], Any]


class CodecError(Exception):
    """Root of the mistakes a programmer mends in what is to be stored.

    Args:
        says: What is wrong.
        fix: The line or the step that mends it.
    """

    def __init__(self, says: str, *, fix: str) -> None:
        self.says = says
        self.fix = fix
        super().__init__(says, fix)

    def __str__(self) -> str:
        return f"{self.says}\n  fix: {self.fix}"


class UncodableField(CodecError):
    """Something has a field that has no JSON form."""


class SameEventName(CodecError):
    """Two classes of events are stored under one name."""


@dataclass(frozen=True, slots=True)
class Codec:
    """Turns values of one annotation into JSON values and back."""

    dump: Convert
    load: Convert


def dump_event(event: DomainEvent) -> dict[str, Any]:
    """Return the event's fields as JSON values.

    Raises:
        UncodableField: A field's annotation is not one of those below.
        InvalidValue: A value that its annotation does not allow, or NaN.
    """
    kind: Any = type(event)
    dumped: dict[str, Any] = _of_class(kind).dump(event)
    return dumped


def load_event(
    event_type: type[DomainEvent], version: int, payload: Mapping[str, object]
) -> DomainEvent:
    """Return the event of a stored payload; an older one is lifted by ``upgrade``.

    Raises:
        DomainError: The payload is newer than the class, or does not fit it.
    """
    data = dict(payload)
    if version > event_type.__event_version__:
        raise DomainError(
            f"{event_type.__event_name__} is stored in version {version}, "
            f"the code has {event_type.__event_version__} only"
        )
    if version < event_type.__event_version__:
        data = event_type.upgrade(version, data)
    kind: Any = event_type
    event: DomainEvent = _of_class(kind).load(data)
    return event


def check_events(event_types: Iterable[type[DomainEvent]]) -> None:
    """Refuse, at start, what would fail when the first event is stored or delivered.

    Raises:
        SameEventName: Two classes of one name.
        UncodableField: A field without a JSON form.
    """
    known: dict[str, type[DomainEvent]] = {}
    for event_type in event_types:
        other = known.setdefault(event_type.__event_name__, event_type)
        if other is not event_type:
            raise SameEventName(
                f'{_title(other)} and {_title(event_type)} are both "{event_type.__event_name__}"',
                fix=f'class {event_type.__name__}(DomainEvent, name="...")',
            )
        kind: Any = event_type
        _of_class(kind)


@functools.cache
def codec_of(annotation: Any) -> Codec:
    """Return the codec of an annotation; made once.

    Raises:
        UncodableField: It has no JSON form.
    """
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return _optional(annotation)
    if origin in (list, tuple, dict):
        return _container(annotation, origin)
    if isinstance(annotation, type):
        for kind, make in _BY_BASE:
            if issubclass(annotation, kind):
                return make(annotation)
        if dataclasses.is_dataclass(annotation):
            return _of_class(annotation)
    raise UncodableField(
        f"{annotation!r} has no JSON form",
        fix="use str, int, float, bool, Decimal, datetime, date, UUID, Identity, Enum, a value "
        "object of those, tuple, list, dict[str, ...] or None beside one of them",
    )


def kept_codec(use_case: str, what: str, annotation: Any) -> Codec:
    """Return the codec of a part of a use case that takes effect once.

    Args:
        use_case: Which one, for the error.
        what: Which part of it.
        annotation: Of the part.

    Raises:
        UncodableField: It has no JSON form.
    """
    try:
        return codec_of(annotation)
    except UncodableField as error:
        raise UncodableField(
            f"{use_case} is once=True, and {what}: {error.says}", fix=error.fix
        ) from None


@functools.cache
def _of_class(cls: Any) -> Codec:
    try:
        hints = get_type_hints(cls)
    except NameError as missing:
        raise UncodableField(
            f"an annotation of {_title(cls)} cannot be read: {missing}",
            fix="import the name at the top of the module that defines the class",
        ) from missing
    fields: dict[str, Codec] = {}
    for one in dataclasses.fields(cls):
        try:
            fields[one.name] = codec_of(hints[one.name])
        except UncodableField as error:
            raise UncodableField(
                f"{_title(cls)}.{one.name}: {error.says}", fix=error.fix
            ) from None

    def dump(value: Any) -> dict[str, Any]:
        if not isinstance(value, cls):
            raise _odd(value, cls.__name__)
        return {name: codec.dump(getattr(value, name)) for name, codec in fields.items()}

    def load(data: Any) -> Any:
        if not isinstance(data, dict):
            raise _odd(data, "an object")
        unknown = sorted(data.keys() - fields.keys())
        if unknown:
            raise InvalidValue(f"stored fields {unknown} are not in the code")
        known = {name: fields[name].load(value) for name, value in data.items()}
        try:
            return cls(**known)
        except TypeError as error:
            raise InvalidValue(f"stored fields do not fit: {error}") from error

    return Codec(dump, load)


def _odd(value: object, wanted: str) -> InvalidValue:
    return InvalidValue(f"expected {wanted}, got {type(value).__name__}")


def _checked(kind: type, wanted: str) -> Codec:
    def check(value: Any) -> Any:
        if type(value) is not kind and (not isinstance(value, kind) or isinstance(value, bool)):
            raise _odd(value, wanted)
        return kind(value) if type(value) is not kind else value

    return Codec(check, check)


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, float | int) or not math.isfinite(value):
        raise _odd(value, "a finite number")
    return float(value)


def _text(kind: type, dump: Convert, load: Convert) -> Codec:
    def dumped(value: Any) -> Any:
        if not isinstance(value, kind):
            raise _odd(value, kind.__name__)
        return dump(value)

    def loaded(data: Any) -> Any:
        if not isinstance(data, str):
            raise _odd(data, "text")
        try:
            return load(data)
        except (ValueError, ArithmeticError) as error:
            raise InvalidValue(f"not a {kind.__name__}") from error

    return Codec(dumped, loaded)


def _aware(value: datetime) -> str:
    if value.tzinfo is None:
        raise InvalidValue("a point in time needs a timezone")
    return value.isoformat()


def _plain_date(value: date) -> str:
    if isinstance(value, datetime):
        raise _odd(value, "a date without a time")
    return value.isoformat()


def _exact(value: Decimal) -> str:
    if not value.is_finite():
        raise _odd(value, "a finite number")
    return str(value)


def _enum(kind: type[Enum]) -> Codec:
    def dump(value: Any) -> Any:
        if not isinstance(value, kind):
            raise _odd(value, kind.__name__)
        if not isinstance(value.value, str | int):
            raise _odd(value.value, "an Enum whose values are text or int")
        return value.value

    def load(data: Any) -> Any:
        try:
            return kind(data)
        except ValueError as error:
            raise InvalidValue(f"not one of {kind.__name__}") from error

    return Codec(dump, load)


def _optional(annotation: Any) -> Codec:
    inner = [one for one in get_args(annotation) if one is not type(None)]
    if len(inner) != 1:
        raise UncodableField(
            f"{annotation!r} is one of several types, and JSON does not say which",
            fix="one type, or that type | None",
        )
    codec = codec_of(inner[0])
    return Codec(
        lambda value: None if value is None else codec.dump(value),
        lambda data: None if data is None else codec.load(data),
    )


def _container(annotation: Any, origin: type) -> Codec:
    args = get_args(annotation)
    if origin is dict:
        if args[0] is not str:
            raise UncodableField(f"{annotation!r}: JSON has text keys only", fix="dict[str, ...]")
        inner = codec_of(args[1])
        return Codec(
            lambda value: {str(key): inner.dump(one) for key, one in value.items()},
            lambda data: {key: inner.load(one) for key, one in data.items()},
        )
    if origin is list or (len(args) == 2 and args[1] is Ellipsis):
        each = codec_of(args[0])
        return Codec(
            lambda value: [each.dump(one) for one in value],
            lambda data: origin(each.load(one) for one in data),
        )
    codecs = [codec_of(one) for one in args]
    return Codec(
        lambda value: [codec.dump(one) for codec, one in zip(codecs, value, strict=True)],
        lambda data: tuple(codec.load(one) for codec, one in zip(codecs, data, strict=True)),
    )


def _title(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _nothing(value: Any) -> None:
    if value is not None:
        raise _odd(value, "nothing")


_PLAIN: Final[Mapping[Any, Codec]] = {
    type(None): Codec(_nothing, _nothing),
    str: _checked(str, "text"),
    bool: Codec(bool, bool),
    int: _checked(int, "a whole number"),
    float: Codec(_finite, _finite),
    Decimal: _text(Decimal, _exact, Decimal),
    datetime: _text(datetime, _aware, datetime.fromisoformat),
    date: _text(date, _plain_date, date.fromisoformat),
    UUID: _text(UUID, str, UUID),
}
_BY_BASE: Final[tuple[tuple[type[Any], Callable[[Any], Codec]], ...]] = (
    (Identity, lambda kind: _text(kind, str, kind.parse)),
    (Enum, _enum),
)
