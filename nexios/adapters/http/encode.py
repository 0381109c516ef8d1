"""Turns what a handler returned into a final; decided per handler at start."""

from collections.abc import (
    AsyncIterable,
    Callable,
    Iterator,
    Mapping,
)
from enum import Enum
from functools import lru_cache, partial
from typing import Any, Final

from nexios.adapters.asgi.headers import MutableHeaders
from nexios.adapters.asgi.types import HeaderBlock
from nexios.adapters.http.builder import Response
from nexios.adapters.http.errors import Unencodable
from nexios.adapters.http.head import location
from nexios.adapters.http.response import (
    BYTES_BLOCK,
    JSON_BLOCK,
    NO_BLOCK,
    NO_JSON,
    TEXT_BLOCK,
    Accepted,
    BaseResponse,
    Created,
    NoContent,
    Parts,
    as_plain,
    encode_json,
    has_no_body,
    unencodable,
    write_json,
)
from nexios.adapters.http.returned import Serializer, ToJson, of_the_stream, to_json_of
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
    return type(answer) is not tuple and (answer is None or is_streamed(answer))


Encoder = Callable[[Any], BaseResponse | Response | None]
"""Takes whatever a handler returned, hence Any.

None stays None, since the caller knows the builder; a returned builder stays what it is, for it
may still be added to.
"""

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
    streamed, item = of_the_stream(annotation)
    to_json = to_json_of(item if streamed else annotation, handler, write)
    return _Encoder(to_json, status, handler, streamed).encode


class Finish:
    """Makes of a handler's result what its plan gives: plain values become `Parts`.

    Everything else becomes what the encoder of `compile_encoder` makes of it.

    Attributes:
        rows: By the class of a result what makes it; each is found when it is first asked for.
    """

    __slots__ = ("rows",)

    def __init__(
        self,
        annotation: object = MISSING,
        status: int | None = None,
        handler: str = "",
        write: ToJson | None = None,
    ) -> None:
        """Take what `compile_encoder` does.

        Raises:
            UnusableAnnotation: No serialiser can be made of the annotation.
        """
        streamed, item = of_the_stream(annotation)
        to_json = to_json_of(item if streamed else annotation, handler, write)
        self.rows = _Rows(_Encoder(to_json, status, handler, streamed))

    def __call__(self, value: Any) -> Parts | BaseResponse | Response | None:
        """Return what ``value`` becomes."""
        return self.rows[type(value)](value)  # type: ignore[no-any-return]  # rows make nothing else


class _Rows(dict[type, Callable[[Any], Any]]):
    """Rows of an encoder by type; one that is asked for again is found without a call."""

    __slots__ = ("_encoder",)

    def __init__(self, encoder: "_Encoder") -> None:
        super().__init__()
        self._encoder = encoder

    def __missing__(self, kind: type) -> Callable[[Any], Any]:
        row = self[kind] = self._encoder.parts(kind)
        return row


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

    def parts(self, kind: type) -> Callable[[Any], Any]:
        """Return what makes parts of the values of a class, or an answer where it takes one."""
        row, ok, to_json, handler = self._row(kind), self._ok, self._to_json, self._handler
        if has_no_body(ok):
            return row
        if row == self._text:
            return lambda value: (value.encode(), ok, TEXT_BLOCK)
        if row != self._json:
            return row

        if to_json is encode_json:
            # The same without two calls.
            def plain(value: object) -> Parts:
                try:
                    return write_json(value, by_alias=True, fallback=as_plain), ok, JSON_BLOCK
                except NO_JSON as error:
                    raise unencodable(value, handler=handler) from error

            return plain

        if isinstance(to_json, Serializer) and to_json.exactly is kind:
            dump = to_json.dump

            def exactly(value: object) -> Parts:
                try:
                    return dump(value, by_alias=True, warnings=False), ok, JSON_BLOCK
                except NO_JSON as error:
                    raise unencodable(value, handler=handler) from error

            return exactly

        def json(value: object) -> Parts:
            try:
                return to_json(value), ok, JSON_BLOCK
            except Unencodable as error:
                error.handler = handler
                raise

        return json

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


encode: Final[Encoder] = compile_encoder()
"""The encoder of what nobody annotated."""

_encoder_with: Final = lru_cache(maxsize=64)(partial(compile_encoder, MISSING, None, ""))


def encode_beside(builder: Response, value: Any) -> BaseResponse | Response | None:
    """Return what a value of middleware or of an error handler becomes, beside its builder."""
    write = builder.json_writer
    return encode(value) if write is None else _encoder_with(write)(value)
