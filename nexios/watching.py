"""What an application tells those who watch it, beside its requests."""

from collections.abc import Callable, Iterable
from typing import Any, Final
from weakref import WeakKeyDictionary

from nexios.adapters.asgi.types import ASGIApp, Scope
from nexios.adapters.http.mounts import mounted
from nexios.adapters.http.router import Router
from nexios.adapters.http.routes import Routes
from nexios.adapters.observability.logging import RequestLog, is_configured
from nexios.application.health import CheckState, Health
from nexios.application.listening import Listener, Signals, attach
from nexios.application.scrub import scrubbed
from nexios.application.sections.serving import TelemetrySettings
from nexios.application.security_events import SecurityEvents
from nexios.application.security_signals import ToldSecurityEvents
from nexios.application.signals import (
    DependencyDown,
    DependencyMade,
    DependencyUp,
    DrainStarted,
    HealthChanged,
    LoopBlocked,
    RequestFailed,
)
from nexios.auth.decorator import public
from nexios.container.module import Module
from nexios.container.scope import Scope as Life
from nexios.container.timed import Made

# A client that came through somebody says so in one of these.
_FORWARDED: Final = frozenset({b"forwarded", b"via", b"x-forwarded-for", b"x-real-ip"})


_PAGES: WeakKeyDictionary[Router, Any] = WeakKeyDictionary()


class Watching:
    """Makes events of what happens in one application, where somebody hears them."""

    def __init__(self, signals: Signals) -> None:
        """Tell ``signals``."""
        self.signals = signals
        self._known: set[int] = set()
        self._kept: list[object] = []
        self._attached: list[Listener] = []
        self._metrics: Any = None  # its library is loaded where it is wanted

    def bind(self, shared: Module) -> list[object]:
        """Bind what every module may ask for; return the keys."""
        shared.bind(Signals).value(self.signals)
        events = shared.bind(SecurityEvents, scope=Life.SINGLETON, default=True)
        events.to(lambda: ToldSecurityEvents(self.signals))
        return [Signals, SecurityEvents]

    def met(self, singletons: Callable[[], Iterable[object]]) -> Callable[[], list[object]]:
        """Return ``singletons``, which attaches those that were not there before."""

        def attaching() -> list[object]:
            found = list(singletons())
            self._attached += attach(self.signals, found, self._known)
            self._kept = found  # as long as they are known by their ids
            return found

        return attaching

    def watch(self, settings: TelemetrySettings, trusts: Callable[[str | None], bool]) -> None:
        """Attach what the section ``telemetry`` wants, and the log where it is ours.

        Raises:
            ImportError: The extra of what it wants is not installed.
        """
        if settings.traces:
            # First, so that lines of the log know the trace.
            from nexios.adapters.observability.otel import Tracing

            self._attached.append(self.signals.on(Tracing(trusts=trusts)))
        if is_configured():
            log = RequestLog(quiet=(settings.metrics_path,), lines=settings.access_log)
            self._attached.append(self.signals.on(log))
        if self._metrics is not None:
            self._attached.append(self.signals.on(self._metrics))

    def serve_metrics(
        self,
        router: Router,
        settings: TelemetrySettings,
        trusts: Callable[[str | None], bool],
        *,
        managed: bool,
    ) -> ASGIApp | None:
        """Return the page of the metrics, where they are counted.

        Args:
            router: The page is put among its routes, for trusted peers alone, unless ``managed``.
            managed: There is a management port to serve it, and whoever reaches that may read it.

        Raises:
            ImportError: The extra ``metrics`` is not installed.
        """
        if not settings.metrics:
            return None
        from nexios.adapters.observability.prometheus import Metrics

        def allowed(scope: Scope) -> bool:
            # What came through a proxy names another; what scrapes comes by itself.
            peer = scope.get("client")
            forwarded = any(name in _FORWARDED for name, _ in scope["headers"])
            return managed or (not forwarded and trusts(peer[0] if peer else None))

        self._metrics = _PAGES.get(router)
        if self._metrics is None:
            # A build that was refused may be tried again with the same router.
            self._metrics = _PAGES[router] = Metrics(allowed)
            if not managed:
                # It decides by itself who may read it.
                page = public(mounted(self._metrics.page, 0))
                path = settings.metrics_path
                route = Routes(path, page, ["GET"], exclude_from_schema=True)
                route.where = "telemetry.metrics"
                router.add_route(route)
        found: ASGIApp = self._metrics.page
        return found

    def part(self) -> None:
        """Let go of the singletons, which end with their container."""
        attached, self._attached = self._attached, []
        for one in attached:
            self.signals.off(one)
        self._known.clear()
        self._kept.clear()

    def failed(self, error: BaseException, scope: Scope, error_id: str, where: str) -> None:
        """Tell of an error nobody expected."""
        if self.signals.hears(RequestFailed):
            self.signals.tell(RequestFailed(error, error_id, where or None, scope))

    def changed(self, check: str, state: CheckState) -> None:
        """Tell of a health check that went down or came up."""
        if state.health is not Health.DOWN:
            if self.signals.hears(DependencyUp):
                self.signals.tell(DependencyUp(check))
        elif self.signals.hears(DependencyDown):
            self.signals.tell(DependencyDown(check, scrubbed(state.says)))

    def turned(self, health: Health, before: Health) -> None:
        """Tell that the application as a whole stands otherwise."""
        if self.signals.hears(HealthChanged):
            self.signals.tell(HealthChanged(health.value, before.value, health.ready))

    def makings(self, settings: TelemetrySettings) -> Made | None:
        """Return whom the container tells what it makes; None where nobody is there."""
        return self.made if settings.traces or self.signals.hears(DependencyMade) else None

    def made(self, name: str, scope: Life, duration_s: float, failure: str | None) -> None:
        """Tell of an object that the container has made."""
        if self.signals.hears(DependencyMade):
            self.signals.tell(DependencyMade(name, scope.name.lower(), duration_s, failure))

    def blocked(self, lag_s: float) -> None:
        """Tell that the event loop stood still."""
        if self.signals.hears(LoopBlocked):
            self.signals.tell(LoopBlocked(lag_s))

    def drained(self) -> None:
        """Tell that the application takes its leave."""
        if self.signals.hears(DrainStarted):
            self.signals.tell(DrainStarted())
