"""Makes spans of what an application tells, by OpenTelemetry: the door of its API.

Exporters, samplers and resources are the application's own affair.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from contextvars import ContextVar
from functools import cached_property, lru_cache
from typing import Any, Final

from nexios.application.signals import (
    ChannelPublished,
    DeliveryDone,
    DeliveryFailed,
    DeliveryStarted,
    DependencyMade,
    MessageIn,
    MessageOut,
    RequestCancelled,
    RequestFailed,
    RequestFinished,
    RequestStarted,
    SocketClosed,
    SocketOpened,
    StatementRan,
    UseCaseFinished,
    UseCaseStarted,
)
from nexios.application.trace_context import TRACESTATE, TraceParent, traceparent_of

TRACE_ID: Final = "trace_id"
"""The scope's key of the trace a request belongs to, which log lines carry."""

_CONVERTER: Final = re.compile(r"\{(\w+):[^{}]*\}")
_MOST_STATE: Final = 512

_Scope = MutableMapping[str, Any]


class _Open:
    """A span that is current, and the one around it."""

    __slots__ = ("around", "kind", "span", "token")

    def __init__(self, kind: type, span: Any, token: Any, around: "_Open | None") -> None:
        self.kind = kind
        self.span = span
        self.token = token
        self.around = around


_NOW: ContextVar[_Open | None] = ContextVar("nexios_span", default=None)


class Tracing:
    """A `Listener` that makes spans: requests, sockets, channels, use cases,
    statements, deliveries, and what the container opens, awaits or takes long to make.

    ``app.signals.on(Tracing(trusts=...))``; the setting ``telemetry.traces`` does so, and then
    the trusted proxies are those of the configuration.

    A request goes on with the trace that its ``traceparent`` names. Anybody can write that it is
    to be recorded, so only a trusted peer is believed: the trace of anybody else is linked to,
    and the sampler decides as for a new one.

    Args:
        provider: Of tracers; the global one unless told.
        trusts: Whether the peer of a request may decide what is recorded, by its address.

    Raises:
        ImportError: The extra ``otel`` is not installed.
    """

    def __init__(
        self, provider: Any = None, *, trusts: Callable[[str | None], bool] = lambda _: False
    ) -> None:
        self._trace = _opentelemetry()
        from opentelemetry import context

        self._context = context
        self._tracer = self._trace.get_tracer("nexios", tracer_provider=provider)
        self._trusts = trusts

    @cached_property
    def listens_to(self) -> Mapping[type, Callable[[Any], object]]:
        """What becomes a span, and how."""
        return {
            RequestStarted: self._request,
            RequestFinished: self._answered,
            RequestCancelled: self._answered,
            RequestFailed: self._failed,
            SocketOpened: self._socket,
            SocketClosed: self._closed,
            MessageIn: lambda one: self._message("receive", one.size),
            MessageOut: lambda one: self._message("send", one.size),
            UseCaseStarted: lambda one: self._begin(UseCaseStarted, one.name, {}),
            UseCaseFinished: lambda one: self._end(UseCaseStarted, one.failure),
            ChannelPublished: self._published,
            DependencyMade: self._made,
            StatementRan: self._statement,
            DeliveryStarted: self._delivery,
            DeliveryDone: lambda _: self._end(DeliveryStarted, None),
            DeliveryFailed: lambda one: self._end(DeliveryStarted, one.failure),
        }

    def _request(self, event: RequestStarted) -> None:
        scope = event.about
        # Semantic conventions for HTTP spans, 1.27: the name has the template, or the method.
        method = "HTTP" if event.method == "_OTHER" else event.method
        attributes: dict[str, Any] = {
            "http.request.method": event.method,
            "url.scheme": event.scheme,
            "url.path": scope["path"],
            "network.protocol.version": scope.get("http_version", ""),
        }
        if event.method == "_OTHER":
            attributes["http.request.method_original"] = scope["method"][:32]
        self._serve(RequestStarted, scope, event.route, method, attributes)

    def _socket(self, event: SocketOpened) -> None:
        attributes = {"url.scheme": event.scheme, "url.path": event.about["path"]}
        self._serve(SocketOpened, event.about, event.route, "WEBSOCKET", attributes)

    def _serve(
        self,
        kind: type,
        scope: _Scope,
        route: str | None,
        method: str,
        attributes: dict[str, Any],
    ) -> None:
        name = method
        if route is not None:
            attributes["http.route"] = shown = shown_route(route)
            name = f"{method} {shown}"
        peer = scope.get("client")
        server = scope.get("server")
        if peer:
            attributes["network.peer.address"] = peer[0]
        if server and server[1] is not None:
            attributes["server.address"], attributes["server.port"] = server[0], server[1]
        told = traceparent_of(scope["headers"])
        parent, links = None, []
        if told is not None:
            remote = self._remote(told, scope["headers"])
            if self._trusts(peer[0] if peer else None):
                parent = self._trace.set_span_in_context(
                    self._trace.NonRecordingSpan(remote), self._context.Context()
                )
            else:
                links.append(self._trace.Link(remote))
        span = self._tracer.start_span(
            name,
            context=self._context.Context() if parent is None else parent,
            kind=self._trace.SpanKind.SERVER,
            attributes=attributes,
            links=links,
        )
        known = span.get_span_context()
        if known.is_valid:
            scope[TRACE_ID] = f"{known.trace_id:032x}"
        self._enter(kind, span)

    def _remote(self, told: TraceParent, headers: Iterable[tuple[bytes, bytes]]) -> Any:
        states = [value for name, value in headers if name == TRACESTATE]
        text = b",".join(states).decode("latin-1")
        known = self._trace.TraceState
        state = known.from_header([text]) if len(text) <= _MOST_STATE else known()
        return self._trace.SpanContext(
            int(told.trace_id, 16),
            int(told.span_id, 16),
            is_remote=True,
            trace_flags=self._trace.TraceFlags(int(told.sampled)),
            trace_state=state,
        )

    def _answered(self, event: RequestFinished | RequestCancelled) -> None:
        opened = self._opened(RequestStarted)
        if opened is None:
            return
        span, status = opened.span, event.status
        span.set_attribute("http.response.status_code", status)
        if event.route is not None:
            shown = shown_route(event.route)  # a wrapper may have changed the path
            span.set_attribute("http.route", shown)
            span.update_name(f"{'HTTP' if event.method == '_OTHER' else event.method} {shown}")
        if status >= 500:
            span.set_attribute("error.type", str(status))
        broken = status >= 500 or (isinstance(event, RequestFinished) and not event.whole)
        self._leave(opened, broken=broken)

    def _failed(self, event: RequestFailed) -> None:
        opened = _NOW.get()
        if opened is not None:
            # The class alone: what an error says may be a secret.
            kind = type(event.error).__qualname__
            told = {"exception.type": kind, "nexios.error_id": event.error_id}
            opened.span.add_event("exception", told)

    def _closed(self, event: SocketClosed) -> None:
        opened = self._opened(SocketOpened)
        if opened is not None:
            opened.span.set_attribute("nexios.websocket.close_code", event.code)
            self._leave(opened, broken=event.code == 1011)

    def _message(self, direction: str, size: int) -> None:
        span = self._tracer.start_span(
            f"websocket {direction}", attributes={"messaging.message.body.size": size}
        )
        span.end()

    def _published(self, event: ChannelPublished) -> None:
        attributes = {
            "messaging.system": "nexios.channels",
            "messaging.operation.type": "send",
            "messaging.destination.name": event.channel,
            "messaging.message.body.size": event.size,
        }
        kind = self._trace.SpanKind.PRODUCER
        self._done(f"send {event.channel}", kind, attributes, event.duration_s, event.failure)

    def _made(self, event: DependencyMade) -> None:
        attributes = {"nexios.dependency.name": event.name, "nexios.dependency.scope": event.scope}
        kind = self._trace.SpanKind.INTERNAL
        self._done(f"make {event.name}", kind, attributes, event.duration_s, event.failure)

    def _statement(self, event: StatementRan) -> None:
        verb = event.text.split(maxsplit=1)[0].upper()[:16] if event.text.strip() else "QUERY"
        attributes = {
            "db.system.name": event.store,
            "db.operation.name": verb,
            "db.query.text": event.text,
        }
        kind = self._trace.SpanKind.CLIENT
        self._done(verb, kind, attributes, event.duration_s, event.failure)

    def _done(
        self,
        name: str,
        kind: Any,
        attributes: Mapping[str, Any],
        duration_s: float,
        failure: str | None,
    ) -> None:
        """Make the span of something that is over."""
        ended = time.time_ns()
        began = ended - int(duration_s * 1e9)
        span = self._tracer.start_span(name, kind=kind, attributes=attributes, start_time=began)
        self._note(span, failure)
        span.end(ended)

    def _delivery(self, event: DeliveryStarted) -> None:
        attributes = {
            "messaging.system": "nexios.outbox",
            "messaging.operation.type": "process",
            "messaging.destination.name": event.event,
            "messaging.consumer.group.name": event.consumer,
            "nexios.delivery.attempt": event.attempt,
        }
        name = f"process {event.event}"
        self._begin(DeliveryStarted, name, attributes, self._trace.SpanKind.CONSUMER)

    def _begin(
        self, kind: type, name: str, attributes: Mapping[str, Any], what: Any = None
    ) -> None:
        what = self._trace.SpanKind.INTERNAL if what is None else what
        self._enter(kind, self._tracer.start_span(name, kind=what, attributes=dict(attributes)))

    def _end(self, kind: type, failure: str | None) -> None:
        opened = self._opened(kind)
        if opened is not None:
            self._note(opened.span, failure)
            self._leave(opened, broken=False)

    def _note(self, span: Any, failure: str | None) -> None:
        if failure is not None:
            span.set_attribute("error.type", failure)
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR))

    def _enter(self, kind: type, span: Any) -> None:
        # Told in the task where it happens: what runs there from now on is within this span.
        token = self._context.attach(self._trace.set_span_in_context(span))
        _NOW.set(_Open(kind, span, token, _NOW.get()))

    def _opened(self, kind: type) -> _Open | None:
        """Return the current span, if it is of this kind; listening may have begun since."""
        opened = _NOW.get()
        return opened if opened is not None and opened.kind is kind else None

    def _leave(self, opened: _Open, *, broken: bool) -> None:
        if broken:
            opened.span.set_status(self._trace.Status(self._trace.StatusCode.ERROR))
        opened.span.end()
        self._context.detach(opened.token)
        _NOW.set(opened.around)


def outgoing_headers() -> dict[str, str]:
    """Return the fields that tell another service which trace a call belongs to; {} without.

    ``await client.get(url, headers=outgoing_headers())``

    Raises:
        ImportError: The extra ``otel`` is not installed.
    """
    known = _opentelemetry().get_current_span().get_span_context()
    if not known.is_valid:
        return {}
    sampled = bool(known.trace_flags.sampled)
    told = TraceParent(f"{known.trace_id:032x}", f"{known.span_id:016x}", sampled)
    fields = {"traceparent": str(told)}
    if known.trace_state:
        fields["tracestate"] = known.trace_state.to_header()
    return fields


@lru_cache(maxsize=2048)
def shown_route(route: str) -> str:
    """Return a template without its converters: ``/users/{id:int}`` is ``/users/{id}``."""
    return _CONVERTER.sub(r"{\1}", route)


def _opentelemetry() -> Any:  # the module; its types are asked for where they are used
    try:
        from opentelemetry import trace
    except ImportError as missing:
        raise ImportError(
            "traces need opentelemetry-api; fix: pip install 'nexios[otel]'"
        ) from missing
    return trace
