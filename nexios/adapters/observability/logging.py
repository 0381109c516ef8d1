"""Writes logs without waiting, with the request they belong to; nothing happens on import."""

import io
import logging
import queue
import sys
import threading
from collections.abc import Callable, Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any, Final, Literal, TextIO

from nexios.adapters.observability.lines import JsonLines, TextLines
from nexios.application.listening import Signals
from nexios.application.request_ids import request_id_of
from nexios.application.signals import (
    RequestCancelled,
    RequestFinished,
    RequestStarted,
    SocketClosed,
    SocketOpened,
)
from nexios.application.trace_context import traceparent_of

Format = Literal["json", "text"]

QUEUE_LINES: Final = 10_000
_STOP_S: Final = 2.0

_access: Final = logging.getLogger("nexios.access")


class _About:
    """The request or socket of this context, and what was there before it."""

    __slots__ = ("before", "route", "scope")

    def __init__(
        self, scope: MutableMapping[str, Any], route: str | None, before: "_About | None"
    ) -> None:
        self.scope = scope
        self.route = route
        self.before = before


_NOW: ContextVar[_About | None] = ContextVar("nexios_logged_request", default=None)


def request_fields() -> Mapping[str, object]:
    """Return what is known of the request this context belongs to, for other formatters too.

    Keys: ``request_id``, ``trace_id``, ``route``, ``actor``; for structlog, merge it in a
    processor.
    """
    now = _NOW.get()
    if now is None:
        return {}
    scope = now.scope
    return {
        "request_id": scope.get("request_id"),
        "trace_id": scope.get("trace_id"),
        "route": now.route,
        "actor": getattr(scope.get("caller"), "actor", None),
    }


class RequestLog:
    """A `Listener` that writes a line for each request and tells records which one is theirs.

    An id that came as ``X-Request-ID`` is kept if it is a good one; a request without has one
    made. Queries, bodies and messages are never written.

    Args:
        quiet: Templates that get no line; those below ``/health/`` get none anyway.
        lines: Whether to write lines at all.
    """

    def __init__(self, *, quiet: tuple[str, ...] = ("/metrics",), lines: bool = True) -> None:
        self._quiet = frozenset(quiet)
        self._lines = lines
        self.listens_to: Mapping[type, Callable[[Any], object]] = {
            RequestStarted: self._begin,
            RequestFinished: self._end,
            RequestCancelled: self._end,
            SocketOpened: self._begin,
            SocketClosed: self._closed,
        }

    def attach(self, signals: Signals) -> None:
        """Listen to these."""
        signals.on(self)

    def _begin(self, event: RequestStarted | SocketOpened) -> None:
        scope = event.about
        if "request_id" not in scope:
            scope["request_id"] = request_id_of(scope["headers"])
        if "trace_id" not in scope:
            told = traceparent_of(scope["headers"])
            if told is not None:
                scope["trace_id"] = told.trace_id
        _NOW.set(_About(scope, event.route, _NOW.get()))

    def _end(self, event: RequestFinished | RequestCancelled) -> None:
        if self._speaks_of(event.route):
            path = event.about.get("path", "")
            _access.info(
                "%s %s %s",
                event.method,
                event.route or "-",
                event.status,
                extra=self._told(event, status=event.status, method=event.method, path=path),
            )
        self._leave(event.about)

    def _closed(self, event: SocketClosed) -> None:
        if self._speaks_of(event.route):
            path = event.about.get("path", "")
            _access.info(
                "socket %s %s",
                event.route or "-",
                event.code,
                extra=self._told(event, code=event.code, path=path),
            )
        self._leave(event.about)

    def _speaks_of(self, route: str | None) -> bool:
        if not self._lines or not _access.isEnabledFor(logging.INFO):
            return False
        return route is None or not (route.startswith("/health/") or route in self._quiet)

    def _told(
        self, event: RequestFinished | RequestCancelled | SocketClosed, **more: object
    ) -> dict[str, object]:
        return {
            "route": event.route,
            "duration_ms": round(event.duration_s * 1000, 3),
            **more,
        }

    def _leave(self, scope: MutableMapping[str, Any]) -> None:
        now = _NOW.get()
        if now is not None and now.scope is scope:
            _NOW.set(now.before)


class QueuedLines(logging.Handler):
    """Puts lines into a queue that a thread writes from: a slow pipe is nobody's business.

    Attributes:
        dropped: Lines that found the queue full, or could not be written.
    """

    def __init__(self, stream: TextIO, *, size: int = QUEUE_LINES) -> None:
        """Write to ``stream``; the thread begins with the first line.

        Args:
            stream: Is not closed.
            size: How many lines wait at most.
        """
        super().__init__()
        self.dropped = 0
        self._stream = stream
        self._waiting: queue.Queue[str | None] = queue.Queue(size)
        self._thread: threading.Thread | None = None
        self._told = 0
        self._closed = False

    def emit(self, record: logging.LogRecord) -> None:
        """Take one record: its text is made here, where its values are still what they were."""
        try:
            line = self.format(record)
        except Exception:
            self.handleError(record)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="nexios log", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(line)
        except queue.Full:
            self.dropped += 1

    def flush(self) -> None:
        """Do nothing: waiting is what is avoided here; `close` writes what waits."""

    def close(self) -> None:
        """Write what waits, for a few seconds at most."""
        thread = self._thread
        if thread is not None and not self._closed:
            self._closed = True
            try:
                self._waiting.put(None, timeout=_STOP_S)
            except queue.Full:  # nobody reads, and the thread ends with its process
                self.dropped += self._waiting.qsize()
            else:
                thread.join(_STOP_S)
        super().close()

    def _write(self) -> None:
        while True:
            line = self._waiting.get()
            if line is not None:
                self._put(line)
            lost = self.dropped - self._told
            if lost and self._waiting.empty():
                self._told += lost
                self._put(self._lost(lost))
            if line is None:
                return

    def _put(self, line: str) -> None:
        try:
            self._stream.write(f"{line}\n")
            if self._waiting.empty():
                self._stream.flush()
        except (OSError, ValueError):  # the pipe is broken, or the stream was closed
            self.dropped += 1
            self._told += 1

    def _lost(self, count: int) -> str:
        says = {"msg": "%s log lines were dropped", "args": (count,), "name": "nexios.log"}
        record = logging.makeLogRecord({**says, "levelno": logging.WARNING})
        record.levelname = "WARNING"
        return self.format(record)


def handler(format: Format, stream: TextIO | None = None) -> QueuedLines:
    """Return a handler that writes lines of this format; to stdout unless told otherwise."""
    made = QueuedLines(_safe(sys.stdout if stream is None else stream))
    lines = JsonLines(request_fields) if format == "json" else TextLines(request_fields)
    made.setFormatter(lines)
    return made


def chosen_format(asked: Literal["auto", "json", "text"], stream: TextIO) -> Format:
    """Return the format that was asked for: for ``auto`` text on a terminal, else JSON."""
    if asked != "auto":
        return asked
    return "text" if stream.isatty() else "json"


def log_config(format: Format, level: str = "info") -> dict[str, Any]:
    """Return what `logging.config.dictConfig` makes the root logger of a server of.

    Loggers that exist keep their levels; those of uvicorn hand on to the root, and its access
    line, which names no template, is off.
    """
    silent = {"handlers": [], "propagate": True}
    name = "DEBUG" if level == "trace" else level.upper()
    # Six lines at every start with migrations, of plugins that nobody chose.
    chatty = {"alembic.runtime.plugins": {"level": "WARNING"}} if name == "INFO" else {}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {
            "nexios": {"()": "nexios.adapters.observability.logging.handler", "format": format}
        },
        "root": {"level": name, "handlers": ["nexios"]},
        "loggers": {"uvicorn": silent, "uvicorn.error": silent, "uvicorn.asgi": silent, **chatty},
    }


def is_configured() -> bool:
    """Return whether the root logger of this process writes such lines."""
    return any(isinstance(one, QueuedLines) for one in logging.getLogger().handlers)


def _safe(stream: TextIO) -> TextIO:
    # A terminal that is not UTF-8 must not refuse a line of text.
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream
