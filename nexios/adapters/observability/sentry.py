"""Hands reports of errors to Sentry, or to what speaks its protocol; extra ``sentry``."""

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, Self

from anyio import to_thread

from nexios.application.tracking import ErrorReport, ReportedError, ReportedFrame

_CLOSE_S: Final = 2.0


class MissingSentry(ImportError):
    """The extra is not installed."""

    def __init__(self) -> None:
        super().__init__("SentryErrors needs sentry-sdk\n  fix: pip install 'nexios[sentry]'")


class SentryErrors:
    """Sends each report as an event. Implements ``ErrorTracker``.

    It uses a client of its own: nothing global is set up, nothing is hooked into, and of a
    request only what the report holds is sent. Sending is done by the client's thread; close it
    by ``async with`` or `stop`.

    Args:
        dsn: Where to.
        environment: ``prod``, say.
        options: Further ones of ``sentry_sdk.Client``.

    Raises:
        MissingSentry: The library is not there.
    """

    def __init__(self, dsn: str, *, environment: str | None = None, **options: Any) -> None:
        self._client = _client(dsn, environment, options)

    async def record(self, report: ErrorReport) -> None:
        """Hand one to the client, which sends it soon."""
        self._client.capture_event(event_of(report))

    async def stop(self) -> None:
        """Send what waits, for 2 s at most."""
        await to_thread.run_sync(lambda: self._client.close(timeout=_CLOSE_S))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()


def event_of(report: ErrorReport) -> dict[str, Any]:
    """Return a report as an event of Sentry's protocol, version 7."""
    occasion = report.occasion
    tags = {
        "error_id": report.id,
        "kind": occasion.kind,
        "scheme": occasion.scheme,
        "request_id": occasion.request_id,
    }
    event: dict[str, Any] = {
        "event_id": report.id.zfill(32)[-32:],
        "timestamp": report.at.isoformat(),
        "level": "error",
        "platform": "python",
        "logger": "nexios",
        "transaction": " ".join(filter(None, (occasion.method, occasion.place))),
        "release": report.versions.get("app") or None,
        "fingerprint": [report.fingerprint],
        "tags": {name: value for name, value in tags.items() if value is not None},
        "contexts": {"versions": dict(report.versions)},
        "extra": {**occasion.extra, "repeated": report.repeated},
        # The protocol lists the oldest first: what was raised at the end comes last.
        "exception": {"values": list(_values(report))},
    }
    if occasion.kind in ("request", "socket"):
        event["request"] = {
            "method": occasion.method,
            "headers": [list(pair) for pair in occasion.headers],
            "query_string": [list(pair) for pair in occasion.query],
        }
    return event


def _values(report: ErrorReport) -> Iterator[dict[str, Any]]:
    for one in reversed(report.errors):
        module, _, kind = one.kind.rpartition(".")
        yield {
            "type": kind,
            "module": module or None,
            "value": one.message,
            "mechanism": {"type": "nexios", "handled": False, "source": _source(one)},
            "stacktrace": {"frames": [_frame(step) for step in one.frames]},
        }


def _source(error: ReportedError) -> str | None:
    sources = {"cause": "__cause__", "context": "__context__", "member": "exceptions"}
    return sources.get(error.relation)


def _frame(step: ReportedFrame) -> dict[str, Any]:
    return {
        "filename": step.file.rpartition("/")[2],
        "abs_path": step.file,
        "module": step.module,
        "function": step.function,
        "lineno": step.line,
        "in_app": step.own,
        "vars": dict(step.locals),
    }


def _client(dsn: str, environment: str | None, options: dict[str, Any]) -> Any:
    try:
        import sentry_sdk
    except ModuleNotFoundError as error:
        if error.name != "sentry_sdk":
            raise
        raise MissingSentry from None
    settings: dict[str, Any] = {
        "environment": environment,
        "default_integrations": False,
        "auto_enabling_integrations": False,
        "include_local_variables": False,
        "max_breadcrumbs": 0,
        "server_name": "",
    }
    return sentry_sdk.Client(dsn=dsn, **{**settings, **options})
