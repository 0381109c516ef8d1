"""What a handler may answer, read from what it says it returns."""

import typing
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterator
from dataclasses import replace
from enum import Enum
from typing import Annotated, Any, Final, get_args, get_origin

from nexios.adapters.asgi.annotations import UNIONS
from nexios.adapters.http.builder import Response
from nexios.adapters.http.response import (
    Accepted,
    BaseResponse,
    Created,
    HTMLResponse,
    JSONResponse,
    NoContent,
    PlainTextResponse,
    ProblemResponse,
    RedirectResponse,
)
from nexios.adapters.http.returned import json_type
from nexios.adapters.http.sse import ServerSentEvent
from nexios.container.keys import MISSING
from nexios.records import dataclass

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
EVENTS: Final = "text/event-stream"
SUCCESS: Final = "2XX"  # which one only the handler knows

_STREAMS: Final = (Generator, AsyncGenerator, Iterator, AsyncIterator, AsyncIterable)


@dataclass(frozen=True, slots=True)
class Answer:
    """One way a handler may answer.

    Attributes:
        status: A number, or a class of them (``2XX``).
        media: The content type; None when it is not known or there is no content.
        type: What stands in the content; ``MISSING`` when nothing is known of it.
        location: Whether ``Location`` may be set.
    """

    status: str
    media: str | None = None
    type: Any = MISSING
    location: bool = False


_FINALS: Final = {
    HTMLResponse: Answer(SUCCESS, "text/html", str),
    PlainTextResponse: Answer(SUCCESS, "text/plain", str),
    JSONResponse: Answer(SUCCESS, JSON, Any),
    RedirectResponse: Answer("3XX", location=True),
    ProblemResponse: Answer("default", PROBLEM, Any),
}


def answers_of(annotation: Any, status: int | None) -> list[Answer]:
    """Return the answers, those that share status and content type joined.

    Args:
        annotation: Of the return value, resolved; ``MISSING`` when there is none.
        status: What the route says.
    """
    joined: dict[tuple[str, str | None], Answer] = {}
    for answer in _each(annotation, None if status is None else str(status), "200"):
        key = (answer.status, answer.media)
        joined[key] = _joined(joined[key], answer) if key in joined else answer
    return list(joined.values())


def _joined(one: Answer, other: Answer) -> Answer:
    types = tuple(each.type for each in (one, other) if each.type is not MISSING)
    either: Any = typing.Union[types] if types else MISSING  # noqa: UP007  # of values
    return replace(one, type=either, location=one.location or other.location)


def _each(annotation: Any, given: str | None, usual: str) -> list[Answer]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner = arguments[0]
        plain = get_origin(inner) not in UNIONS and json_type(annotation) is annotation
        if plain and _of_its_own(inner) is None:
            return [Answer(given or usual, JSON, annotation)]
        return _each(inner, given, usual)
    if origin in UNIONS:
        return [one for member in arguments for one in _each(member, given, usual)]
    if annotation in (MISSING, Any, object):
        return [Answer(given or SUCCESS)]
    if origin in (Created, Accepted):
        status = given or ("201" if origin is Created else "202")
        inner_answers = _each(arguments[0], status, status)
        return [replace(one, location=origin is Created) for one in inner_answers]
    if origin is tuple and len(arguments) in (2, 3) and arguments[1] is int:
        return _each(arguments[0], SUCCESS, SUCCESS)
    answer = _of_its_own(annotation)
    if answer is None:
        return [Answer(given or usual, JSON, annotation)]
    if answer.status.isdecimal() or not answer.status:
        return [replace(answer, status=given or answer.status or usual)]
    return [answer]


def _of_its_own(annotation: Any) -> Answer | None:
    """Return the answer of what is no JSON value; its status is "" where the route decides."""
    if annotation in (None, type(None), NoContent):
        return Answer("204")
    kind = get_origin(annotation) or annotation
    if not isinstance(kind, type):
        return None
    for base, answer in _FINALS.items():
        if issubclass(kind, base):
            return answer
    if issubclass(kind, (BaseResponse, Response)):
        return Answer(SUCCESS)
    if kind in (Created, Accepted):
        return Answer("201" if kind is Created else "202", location=kind is Created)
    if issubclass(kind, Enum):
        return None
    if issubclass(kind, str):
        return Answer("", "text/plain", str)
    if issubclass(kind, (bytes, bytearray, memoryview)):
        return Answer("", "application/octet-stream")
    return _of_a_stream(annotation) if kind in _STREAMS else None


def _of_a_stream(annotation: Any) -> Answer:
    item = next(iter(get_args(annotation)), None)
    if (get_origin(item) or item) is ServerSentEvent:
        return Answer("", EVENTS, next(iter(get_args(item)), MISSING))
    return Answer("", "application/octet-stream" if item is bytes else "text/plain")
