"""The half of an audit trail that no store knows of: making seals and looking at them."""

import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import Final

from nexios.application.audit import Change, Seal, Verdict, flaw, make_seal
from nexios.application.clock import SystemClock
from nexios.application.keyring import Keyring
from nexios.application.listening import Signals
from nexios.application.signals import AuditSealed
from nexios.domain.clock import Clock

SEAL_AT_ONCE: Final = 1000
_PURPOSE: Final = "audit"

_log: Final = logging.getLogger("nexios.audit")


class SealedTrail(ABC):
    """Seals over changes; subclasses read and write them.

    Args:
        keyring: Its first secret signs seals and each of them verifies; without, seals show a
            change by somebody who cannot write seals only.
        clock: Stamps seals.
    """

    def __init__(self, keyring: Keyring | None = None, clock: Clock | None = None) -> None:
        self._keys = () if keyring is None else keyring.derive_all(_PURPOSE)
        self._clock: Clock = clock or SystemClock()
        self._signals = Signals()

    def tell_to(self, signals: Signals) -> None:
        """Tell these of each seal; the application calls it at start."""
        self._signals = signals

    async def seal(self) -> Seal | None:
        """Seal what was committed since the last seal, about a thousand changes at a time."""
        made = await self._seal()
        if made is not None:
            # So that it stands in a second place, where who rewrites the store does not reach.
            _log.info("audit seal %d: %s", made.number, made.digest.hex())
            self._signals.tell(AuditSealed(made.number, made.rows))
        return made

    async def verify(self, *, known: bytes | None = None) -> Verdict:
        """Compare every seal with the changes it covers."""
        good = rows = 0
        previous: Seal | None = None
        met = known is None
        async for seal in self._seals():
            changes = await self._between(seal.first, seal.last)
            reason = flaw(seal, previous, changes, self._keys)
            if reason:
                return Verdict(good, rows, seal, reason)
            met = met or seal.digest == known
            good, rows, previous = good + 1, rows + seal.rows, seal
        reason = "" if met else "no seal has the known digest: the last ones were taken away"
        return Verdict(good, rows, None, reason)

    def _next(self, previous: Seal | None, changes: Sequence[Change], last: int) -> Seal:
        key = self._keys[0] if self._keys else None
        return make_seal(previous, changes, last, key, self._clock.now())

    @abstractmethod
    async def _seal(self) -> Seal | None: ...

    @abstractmethod
    def _seals(self) -> AsyncIterator[Seal]:
        """Give all seals in order."""

    @abstractmethod
    async def _between(self, first: int, last: int) -> Sequence[Change]:
        """Return the changes of these marks, both included, in the order of mark and id."""
