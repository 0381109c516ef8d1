"""The documents of an application: what its routes, sockets and events are drawn from."""

from collections.abc import Sequence
from typing import Any, Final

from nexios.adapters.http.compile import CompiledRoutes
from nexios.adapters.http.router import Router
from nexios.adapters.messaging.relay import is_relay
from nexios.adapters.openapi.document import Documentation
from nexios.adapters.openapi.events import described
from nexios.adapters.openapi.ui import Documented, pages_of
from nexios.adapters.websocket.endpoint import SocketEndpoint
from nexios.application.broker import EventBroker
from nexios.auth.middleware import schemes_of
from nexios.config import MakeConfig
from nexios.consuming import ReceiverPoint
from nexios.container.container import Container
from nexios.container.keys import Key
from nexios.subscriptions import HandlerPoint

_BROKER: Final = Key(EventBroker)


class Documents:
    """What an application says of itself, and the pages that show it.

    Attributes:
        drawn: The OpenAPI document and the one of channels.
    """

    def __init__(self, app: Any, config: MakeConfig, around: Sequence[Any]) -> None:
        """Draw nothing yet; the first who asks for a document causes that.

        Args:
            app: The NexiosApp; this file stands below it.
            config: Where the pages are, if anywhere.
            around: Its middleware, some of which knows the ways to log in.
        """
        self.drawn = Documentation(
            app.docs,
            schemes_of(around),
            plain_errors=config.errors.http_exception_body == "detail",
            channels=config.openapi.asyncapi_url is not None,
        )
        self._pages = pages_of(self.drawn, config.openapi, app.title)

    def beside(self, router: Router) -> Documented:
        """Return the router with the pages as further routes."""
        return Documented(router, self._pages)

    def problems(self, routes: CompiledRoutes) -> list[Exception]:
        """Return what could not be drawn, where pages are served."""
        return self.drawn.problems(routes) if self._pages else []

    def take(self, routes: CompiledRoutes) -> None:
        """Draw these routes from now on."""
        self.drawn.take(routes)

    def take_channels(
        self,
        sockets: Sequence[SocketEndpoint],
        handlers: Sequence[HandlerPoint],
        receivers: Sequence[ReceiverPoint],
        container: Container,
    ) -> None:
        """Draw these sockets, and the events that leave for the broker and come from it."""
        sent = [one.handles.event_type for one in handlers if is_relay(one.point.owner)]
        come = [(one.mark.name, one.event_type, one.consumer) for one in receivers]
        self.drawn.take_channels(sockets, described(sent, come), _broker_protocol(container))


def _broker_protocol(container: Container) -> str:
    bindings = container.assembly.registry.bindings
    source = next((one.source for one in bindings if one.key == _BROKER), None)
    kind = source if isinstance(source, type) else type(source)
    return str(getattr(kind, "protocol", "events"))
