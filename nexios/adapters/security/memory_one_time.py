"""What may be used once, within one process."""

import json
import time
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Final

_KEPT: Final = 100_000
_LOOKED_AT: Final = 2


class MemoryOneTime:
    """Keeps values in a dict: gone with the process, and seen by no other one.

    Args:
        kept: How many at most; then the oldest goes.
        clock: Seconds that only grow.
    """

    def __init__(self, *, kept: int = _KEPT, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept = kept
        self._clock = clock
        self._values: dict[tuple[str, bytes], tuple[float, str]] = {}

    async def put(
        self, purpose: str, key_digest: bytes, value: Mapping[str, Any], ttl_s: float
    ) -> None:
        """Keep a value."""
        key = (purpose, key_digest)
        self._values.pop(key, None)
        self._forget_oldest()
        self._values[key] = (self._clock() + ttl_s, json.dumps(value, allow_nan=False))

    async def take(self, purpose: str, key_digest: bytes) -> dict[str, Any] | None:
        """Return a value and forget it; nothing is awaited, so nobody comes between."""
        found = self._values.pop((purpose, key_digest), None)
        if found is None or found[0] <= self._clock():
            return None
        value: dict[str, Any] = json.loads(found[1])
        return value

    def _forget_oldest(self) -> None:
        # Two for each that comes: what has ended goes faster than it can pile up.
        now = self._clock()
        for key in list(islice(self._values, _LOOKED_AT)):
            if self._values[key][0] <= now:
                del self._values[key]
        while len(self._values) >= self._kept:
            del self._values[next(iter(self._values))]
