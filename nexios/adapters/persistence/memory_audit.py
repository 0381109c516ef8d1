"""The audit trail of a MemoryStore."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from nexios.adapters.persistence.memory_store import MemoryStore
from nexios.adapters.persistence.sealing import SEAL_AT_ONCE, SealedTrail
from nexios.application.audit import Change, Seal
from nexios.application.keyring import Keyring
from nexios.domain.clock import Clock


class MemoryAuditTrail(SealedTrail):
    """The changes a MemoryStore has seen; a mark is a change's id."""

    def __init__(
        self, store: MemoryStore, keyring: Keyring | None = None, clock: Clock | None = None
    ) -> None:
        """Take the store that the units of work write to."""
        super().__init__(keyring, clock)
        self._store = store

    async def history(
        self, stream: str | None = None, *, after: int = 0, limit: int = 1000
    ) -> Sequence[Change]:
        """Return the changes of one stream, or of all, in order."""
        found = [
            one
            for one in self._store.audit
            if one.id > after and (stream is None or one.stream == stream)
        ]
        return [_copied(one) for one in found[:limit]]

    async def _seal(self) -> Seal | None:
        seals = self._store.seals
        previous = seals[-1] if seals else None
        first = 0 if previous is None else previous.last + 1
        changes = [one for one in self._store.audit if one.mark >= first][:SEAL_AT_ONCE]
        if not changes:
            return None
        made = self._next(previous, changes, changes[-1].mark)
        seals.append(made)
        return made

    async def _seals(self) -> AsyncIterator[Seal]:
        for seal in list(self._store.seals):
            yield seal

    async def _between(self, first: int, last: int) -> Sequence[Change]:
        return [one for one in self._store.audit if first <= one.mark <= last]


def _copied(change: Change) -> Change:
    return replace(change, diff=json.loads(json.dumps(change.diff)))
