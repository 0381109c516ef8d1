"""Refuses what would not be finished in time, so that the rest is: 503 while the loop lags."""

import random
from typing import Any, ClassVar, Final

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.errors import ClientDisconnect
from nexios.adapters.asgi.lag import LagTicker
from nexios.adapters.asgi.proxies import TrustedProxies
from nexios.adapters.asgi.slots import Slots
from nexios.adapters.asgi.stages import Stage
from nexios.adapters.asgi.url import path_below
from nexios.adapters.http.builder import Response
from nexios.adapters.http.compile import CompiledRoutes
from nexios.adapters.http.request import Request
from nexios.adapters.routing.table import Found, Table
from nexios.application.errors import Overloaded
from nexios.application.listening import Signals
from nexios.application.overload import AdaptiveLimit, Priority
from nexios.application.signals import RequestShed
from nexios.middleware.base import BaseMiddleware, CallNext

_RETRY_S: Final = (1, 3)
_CLOSE_EVERY: Final = 10
_CLOSE: Final = ((b"connection", b"close"),)
# RFC 9218, 4.1: 3 is the default, 7 the last; browsers send 4 and 5 for what a page needs.
_LATE_URGENCIES: Final = (b"6", b"7")


class LoadSheddingMiddleware(BaseMiddleware):
    """Limits what runs at once for as long as the event loop lags; 503 to what is over that.

    A prompt loop limits nothing: hundreds of requests that wait for something else all pass.
    Probes are answered further out. Routes of ``priority="critical"`` always pass, those that
    are ``sheddable`` go first; ``Priority`` (RFC 9218) of a trusted proxy may make a request
    sheddable. Every process decides for itself. A load test that keeps the process saturated is
    overload: leave this out there. On a router only ``max_running`` has an effect.

    Args:
        target_lag_s: How late the loop may be over 200 ms; ``shedding.target_lag_s`` unless told.
        max_running: How many may run at once in any case; ``shedding.max_running`` unless told.
        max_waiting: How many may stand in line for one of those places, first come first served.
        wait_s: How long; after that they are refused too.

    Raises:
        ValueError: A number is not above zero.
    """

    stage: ClassVar[Stage] = Stage.SHEDDER

    def __init__(
        self,
        target_lag_s: float | None = None,
        max_running: int | None = None,
        *,
        max_waiting: int = 0,
        wait_s: float = 0.1,
    ) -> None:
        if (max_running is not None and max_running < 1) or max_waiting < 0 or wait_s <= 0:
            raise ValueError("max_running and wait_s are above zero, max_waiting is not below it")
        self._told = target_lag_s, max_running
        self._max_waiting = max_waiting
        self._wait_s = wait_s
        self._law = AdaptiveLimit(0.01 if target_lag_s is None else target_lag_s)
        self._slots = Slots(max_running, max_waiting)
        self._ticker = LagTicker(self.window)
        self._proxies = TrustedProxies.of(None)
        self._table: Table[Priority] | None = None
        self._app: Any = None
        self.refused = 0

    @property
    def limit(self) -> int | None:
        """How many may run at once because of the lag; None while there is none."""
        return self._law.limit

    @property
    def running(self) -> int:
        """How many requests run."""
        return self._slots.taken

    def bind(self, app: Any) -> None:
        """Take settings from the app.

        Raises:
            RuntimeError: It counts for another application already.
        """
        if self._app not in (None, app):
            raise RuntimeError(
                "one LoadSheddingMiddleware stands around two applications"
                "\n  fix: app.add_middleware(LoadSheddingMiddleware()) for each"
            )
        self._app = app
        target, ceiling = self._told
        settings = app.config.shedding
        self._law.target_lag_s = settings.target_lag_s if target is None else target
        if ceiling is None and settings.max_running is not None:
            self._slots = Slots(settings.max_running, self._max_waiting)
        self._proxies = TrustedProxies.of(app.config.trusted_proxies)

    def learn(self, routes: CompiledRoutes) -> None:
        """Read the priorities of routes; requests are asked for theirs during overload only."""
        self._table = None
        if any("priority" in unit.flat.route.options for unit in routes.units):
            self._table = Table(
                (template, method, Priority(unit.flat.route.options.get("priority", "normal")))
                for unit in routes.units
                for template in unit.templates
                for method in unit.flat.route.methods
            )

    def window(self, lag_s: float) -> None:
        """Take note of the smallest lag of a tenth of a second."""
        self._law.window(lag_s, self._slots.taken)

    async def live(self) -> None:
        """Look at the loop for as long as the application runs."""
        try:
            await self._ticker.run()
        finally:
            self._law.lift()

    async def __call__(self, request: Request, response: Response, call_next: CallNext) -> object:
        """Pass on what can be finished in time.

        Raises:
            Overloaded: This would not be, or too much runs already.
            ClientDisconnect: It did not wait for that.
        """
        slots = self._slots
        if slots.free and self._law.limit is None:
            slots.take_anyway()
        else:
            await self._enter(request, response)
        try:
            return await call_next()
        finally:
            slots.give_back()

    async def handshake(self, websocket: Connection) -> None:
        """Refuse a socket that opens during overload.

        Raises:
            Overloaded: There is.
        """
        if not self._law.admits(self._slots.taken):
            raise self._overloaded(Priority.NORMAL, websocket)

    async def _enter(self, request: Request, response: Response) -> None:
        priority = self._priority(request)
        admitted = self._law.admits(self._slots.taken, priority)
        if priority is Priority.CRITICAL:
            self._slots.take_anyway()
        elif not (admitted and await self._slots.take(self._wait_s)):
            error = self._overloaded(priority, request)
            if self.refused % _CLOSE_EVERY == 0:
                # Its next try goes to whichever worker takes the new connection.
                response.on_send(_CLOSE)
            raise error
        try:
            gone = await request.is_disconnected()
        except BaseException:
            self._slots.give_back()
            raise
        if gone:
            self._slots.give_back()
            raise ClientDisconnect

    def _overloaded(self, priority: Priority, connection: Connection) -> Overloaded:
        self.refused += 1
        signals: Signals = self._app.signals
        if signals.hears(RequestShed):
            signals.tell(RequestShed(priority.value, connection.scope))
        # Not all at the same moment again.
        return Overloaded(retry_after_s=random.randint(*_RETRY_S))  # noqa: S311

    def _priority(self, request: Request) -> Priority:
        scope = request.scope
        priority = Priority.NORMAL
        if self._table is not None:
            path = path_below(scope["path"], scope.get("root_path", ""))
            found = self._table.find(path, scope["method"])
            if isinstance(found, Found):
                priority = found.target
        told = request.raw_header(b"priority") if priority is Priority.NORMAL else None
        if told is not None and _is_late(told):
            peer = scope.get("client")
            if self._proxies.trusts(None if peer is None else peer[0]):
                return Priority.SHEDDABLE
        return priority


def _is_late(value: bytes) -> bool:
    """Return whether a Priority field says so; a structured dictionary, its last ``u`` counts."""
    urgency = b""
    for member in value.split(b","):
        name, _, said = member.partition(b";")[0].partition(b"=")
        if name.strip() == b"u":
            urgency = said.strip()
    return urgency in _LATE_URGENCIES
