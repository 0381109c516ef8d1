"""How long a request may take to the head of its answer, and what becomes of one that may not."""

from collections.abc import Awaitable, Callable, Container, Iterable, Mapping
from typing import Any, Final

from nexios.adapters.asgi.inflight import Flight, InFlight
from nexios.adapters.http.exchange import Exchange
from nexios.adapters.http.idle import Begun, into
from nexios.adapters.http.pipeline import Answer, Serve
from nexios.container.entry import Held
from nexios.records import dataclass

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

    @property
    def silent(self) -> bool:
        """Whether what stands further out need not hear of it."""
        return not (self.told or self.watched)


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


class Clocking:
    """Knows which endpoints of one app can wait, and bounds their time."""

    __slots__ = ("_enclosed", "_flights", "_rest", "_waiting")

    def __init__(
        self, flights: InFlight, waiting: Container[object], rest: Timing, *, enclosed: bool
    ) -> None:
        """Take what holds for all.

        Args:
            flights: Where they are.
            waiting: The entry points that can wait.
            rest: For routes that say nothing of it.
            enclosed: A clock of `rest` stands around all of them.
        """
        self._flights = flights
        self._waiting = waiting
        self._rest = rest
        self._enclosed = enclosed

    def of(self, point: object, timing: Timing | None) -> "Clock | None":
        """Return what bounds the time of an endpoint; None where nothing is left to bound."""
        nothing_own = timing is None or timing.silent
        if point not in self._waiting or (self._enclosed and nothing_own):
            return None
        return Clock(self._flights, timing or self._rest)

    def around_all(self, timings: Iterable[Timing | None]) -> "Clock":
        """Return what bounds the time of whatever it is put around.

        Args:
            timings: Of the routes within: they may have something to say to it.
        """
        spoken = any(one is not None and not one.silent for one in timings)
        return Clock(self._flights, self._rest, ahead=spoken)


class Clock:
    """Opens a scope that ends late requests and those of clients who have left.

    What needs no scope gets none: most handlers that could wait do not, or not yet, and the
    scope opens with the first wait. 5 us of 9 (a session opened and closed, CPython 3.11).

    Attributes:
        ahead: It opens before the first step all the same, for those who ask for their deadline.
    """

    __slots__ = ("_flights", "_timing", "ahead")

    def __init__(self, flights: InFlight, timing: Timing, *, ahead: bool = False) -> None:
        self._flights = flights
        self._timing = timing
        self.ahead = ahead or timing.told

    async def bounded(
        self,
        exchange: Exchange,
        going: Awaitable[Any],
        begun: Begun | None = None,
        rescue: Rescue | None = None,
    ) -> Any:
        """Await what a plan or a chain is doing, in time.

        Args:
            exchange: Of the request.
            going: What it does; not begun, or the same as `begun`.
            begun: What has begun already.
            rescue: Answers what became of it; it is raised where there is none.

        Raises:
            TimedOut: It took too long.
            ClientDisconnect: Nobody waits for the answer.
            Unavailable: The application stops.
        """
        flight = self._begin(exchange, begun)
        if flight is None:
            return await going
        try:
            answer = await going
        except BaseException as error:
            exchange.flight = None
            ended = self._flights.failed(flight, error)
            if ended is None:
                raise
        else:
            self._flights.settle(flight)
            # A stream still needs what was opened within: the scope ends with the request.
            if type(answer) is not Held and exchange.held is None:
                exchange.flight = None
                flight.land()
            return answer
        if rescue is None:
            raise ended
        return await rescue(exchange, ended)

    def _begin(self, exchange: Exchange, step: Begun | None) -> Flight | None:
        """Begin a flight; None where it has begun further out, which is told of this timing."""
        timing, flight = self._timing, exchange.flight
        if flight is None:
            watch = exchange.scope["method"] in _SAFE and not timing.watched
            departed = exchange.departure if watch else None
            flight = self._flights.begin(timing.seconds, timing.told, departed, step)
            exchange.flight = flight
            return flight
        if timing.told:
            flight.limit(timing.seconds)
        if timing.watched:
            flight.departed = None
        return None

    def around(self, inner: Serve, rescue: Rescue | None = None) -> Serve:
        """Return ``inner`` with the scope around it.

        Args:
            rescue: Answers what became of it; it is raised where there is none.
        """

        async def serve(exchange: Exchange) -> Answer:
            going: Awaitable[Answer] = inner(exchange)
            begun: Begun | None = None
            if not self.ahead and exchange.waits.late:
                taken: list[Answer] = []
                step = into(taken, going)
                for waited in step:
                    going = begun = Begun(step, waited, taken)
                    break
                else:
                    return taken[0]
            return await self.bounded(exchange, going, begun, rescue)  # type: ignore[no-any-return]

        return serve
