"""Keeps results of use cases in memory, and makes a second call of a key wait for the first."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import anyio

from nexios.adapters.persistence.errors import TransactionUndone
from nexios.adapters.persistence.once import check_fingerprint
from nexios.application.idempotency import LIFETIME_S

WAIT_S: Final = 2.0
"""As long as a database waits for a lock, unless told otherwise."""


@dataclass(frozen=True, slots=True)
class _Kept:
    fingerprint: bytes
    result: str
    at: float


class MemoryKeys:
    """The results of one MemoryStore, and the keys that are being worked on."""

    def __init__(self, now: Callable[[], float], *, lifetime_s: float = LIFETIME_S) -> None:
        """Start empty.

        Args:
            now: Seconds.
            lifetime_s: After it a key counts as never seen.
        """
        self._now = now
        self._lifetime_s = lifetime_s
        # In order of keeping, so the oldest stand first.
        self._kept: dict[bytes, _Kept] = {}
        self._held: dict[bytes, anyio.Event] = {}

    def __len__(self) -> int:
        return len(self._kept)

    async def claim(self, key: bytes) -> _Kept | None:
        """Return what is kept; without, the key is the caller's until ``release``.

        Raises:
            Unavailable: Somebody has held it for too long.
        """
        with anyio.move_on_after(WAIT_S):
            while (held := self._held.get(key)) is not None:
                await held.wait()
        if key in self._held:
            raise TransactionUndone("an idempotency key is in use for too long", "")
        self._forget()
        kept = self._kept.get(key)
        if kept is None:
            self._held[key] = anyio.Event()
        return kept

    def keep(self, key: bytes, fingerprint: bytes, result: str) -> None:
        """Keep what a committed use case returned."""
        self._kept[key] = _Kept(fingerprint, result, self._now())

    def release(self, key: bytes) -> None:
        """Let those that wait for the key look again."""
        self._held.pop(key).set()

    def _forget(self) -> None:
        oldest = self._now() - self._lifetime_s
        while self._kept:
            key, kept = next(iter(self._kept.items()))
            if kept.at >= oldest:
                return
            del self._kept[key]


class MemoryIdempotency:
    """The keys of one transaction: kept with its commit, given up with its rollback."""

    def __init__(self, keys: MemoryKeys) -> None:
        """Take the store's keys."""
        self._keys = keys
        self._key: bytes | None = None
        self._answer: tuple[bytes, str] | None = None

    async def once(
        self,
        key: bytes,
        fingerprint: bytes,
        work: Callable[[], Awaitable[object]],
        *,
        use_case: str = "",  # noqa: ARG002  # there is no table to look at
    ) -> object:
        """Do ``work``, or return what it returned when ``key`` was first seen."""
        kept = await self._keys.claim(key)
        if kept is not None:
            check_fingerprint(kept.fingerprint, fingerprint)
            return json.loads(kept.result)
        self._key = key
        result = await work()
        self._answer = fingerprint, json.dumps(result, allow_nan=False)
        return result

    def committed(self) -> None:
        """Keep the answer: its effect is there."""
        if self._key is not None and self._answer is not None:
            self._keys.keep(self._key, *self._answer)
        self.rolled_back()

    def rolled_back(self) -> None:
        """Give the key up."""
        if self._key is not None:
            self._keys.release(self._key)
        self._key = self._answer = None
