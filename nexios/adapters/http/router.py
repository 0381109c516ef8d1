"""Routers: where routes, routers, controllers, sockets and foreign apps are noted."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, overload

from typing_extensions import Unpack

from nexios.adapters.asgi.sublife import SubApp
from nexios.adapters.asgi.types import ASGIApp
from nexios.adapters.asgi.url import URLPath
from nexios.adapters.http.controller import Controller
from nexios.adapters.http.entries import (
    Changed,
    Entry,
    Foreign,
    Holder,
    LiveList,
    Mounted,
    Registered,
    checked,
)
from nexios.adapters.http.ordering import Added, ordered
from nexios.adapters.http.registration import caller, line_of
from nexios.adapters.http.routes import RouteOptions, Routes
from nexios.adapters.http.verbs import Verbs
from nexios.adapters.routing.names import Names
from nexios.adapters.routing.sockets import SocketRoute
from nexios.adapters.routing.template import Template, normalise_prefix
from nexios.container.module import Module

H = TypeVar("H", bound=Callable[..., Any])


class Router(Verbs):
    """A set of routes with what they share. Order of mounting and defining is free.

    Attributes:
        prefix: Before every path; may hold parameters, which all its handlers can ask for.
        routes: Live list of what was registered; a change is told to who listens.
    """

    def __init__(
        self,
        prefix: str | None = None,
        routes: "Iterable[Entry | Router] | None" = None,
        tags: Sequence[str] | None = None,
        exclude_from_schema: bool = False,
        name: str | None = None,
        dependencies: Sequence[Any] | None = None,
        middleware: Sequence[Any] = (),
        guards: Sequence[Any] = (),
        exception_handlers: Mapping[Any, Callable[..., Any]] | None = None,
        limits: Mapping[str, Any] | None = None,
    ) -> None:
        """Note what the routes share.

        Args:
            prefix: Ends at a segment border: ``/api`` never takes ``/apix``.
            routes: The first entries.
            tags: Joined with those of the routes.
            exclude_from_schema: Leave all of them out of the document.
            name: First part of dotted route names; the prefix otherwise.
            dependencies: Called before each handler, for their effect.
            middleware: Outer to inner.
            guards: Asked before each handler.
            exception_handlers: Error class or status to ``(request, response, error)``.
            limits: Name to number, over the app's; a route's own come over these.
        """
        self.prefix = normalise_prefix(prefix)
        self.name = name
        self.tags = tuple(tags or ())
        self.exclude_from_schema = exclude_from_schema
        self.dependencies = tuple(dependencies or ())
        self.guards = tuple(guards)
        self.exception_handlers = dict(exception_handlers or {})
        self.limits = dict(limits or {})
        self._middleware = [Added(one) for one in reversed(middleware)]
        self._listeners: list[Changed] = []
        self._names: Names | None = None
        self._routes: LiveList[Entry] = LiveList((), self.changed)
        for entry in checked(() if routes is None else routes, Router):
            self._enter(entry)

    @property
    def routes(self) -> LiveList[Entry]:
        """What was registered, in order; changing the list changes the router."""
        return self._routes

    @property
    def middleware(self) -> tuple[Any, ...]:
        """Middleware of this router, outermost first."""
        return ordered(self._middleware)

    def listen(self, changed: Changed) -> None:
        """Call ``changed`` after every change; when it raises, the change is taken back."""
        self._listeners.append(changed)

    def changed(self) -> None:
        """Tell the listeners; an error of theirs reaches whoever made the change."""
        self._names = None
        for listener in tuple(self._listeners):
            listener()

    def add_route(
        self,
        route: "Routes | Router | None" = None,
        *,
        path: str | None = None,
        handler: Callable[..., Any] | None = None,
        methods: Iterable[str] | None = None,
        **options: Unpack[RouteOptions],
    ) -> None:
        """Register a route, given whole or by its parts; a `Group` or router is mounted.

        Raises:
            TypeError: Neither a route nor path and handler; or an option is unknown.
        """
        if route is None:
            if path is None or handler is None:
                raise TypeError("add_route needs a route, or path= and handler=")
            route = Routes(path, handler, methods, **options)
        self._enter(route)

    def _enter(self, entry: "Entry | Router") -> None:
        if isinstance(entry, Router):
            self.mount_router(entry)
        else:
            self._routes.append(entry)

    def add_controller(
        self, controller: type[Controller], *, module: Module | None = None
    ) -> None:
        """Register a controller class.

        Args:
            controller: Its endpoints are the methods with verbs.
            module: Whose keys its constructor and methods see; without one, the app's.
        """
        self._routes.append(Registered(controller, module, line_of(caller())))

    def mount_router(self, router: "Router", prefix: str | None = None) -> None:
        """Put another router below this one.

        Args:
            router: Routes added to it later are served too.
            prefix: In place of the router's own.

        Raises:
            ValueError: This router stands below that one already.
        """
        if _stands_below(self, router):
            raise ValueError(f"{self!r} would be mounted below itself")
        router.listen(self.changed)
        try:
            self._routes.append(Mounted(router, prefix))
        except BaseException:
            router._listeners.remove(self.changed)  # noqa: SLF001  # our own class
            raise

    def register(self, app: "ASGIApp | Router", prefix: str = "") -> None:
        """Hand everything at and below ``prefix`` to another ASGI application.

        Its lifespan runs within that of the application around it. A router or a `Group` is
        mounted, ``prefix`` before its own.
        """
        if isinstance(app, Router):
            self.mount_router(app, normalise_prefix(prefix) + app.prefix)
            return
        self._routes.append(Foreign(SubApp(app), normalise_prefix(prefix), line_of(caller())))

    def add_ws_route(
        self,
        route: SocketRoute | None = None,
        *,
        path: str | None = None,
        handler: Callable[..., Any] | None = None,
        **options: Any,
    ) -> None:
        """Note a socket route, given whole or by its parts.

        Raises:
            TypeError: Neither a route nor path and handler.
        """
        if route is None:
            if path is None or handler is None:
                raise TypeError("add_ws_route needs a route, or path= and handler=")
            route = SocketRoute(path, handler, options, line_of(caller()))
        self._routes.append(self._socket(route))

    def _socket(self, route: SocketRoute) -> SocketRoute:
        return route

    def add_middleware(self, middleware: Any, *, before: Any = None, after: Any = None) -> None:
        """Add middleware around all routes of this router; the last added is outermost."""
        added = Added(middleware, before, after)
        self._middleware.append(added)
        try:
            self.changed()
        except BaseException:
            self._middleware.remove(added)
            raise

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
            before = dict(self.exception_handlers)
            self.exception_handlers[error] = decorated
            try:
                self.changed()
            except BaseException:
                self.exception_handlers = before
                raise
            return decorated

        return register if handler is None else register(handler)

    exception_handler = add_exception_handler

    def url_for(self, name: str, /, **params: object) -> URLPath:
        """Return the path of a route below this router.

        Raises:
            ValueError: No such name, or the values do not make a path that leads back to it.
        """
        if self._names is None:
            # What serves routes is loaded by the build, or by who asks for a path before it.
            from nexios.adapters.http.flatten import by_name, flatten

            flats = flatten(self).routes
            self._names = Names(
                (key, Template.parse(flat.paths[0])) for key, flat in by_name(flats)
            )
        return URLPath(self._names.url_for(name, params))

    def __repr__(self) -> str:
        return f"Router(prefix={self.prefix!r}, routes={len(self._routes)})"


def _stands_below(router: Holder, top: Holder) -> bool:
    return top is router or any(
        _stands_below(router, entry.router) for entry in top.routes if isinstance(entry, Mounted)
    )
