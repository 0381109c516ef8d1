"""Turns what a handler returned into a final; decided per handler at start."""

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
from enum import Enum
from functools import lru_cache, partial
from typing import Annotated, Any, Final, get_args, get_origin

from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter
from pydantic_core import PydanticSerializationError, ValidationError

from nexios.adapters.asgi.headers import MutableHeaders
from nexios.adapters.asgi.types import HeaderBlock
from nexios.adapters.http.builder import Response
from nexios.adapters.http.errors import Unencodable, UnusableAnnotation
from nexios.adapters.http.head import location
from nexios.adapters.http.response import (
    BYTES_BLOCK,
    JSON_BLOCK,
    NO_BLOCK,
    TEXT_BLOCK,
    Accepted,
    BaseResponse,
    Created,
    NoContent,
    encode_json,
    unencodable,
)
from nexios.adapters.http.sse import EventStream, ServerSentEvent
from nexios.adapters.http.stream import StreamingResponse
from nexios.container.keys import MISSING


class Encoded(BaseResponse):
    """Made here of a plain value or a marker, so a status set on the builder still holds."""

    __slots__ = ()

    def __init__(self, body: bytes, status_code: int, block: HeaderBlock) -> None:
        """Take finished parts; nothing is checked and nothing copied."""
        self.body = body
        self.status_code = status_code
        self._block = block
        self._headers = None


class _EncodedStream(StreamingResponse):
    """Made here of a generator."""

    __slots__ = ()


class _EncodedEvents(EventStream):
    """Made here of a generator of events."""

    __slots__ = ()


_IMPLICIT: Final = frozenset((Encoded, _EncodedStream, _EncodedEvents))


def is_implicit(answer: object) -> bool:
    """Return whether an answer was made here, so that a status set on the builder holds."""
    return type(answer) in _IMPLICIT


def is_streamed(answer: object) -> bool:
    """Return whether an answer, or what the builder carries, is made while it is sent."""
    if isinstance(answer, Response):
        return answer.is_streamed
    return isinstance(answer, StreamingResponse)


def may_stream(answer: object) -> bool:
    """Return whether the scope has to stay open for what a handler's result became.

    None may stand for a builder that was given a stream; whoever knows it decides.
    """
    # Nearly every answer is one of these.
    return type(answer) is not Encoded and (answer is None or is_streamed(answer))


Encoder = Callable[[Any], BaseResponse | Response | None]
"""Takes whatever a handler returned, hence Any.

None stays None, since the caller knows the builder; a returned builder stays what it is, for it
may still be added to.
"""

ToJson = Callable[[Any], bytes]

_UNIONS: Final = (typing.Union, types.UnionType)
_MARKERS: Final = (Created, Accepted)
_STREAMS: Final = (Generator, AsyncGenerator, Iterator, AsyncIterator, AsyncIterable)
# What says nothing about fields: the value is encoded as it is.
_PLAIN: Final = (Any, object, None, type(None), dict, list, set, tuple, Mapping, str, bytes)
_STATUSES: Final = range(100, 600)


def compile_encoder(
    annotation: object = MISSING,
    status: int | None = None,
    handler: str = "",
    write: ToJson | None = None,
) -> Encoder:
    """Return the encoder of one handler.

    With an annotation a value of exactly that type goes straight through its serialiser; any
    other is validated into it first, so no field shows that the annotation does not have.

    Args:
        annotation: What the handler says it returns, resolved; ``MISSING`` when it does not.
        status: Of the route; what the builder or a tuple says comes first, a marker last.
        handler: For error texts.
        write: Of the app, in place of our own writer of JSON.

    Raises:
        UnusableAnnotation: No serialiser can be made of the annotation.
    """
    streamed, item = _of_the_stream(annotation)
    to_json = _to_json(item if streamed else annotation, handler, write)
    return _Encoder(to_json, status, handler, streamed).encode


class _Encoder:
    """One row for each type that was ever returned; the next value of it is one dict lookup."""

    __slots__ = ("_handler", "_ok", "_rows", "_status", "_streamed", "_to_json")

    def __init__(
        self, to_json: ToJson, status: int | None, handler: str, streamed: type | None
    ) -> None:
        self._streamed = streamed
        self._to_json = to_json
        self._status = status
        self._ok = status or 200
        self._handler = handler
        self._rows: dict[type, Encoder] = {}

    def encode(self, value: Any) -> BaseResponse | Response | None:
        row = self._rows.get(type(value))
        if row is None:
            row = self._rows[type(value)] = self._row(type(value))
        return row(value)

    def _row(self, kind: type) -> Encoder:
        # A StrEnum is no text and a NamedTuple no pair of body and status: both are values.
        own_value = issubclass(kind, Enum) or (kind is not tuple and issubclass(kind, tuple))
        for base in () if own_value else kind.__mro__:
            row = _ROWS.get(base)
            if row is not None:
                name: str = row
                made: Encoder = getattr(self, name)
                return made
        if issubclass(kind, (Iterator, AsyncIterable)):
            return self._stream
        return self._json

    def _nothing(self, _value: object) -> None:
        return None

    def _final(self, value: BaseResponse) -> BaseResponse:
        return value

    def _builder(self, value: Response) -> Response:
        if self._status is not None and not value.status_set:
            value.status(self._status)
        return value

    def _text(self, value: str) -> Encoded:
        return Encoded(value.encode("utf-8"), self._ok, TEXT_BLOCK)

    def _bytes(self, value: bytes | bytearray | memoryview) -> Encoded:
        return Encoded(bytes(value), self._ok, BYTES_BLOCK)

    def _json(self, value: object) -> Encoded:
        try:
            body = self._to_json(value)
        except Unencodable as error:
            error.handler = self._handler
            raise
        return Encoded(body, self._ok, JSON_BLOCK)

    def _created(self, value: Created[object]) -> BaseResponse | Response:
        answer = self._inner(value.value, 201)
        if value.location is not None:
            answer.set_header("location", location(value.location))
        return answer

    def _accepted(self, value: Accepted[object]) -> BaseResponse | Response:
        return self._inner(value.value, 202)

    def _inner(self, value: object, status: int) -> BaseResponse | Response:
        answer = self.encode(value)
        if isinstance(answer, Encoded):
            answer.status_code = self._status or status
            return answer
        if answer is None:
            return Encoded(b"", self._status or status, NO_BLOCK)
        return _under(answer, self._status or status)

    def _no_content(self, _value: NoContent) -> Encoded:
        return Encoded(b"", self._status or 204, NO_BLOCK)

    def _tuple(self, value: tuple[Any, ...]) -> BaseResponse | Response:
        if len(value) not in (2, 3) or type(value[1]) is not int or value[1] not in _STATUSES:
            return self._json(value)
        if len(value) == 3 and not isinstance(value[2], Mapping):
            return self._json(value)
        inner = self.encode(value[0])
        answer: BaseResponse | Response
        if inner is None:
            answer = BaseResponse.made(b"", value[1], NO_BLOCK)
        elif isinstance(inner, Encoded):
            answer = BaseResponse.made(inner.body, value[1], tuple(inner.headers.raw))
        else:
            answer = _under(inner, value[1])
        if len(value) == 3:
            answer.set_headers(value[2])
        return answer

    def _stream(self, value: Any) -> BaseResponse:
        if self._streamed is ServerSentEvent:
            return _EncodedEvents(value, self._ok, to_json=self._to_json)
        kind = "application/octet-stream" if self._streamed is bytes else "text/plain"
        return _EncodedStream(value, self._ok, content_type=kind)


def _under(answer: BaseResponse | Response, status: int) -> BaseResponse | Response:
    if isinstance(answer, Response):
        return answer.status(status)
    # A final may belong to a module and be returned by many requests: it is never changed.
    return answer.with_head(status, MutableHeaders(list(answer.headers.raw)))


# The row of a type is found once, along its MRO.
_ROWS: Final[Mapping[type, str]] = {
    type(None): "_nothing",
    BaseResponse: "_final",
    Response: "_builder",
    str: "_text",
    bytes: "_bytes",
    bytearray: "_bytes",
    memoryview: "_bytes",
    tuple: "_tuple",
    Created: "_created",
    Accepted: "_accepted",
    NoContent: "_no_content",
}


def _to_json(annotation: object, handler: str, write: ToJson | None) -> ToJson:
    wanted = _of_the_value(annotation)
    if wanted is MISSING or wanted in _PLAIN or _of_anything(wanted):
        return write or encode_json
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(wanted)
        if not adapter.pydantic_complete:
            adapter.rebuild()
    except (PydanticSchemaGenerationError, PydanticUserError, NameError) as error:
        reason = str(error).partition("\n")[0]
        raise UnusableAnnotation(handler, annotation, reason) from error
    return _serializer(adapter, wanted, handler, write)


def _serializer(
    adapter: TypeAdapter[Any], wanted: Any, handler: str, write: ToJson | None
) -> ToJson:
    dump: Callable[..., bytes] = adapter.serializer.to_json
    validate = adapter.validator.validate_python
    exact = _exact(wanted)
    if write is not None:
        # The codec decides how a date is written, so it gets dates and not their text.
        dump = _then(adapter.serializer.to_python, write)

    def to_json(value: Any) -> bytes:
        if not exact(value):
            try:
                value = validate(value, from_attributes=True)
            except ValidationError as error:
                kind = type(value).__qualname__
                reason = f"not {wanted!r}: {error.error_count()} fields do not fit"
                raise Unencodable("$", kind, handler=handler, reason=reason) from error
        try:
            # By alias, as without an annotation, and as the same model is read from a body.
            # warnings="error" would cost 1 us more.
            return dump(value, by_alias=True, warnings=False)
        except (PydanticSerializationError, ValueError, RecursionError) as error:
            raise unencodable(value, handler=handler) from error

    return to_json


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


def _of_the_stream(annotation: object) -> tuple[type | None, Any]:
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

encode: Final[Encoder] = compile_encoder()
"""The encoder of what nobody annotated."""

_encoder_with: Final = lru_cache(maxsize=64)(partial(compile_encoder, MISSING, None, ""))


def encode_beside(builder: Response, value: Any) -> BaseResponse | Response | None:
    """Return what a value of middleware or of an error handler becomes, beside its builder."""
    write = builder.json_writer
    return encode(value) if write is None else _encoder_with(write)(value)
