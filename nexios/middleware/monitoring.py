"""Subscribes a sink to the signals of an application, at the place where 2.11 had it."""

from collections.abc import Callable
from typing import Any, ClassVar

from nexios.adapters.asgi.stages import Stage
from nexios.adapters.http.builder import Response
from nexios.adapters.http.request import Request
from nexios.application.listening import Listener
from nexios.application.signals import RequestCancelled, RequestFinished
from nexios.middleware.base import BaseMiddleware, CallNext


class MonitoringMiddleware(BaseMiddleware):
    """Tells ``sink`` of each request that ended; ``app.signals.on`` does so without a layer.

    Args:
        sink: Called with `RequestFinished` and `RequestCancelled`, or a `Listener`, which says
            what it wants. No coroutine; what it raises is counted and stops nobody.
    """

    stage: ClassVar[Stage] = Stage.FIREWALL

    def __init__(self, sink: Callable[[Any], object] | Listener) -> None:
        self._sink = sink

    def bind(self, app: Any) -> None:
        """Subscribe, once, at start.

        Raises:
            NotListening: The sink is a coroutine, or a class instead of an instance.
        """
        sink: Any = self._sink
        if hasattr(sink, "listens_to"):
            app.signals.on(sink)
            return
        for event in (RequestFinished, RequestCancelled):
            app.signals.on(event, sink)

    async def __call__(
        self,
        request: Request,  # noqa: ARG002  # the form of middleware
        response: Response,  # noqa: ARG002
        call_next: CallNext,
    ) -> object:
        """Pass on: the signals tell more than could be seen from here."""
        return await call_next()
