"""The one table from exceptions to answers; nothing else chooses a status for an exception."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from pydantic_core import to_json

from nexios.adapters.asgi.errors import (
    CookiesTooLarge,
    NulInQuery,
    RequestRefused,
    TooManyQueryFields,
)
from nexios.adapters.asgi.types import HeaderBlock, Scope
from nexios.adapters.asgi.url import quote_path
from nexios.adapters.http.accept import likes_html
from nexios.adapters.http.errors import (
    BodyStalled,
    BodyTooLarge,
    HTTPException,
    InputRefused,
    JsonTooComplex,
    MalformedBody,
    PaginationError,
    RequestInvalid,
    StorageFull,
    UnsupportedMediaType,
)
from nexios.adapters.http.response import PROBLEM_BLOCK, BaseResponse, ProblemResponse
from nexios.application.errors import (
    ApplicationError,
    Forbidden,
    OutcomeUnknown,
    Overloaded,
    RateLimited,
    RetryLater,
    TimedOut,
    Unauthenticated,
    Unavailable,
)
from nexios.application.identity_provider import LoginRefused, ProviderUnavailable
from nexios.domain.errors import (
    AlreadyExists,
    Conflict,
    DomainError,
    InvalidValue,
    NotAllowed,
    NotFound,
    RuleViolated,
)
from nexios.records import dataclass

BLANK: Final = "about:blank"
URN: Final = "urn:nexios:problem:"

_TITLES: Final[Mapping[str, str]] = {
    "request-invalid": "Request is not valid",
    "malformed-body": "Body is not readable",
    "json-too-complex": "Body is too complex",
    "unsupported-media-type": "Body is of the wrong kind",
    "body-too-large": "Body is too large",
    "body-stalled": "Body did not arrive",
    "storage-full": "No room for what was sent",
    "page-invalid": "There is no such page",
    "too-many-query-fields": "Query has too many fields",
    "nul-in-query": "Query is not valid",
    "cookies-too-large": "Cookies are too large",
    "malformed-request": "Request is malformed",
    "target-too-long": "Address is too long",
    "headers-too-large": "Header fields are too large",
}


Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """What an exception becomes, before it is tied to a request."""

    status: int
    type: str = BLANK
    title: str = ""
    detail: str | None = None
    headers: Fields = ()
    members: Mapping[str, object] = field(default_factory=dict)


# Any: each row takes the class it stands at.
Row = Callable[[Any, Scope], Problem]


def phrase(status: int) -> str:
    """Return the standard words for a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _own(status: int, code: str, **headers: str) -> Row:
    def row(error: Exception, _scope: Scope) -> Problem:
        return Problem(status, URN + code, _TITLES[code], str(error), tuple(headers.items()))

    return row


def _wire(status: int, code: str) -> Row:
    # These texts name a setting; that is for the log, not for the client.
    return lambda _error, _scope: Problem(status, URN + code, _TITLES[code])


def _http(error: HTTPException, _scope: Scope) -> Problem:
    detail, headers = error.detail, tuple(error.headers.items())
    if detail is None or isinstance(detail, str):
        return Problem(error.status_code, detail=detail, headers=headers)
    return Problem(error.status_code, headers=headers, members={"data": detail})


def _refused(error: RequestRefused, _scope: Scope) -> Problem:
    title = _TITLES.get(error.code) or phrase(error.status)
    return Problem(error.status, URN + error.code, title, error.reason, error.headers)


def _invalid(error: RequestInvalid, _scope: Scope) -> Problem:
    code = "request-invalid"
    members = {"errors": error.errors}
    return Problem(422, URN + code, _TITLES[code], str(error), members=members)


def _said(status: int) -> Row:
    def row(error: DomainError | ApplicationError, _scope: Scope) -> Problem:
        return _worded(status, error)

    return row


def _worded(status: int, error: DomainError | ApplicationError, headers: Fields = ()) -> Problem:
    members = {"details": error.details} if error.details else {}
    title = phrase(status)
    return Problem(status, URN + error.code, title, error.message, headers, members)


def _conflict(error: Conflict, scope: Scope) -> Problem:
    conditional = any(name == b"if-match" for name, _ in scope.get("headers", ()))
    return _worded(412 if conditional else 409, error)


def _unauthenticated(error: Unauthenticated, scope: Scope) -> Problem:
    login = scope.get("nexios.login_url")
    if login is not None and scope.get("method") == "GET" and likes_html(scope):
        back = _way_back(scope)
        if back.partition("?")[0] != login:  # a login page that asks for a login has no end
            sep = "&" if "?" in login else "?"
            to = f"{login}{sep}next={quote(back, safe='/')}"
            return Problem(303, headers=(("location", to), ("vary", "Accept")))
    told: Callable[[], tuple[str, ...]] | None = scope.get("nexios.challenges")
    challenges = getattr(error, "challenges", None) or (told() if told is not None else ())
    return _worded(401, error, tuple(("www-authenticate", text) for text in challenges))


def _way_back(scope: Scope) -> str:
    """Return path and query of a request, as a reference that cannot leave this site."""
    path, query = quote_path(scope.get("path", "/")), scope.get("query_string", b"")
    path = "/" + path.lstrip("/\\")
    return f"{path}?{query.decode('latin-1')}" if query else path


def _forbidden(error: Forbidden, _scope: Scope) -> Problem:
    challenges = getattr(error, "challenges", ())
    return _worded(403, error, tuple(("www-authenticate", text) for text in challenges))


def _later(status: int) -> Row:
    def row(error: RetryLater, _scope: Scope) -> Problem:
        wait = error.retry_after_s
        if wait is None:
            return _worded(status, error)
        return _worded(status, error, (("retry-after", str(max(0, math.ceil(wait)))),))

    return row


ROWS: Final[dict[type[BaseException], Row]] = {
    HTTPException: _http,
    RequestInvalid: _invalid,
    MalformedBody: _own(400, "malformed-body"),
    JsonTooComplex: _own(400, "json-too-complex"),
    UnsupportedMediaType: _own(415, "unsupported-media-type"),
    # What is left of the body stands between this answer and the next request.
    BodyTooLarge: _own(413, "body-too-large", connection="close"),
    BodyStalled: _own(408, "body-stalled", connection="close"),
    # The text names a variable of this process: for the log alone.
    StorageFull: _wire(507, "storage-full"),
    PaginationError: _own(400, "page-invalid"),
    InputRefused: _own(400, "malformed-body"),
    RequestRefused: _refused,
    TooManyQueryFields: _wire(400, "too-many-query-fields"),
    NulInQuery: _own(422, "nul-in-query"),
    CookiesTooLarge: _wire(431, "cookies-too-large"),
    InvalidValue: _said(422),
    NotFound: _said(404),
    RuleViolated: _said(409),
    AlreadyExists: _said(409),
    Conflict: _conflict,
    NotAllowed: _said(403),
    Forbidden: _forbidden,
    Unauthenticated: _unauthenticated,
    RateLimited: _later(429),
    Overloaded: _later(503),
    Unavailable: _later(503),
    OutcomeUnknown: _later(503),
    TimedOut: _said(504),
    LoginRefused: _said(400),
    ProviderUnavailable: _said(502),
}
"""Exception class to row; the nearest class in an exception's MRO holds."""


def row_of(kind: type[BaseException]) -> Row | None:
    """Return the row of the nearest class, or None when the exception is a 500."""
    return next((ROWS[base] for base in kind.__mro__ if base in ROWS), None)


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions inside groups, depth first; a plain exception is its own leaf."""
    waiting = [error]
    while waiting:
        current = waiting.pop()
        if isinstance(current, BaseExceptionGroup):
            waiting += reversed(current.exceptions)
        else:
            yield current


def problem_for(error: Exception, scope: Scope) -> ProblemResponse | None:
    """Return the answer for an exception, or None when the table has none: a 500.

    A group with one leaf is that leaf. Of several the highest status answers and lists the
    others under ``errors``; one without a row makes the whole a 500.
    """
    if not isinstance(error, ExceptionGroup):
        row = row_of(type(error))
        problem = None if row is None else row(error, scope)
        return None if problem is None else _answer(problem, scope, problem.members)
    found = []
    for leaf in leaves(error):
        row = row_of(type(leaf))
        if row is None:
            return None
        found.append(row(leaf, scope))
    # max() keeps the first of equals, so the order of the group decides between them.
    chosen = max(found, key=lambda problem: problem.status)
    members = dict(chosen.members)
    others = [problem for problem in found if problem is not chosen]
    if others:
        listed = members.get("errors", [])
        members["errors"] = [*(listed if isinstance(listed, list) else []), *map(_brief, others)]
    return _answer(chosen, scope, members)


def internal_error(
    scope: Scope, error_id: str, members: Mapping[str, object] | None = None
) -> ProblemResponse:
    """Return the 500. It says nothing but the id under which the error was logged."""
    problem = Problem(500, URN + "internal-error", "Internal Server Error", _INTERNAL)
    return _answer(problem, scope, {"error_id": error_id, **(members or {})})


_NOT_FOUND: Final = to_json({"type": BLANK, "title": phrase(404), "status": 404})[:-1]


def not_found(scope: Scope) -> tuple[bytes, int, HeaderBlock]:
    """Return the parts of what `problem_for` makes of a path that nobody serves.

    Neither exception nor answer is made, 13 -> 5 us: strangers ask for it all day long.
    """
    return _placed(_NOT_FOUND, scope), 404, PROBLEM_BLOCK


def shed(error: Overloaded, scope: Scope) -> BaseResponse | None:
    """Return what `problem_for` makes of a refusal that says nothing of its own, else None.

    20 -> 4 us: a process that has too much to do refuses four times what it answers.
    """
    wait = error.retry_after_s
    if wait is None or type(error) is not Overloaded or error.details:
        return None
    head, block = _shed(error.code, error.message, max(0, math.ceil(wait)))
    return BaseResponse.made(_placed(head, scope), 503, block)


@lru_cache(maxsize=64)
def _shed(code: str, message: str, wait: int) -> tuple[bytes, HeaderBlock]:
    told = {"type": URN + code, "title": phrase(503), "status": 503, "detail": message}
    return to_json(told)[:-1], (*PROBLEM_BLOCK, (b"retry-after", b"%d" % wait))


def _placed(head: bytes, scope: Scope) -> bytes:
    """Return a problem body, its end cut off, with what every one of them says of its request."""
    body = b'%b,"instance":%b}' % (head, to_json(_instance(scope)))
    request_id = scope.get("request_id")
    if request_id is not None:
        body = b'%b,"request_id":%b}' % (body[:-1], to_json(request_id))
    return body


_INTERNAL: Final = "Something went wrong here. It was noted under error_id."
_INSTANCE_CHARS: Final = 256
_FIXED: Final = frozenset(("type", "title", "status", "detail", "instance", "headers"))


def _answer(problem: Problem, scope: Scope, members: Mapping[str, object]) -> ProblemResponse:
    extension = {name: value for name, value in members.items() if name not in _FIXED}
    answer = ProblemResponse(
        problem.status,
        type=problem.type,
        title=problem.title or phrase(problem.status),
        detail=problem.detail,
        instance=_instance(scope),
        headers=None,
        request_id=scope.get("request_id"),
        **extension,
    )
    for key, value in problem.headers:
        answer.set_header(key, value, override=False)
    return answer


def _instance(scope: Scope) -> str | None:
    # Nobody needs the whole of a path that long, and it would be sent back to whoever asks.
    path = scope.get("path")
    return path if path is None or len(path) <= _INSTANCE_CHARS else path[:_INSTANCE_CHARS] + "..."


def _brief(problem: Problem) -> dict[str, object]:
    brief: dict[str, object] = {"type": problem.type, "status": problem.status}
    brief["title"] = problem.title or phrase(problem.status)
    if problem.detail is not None:
        brief["detail"] = problem.detail
    return brief
