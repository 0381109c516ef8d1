"""What is told of an error that nobody answered, and the port that takes it."""

import logging
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, field
from datetime import datetime
from typing import Any, Final, Literal, Protocol

from nexios.application.scrub import scrubbed
from nexios.application.showing import seen
from nexios.records import dataclass

Kind = Literal["request", "socket", "work", "delivery"]
Relation = Literal["raised", "cause", "context", "member"]

_TRACE_CHARS: Final = 64_000


@dataclass(frozen=True, slots=True)
class Occasion:
    """What was going on when an error came up; scrubbed, and never a body.

    Attributes:
        kind: A request, a socket, background work or a delivery of the outbox.
        place: Template of the route, name of the work or of the consumer.
        method: Of a request.
        scheme: How the caller was proven.
        request_id: As in the logs.
        headers: Name and value.
        query: Name and value.
        extra: Whatever else helps; flat.
    """

    kind: Kind
    place: str
    method: str | None = None
    scheme: str | None = None
    request_id: str | None = None
    headers: Sequence[tuple[str, str]] = ()
    query: Sequence[tuple[str, str]] = ()
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReportedFrame:
    """One step of a traceback.

    Attributes:
        own: Code of the application, not of a library or of Nexios.
        locals: Name to a short text; empty unless switched on.
    """

    file: str
    line: int
    module: str
    function: str
    own: bool
    locals: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReportedError:
    """One of the errors of a report.

    Attributes:
        kind: Name of its class, with the module.
        message: Scrubbed, and cut where it is long.
        relation: Raised at the end, the cause or context of another, or a member of a group.
        frames: The innermost last.
    """

    kind: str
    message: str
    relation: Relation
    frames: Sequence[ReportedFrame] = ()


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """One error, told completely and without secrets.

    Attributes:
        id: What the client was shown as ``error_id``.
        fingerprint: The same for errors of one type from one place of the application's code,
            also after lines moved.
        at: When.
        errors: The one that was raised first, then what led to it and members of groups.
        occasion: What was going on.
        versions: Of the application, Nexios and Python.
        repeated: So many more of the same fingerprint came since the report before and have
            no report of their own.
    """

    id: str
    fingerprint: str
    at: datetime
    errors: Sequence[ReportedError]
    occasion: Occasion
    versions: Mapping[str, str] = field(default_factory=dict)
    repeated: int = 0

    @property
    def title(self) -> str:
        """The error in one line."""
        first = self.errors[0]
        line = first.message.splitlines()[0] if first.message else ""
        return f"{first.kind}: {line}" if line else first.kind

    def as_json(self) -> dict[str, Any]:
        """Return all of it as a JSON object."""
        return asdict(self) | {"at": self.at.isoformat()}


class ErrorTracker(Protocol):
    """Keeps or passes on reports of errors.

    It is called beside the requests, one report after the other, and may take its time. What it
    raises is counted and logged, and the report is lost.
    """

    async def record(self, report: ErrorReport) -> None:
        """Take one report."""
        ...


def tell(
    logger: logging.Logger,
    level: int,
    error: BaseException,
    text: str,
    *args: object,
    **extra: str,
) -> None:
    """Write a line with the traceback of an error to a log, without secrets.

    The record carries the finished text and not the error, whose text no formatter could scrub.

    Args:
        logger: Where to.
        level: Of the line.
        error: Its traceback is shown, with what led to it.
        text: As for ``logger.log``.
        args: As for ``logger.log``.
        extra: Further attributes of the record.
    """
    if not logger.isEnabledFor(level):
        return
    file, line, function, _ = logger.findCaller(stacklevel=2)
    record = logger.makeRecord(
        logger.name, level, file, line, text, args, None, function, extra or None
    )
    record.exc_text = trace_of(error)
    logger.handle(record)


def trace_of(error: BaseException) -> str:
    """Return the traceback of an error as Python prints it, scrubbed."""
    lines = traceback.TracebackException.from_exception(error, compact=True).format()
    return seen(scrubbed("".join(lines)[-_TRACE_CHARS:].rstrip("\n")))
