"""How many requests may run at once while the event loop lags: the law, without clock or I/O."""

from enum import Enum
from typing import Final

_FLOOR: Final = 2
_WORSE: Final = 0.7
_BETTER: Final = 0.02
_BAD_IN_A_ROW: Final = 2
_QUIET_WINDOWS: Final = 30
_SHEDDABLE_SHARE: Final = 0.8


class Priority(Enum):
    """What is refused first when there is too much."""

    CRITICAL = "critical"
    NORMAL = "normal"
    SHEDDABLE = "sheddable"


class AdaptiveLimit:
    """A limit that exists only while the loop lags.

    One that exists from the start refuses work that merely waits. Two bad windows in a row put
    it at half of what runs; each further one takes 30 %, each good one in which it was reached
    gives 2 % and at least 1; after 30 good ones in a row in which it was not, it is gone.

    Attributes:
        target_lag_s: A window whose smallest lag is above this is bad.
    """

    __slots__ = ("_bad", "_limit", "_quiet", "_reached", "target_lag_s")

    def __init__(self, target_lag_s: float) -> None:
        """Begin without a limit.

        Raises:
            ValueError: The target is not above zero.
        """
        if not 0 < target_lag_s < float("inf"):
            raise ValueError(f"target_lag_s is above zero seconds, not {target_lag_s}")
        self.target_lag_s = target_lag_s
        self._limit: float | None = None
        self._bad = 0
        self._quiet = 0
        self._reached = False

    @property
    def limit(self) -> int | None:
        """How many may run at once; None while nothing is limited."""
        return None if self._limit is None else int(self._limit)

    def window(self, lag_s: float, running: int) -> None:
        """Take note of one window.

        Args:
            lag_s: The smallest lag in it: a burst has a prompt moment in it, a queue that
                stands has none.
            running: How many run at its end.
        """
        reached, self._reached = self._reached, False
        if lag_s > self.target_lag_s:
            self._bad += 1
            self._quiet = 0
            if self._limit is not None:
                self._limit = max(_FLOOR, self._limit * _WORSE)
            elif self._bad >= _BAD_IN_A_ROW:
                self._limit = max(_FLOOR, running / 2)
            return
        self._bad = 0
        if self._limit is None:
            return
        if reached:
            self._quiet = 0
            self._limit += max(1, self._limit * _BETTER)
            return
        self._quiet += 1
        if self._quiet >= _QUIET_WINDOWS:
            self.lift()

    def lift(self) -> None:
        """Drop the limit: nobody looks at the loop any more."""
        self._limit = None
        self._bad = self._quiet = 0
        self._reached = False

    def admits(self, running: int, priority: Priority = Priority.NORMAL) -> bool:
        """Return whether one more may run beside these."""
        if self._limit is None:
            return True
        limit = int(self._limit)
        fits = running + 1 <= limit
        if priority is Priority.SHEDDABLE:
            fits = running + 1 <= self._limit * _SHEDDABLE_SHARE
        self._reached = self._reached or not fits or running + 1 == limit
        return fits or priority is Priority.CRITICAL
