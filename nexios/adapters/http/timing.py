"""How long a request may take to the head of its answer, and what becomes of one that may not."""

from collections.abc import Awaitable, Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from nexios.adapters.asgi.inflight import InFlight
from nexios.adapters.http.exchange import Exchange
from nexios.adapters.http.pipeline import Answer, Serve

MARK: Final = "__nexios_deadline_s__"
SECONDS: Final = "request_s"

# RFC 9110, 9.2.1. What others do may be wanted though nobody waits for the answer.
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Timing:
    """What holds for a route, or for what stands around all of them.

    Attributes:
        seconds: None for all the time.
        told: Somebody said so for just this; otherwise it is the app's and may be 0.1 s late.
        watched: Its client is watched already.
    """

    seconds: float | None
    told: bool = False
    watched: bool = False


def told_of(
    handler: object, owner: object, middleware: Iterable[object], limits: Mapping[str, Any]
) -> Mapping[str, float | None]:
    """Return ``{"request_s": ...}`` where somebody said it for a route, else nothing.

    Args:
        handler: May have a `deadline`, and so may its class; either counts before anything else.
        owner: The controller class, or None.
        middleware: Around the route, outermost first; a time limit may be among it.
        limits: What routers and the route say; counts more than the middleware.
    """
    found: dict[str, float | None] = {}
    for one in middleware:
        if hasattr(one, SECONDS):
            found[SECONDS] = getattr(one, SECONDS)
    if SECONDS in limits:
        found[SECONDS] = limits[SECONDS]
    for marked in (owner, handler):
        if hasattr(marked, MARK):
            found[SECONDS] = getattr(marked, MARK)
    return found


def without_limits(middleware: Iterable[Any]) -> tuple[Any, ...]:
    """Return the middleware that has something to do itself."""
    return tuple(one for one in middleware if not hasattr(one, SECONDS))


Rescue = Callable[[Exchange, Exception], Awaitable[Answer]]
Around = Callable[[Serve, Rescue | None], Serve]


class Clocking:
    """Knows which endpoints of one app can wait, and bounds their time."""

    __slots__ = ("_flights", "_rest", "_waiting")

    def __init__(self, flights: InFlight, waiting: Container[object], rest: Timing) -> None:
        """Take what holds for all.

        Args:
            flights: Where they are.
            waiting: The entry points that can wait.
            rest: For routes that say nothing of it.
        """
        self._flights = flights
        self._waiting = waiting
        self._rest = rest

    def around(self, point: object, timing: Timing | None) -> Around | None:
        """Return what stands around an endpoint; None where it cannot wait."""
        return self.always(timing) if point in self._waiting else None

    def always(self, timing: Timing | None = None) -> Around:
        """Return what bounds the time of whatever it is put around."""

        def around(inner: Serve, rescue: Rescue | None) -> Serve:
            return Timed(inner, self._flights, timing or self._rest, rescue).serve

        return around


class Timed:
    """Stands around what can wait: its scope ends late requests and those of clients who left."""

    __slots__ = ("_flights", "_inner", "_rescue", "_timing")

    def __init__(
        self,
        inner: Serve,
        flights: InFlight,
        timing: Timing,
        rescue: Rescue | None = None,
    ) -> None:
        """Stand around ``inner``.

        Args:
            rescue: Answers what became of it; it is raised where there is none.
        """
        self._inner = inner
        self._flights = flights
        self._timing = timing
        self._rescue = rescue

    async def serve(self, exchange: Exchange) -> Answer:
        """Let ``inner`` answer, in time.

        Raises:
            TimedOut: It did not.
            ClientDisconnect: Nobody waits for the answer.
            Unavailable: The application stops.
        """
        timing, flight = self._timing, exchange.flight
        if flight is not None:  # it has begun further out
            if timing.told:
                flight.limit(timing.seconds)
            if timing.watched:
                flight.departed = None
            return await self._inner(exchange)
        watch = exchange.scope["method"] in _SAFE and not timing.watched
        flights = self._flights
        flight = exchange.flight = flights.begin(
            timing.seconds, exact=timing.told, departed=exchange.departure if watch else None
        )
        try:
            answer = await self._inner(exchange)
        except BaseException as error:
            exchange.flight = None
            ended = flights.failed(flight, error)
            if ended is None:
                raise
        else:
            flights.settle(flight)
            if exchange.held is None:
                exchange.flight = None
                flight.land()
            # Else a stream still needs what was opened within this scope.
            return answer
        if self._rescue is None:
            raise ended
        return await self._rescue(exchange, ended)
