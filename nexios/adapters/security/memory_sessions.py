"""Sessions of one process."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from nexios.application.sessions import StoredSession

_KEPT: Final = 100_000


class MemorySessions:
    """Keeps sessions in a dict: gone with the process, and seen by no other one.

    Holds at most ``kept``; then the one that was not written for longest goes.
    """

    def __init__(
        self, *, kept: int = _KEPT, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Hold nothing yet."""
        self._kept = kept
        self._now = now
        self._sessions: dict[bytes, StoredSession] = {}

    async def load(self, digest: bytes) -> StoredSession | None:
        """Return a session that has not ended."""
        found = self._sessions.get(digest)
        if found is not None and found.ends_at <= self._now():
            del self._sessions[digest]
            return None
        return found

    async def create(self, digest: bytes, session: StoredSession) -> None:
        """Keep a new session."""
        while len(self._sessions) >= self._kept:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[digest] = session

    async def save(self, digest: bytes, session: StoredSession) -> bool:
        """Replace a session of the version before."""
        found = await self.load(digest)
        if found is None or found.version != session.version - 1:
            return False
        del self._sessions[digest]  # it goes to the end of the line
        self._sessions[digest] = session
        return True

    async def renew(self, digest: bytes, new: bytes, session: StoredSession) -> bool:
        """Replace as `save` does, under another digest; nothing is awaited in between."""
        if not await self.save(digest, session):
            return False
        self._sessions[new] = self._sessions.pop(digest)
        return True

    async def end(self, digest: bytes) -> None:
        """Forget a session."""
        self._sessions.pop(digest, None)

    async def end_all(self, actor: str, *, keep: bytes | None = None) -> int:
        """Forget every session of an actor, but for one."""
        gone = [
            digest
            for digest, session in self._sessions.items()
            if session.actor == actor and digest != keep
        ]
        for digest in gone:
            del self._sessions[digest]
        return len(gone)

    async def of(self, actor: str) -> Mapping[bytes, StoredSession]:
        """Return the sessions of an actor."""
        now = self._now()
        return {
            digest: session
            for digest, session in self._sessions.items()
            if session.actor == actor and session.ends_at > now
        }
