"""What an application is made of: modules, routes, middleware, hooks; added before and after."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar, overload

from typing_extensions import Unpack

from nexios.adapters.asgi.hooks import Hooks, K
from nexios.adapters.asgi.types import ASGIApp
from nexios.adapters.asgi.url import URLPath
from nexios.adapters.asgi.wrapping import Wrapper, for_sockets
from nexios.adapters.http.entries import LiveList
from nexios.adapters.http.ordering import Added, listed
from nexios.adapters.http.router import Router
from nexios.adapters.http.routes import RouteOptions, Routes
from nexios.adapters.http.verbs import Verbs
from nexios.adapters.routing.sockets import SocketRoute
from nexios.container.module import Module

H = TypeVar("H", bound=Callable[..., Any])


class Composition(Verbs):
    """Notes the parts of an application, and hands those that come late to what is built.

    Attributes:
        router: Where routes put directly on the app are noted.
    """

    def __init__(self, router: Router, middleware: Sequence[Any]) -> None:
        """Begin with these.

        Args:
            router: Its routes are the application's own.
            middleware: Outer to inner.
        """
        self.router = router
        self.router.listen(self._changed)
        self._root = Module("app")
        self._added = [Added(one) for one in reversed(middleware)]
        self._wrappers: list[Wrapper] = []
        self._handlers: dict[type[BaseException] | int, Callable[..., Any]] = {}
        self._on_startup = Hooks()
        self._on_shutdown = Hooks()
        self._house: Any = None  # the House once it is built; this file stands below it

    @abstractmethod
    def _rewrap(self) -> None:
        """Serve through the ASGI middleware as it is now."""

    def include(self, *modules: Module) -> None:
        """Include modules: their exports become visible to handlers on the app."""
        self._refuse_when_built("include()")
        self._root.include(*modules)

    def add_route(
        self,
        route: Routes | Router | None = None,
        *,
        path: str | None = None,
        handler: Callable[..., Any] | None = None,
        methods: Iterable[str] | None = None,
        **options: Unpack[RouteOptions],
    ) -> None:
        """Register a route, given whole or by its parts; also while the application runs."""
        self.router.add_route(route, path=path, handler=handler, methods=methods, **options)

    def mount_router(self, router: Router, prefix: str | None = None) -> None:
        """Put a router below this application; routes added to it later are served too."""
        self.router.mount_router(router, prefix)

    mount_ws_router = mount_router

    def register(self, app: ASGIApp | Router, prefix: str = "") -> None:
        """Hand all below ``prefix`` to another application; it starts after and stops before."""
        self.router.register(app, prefix)

    def add_ws_route(self, route: SocketRoute | None = None, **parts: Any) -> None:
        """Register a socket route, given whole or by ``path=``, ``handler=`` and its options."""
        self.router.add_ws_route(route, **parts)

    def wrap_asgi(self, wrapper: Callable[..., ASGIApp], **options: Any) -> None:
        """Put ASGI middleware around everything served, ``wrapper(app, **options)``.

        The last one is outermost. It sees error answers and sockets, never the lifespan; what
        it raises is answered with a 500.
        """
        self._wrappers.append(partial(wrapper, **options))
        self._rewrap()

    def add_ws_middleware(self, wrapper: Callable[..., ASGIApp], **options: Any) -> None:
        """Put ASGI middleware around the sockets alone, as `wrap_asgi` does around everything."""
        self.wrap_asgi(for_sockets(partial(wrapper, **options)))

    def add_middleware(self, middleware: Any, *, before: Any = None, after: Any = None) -> None:
        """Add middleware; the last added is outermost, house classes stand by their stage.

        Args:
            middleware: A function ``(request, response, call_next)`` or a `BaseMiddleware`.
            before: Stand further out than this instance or class.
            after: Stand further in than this instance or class.
        """
        self._around([*self._added, Added(middleware, before, after)])

    def _around(self, added: list[Added]) -> None:
        if self._house is not None:
            self._house.change_middleware(added, self._handlers)
        self._added = added

    def middleware(self, function: H) -> H:
        """Add a function as middleware: ``@app.middleware``."""
        self.add_middleware(function)
        return function

    @overload
    def add_exception_handler(
        self, error: type[BaseException] | int, handler: None = None
    ) -> Callable[[H], H]: ...
    @overload
    def add_exception_handler(self, error: type[BaseException] | int, handler: H) -> H: ...
    def add_exception_handler(
        self, error: type[BaseException] | int, handler: Callable[..., Any] | None = None
    ) -> Any:
        """Answer an error class or a status with ``(request, response, error)``."""

        def register(decorated: H) -> H:
            handlers = dict(self._handlers)
            handlers[error] = decorated
            if self._house is not None:
                self._house.gateway.configure(exception_handlers=handlers)
            self._handlers = handlers
            return decorated

        return register if handler is None else register(handler)

    exception_handler = add_exception_handler

    @overload
    def on_startup(self, hook: None = None) -> Callable[[K], K]: ...
    @overload
    def on_startup(self, hook: K) -> K: ...
    def on_startup(self, hook: Any = None) -> Any:
        """Run ``hook`` at the start, in order of registration; with or without ``()``."""
        return self._on_startup.add(hook)

    @overload
    def on_shutdown(self, hook: None = None) -> Callable[[K], K]: ...
    @overload
    def on_shutdown(self, hook: K) -> K: ...
    def on_shutdown(self, hook: Any = None) -> Any:
        """Run ``hook`` at the end, in order of registration; all run, failures are grouped."""
        return self._on_shutdown.add(hook)

    @property
    def routes(self) -> Sequence[Any]:
        """What was registered directly, a live list."""
        return self.router.routes

    @property
    def http_middleware(self) -> list[Any]:
        """The middleware in the order of adding; changing the list changes the application."""
        live: LiveList[Any] = LiveList(
            (added.middleware for added in self._added),
            lambda: self._around(listed(self._added, live)),
        )
        return live

    def url_for(self, name: str, /, **params: object) -> URLPath:
        """Return the path of a route by its name."""
        return self.router.url_for(name, **params)

    def _changed(self) -> None:
        house = self._house
        if house is not None:
            house.adopt(self.router)

    def _refuse_when_built(self, what: str) -> None:
        if self._house is not None:
            raise RuntimeError(
                f"{what} comes too late: the application is wired already"
                "\n  fix: NexiosApp(module, ...), or call it before the first request"
            )
