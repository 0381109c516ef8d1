"""What serves the requests of one app: compiled of routes, middleware and container, then kept."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from nexios.adapters.asgi.inflight import InFlight
from nexios.adapters.http.compile import CompiledRoutes
from nexios.adapters.http.dispatch import Dispatcher
from nexios.adapters.http.ordering import Added, ordered
from nexios.adapters.http.pipeline import APP_DEPTH, Serve, chain
from nexios.adapters.http.settings import HttpSettings
from nexios.adapters.http.timing import SECONDS, Clock, Clocking, Timing, told_of, without_limits
from nexios.container.entry import Entry, EntryPoint
from nexios.records import dataclass


class Planner(Protocol):
    """The container, as far as HTTP needs it."""

    def entry(self, point: EntryPoint) -> Entry:
        """Return the plan of an entry point; wiring errors are raised here."""

    def waits(self, point: EntryPoint) -> bool:
        """Return whether a call of it may let others run."""


@dataclass(frozen=True, slots=True, eq=False)
class Arrangement:
    """Immutable: a change of routes or middleware makes a new one.

    Attributes:
        routes: What it was compiled of.
        middleware: What stands around them, in the order of adding.
        handlers: Error class or status to ``(request, response, error)``.
        dispatcher: The routes.
        serve: What answers where middleware stands around them.
        line: The same as middleware and the clock around it; None where no middleware is, or
            where the clock starts ahead.
        bare: No middleware stands around the routes.
        entries: By the points of the routes.
        waiting: Those of them that can wait.
        marks: What middleware puts on errors.
        fixed: The paths without parameters.
    """

    routes: CompiledRoutes
    middleware: tuple[Added, ...]
    handlers: Mapping[Any, Callable[..., Any]]
    dispatcher: Dispatcher
    serve: Serve
    line: tuple[Serve, Clock] | None
    bare: bool
    entries: Mapping[EntryPoint, Entry]
    waiting: frozenset[EntryPoint]
    marks: tuple[Any, ...]
    fixed: tuple[str, ...]


def arrange(
    routes: CompiledRoutes,
    middleware: Sequence[Added],
    handlers: Mapping[Any, Callable[..., Any]],
    *,
    container: Planner,
    settings: HttpSettings,
    flights: InFlight,
    earlier: Arrangement | None = None,
) -> Arrangement:
    """Plan every route that was not planned ``earlier``, and put all of it together.

    Raises:
        MiddlewareOrderError: Middleware cannot be put in order, or one it needs is absent.
        NotMiddleware: One cannot be called as such.
        ContainerError: Something a handler asks for cannot be given.
    """
    around = ordered(middleware)
    line = without_limits(around)
    known = {} if earlier is None else earlier.entries
    entries: dict[EntryPoint, Entry] = {}
    for unit in routes.units:
        if unit.point in entries:
            continue
        entry = known.get(unit.point)
        if entry is None:
            entry = container.entry(unit.point)
            unit.source.seal(unit.limits or settings.limits)
        entries[unit.point] = entry
    waiting = frozenset(
        point
        for point in entries
        if (earlier is not None and point in earlier.waiting)
        or (point not in known and container.waits(point))
    )
    told = told_of(None, None, around, {})
    timing = Timing(told.get(SECONDS, settings.limits.request_s), bool(told))
    clocks = Clocking(flights, waiting, timing, enclosed=bool(line))
    dispatcher = Dispatcher(routes, entries, handlers, settings, clocks)
    serve: Serve = dispatcher.look
    apart: tuple[Serve, Clock] | None = None
    if line:
        clock = clocks.around_all(unit.timing for unit in routes.units)
        inner = chain(line, dispatcher.dispatch, depth=APP_DEPTH)
        serve = clock.around(inner)
        apart = None if clock.ahead else (inner, clock)
    templates = (template for unit in routes.units for template in unit.templates)
    return Arrangement(
        routes=routes,
        middleware=tuple(middleware),
        handlers=handlers,
        dispatcher=dispatcher,
        serve=serve,
        line=apart,
        bare=not line,
        entries=entries,
        waiting=waiting,
        marks=tuple(one.mark for one in line if hasattr(one, "mark")),
        fixed=tuple(template.raw for template in templates if template.static),
    )
