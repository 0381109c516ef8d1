"""What an application tells those who watch it, beside its requests."""

from collections.abc import Callable, Iterable

from nexios.adapters.asgi.telling import RouteOf, Telling, is_watched
from nexios.adapters.asgi.types import ASGIApp, Scope
from nexios.application.health import CheckState, Health
from nexios.application.listening import Listener, Signals, attach
from nexios.application.scrub import scrubbed
from nexios.application.security_events import SecurityEvents
from nexios.application.security_signals import ToldSecurityEvents
from nexios.application.signals import (
    DependencyDown,
    DependencyUp,
    DrainStarted,
    LoopBlocked,
    RequestFailed,
)
from nexios.container.module import Module
from nexios.container.scope import Scope as Life


class Watching:
    """Makes events of what happens in one application, where somebody hears them."""

    def __init__(self, signals: Signals) -> None:
        """Tell ``signals``."""
        self.signals = signals
        self._known: set[int] = set()
        self._kept: list[object] = []
        self._attached: list[Listener] = []

    def bind(self, shared: Module) -> list[object]:
        """Bind what every module may ask for; return the keys."""
        shared.bind(Signals).value(self.signals)
        events = shared.bind(SecurityEvents, scope=Life.SINGLETON, default=True)
        events.to(lambda: ToldSecurityEvents(self.signals))
        return [Signals, SecurityEvents]

    def around(self, serve: ASGIApp, route_of: RouteOf, *, placed: bool) -> Telling | None:
        """Return what stands around an application while it is watched; None while it is not."""
        if not is_watched(self.signals):
            return None
        return Telling(serve, self.signals, route_of, placed=placed)

    def met(self, singletons: Callable[[], Iterable[object]]) -> Callable[[], list[object]]:
        """Return ``singletons``, which attaches those that were not there before."""

        def attaching() -> list[object]:
            found = list(singletons())
            self._attached += attach(self.signals, found, self._known)
            self._kept = found  # as long as they are known by their ids
            return found

        return attaching

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

    def blocked(self, lag_s: float) -> None:
        """Tell that the event loop stood still."""
        if self.signals.hears(LoopBlocked):
            self.signals.tell(LoopBlocked(lag_s))

    def drained(self) -> None:
        """Tell that the application takes its leave."""
        if self.signals.hears(DrainStarted):
            self.signals.tell(DrainStarted())
