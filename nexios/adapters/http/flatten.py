"""Turns a tree of routers and controllers into one flat list of routes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from nexios.adapters.asgi.sublife import SubApp
from nexios.adapters.http.controller import controller_name
from nexios.adapters.http.entries import Foreign, Holder, Mounted, Registered
from nexios.adapters.http.mounts import mounted
from nexios.adapters.http.routes import Routes
from nexios.adapters.http.views import ViewRoute
from nexios.adapters.routing.sockets import SocketRoute
from nexios.adapters.routing.template import normalise_prefix
from nexios.container.module import Module
from nexios.records import dataclass

ExceptionHandlers = Mapping[Any, Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the routers and the controller around a route add to it, outermost first.

    Attributes:
        handlers: Exception handlers, one mapping for each router and controller.
        responses: Of the controller, for the document; ``security`` too.
        names: Dotted parts before the route's own name.
        owner: The controller or view whose method answers.
        limits: Changes of the app's limits, the innermost router's last.
    """

    prefix: str = ""
    names: tuple[str, ...] = ()
    guards: tuple[Any, ...] = ()
    dependencies: tuple[Any, ...] = ()
    middleware: tuple[Any, ...] = ()
    handlers: tuple[ExceptionHandlers, ...] = ()
    tags: tuple[str, ...] = ()
    exclude_from_schema: bool = False
    responses: Mapping[int, Any] = field(default_factory=dict)
    security: Sequence[Mapping[str, Sequence[str]]] | None = None
    owner: type | None = None
    module: Module | None = None
    aliases: tuple[str, ...] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Flat:
    """One route of the flat list.

    Attributes:
        paths: The templates it answers at; ``url_for`` gives the first.
        mount: Another application answers there, and for everything below.
    """

    route: Routes
    around: Surroundings
    paths: tuple[str, ...]
    mount: bool = False

    @property
    def name(self) -> str:
        """The dotted name, for ``url_for``."""
        return ".".join((*self.around.names, self._own_name))

    @property
    def names(self) -> tuple[str, ...]:
        """The name, and those it also goes by."""
        own = self._own_name
        return (self.name, *(f"{alias}.{own}" for alias in self.around.aliases))

    @property
    def _own_name(self) -> str:
        return self.route.name or str(getattr(self.route.handler, "__name__", "route"))


@dataclass(frozen=True, slots=True)
class FlatSocket:
    """A socket route with its whole path, and what is around it."""

    route: SocketRoute
    around: Surroundings


@dataclass(frozen=True, slots=True)
class Flattened:
    """Everything below one router.

    Attributes:
        holders: Each router's surroundings, for misses below its prefix.
        foreign: Mounted applications, in order of mounting.
        mounts: The same as routes for sockets, the application being the handler.
        problems: Controllers that cannot serve.
    """

    routes: tuple[Flat, ...]
    sockets: tuple[FlatSocket, ...]
    holders: tuple[Surroundings, ...]
    foreign: tuple[SubApp, ...]
    mounts: tuple[FlatSocket, ...]
    problems: tuple[Exception, ...]


def flatten(root: Holder) -> Flattened:
    """Return all routes below ``root``, in order of registration.

    Raises:
        ValueError: A router is mounted below itself.
    """
    walk = _Walk()
    walk.router(root, Surroundings(), None, ())
    return Flattened(
        tuple(walk.routes),
        tuple(walk.sockets),
        tuple(walk.holders),
        tuple(walk.foreign),
        tuple(walk.mounts),
        tuple(walk.problems),
    )


class _Walk:
    def __init__(self) -> None:
        self.routes: list[Flat] = []
        self.sockets: list[FlatSocket] = []
        self.holders: list[Surroundings] = []
        self.foreign: list[SubApp] = []
        self.mounts: list[FlatSocket] = []
        self.problems: list[Exception] = []

    def router(
        self, holder: Holder, outer: Surroundings, at: str | None, above: tuple[Holder, ...]
    ) -> None:
        if any(holder is one for one in above):
            raise ValueError(f"a router with prefix {holder.prefix!r} is mounted below itself")
        own = normalise_prefix(holder.prefix if at is None else at)
        around = Surroundings(
            outer.prefix + own,
            outer.names + _name_of(holder.name, own),
            outer.guards + tuple(holder.guards),
            outer.dependencies + tuple(holder.dependencies),
            outer.middleware + tuple(holder.middleware),
            (*outer.handlers, dict(holder.exception_handlers)),
            (*outer.tags, *holder.tags),
            outer.exclude_from_schema or holder.exclude_from_schema,
            limits={**outer.limits, **holder.limits},
        )
        self.holders.append(around)
        for entry in holder.routes:
            if isinstance(entry, ViewRoute):
                self.view(entry, around)
            elif isinstance(entry, Routes):
                self.route(entry, around)
            elif isinstance(entry, SocketRoute):
                path = around.prefix + _slashed(entry.path)
                self.sockets.append(FlatSocket(replace(entry, path=path), around))
            elif isinstance(entry, Mounted):
                self.router(entry.router, around, entry.prefix, (*above, holder))
            elif isinstance(entry, Foreign):
                self.mount(entry, around)
            else:
                self.controller(entry, around)

    def route(self, route: Routes, around: Surroundings) -> None:
        path = _slashed(route.raw_path)
        if around.prefix and path == "/":
            # RFC 3986 knows two addresses here; people mean one.
            paths: tuple[str, ...] = (around.prefix, f"{around.prefix}/")
        else:
            paths = (around.prefix + path,)
        self.routes.append(Flat(route, around, paths))

    def view(self, entry: ViewRoute, outer: Surroundings) -> None:
        around = replace(
            outer,
            middleware=outer.middleware + tuple(entry.view.middleware),
            handlers=(*outer.handlers, entry.view.error_handlers),
            owner=entry.view,
        )
        for part in entry.parts:
            self.route(part, around)

    def mount(self, entry: Foreign, around: Surroundings) -> None:
        path = around.prefix + entry.prefix
        depth = len(path.split("/")) - 1
        self.foreign.append(entry.app)
        socket = SocketRoute(path, entry.app, {}, entry.where)
        self.mounts.append(FlatSocket(socket, around))
        route = entry.as_route(mounted(entry.app, depth))
        self.routes.append(Flat(route, around, (path,), mount=True))

    def controller(self, entry: Registered, outer: Surroundings) -> None:
        keywords = entry.controller.__nexios_keywords__
        own = normalise_prefix(keywords.get("path"))
        around = replace(
            outer,
            prefix=outer.prefix + own,
            names=(*outer.names, controller_name(entry.controller)),
            guards=outer.guards + tuple(keywords.get("guards", ())),
            dependencies=outer.dependencies + tuple(keywords.get("dependencies", ())),
            middleware=outer.middleware + tuple(keywords.get("middleware", ())),
            handlers=(*outer.handlers, keywords.get("error_handlers", {})),
            tags=outer.tags + tuple(keywords.get("tags", ())),
            exclude_from_schema=keywords.get("exclude_from_schema", outer.exclude_from_schema),
            responses=keywords.get("responses", {}),
            security=keywords.get("security"),
            owner=entry.controller,
            module=entry.module,
            aliases=tuple(".".join((*outer.names, name)) for name in _name_of(None, own)),
        )
        try:
            found: Iterable[Routes] = entry.routes()
        except TypeError as problem:
            self.problems.append(problem)
            return
        for route in found:
            self.route(route, around)


def _name_of(name: str | None, prefix: str) -> tuple[str, ...]:
    if name:
        return (name,)
    return tuple(part for part in prefix.split("/") if part and "{" not in part)


def _slashed(path: str) -> str:
    if not path:
        return "/"
    return path if path.startswith("/") else f"/{path}"


def by_name(flats: Iterable[Flat]) -> Iterator[tuple[str, Flat]]:
    """Return names with their routes; other names of a route come after all first ones."""
    known: Sequence[Flat] = tuple(flats)
    for flat in known:
        yield flat.name, flat
    for flat in known:
        for name in flat.names[1:]:
            yield name, flat
