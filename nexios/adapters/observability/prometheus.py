"""Counts what an application tells, for Prometheus: the door of its library."""

import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final

import anyio

from nexios.application.signals import (
    AccessDenied,
    ChannelPublished,
    CredentialMalformed,
    DeliveryDead,
    DeliveryDone,
    DeliveryFailed,
    DependencyDown,
    DependencyUp,
    ErrorRecorded,
    HealthChanged,
    LoginFailed,
    LoginSucceeded,
    LoopBlocked,
    MessageIn,
    MessageOut,
    PoolWaited,
    RequestCancelled,
    RequestFailed,
    RequestFinished,
    RequestLimited,
    RequestShed,
    SessionEnded,
    SessionStarted,
    SocketClosed,
    SocketOpened,
    StatementRan,
    TokenReused,
    TokenRotated,
    UseCaseFinished,
)

BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
MOST_SERIES: Final = 1_000
OTHER: Final = "other"

_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
_NO_ROUTE: Final = ""

_Scope = MutableMapping[str, Any]
_Message = MutableMapping[str, Any]


class Metrics:
    """A `Listener` that counts, and the page Prometheus reads.

    ``app.signals.on(metrics)`` and ``app.register(metrics.page, "/metrics")``; the setting
    ``telemetry.metrics`` does both. Labels are templates, methods, statuses and names out of the
    application's own code, and no metric has more than 1,000 sets of them: what comes then
    counts as ``other``.

    With the variable ``PROMETHEUS_MULTIPROC_DIR``, a folder that is empty when the first worker
    starts, the page of every worker tells of all of them.

    Args:
        allowed: Whether a request may read the page, by its ASGI scope; others get a 404.

    Attributes:
        registry: Of the library, for one's own metrics.

    Raises:
        ImportError: The extra ``metrics`` is not installed.
    """

    def __init__(self, allowed: Callable[[_Scope], bool] = lambda _: True) -> None:
        self._library = library = _prometheus()
        self.registry = library.CollectorRegistry()
        self._allowed = allowed
        if _FOLDER not in os.environ:
            library.ProcessCollector(registry=self.registry)
            library.PlatformCollector(registry=self.registry)
            library.GCCollector(registry=self.registry)
        self._requests = self._times(
            "http_request_duration_seconds", "Requests.", "route", "method", "status", "scheme"
        )
        self._errors = self._count("unexpected_errors", "Errors nobody expected.", "route")
        self._limited = self._count("rate_limited", "Refusals by a rate.", "rule")
        self._shed = self._count("shed", "Refusals of an overloaded application.", "priority")
        self._recorded = self._count("errors_recorded", "Errors that were reported.", "kind")
        self._sessions = self._count("sessions", "Sessions that began or ended.", "event")
        self._security = self._count("security", "Logins, denials, tokens.", "event", "scheme")
        self._sockets = self._level("sockets_open", "Sockets that are open.", "route")
        self._closes = self._count("sockets_closed", "Sockets that ended.", "route", "code")
        self._messages = self._count(
            "socket_messages", "Messages of sockets.", "route", "direction"
        )
        self._channels = self._times(
            "channel_publish_seconds", "Broadcasts on channels.", "channel", "failure"
        )
        self._statements = self._times("statement_seconds", "Statements.", "store", "failure")
        self._waits = self._times("pool_wait_seconds", "Waits for connections.", "pool", "given")
        self._cases = self._times("use_case_seconds", "Use cases.", "name", "failure")
        self._deliveries = self._times(
            "delivery_seconds", "Deliveries of events.", "consumer", "event", "failure"
        )
        self._dead = self._count("deliveries_dead", "Given up.", "consumer", "event")
        self._down = self._level("dependency_down", "1 while a health check fails.", "check")
        self._ready = self._level("ready", "1 while requests should be sent here.")
        self._lag = self._times("loop_blocked_seconds", "Times the event loop stood still.")

    @cached_property
    def listens_to(self) -> Mapping[type, Callable[[Any], object]]:
        """What is counted, and how."""
        return {
            RequestFinished: self._request,
            RequestCancelled: self._request,
            RequestFailed: lambda one: self._errors(one.route or _NO_ROUTE).inc(),
            RequestLimited: lambda one: self._limited(one.rule).inc(),
            RequestShed: lambda one: self._shed(one.priority).inc(),
            ErrorRecorded: lambda one: self._recorded(one.kind).inc(),
            SessionStarted: lambda _: self._sessions("started").inc(),
            SessionEnded: lambda _: self._sessions("ended").inc(),
            HealthChanged: lambda one: self._ready().set(int(one.ready)),
            AccessDenied: lambda one: self._security("denied", one.scheme or "").inc(),
            LoginSucceeded: lambda one: self._security("login", one.scheme or "").inc(),
            LoginFailed: lambda one: self._security("login_failed", one.scheme or "").inc(),
            TokenReused: lambda one: self._security("token_reused", one.scheme or "").inc(),
            TokenRotated: lambda one: self._security("token_rotated", one.scheme or "").inc(),
            CredentialMalformed: lambda one: self._security("malformed", one.scheme or "").inc(),
            SocketOpened: lambda one: self._sockets(one.route or _NO_ROUTE).inc(),
            SocketClosed: self._closed,
            ChannelPublished: lambda one: self._took(self._channels, one, one.channel),
            MessageIn: lambda one: self._messages(one.route or _NO_ROUTE, "in").inc(),
            MessageOut: lambda one: self._messages(one.route or _NO_ROUTE, "out").inc(),
            StatementRan: lambda one: self._took(self._statements, one, one.store),
            PoolWaited: self._waited,
            UseCaseFinished: lambda one: self._took(self._cases, one, one.name),
            DeliveryDone: self._delivered,
            DeliveryFailed: self._delivered,
            DeliveryDead: lambda one: self._dead(one.consumer, one.event).inc(),
            DependencyDown: lambda one: self._down(one.check).set(1),
            DependencyUp: lambda one: self._down(one.check).set(0),
            LoopBlocked: lambda one: self._lag().observe(one.lag_s),
        }

    def _request(self, event: RequestFinished | RequestCancelled) -> None:
        labels = event.route or _NO_ROUTE, event.method, event.status, event.scheme
        self._requests(*labels).observe(event.duration_s)

    def _closed(self, event: SocketClosed) -> None:
        self._sockets(event.route or _NO_ROUTE).dec()
        code = event.code if event.code < 3000 else f"{event.code // 1000}xxx"
        self._closes(event.route or _NO_ROUTE, code).inc()

    def _took(self, metric: "_Metric", event: StatementRan | UseCaseFinished, name: str) -> None:
        metric(name, event.failure or "").observe(event.duration_s)

    def _waited(self, event: PoolWaited) -> None:
        self._waits(event.pool, str(event.given).lower()).observe(event.duration_s)

    def _delivered(self, event: DeliveryDone | DeliveryFailed) -> None:
        failure = getattr(event, "failure", "")
        self._deliveries(event.consumer, event.event, failure).observe(event.duration_s)

    def exposed(self, accept: str = "") -> tuple[bytes, str]:
        """Return the text of all metrics and its content type; reads files of other workers."""
        from prometheus_client import exposition, multiprocess

        registry = self.registry
        if _FOLDER in os.environ:
            registry = self._library.CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # theirs
        encode, content_type = exposition.choose_encoder(accept)
        return encode(registry), content_type

    async def page(
        self,
        scope: _Scope,
        receive: Callable[[], Awaitable[_Message]],  # noqa: ARG002  # the form of ASGI
        send: Callable[[_Message], Awaitable[None]],
    ) -> None:
        """Answer Prometheus: an ASGI application."""
        fields = dict(scope["headers"])
        if not self._allowed(scope):
            status, body, content_type = 404, b"", "text/plain"
        elif scope["method"] not in ("GET", "HEAD"):
            status, body, content_type = 405, b"", "text/plain"
        else:
            accept = fields.get(b"accept", b"").decode("latin-1")
            status = 200
            body, content_type = await anyio.to_thread.run_sync(self.exposed, accept)
        headers = [
            (b"content-type", content_type.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ]
        if status == 405:
            headers.append((b"allow", b"GET, HEAD"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": body})

    def _times(self, name: str, says: str, *labels: str) -> "_Metric":
        made = self._library.Histogram(
            f"nexios_{name}", says, labels, registry=self.registry, buckets=BUCKETS_S
        )
        return _Metric(made, len(labels))

    def _count(self, name: str, says: str, *labels: str) -> "_Metric":
        made = self._library.Counter(f"nexios_{name}", says, labels, registry=self.registry)
        return _Metric(made, len(labels))

    def _level(self, name: str, says: str, *labels: str) -> "_Metric":
        made = self._library.Gauge(
            f"nexios_{name}", says, labels, registry=self.registry, multiprocess_mode="livesum"
        )
        return _Metric(made, len(labels))


def worker_ended(pid: int) -> None:
    """Forget the levels of a worker that has ended; for who keeps several.

    Raises:
        ImportError: The extra ``metrics`` is not installed.
    """
    _prometheus()
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # theirs


@contextmanager
def shared_by_workers() -> Iterator[None]:
    """Give the workers that are started meanwhile a folder to count in, and take it away after.

    A folder that ``PROMETHEUS_MULTIPROC_DIR`` names already is used and left.
    """
    if _FOLDER in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="nexios-metrics-") as folder:
        os.environ[_FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[_FOLDER]


class _Metric:
    """One metric, and its series by their labels: as many as may be."""

    __slots__ = ("_count", "_made", "_series")

    def __init__(self, made: Any, count: int) -> None:
        self._made = made
        self._count = count
        self._series: dict[tuple[object, ...], Any] = {}

    def __call__(self, *labels: object) -> Any:
        """Return the series of these labels."""
        series = self._series.get(labels)
        if series is None:
            series = self._made if self._count == 0 else self._new(labels)
        return series

    def _new(self, labels: tuple[object, ...]) -> Any:
        others = (OTHER,) * self._count
        # The last one is theirs.
        if len(self._series) >= MOST_SERIES - 1 and labels != others:
            return self(*others)
        made = self._series[labels] = self._made.labels(*labels)
        return made


def _prometheus() -> Any:  # the module; its types are asked for where they are used
    try:
        import prometheus_client
    except ImportError as missing:
        raise ImportError(
            "metrics need prometheus_client; fix: pip install 'nexios[metrics]'"
        ) from missing
    return prometheus_client
