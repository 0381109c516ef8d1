"""Does once what several ask for at the same moment."""

import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

import anyio

T = TypeVar("T")

_KEPT: Final = 10_000


class Abandoned(RuntimeError):
    """Whoever did the work for the others was stopped in the middle of it."""


class _Flight(Generic[T]):
    __slots__ = ("error", "landed", "over_at", "result")

    def __init__(self) -> None:
        self.landed = anyio.Event()
        self.over_at = float("inf")
        self.result: T | None = None
        self.error: Exception | None = Abandoned()


class SingleFlight(Generic[T]):
    """Of all who ask for one key, the first does the work and the others get its result.

    The work is finished also when whoever began it is cancelled: others wait for it. A failure
    reaches all who waited, and is forgotten.

    Args:
        keep_s: Seconds for which a result is given to those who come later.
        clock: Seconds that only grow.
    """

    __slots__ = ("_clock", "_flights", "_keep_s")

    def __init__(self, keep_s: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._keep_s = keep_s
        self._clock = clock
        self._flights: dict[Hashable, _Flight[T]] = {}

    async def do(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """Return what ``work`` returns; raises what it raises."""
        self._forget()
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight()
            with anyio.CancelScope(shield=True):
                await self._fly(key, flight, work)
        await flight.landed.wait()
        if flight.error is not None:
            raise flight.error
        return flight.result  # type: ignore[return-value]  # landed without an error

    async def _fly(
        self, key: Hashable, flight: _Flight[T], work: Callable[[], Awaitable[T]]
    ) -> None:
        try:
            flight.result = await work()
            flight.error = None
            flight.over_at = self._clock() + self._keep_s
        except Exception as error:
            flight.error = error
        finally:
            if flight.error is not None or self._keep_s <= 0:
                self._flights.pop(key, None)
            flight.landed.set()

    def _forget(self) -> None:
        now = self._clock()
        while self._flights:
            oldest = next(iter(self._flights))
            if self._flights[oldest].over_at > now and len(self._flights) < _KEPT:
                return
            del self._flights[oldest]
