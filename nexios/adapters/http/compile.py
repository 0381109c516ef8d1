"""Compiles a router's routes: entry points for the container, templates for the table."""

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Final

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.guards import guards_of, in_order
from nexios.adapters.asgi.params import Marker
from nexios.adapters.asgi.sublife import SubApp
from nexios.adapters.asgi.url import URLPath
from nexios.adapters.http.background import Tasks
from nexios.adapters.http.binding import Reading, RequestSource
from nexios.adapters.http.builder import Response
from nexios.adapters.http.controller import Controller
from nexios.adapters.http.encode import Finish, may_stream
from nexios.adapters.http.entries import Holder
from nexios.adapters.http.exchange import Exchange
from nexios.adapters.http.flatten import Flat, Surroundings, by_name, flatten
from nexios.adapters.http.forms import FORM_TYPES
from nexios.adapters.http.leaving import cancelled_on_disconnect
from nexios.adapters.http.pipeline import check_middleware
from nexios.adapters.http.readers import request_of, response_of, tasks_of
from nexios.adapters.http.request import Request
from nexios.adapters.http.settings import HttpSettings
from nexios.adapters.http.targets import target_of
from nexios.adapters.http.timing import Timing, told_of
from nexios.adapters.http.whole import is_json
from nexios.adapters.routing.errors import RouteWarning
from nexios.adapters.routing.names import Names
from nexios.adapters.routing.sockets import SocketRoute
from nexios.adapters.routing.table import Table
from nexios.adapters.routing.template import Template
from nexios.application.caller import Caller
from nexios.application.limits import Limits
from nexios.container.entry import EntryPoint
from nexios.container.keys import AnyKey, Key
from nexios.container.signature import hint_of
from nexios.records import dataclass

_VALUES: Final[tuple[AnyKey, ...]] = (Key(Exchange),)


def _caller_of(exchange: Exchange) -> Caller:
    # The connection's reading refuses a caller nobody could identify; the scope alone does not.
    return Connection(exchange.scope).caller


_SUPPLIES: Final[Mapping[AnyKey, Callable[..., object]]] = {
    Key(Request): request_of,
    Key(Response): response_of,
    Key(Tasks): tasks_of,
    Key(Caller): _caller_of,
}


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """One compiled route, before the container has planned it.

    Attributes:
        source: Sealed by the gateway once the container has asked it everything.
        limits: Of this route, where they differ from the app's.
        timing: How long it may take, where that differs from the app's.
    """

    flat: Flat
    templates: tuple[Template, ...]
    point: EntryPoint
    source: RequestSource
    guards: tuple[Any, ...]
    limits: Limits | None
    timing: Timing | None = None


@dataclass(frozen=True, slots=True, eq=False)
class CompiledRoutes:
    """All routes of one app.

    Attributes:
        points: What the container has to plan.
        sockets: Socket routes with whole paths; the guards and dependencies of the routers
            around them stand in their options.
        holders: Routers with middleware or exception handlers, for misses below their prefix.
        problems: What refuses the start; to be raised with the container's.
        middleware: Every instance around routes and routers, for ``bind(app)``.
        foreign: Mounted applications, whose lives the app drives.
        mounts: The same as socket routes, the application being the handler.
    """

    units: tuple[Unit, ...]
    sockets: tuple[SocketRoute, ...]
    holders: tuple[Surroundings, ...]
    problems: tuple[Exception, ...]
    middleware: tuple[Any, ...]
    names: Names
    foreign: tuple[SubApp, ...] = ()
    mounts: tuple[SocketRoute, ...] = ()

    @property
    def points(self) -> tuple[EntryPoint, ...]:
        """The entry points, in order of registration."""
        return tuple(unit.point for unit in self.units)

    @property
    def routes(self) -> tuple[Flat, ...]:
        """Every route with what is around it, in order of registration."""
        return tuple(unit.flat for unit in self.units)

    def url_for(self, name: str, params: Mapping[str, object] | None = None) -> URLPath:
        """Return the path of a route.

        Raises:
            ValueError: No such name, or the values do not make a path that leads back to it.
        """
        return URLPath(self.names.url_for(name, params or {}))


def compile_routes(
    router: Holder, settings: HttpSettings, earlier: CompiledRoutes | None = None
) -> CompiledRoutes:
    """Compile everything below ``router``. Mistakes are collected, none is raised.

    Args:
        router: The app's root router.
        settings: Of the app.
        earlier: Routes compiled before; those that are the same now are taken from there, so
            that a late route costs one compilation.
    """
    problems: list[Exception] = []
    try:
        flattened = flatten(router)
    except ValueError as problem:
        return CompiledRoutes((), (), (), (problem,), (), Names())
    problems += flattened.problems
    known = {_identity(unit.flat): unit for unit in (earlier.units if earlier else ())}
    units = []
    for flat in flattened.routes:
        unit = known.get(_identity(flat))
        if unit is None or unit.flat != flat or unit.guards != _guards(flat):
            try:
                unit = _compile(flat, settings)
            except Exception as problem:  # every mistake of a route is shown
                problems.append(problem)
                continue
        units.append(unit)
    twice = Table(
        (template, method, None)
        for unit in units
        for template in unit.templates
        for method in unit.flat.route.methods
    ).problems
    if settings.errors.duplicate_routes == "refuse":
        problems += twice
    else:
        for duplicate in twice:
            warnings.warn(f"{duplicate}\n  the first one answers", RouteWarning, stacklevel=2)
    middleware = _all_middleware(flattened.holders, flattened.routes)
    problems += _refused(middleware)
    templates = {_identity(unit.flat): unit.templates[0] for unit in units}
    return CompiledRoutes(
        tuple(units),
        tuple(_socket(one.route, one.around) for one in flattened.sockets),
        tuple(holder for holder in flattened.holders if holder.middleware or any(holder.handlers)),
        tuple(problems),
        middleware,
        Names(
            (name, templates[_identity(flat)])
            for name, flat in by_name(flattened.routes)
            if _identity(flat) in templates
        ),
        flattened.foreign,
        tuple(_socket(one.route, one.around) for one in flattened.mounts),
    )


def _identity(flat: Flat) -> tuple[int, tuple[str, ...]]:
    # A router may be mounted twice, so a route alone does not say where it stands.
    return id(flat.route), flat.paths


def _compile(flat: Flat, settings: HttpSettings) -> Unit:
    route, around = flat.route, flat.around
    options = route.options
    templates = tuple(
        Template.parse(path, where=route.where, mount=flat.mount) for path in flat.paths
    )
    types = {field.name: field.convertor.annotation for field in templates[0].fields}
    handler = route.handler
    if options.get("cancel_on_disconnect"):
        handler = cancelled_on_disconnect(handler)
    target = target_of(handler, types, threaded=options.get("threaded"))
    methods = frozenset(route.methods)
    told = {**around.limits, **(options.get("limits") or {})}
    line = (*around.middleware, *route.middleware)
    seconds = told_of(route.handler, around.owner, line, told)
    limits = _limits({**told, **seconds}, options, settings.limits)
    by_name = around.owner is not None and issubclass(around.owner, Controller)
    hold = limits or settings.limits
    source = RequestSource(Reading(target, by_name, types, methods, hold))
    guards = _guards(flat)
    label = f"{','.join(route.methods)} {templates[0].raw}"
    checks = _body_check(options.get("request_model"), options.get("request_content_type"))
    dependencies = (*around.dependencies, *options.get("dependencies", ()))
    returned = hint_of(route.handler)
    point = EntryPoint(
        label=label,
        target=target,
        owner=around.owner,
        module=around.module,
        values=_VALUES,
        reads=source,
        before=(*guards, *dependencies, *checks),
        supplies=_SUPPLIES,
        finish=Finish(returned, options.get("status"), label, settings.write_json),
        streams=may_stream,
        internal=route.internal,
    )
    timing = None
    if seconds or options.get("cancel_on_disconnect"):
        lasts = (limits or settings.limits).request_s
        timing = Timing(lasts, bool(seconds), bool(options.get("cancel_on_disconnect")))
    return Unit(flat, templates, point, source, guards, limits, timing)


def _guards(flat: Flat) -> tuple[Any, ...]:
    """Return the guards: routers', class keywords', class decorators', method's."""
    around, route = flat.around, flat.route
    of_class = guards_of(around.owner) if around.owner is not None else ()
    given = tuple(route.options.get("guards", ()))
    return in_order((*around.guards, *of_class, *given, *guards_of(route.handler)))


def _body_check(model: Any, content_type: str | None) -> tuple[Callable[..., None], ...]:
    if model is None:
        return ()
    kind = (content_type or "application/json").partition(";")[0].strip().lower()
    if kind not in FORM_TYPES and not is_json(kind.encode()):
        raise TypeError(
            f"request_model cannot be read from {content_type!r}"
            "\n  fix: application/json, application/x-www-form-urlencoded or multipart/form-data"
        )
    marker = Marker("form" if kind in FORM_TYPES else "body")

    def request_model(body: object) -> None:  # being read is being checked
        """Hold the body against the route's ``request_model``."""

    request_model.__annotations__["body"] = Annotated[model, marker]
    return (request_model,)


def _limits(told: Mapping[str, Any], options: Mapping[str, Any], limits: Limits) -> Limits | None:
    given = dict(told)
    if options.get("limit_body") is not None:
        given["body"] = options["limit_body"]
        given.setdefault("multipart", options["limit_body"])  # a body of whatever kind
    return limits.with_(given) if given else None


def _socket(route: SocketRoute, around: Surroundings) -> SocketRoute:
    options = dict(route.options)
    # Of a router's middleware only what knows handshakes concerns its sockets.
    handshakes = tuple(one for one in around.middleware if hasattr(one, "handshake"))
    joined = (
        ("guards", around.guards),
        ("dependencies", around.dependencies),
        ("middleware", handshakes),
        ("tags", around.tags),
    )
    for name, outer in joined:
        if outer:
            options[name] = (*outer, *options.get(name, ()))
    if around.exclude_from_schema:
        options.setdefault("exclude_from_schema", True)
    own = options.get("limits") or {}
    if around.limits and isinstance(own, Mapping):  # a whole set of limits stands for itself
        options["limits"] = {**around.limits, **own}
    return replace(route, options=options)


def _all_middleware(holders: Iterable[Surroundings], routes: Iterable[Flat]) -> tuple[Any, ...]:
    found = {id(one): one for holder in holders for one in holder.middleware}
    for flat in routes:
        found |= {id(one): one for one in (*flat.around.middleware, *flat.route.middleware)}
    return tuple(found.values())


def _refused(middleware: Iterable[Any]) -> list[Exception]:
    problems: list[Exception] = []
    for one in middleware:
        try:
            check_middleware(one)
        except TypeError as problem:
            problems.append(problem)
    return problems
