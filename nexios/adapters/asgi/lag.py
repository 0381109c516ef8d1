"""Notices when the event loop stood still: one blocking call stops every request at once."""

import time
from collections.abc import Callable
from typing import Final

import anyio

_LOOK_S: Final = 0.5
_BLOCKED_S: Final = 5.0
_TOLD_S: Final = 0.2
_REMEMBERED_S: Final = 10.0
_TICK_S: Final = 0.01
_WINDOW_S: Final = 0.1


class LoopWatch:
    """Looks twice a second how late the event loop lets it look.

    While the loop stands nobody answers at all; what this adds is that a probe which comes
    right after is told so.

    Attributes:
        lag_s: How late the last look was.
    """

    __slots__ = ("_blocked", "_clock", "_ended_at", "lag_s")

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        blocked: Callable[[float], None] = lambda _: None,
    ) -> None:
        """Look at nothing yet.

        Args:
            clock: Seconds that only grow.
            blocked: Told how late a look was that was over 200 ms late.
        """
        self._blocked = blocked
        self._clock = clock
        self._ended_at: float | None = None
        self.lag_s = 0.0

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            before = self._clock()
            await anyio.sleep(_LOOK_S)
            self.note(self._clock() - before - _LOOK_S)

    def note(self, lag_s: float) -> None:
        """Take note of one look that was so many seconds late."""
        self.lag_s = max(lag_s, 0.0)
        if lag_s > _BLOCKED_S:
            self._ended_at = self._clock()
        if lag_s > _TOLD_S:
            self._blocked(lag_s)

    @property
    def blocked(self) -> bool:
        """Whether the loop stood still for more than 5 s, and that ended less than 10 s ago."""
        ended = self._ended_at
        return ended is not None and self._clock() - ended < _REMEMBERED_S


class LagTicker:
    """Takes the smallest lag of each tenth of a second, a look every 10 ms.

    Attributes:
        running: Whether somebody looks at the moment.
    """

    __slots__ = ("_clock", "_least", "_tell", "_until", "running")

    def __init__(
        self, tell: Callable[[float], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Look at nothing yet.

        Args:
            tell: Called with the smallest lag of each window, in seconds.
            clock: Seconds that only grow.
        """
        self._tell = tell
        self._clock = clock
        self._least: float | None = None
        self._until = 0.0
        self.running = False

    async def run(self) -> None:
        """Look until cancelled."""
        self.running = True
        try:
            while True:
                before = self._clock()
                await anyio.sleep(_TICK_S)
                self.note(before + _TICK_S, self._clock())
        finally:
            self.running = False

    def note(self, due: float, now: float) -> None:
        """Take note of one look that was due then and comes now."""
        lag = max(now - due, 0.0)
        if self._least is None:
            self._least, self._until = lag, due - _TICK_S + _WINDOW_S
        else:
            self._least = min(self._least, lag)
        if now >= self._until:
            self._tell(self._least)
            self._least = None
