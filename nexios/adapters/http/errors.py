"""What a handler raises to answer, and what is wrong with a request."""

from collections.abc import Mapping, Sequence
from typing import Any


class HttpError(Exception):
    """Root of this room's errors."""


class HTTPException(HttpError):
    """Answer with this status.

    ``detail`` is Any: text goes into the problem's ``detail``, anything else becomes its member
    ``data``.
    """

    def __init__(
        self, status_code: int, detail: Any = None, headers: Mapping[str, str] | None = None
    ) -> None:
        """Refuse with ``status_code``.

        Raises:
            ValueError: The status is none of 400 to 599. A redirect is an answer, no error.
        """
        if not 400 <= status_code <= 599:
            raise ValueError(f"an error has a status from 400 to 599, not {status_code}")
        self.status_code = status_code
        self.detail = detail
        self.headers = dict(headers or {})
        super().__init__(status_code, detail)

    def __str__(self) -> str:
        return (
            f"{self.status_code}" if self.detail is None else f"{self.status_code}: {self.detail}"
        )


class NotFoundException(HTTPException):
    """There is nothing at this path, or not for this caller: 404."""

    def __init__(self, detail: Any = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(404, detail, headers)


class MethodNotAllowed(HTTPException):
    """The path is known, the method is not: 405 with ``Allow`` (RFC 9110, 15.5.6)."""

    def __init__(self, allow: str) -> None:
        self.allow = allow
        super().__init__(405, None, {"allow": allow})


class UpgradeRequired(HTTPException):
    """Only a socket stands at this path: 426 with ``Upgrade`` (RFC 9110, 15.5.22)."""

    def __init__(self) -> None:
        super().__init__(426, None, {"upgrade": "websocket", "connection": "Upgrade"})


class PreconditionFailed(HTTPException):
    """What the client has is not what stands here: 412 (RFC 9110, 15.5.13)."""

    def __init__(self) -> None:
        super().__init__(412)


class RangeNotSatisfiable(HTTPException):
    """No part that was asked for lies in the file: 416 (RFC 9110, 15.5.17)."""

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(416, None, {"content-range": f"bytes */{size}"})


class InputRefused(HttpError):
    """Something is wrong with what the client sent; the text reaches the client."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)

    def __str__(self) -> str:
        return self.message


class MalformedBody(InputRefused):
    """The body is not what it says it is: 400."""


class JsonTooComplex(MalformedBody):
    """JSON over ``limits.json_depth`` or ``limits.json_tokens``: 400."""


class BodyStalled(InputRefused):
    """No byte of the body came for ``limits.body_idle_s``: 408."""

    def __init__(self, idle_s: float) -> None:
        self.idle_s = idle_s
        super().__init__("the body did not arrive in time")


class BodyTooLarge(InputRefused):
    """The body is over its limit: 413."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"the body is larger than {limit} bytes")


class FormTooLarge(BodyTooLarge):
    """A form has too many or too large parts: 413."""

    def __init__(self, limit: int, what: str) -> None:
        """Say how many of ``what`` there may be: ``files``, ``bytes in one field``."""
        self.limit = limit
        InputRefused.__init__(self, f"the form has more than {limit} {what}")


class StorageFull(HttpError):
    """There was no room on the disk for a file that came: 507. Nothing of it is left behind."""

    def __str__(self) -> str:
        return "a file that came could not be stored; fix: make room where TMPDIR points"


class UnsupportedMediaType(InputRefused):
    """The body is of a kind that is not read here: 415."""


class PaginationError(InputRefused):
    """The request asks for a page that cannot be: 400."""


class InvalidPageError(PaginationError):
    """There is no such page or offset."""


class InvalidPageSizeError(PaginationError):
    """The size of the page is out of bounds."""


class InvalidCursorError(PaginationError):
    """The cursor is none that was given out here."""


class RequestInvalid(HttpError):
    """Fields of the request are not valid: 422, all of them in one answer.

    Attributes:
        errors: One mapping a field: ``in``, ``name``, ``pointer``, ``code``, ``detail``; never
            the value that was sent.
        total: How many fields there were, those beyond ``limits.errors`` included.
    """

    def __init__(self, errors: Sequence[Mapping[str, str]], total: int | None = None) -> None:
        self.errors = list(errors)
        self.total = len(self.errors) if total is None else total
        super().__init__(self.errors, self.total)

    def __str__(self) -> str:
        return "1 field is not valid" if self.total == 1 else f"{self.total} fields are not valid"


class BodyConsumed(HttpError):
    """The body was streamed, was too long to be kept, and is now asked for as a whole."""

    def __str__(self) -> str:
        return (
            "the body was read as a stream and is too long to be kept; "
            "fix: read it once, either with stream() or as body, text or json"
        )


class Unencodable(HttpError):
    """A handler returned what cannot be written as an answer."""

    def __init__(self, path: str, kind: str, *, handler: str = "", reason: str = "") -> None:
        """Say where in the value (``$`` is the whole) there is what type."""
        self.path = path
        self.kind = kind
        self.handler = handler
        self.reason = reason
        super().__init__(path, kind)

    def __str__(self) -> str:
        asker = f"{self.handler} returned" if self.handler else "an answer holds"
        reason = f" ({self.reason})" if self.reason else ""
        return (
            f"{asker} something that is no JSON: {self.kind} at {self.path}{reason}"
            "\n  fix: return a model, dataclass, dict, list or plain value"
        )


class UnusableAnnotation(HttpError):
    """A return annotation no serialiser can be made of; refused at start."""

    def __init__(self, handler: str, annotation: object, reason: str) -> None:
        self.handler = handler
        self.annotation = annotation
        self.reason = reason
        super().__init__(handler, annotation)

    def __str__(self) -> str:
        return (
            f"{self.handler}: its return annotation {self.annotation!r} cannot be written as "
            f"JSON: {self.reason}"
            "\n  fix: annotate a model or dataclass of plain fields, or leave the annotation out"
        )
