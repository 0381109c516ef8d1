"""How a socket ends: close codes, what an error means at each moment, and the error frame."""

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Final, Protocol, runtime_checkable

from nexios.adapters.asgi.errors import CookiesTooLarge, NulInQuery, TooManyQueryFields
from nexios.application.errors import (
    Forbidden,
    OutcomeUnknown,
    Overloaded,
    RateLimited,
    TimedOut,
    Unauthenticated,
    Unavailable,
)
from nexios.domain.errors import (
    AlreadyExists,
    Conflict,
    InvalidValue,
    NotAllowed,
    NotFound,
    RuleViolated,
    kebab,
)
from nexios.records import dataclass

REASON_BYTES: Final = 123
"""RFC 6455, 5.5: a control frame holds 125 bytes, two of them are the code."""

_CODES: Final = frozenset({1000, 1001, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 1014})


class WebSocketDisconnect(Exception):
    """The socket is over, whoever ended it. Left uncaught it ends the handler quietly.

    Attributes:
        code: Close code; 1005 when none was given, 1006 when the line was cut.
        reason: Text given with it, or None.
    """

    def __init__(self, code: int = 1000, reason: str | None = None) -> None:
        self.code = code
        self.reason = reason
        super().__init__(code, reason)

    def __str__(self) -> str:
        return f"the socket is closed with {self.code}{f' {self.reason}' if self.reason else ''}"


class WebSocketException(Exception):
    """Raised by a handler to close its socket with a code of its own choice."""

    def __init__(self, code: int, reason: str = "") -> None:
        self.code = check_code(code)
        self.reason = reason
        super().__init__(code, reason)

    def __str__(self) -> str:
        return f"close with {self.code}{f' {self.reason}' if self.reason else ''}"


class HandshakeInvalid(Exception):
    """Values of the handshake are not what the handler's signature says.

    Attributes:
        errors: One entry for each field, at most ``limit``; never the value that was sent.
    """

    code = "request-invalid"

    def __init__(self, faults: Sequence[dict[str, object]], *, limit: int) -> None:
        self.errors = tuple(faults[:limit])
        number = len(faults)
        self.message = "1 field is not valid" if number == 1 else f"{number} fields are not valid"
        super().__init__(self.message)


_DENIED_LATE: Final[Mapping[int, int]] = {401: 4401, 403: 4403, 408: 4408, 429: 4429, 503: 1013}


class Denied(Exception):
    """The house itself refuses a handshake.

    Attributes:
        status: Of the HTTP answer.
        code: End of the problem's ``type``; None for ``about:blank``.
        message: The problem's ``detail``.
    """

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        self.status = status
        self.message = message
        self.code = code
        super().__init__(status, message)

    @property
    def close_code(self) -> int:
        """What it is on a socket that was accepted before."""
        return _DENIED_LATE.get(self.status, 1008)


@runtime_checkable
class Refusal(Protocol):
    """What we need of the HTTP side's exceptions, which we may not import."""

    status_code: int
    detail: object
    headers: Mapping[str, str] | None


def check_code(code: int) -> int:
    """Return a close code that an endpoint may send (RFC 6455, 7.4).

    Raises:
        ValueError: It is reserved, unknown or outside 3000 to 4999.
    """
    if code in _CODES or 3000 <= code <= 4999:
        return code
    raise ValueError(
        f"{code} is no close code an application may send; use 1000, 1001, 1003, 1007-1009, "
        f"1011-1014 or 3000-4999"
    )


def cut_reason(reason: str) -> str:
    """Return the longest start of ``reason`` that fits in a close frame, in whole characters."""
    data = reason.encode("utf-8", "replace")
    return reason if len(data) <= REASON_BYTES else data[:REASON_BYTES].decode("utf-8", "ignore")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one kind of error is on a socket.

    Attributes:
        status: HTTP status of the denial and of the frame.
        in_message: Close code when raised for one message; None keeps the socket open.
        in_body: Close code when it leaves a handler function.
        framed: Whether the client gets an error frame.
    """

    status: int
    in_message: int | None
    in_body: int
    framed: bool = True


_REFUSED: Final = Meaning(403, None, 4403)
_BUSY: Final = Meaning(503, 1013, 1013, framed=False)

# The statuses are those of `adapters/http/problems.py`; a test holds them equal.
MEANINGS: Final[Mapping[type[Exception], Meaning]] = {
    InvalidValue: Meaning(422, None, 1008),
    NotFound: Meaning(404, None, 1008),
    RuleViolated: Meaning(409, None, 1008),
    AlreadyExists: Meaning(409, None, 1008),
    Conflict: Meaning(409, None, 1008),
    NotAllowed: _REFUSED,
    Forbidden: _REFUSED,
    Unauthenticated: Meaning(401, 4401, 4401, framed=False),
    RateLimited: Meaning(429, None, 4429),
    Overloaded: _BUSY,
    Unavailable: _BUSY,
    OutcomeUnknown: _BUSY,
    TimedOut: Meaning(504, None, 1008),
    TooManyQueryFields: Meaning(400, 1008, 1008),
    NulInQuery: Meaning(422, 1008, 1008),
    CookiesTooLarge: Meaning(431, 1008, 1008),
    HandshakeInvalid: Meaning(422, 1008, 1008),
}

INTERNAL: Final = "internal-error"
INTERNAL_DETAIL: Final = "Something went wrong here. It was noted under error_id."

FAULT: Final = Meaning(500, 1011, 1011, framed=False)


def meaning_of(error: BaseException) -> Meaning:
    """Return the row for an error, nearest class first; ``FAULT`` for what nobody expected."""
    for kind in type(error).__mro__:
        row = MEANINGS.get(kind)
        if row is not None:
            return row
    return FAULT


def leading_error(error: BaseException) -> BaseException:
    """Return the error that decides: of a group the leaf with the highest status.

    A group with a leaf that nobody expected stays whole, so that all of it is told.
    """
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = list(_leaves(error))
    if len(leaves) == 1:
        return leaves[0]
    leaves = [leaf for leaf in leaves if not isinstance(leaf, WebSocketDisconnect)] or leaves
    if any(meaning_of(leaf) is FAULT for leaf in leaves) and len(leaves) > 1:
        return error
    return max(leaves, key=lambda leaf: meaning_of(leaf).status)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _leaves(one)
    else:
        yield error


def words_of(error: BaseException) -> dict[str, object]:
    """Return ``code``, ``detail`` and ``details`` that a client may see."""
    words: dict[str, object] = {
        "code": getattr(error, "code", None) or kebab(type(error).__name__),
        "detail": getattr(error, "message", "") or "",
    }
    details = getattr(error, "details", None)
    if details:
        words["details"] = details
    errors = getattr(error, "errors", None)
    if errors and isinstance(errors, list | tuple):
        words["errors"] = list(errors)
    return words


def error_frame(
    error: BaseException, *, ref: object = None, error_id: str | None = None
) -> dict[str, object]:
    """Return the error frame of ``error``: the words of RFC 9457, and ``ref`` when given."""
    row = meaning_of(error)
    frame: dict[str, object] = {"type": "error"}
    if ref is not None:
        frame["ref"] = ref
    frame["status"] = getattr(error, "status", row.status)
    if row is FAULT and not hasattr(error, "status"):
        frame |= {"code": INTERNAL, "detail": INTERNAL_DETAIL}
    else:
        frame |= words_of(error)
    if error_id is not None:
        frame["error_id"] = error_id
    return frame


def problem(
    status: int,
    *,
    code: str | None = None,
    title: str | None = None,
    detail: str = "",
    instance: str | None = None,
    **more: object,
) -> dict[str, object]:
    """Return the body of a denial, as RFC 9457 has it."""
    title = title or HTTPStatus(status).phrase
    body: dict[str, object] = {
        "type": f"urn:nexios:problem:{code}" if code else "about:blank",
        "title": title,
        "status": status,
        "detail": detail or title,
    }
    if instance is not None:
        body["instance"] = instance
    body.update(more)
    return body
