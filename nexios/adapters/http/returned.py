"""What a return annotation says: which values become JSON, and how."""

import types
import typing
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from typing import Annotated, Any, Final, get_args, get_origin

import pydantic
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError
from pydantic_core import ValidationError

from nexios.adapters.http.builder import Response
from nexios.adapters.http.errors import Unencodable, UnusableAnnotation
from nexios.adapters.http.response import (
    NO_JSON,
    Accepted,
    BaseResponse,
    Created,
    NoContent,
    encode_json,
    unencodable,
)
from nexios.adapters.http.sse import ServerSentEvent
from nexios.container.keys import MISSING
from nexios.records import dataclass

ToJson = Callable[[Any], bytes]

_UNIONS: Final = (typing.Union, types.UnionType)
_MARKERS: Final = (Created, Accepted)
_STREAMS: Final = (Generator, AsyncGenerator, Iterator, AsyncIterator, AsyncIterable)
# What says nothing about fields: the value is encoded as it is.
_PLAIN: Final = (Any, object, None, type(None), dict, list, set, tuple, Mapping, str, bytes)


def to_json_of(annotation: object, handler: str, write: ToJson | None) -> ToJson:
    wanted = _of_the_value(annotation)
    if wanted is MISSING or wanted in _PLAIN or _of_anything(wanted):
        return write or encode_json
    try:
        adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(wanted)
        if not adapter.pydantic_complete:
            adapter.rebuild()
    except (PydanticSchemaGenerationError, PydanticUserError, NameError) as error:
        reason = str(error).partition("\n")[0]
        raise UnusableAnnotation(handler, annotation, reason) from error
    return _serializer(adapter, wanted, handler, write)


@dataclass(frozen=True, slots=True)
class Serializer:
    """Writes the values of one annotation.

    Attributes:
        exactly: The class whose own values need no validation; None where there is none such.
        dump: Writes a value that needs none, asked as `__call__` does.
    """

    exactly: type | None
    dump: Callable[..., bytes]
    _exact: Callable[[Any], bool]
    _validate: Callable[..., Any]
    _wanted: Any
    _handler: str

    def __call__(self, value: Any) -> bytes:
        """Return a value as JSON, validated first where it may show more than the annotation.

        Raises:
            Unencodable: It does not fit the annotation, or has no JSON form.
        """
        if not self._exact(value):
            try:
                value = self._validate(value, from_attributes=True)
            except ValidationError as error:
                kind = type(value).__qualname__
                reason = f"not {self._wanted!r}: {error.error_count()} fields do not fit"
                raise Unencodable("$", kind, handler=self._handler, reason=reason) from error
        try:
            # By alias, as without an annotation, and as the same model is read from a body.
            # warnings="error" would cost 1 us more.
            return self.dump(value, by_alias=True, warnings=False)
        except NO_JSON as error:
            raise unencodable(value, handler=self._handler) from error


def _serializer(
    adapter: "pydantic.TypeAdapter[Any]", wanted: Any, handler: str, write: ToJson | None
) -> Serializer:
    dump: Callable[..., bytes] = adapter.serializer.to_json
    if write is not None:
        # The codec decides how a date is written, so it gets dates and not their text.
        dump = _then(adapter.serializer.to_python, write)
    exactly = wanted if isinstance(wanted, type) and get_origin(wanted) is None else None
    validate = adapter.validator.validate_python
    return Serializer(exactly, dump, _exact(wanted), validate, wanted, handler)


def _then(dump: Callable[..., Any], write: ToJson) -> Callable[..., bytes]:
    return lambda value, **how: write(dump(value, **how))


def _exact(wanted: Any) -> Callable[[Any], bool]:
    """Return the test that a value needs no validation: exactly a class, or a list of it."""
    origin, arguments = get_origin(wanted), get_args(wanted)
    if isinstance(wanted, type) and origin is None:
        return lambda value: type(value) is wanted
    if origin is list and isinstance(arguments[0], type) and get_origin(arguments[0]) is None:
        only = {arguments[0]}
        return lambda value: type(value) is list and only.issuperset(map(type, value))
    return lambda _value: False


def _of_anything(wanted: Any) -> bool:
    """Return whether it is a collection whose members may be anything: ``dict[str, object]``."""
    *keys, members = get_args(wanted) or (None,)
    return get_origin(wanted) in _PLAIN and members in (Any, object) and set(keys) <= {str}


def of_the_stream(annotation: object) -> tuple[type | None, Any]:
    """Return what a stream consists of, and for events the type of their data.

    The first is ``ServerSentEvent``, ``bytes``, ``str``, or None where nothing streams.
    """
    bare = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    origin, arguments = get_origin(bare), get_args(bare)
    items = arguments[:1]
    if items and get_origin(items[0]) in _UNIONS:
        items = get_args(items[0])
    kind = origin or bare
    for item in items if kind in (*_STREAMS, Iterable) else ():
        if (get_origin(item) or item) is ServerSentEvent:
            return ServerSentEvent, next(iter(get_args(item)), MISSING)
    if kind not in _STREAMS:
        return None, MISSING
    return (bytes, MISSING) if bytes in items else (str, MISSING)


def _of_the_value(annotation: object) -> Any:
    """Return what of an annotation describes a JSON value; ``empty`` when nothing does."""
    if get_origin(annotation) is Annotated:
        inner = get_args(annotation)[0]
        return annotation if _of_the_value(inner) is inner else _of_the_value(inner)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in _MARKERS:
        return _of_the_value(arguments[0])
    if origin is tuple and len(arguments) in (2, 3) and arguments[1] is int:
        return _of_the_value(arguments[0])
    if origin in _UNIONS:
        left = [_of_the_value(member) for member in arguments]
        left = [m for m in left if m is not MISSING and m not in _SILENT]
        return typing.Union[tuple(left)] if left else MISSING  # noqa: UP007
    kind = origin or annotation
    if isinstance(kind, type) and (
        issubclass(kind, (BaseResponse, Response, NoContent, *_MARKERS)) or kind in _STREAMS
    ):
        return MISSING
    return annotation


def json_type(annotation: object) -> Any:
    """Return what of a return annotation becomes JSON, for documents; ``MISSING`` for nothing."""
    return _of_the_value(annotation)


# Members of a union that are encoded by their own row.
_SILENT: Final = (None, type(None), str, bytes)
