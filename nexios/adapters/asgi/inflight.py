"""Requests on their way: each has a cancel scope, and one sweeper that looks at all of them.

A scope, since a cancelled task would break the shields of commits. No timer and no task for a
request that ends in time.
"""

import logging
import math
import time
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, Final, Protocol

import anyio
from anyio.abc import TaskGroup

from nexios.adapters.asgi.errors import ClientDisconnect
from nexios.adapters.asgi.loose import Step
from nexios.application.errors import TimedOut, Unavailable

_log: Final = logging.getLogger("nexios.http")

_now: Final = time.monotonic

SWEEP_S: Final = 0.1
WATCH_AFTER_S: Final = 1.0
"""A client that leaves earlier is noticed when its answer is sent."""


class Ends(Protocol):
    """A cancel scope, or what stands for one."""

    deadline: float

    def cancel(self) -> None:
        """End what is within."""

    def __enter__(self) -> object: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: Any, /
    ) -> object: ...


class Waits(Protocol):
    """What makes scopes; the maker changes when the application starts on an event loop."""

    open: Callable[[], anyio.CancelScope]

    def open_late(self, step: Step) -> Ends:
        """Return what ends something whose first step was taken outside."""


class End(Enum):
    """Why a request is cancelled."""

    TIME = "time"
    PEER = "peer"
    DRAIN = "drain"


_ERRORS: Final[dict[End, Callable[[], Exception]]] = {
    End.TIME: lambda: TimedOut("the request took too long"),
    End.PEER: ClientDisconnect,
    End.DRAIN: lambda: Unavailable("the service is stopping", retry_after_s=1.0),
}


class Flight:
    """One request that can wait.

    Attributes:
        began: By the clock of all flights.
        ends_at: When its time is over; None where it has all the time.
        departed: Waits until the peer has left; None where that is nobody's concern.
    """

    __slots__ = ("_scope", "_watch", "began", "departed", "ends_at", "why")

    def __init__(
        self,
        scope: Ends,
        began: float,
        seconds: float | None,
        departed: Callable[[], Awaitable[object]] | None,
    ) -> None:
        self._scope = scope
        self.began = began
        self.ends_at = None if seconds is None else began + seconds
        self.departed = departed
        self.why = End.TIME
        self._watch: anyio.CancelScope | None = None

    def limit(self, seconds: float | None) -> None:
        """Change what is given to the whole of it; what is over already ends at once.

        The scope itself knows the moment, so that what is asked within can find it out.
        """
        self.ends_at = None if seconds is None else self.began + seconds
        if seconds is None:
            self._scope.deadline = math.inf
            return
        spent = _now() - self.began
        self._scope.deadline = anyio.current_time() + seconds - spent

    def end(self, why: End) -> None:
        """Cancel it; what is shielded within comes to its end first."""
        self.why = why
        self._scope.cancel()

    async def watch(self) -> None:
        """End it when its peer leaves."""
        if self.departed is None or self._watch is not None:
            return
        with anyio.CancelScope() as self._watch:
            try:
                await self.departed()
            except Exception as error:
                # Whoever reads the body meets the same and says so.
                _log.debug("a client cannot be watched: %r", error)
                return
            self.end(End.PEER)

    def land(self, error: BaseException | None = None) -> bool:
        """Leave the scope; return whether ``error`` is its cancellation."""
        if self._watch is not None:
            self._watch.cancel()
        if error is None:
            self._scope.__exit__(None, None, None)
            return False
        return bool(self._scope.__exit__(type(error), error, error.__traceback__))


class InFlight:
    """All requests of one app that can wait."""

    __slots__ = ("_flights", "_waits")

    def __init__(self, waits: Waits) -> None:
        """Begin with none.

        Args:
            waits: Knows the scopes of the event loop.
        """
        self._flights: set[Flight] = set()
        self._waits = waits

    def __len__(self) -> int:
        return len(self._flights)

    def begin(
        self,
        seconds: float | None,
        exact: bool,
        departed: Callable[[], Awaitable[object]] | None,
        step: Step | None = None,
    ) -> Flight:
        """Open a scope in this task and return its flight, which has to land.

        Args:
            seconds: For all of it.
            exact: Let the scope keep the time; the sweeper is late by a tenth of a second.
            departed: See `Flight`.
            step: Of what has begun already and turns out to wait.
        """
        scope: Ends = self._waits.open() if step is None else self._waits.open_late(step)
        flight = Flight(scope, _now(), seconds, departed)
        if exact:
            flight.limit(seconds)
        # Left in `Flight.land`, by the task that enters it here.
        scope.__enter__()
        self._flights.add(flight)
        return flight

    def settle(self, flight: Flight) -> None:
        """Look at it no more: the head of its answer is known."""
        self._flights.discard(flight)
        flight.departed = None

    def failed(self, flight: Flight, error: BaseException) -> Exception | None:
        """Land a flight that raised; return what its cancellation means, None for others'."""
        self._flights.discard(flight)
        return _ERRORS[flight.why]() if flight.land(error) else None

    async def sweep(self) -> None:
        """Look at all of them ten times a second, until cancelled."""
        async with anyio.create_task_group() as watchers:
            while True:
                await anyio.sleep(SWEEP_S)
                self.look(_now(), watchers)

    def look(self, now: float, watchers: TaskGroup) -> None:
        """End what took too long by ``now``; have an eye on the peers of what takes long."""
        for flight in tuple(self._flights):
            if flight.ends_at is not None and now >= flight.ends_at:
                flight.end(End.TIME)
            elif flight.departed is not None and now - flight.began >= WATCH_AFTER_S:
                watchers.start_soon(flight.watch, name="nexios peer of a request")

    def end(self) -> None:
        """Cancel all of them: the application stops, and what they use will be closed."""
        for flight in tuple(self._flights):
            flight.end(End.DRAIN)
