"""``WSRouter`` and ``WebsocketRoutes``: the names under which 2.11 kept sockets apart."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from nexios.adapters.http.registration import caller, line_of
from nexios.adapters.http.router import Router
from nexios.adapters.routing.sockets import SocketRoute


class WSRouter(Router):
    """A router for sockets: ``app.mount_ws_router(router)``. Any router takes sockets, too."""

    def __init__(
        self,
        prefix: str | None = None,
        middleware: Sequence[Any] = (),
        routes: Iterable[SocketRoute] = (),
        *,
        guards: Sequence[Any] = (),
    ) -> None:
        """Note what the sockets share.

        Args:
            prefix: Before every path.
            middleware: Objects with ``async handshake(websocket)``, outer to inner.
            routes: The first ones.
            guards: Asked before each handler.
        """
        super().__init__(prefix, guards=guards)
        self._handshakes = tuple(middleware)
        self._wrappers: list[Callable[..., Any]] = []
        for route in routes:
            self.add_ws_route(route)

    def add_ws_middleware(self, wrapper: Callable[..., Any], **options: Any) -> None:
        """Put ASGI middleware around the sockets of this router, those noted earlier too.

        The last added is outermost. It is called with the application it stands around.
        """
        self._wrappers.append(partial(wrapper, **options))

    def _socket(self, route: SocketRoute) -> SocketRoute:
        within = route.options.get("middleware", ())
        options = {**route.options, "wrappers": self._wrappers}
        if self._handshakes:
            options["middleware"] = (*self._handshakes, *within)
        return SocketRoute(route.path, route.handler, options, route.where)


class WebsocketRoutes(SocketRoute):
    """A socket route to be added whole: ``app.add_ws_route(WebsocketRoutes("/ws", handler))``."""

    def __init__(
        self,
        path: str,
        handler: Callable[..., Any],
        middleware: Sequence[Any] = (),
        *,
        options: dict[str, Any] | None = None,
        where: str = "",
        **more: Any,
    ) -> None:
        """Note path, handler and options.

        Args:
            middleware: Objects with ``async handshake(websocket)``, for this route alone.
            options: Further options in one mapping.
            more: Further options; the socket room knows which there are.
        """
        given = {**(options or {}), **more}
        if middleware:
            given["middleware"] = (*middleware, *given.get("middleware", ()))
        super().__init__(path, handler, given, where or line_of(caller()))
