"""Rates of one process."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from nexios.application.rates import Decision, Hit, all_or_none

_KEPT: Final = 100_000


class MemoryCounters:
    """Remembers one moment for each key; the longest unused goes when there are too many.

    Args:
        kept: How many keys.
        clock: Seconds that only grow.
    """

    def __init__(self, *, kept: int = _KEPT, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept = kept
        self._clock = clock
        self._known: OrderedDict[str, float] = OrderedDict()

    async def hit(self, hits: Sequence[Hit]) -> Sequence[Decision]:
        """Count these; nothing is awaited, so nobody comes between."""
        return self.hit_now(hits)

    def hit_now(self, hits: Sequence[Hit]) -> Sequence[Decision]:
        """Count these."""
        now, known = self._clock(), self._known
        decided = all_or_none(hits, [known.get(one.key, now) for one in hits], now)
        if all(one.allowed for one in decided):
            for hit, one in zip(hits, decided, strict=True):
                known[hit.key] = one.known
                known.move_to_end(hit.key)
            while len(known) > self._kept:
                known.popitem(last=False)
        return decided
