"""The verbs people type on an app and on a router."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, overload

from typing_extensions import Unpack

from nexios.adapters.http.routes import RouteOptions, Routes
from nexios.adapters.routing.sockets import SocketRoute

H = TypeVar("H", bound=Callable[..., Any])


class Verbs(ABC):
    """``@x.get("/path")`` and ``x.get("/path", handler)``; both give the handler back.

    The class that inherits says with ``add_route`` where routes go.
    """

    # Slots stay empty so that an heir may have its own.
    __slots__ = ()

    @abstractmethod
    def add_route(
        self,
        route: Routes | Any | None = None,
        *,
        path: str | None = None,
        handler: Callable[..., Any] | None = None,
        methods: Iterable[str] | None = None,
        **options: Unpack[RouteOptions],
    ) -> None:
        """Register a route, given whole or by its parts."""

    @abstractmethod
    def add_ws_route(
        self,
        route: SocketRoute | None = None,
        *,
        path: str | None = None,
        handler: Callable[..., Any] | None = None,
        **options: Any,
    ) -> None:
        """Note a socket route, given whole or by its parts."""

    @overload
    def websocket(self, path: str, handler: None = None, **options: Any) -> Callable[[H], H]: ...
    @overload
    def websocket(self, path: str, handler: H, **options: Any) -> H: ...
    def websocket(self, path: str, handler: Any = None, **options: Any) -> Any:
        """Note a socket handler: ``@x.websocket("/ws/{room}")``, or with the handler.

        The socket room reads the options.
        """

        def register(decorated: H) -> H:
            self.add_ws_route(path=path, handler=decorated, **options)
            return decorated

        return register if handler is None else register(handler)

    ws_route = websocket

    @overload
    def route(
        self,
        path: str,
        methods: Iterable[str] | None = None,
        handler: None = None,
        **options: Unpack[RouteOptions],
    ) -> Callable[[H], H]: ...
    @overload
    def route(
        self,
        path: str,
        methods: Iterable[str] | None = None,
        *,
        handler: H,
        **options: Unpack[RouteOptions],
    ) -> H: ...
    def route(
        self,
        path: str,
        methods: Iterable[str] | None = None,
        handler: Any = None,
        **options: Unpack[RouteOptions],
    ) -> Any:
        """Register a handler for several methods; without any: all but HEAD.

        Raises:
            TypeError: An option is unknown; raised here, with the nearest known one.
        """
        Routes(path, _nothing, methods, **options)  # a typo is told at its own line
        if handler is not None:
            self.add_route(Routes(path, handler, methods, **options))
            return handler

        def register(decorated: H) -> H:
            self.add_route(Routes(path, decorated, methods, **options))
            return decorated

        return register

    @overload
    def get(
        self, path: str, handler: None = None, **options: Unpack[RouteOptions]
    ) -> Callable[[H], H]: ...
    @overload
    def get(self, path: str, handler: H, **options: Unpack[RouteOptions]) -> H: ...
    def get(self, path: str, handler: Any = None, **options: Unpack[RouteOptions]) -> Any:
        """Register for GET; HEAD comes along."""
        return self.route(path, ("GET",), handler=handler, **options)

    @overload
    def post(
        self, path: str, handler: None = None, **options: Unpack[RouteOptions]
    ) -> Callable[[H], H]: ...
    @overload
    def post(self, path: str, handler: H, **options: Unpack[RouteOptions]) -> H: ...
    def post(self, path: str, handler: Any = None, **options: Unpack[RouteOptions]) -> Any:
        """Register for POST."""
        return self.route(path, ("POST",), handler=handler, **options)

    @overload
    def put(
        self, path: str, handler: None = None, **options: Unpack[RouteOptions]
    ) -> Callable[[H], H]: ...
    @overload
    def put(self, path: str, handler: H, **options: Unpack[RouteOptions]) -> H: ...
    def put(self, path: str, handler: Any = None, **options: Unpack[RouteOptions]) -> Any:
        """Register for PUT."""
        return self.route(path, ("PUT",), handler=handler, **options)

    @overload
    def patch(
        self, path: str, handler: None = None, **options: Unpack[RouteOptions]
    ) -> Callable[[H], H]: ...
    @overload
    def patch(self, path: str, handler: H, **options: Unpack[RouteOptions]) -> H: ...
    def patch(self, path: str, handler: Any = None, **options: Unpack[RouteOptions]) -> Any:
        """Register for PATCH."""
        return self.route(path, ("PATCH",), handler=handler, **options)

    @overload
    def delete(
        self, path: str, handler: None = None, **options: Unpack[RouteOptions]
    ) -> Callable[[H], H]: ...
    @overload
    def delete(self, path: str, handler: H, **options: Unpack[RouteOptions]) -> H: ...
    def delete(self, path: str, handler: Any = None, **options: Unpack[RouteOptions]) -> Any:
        """Register for DELETE."""
        return self.route(path, ("DELETE",), handler=handler, **options)

    @overload
    def head(
        self, path: str, handler: None = None, **options: Unpack[RouteOptions]
    ) -> Callable[[H], H]: ...
    @overload
    def head(self, path: str, handler: H, **options: Unpack[RouteOptions]) -> H: ...
    def head(self, path: str, handler: Any = None, **options: Unpack[RouteOptions]) -> Any:
        """Register for HEAD alone, instead of what GET would answer."""
        return self.route(path, ("HEAD",), handler=handler, **options)

    @overload
    def options(
        self, path: str, handler: None = None, **options: Unpack[RouteOptions]
    ) -> Callable[[H], H]: ...
    @overload
    def options(self, path: str, handler: H, **options: Unpack[RouteOptions]) -> H: ...
    def options(self, path: str, handler: Any = None, **options: Unpack[RouteOptions]) -> Any:
        """Register for OPTIONS, instead of the 204 with ``Allow``."""
        return self.route(path, ("OPTIONS",), handler=handler, **options)


def _nothing() -> None:
    """Stand in for the handler while the options are checked."""
