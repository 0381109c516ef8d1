"""The port that keeps sessions on the server, and what a session is at rest."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session as a store has it.

    Attributes:
        data: What the application put into it; JSON values.
        actor: Who proved to be in it; None for nobody.
        created_at: When it began, in UTC; a new id does not change that.
        seen_at: When it was last used, about to the minute.
        ends_at: After it the session counts as never there.
        version: Counts its writes, from 1.
    """

    data: Mapping[str, Any]
    actor: str | None
    created_at: datetime
    seen_at: datetime
    ends_at: datetime
    version: int = 1


class SessionStore(Protocol):
    """Keeps sessions by the digest of their id, so that a copy of the store opens none.

    Each adapter owes: a write is seen by all processes at once; ``save`` and ``renew`` never
    bring back what was ended; what has ended is never loaded.
    """

    async def load(self, digest: bytes) -> StoredSession | None:
        """Return a session that has not ended.

        Raises:
            Unavailable: The store does not answer.
        """
        ...

    async def create(self, digest: bytes, session: StoredSession) -> None:
        """Keep a new session."""
        ...

    async def save(self, digest: bytes, session: StoredSession) -> bool:
        """Replace a session whose version is one less; False when it is another, or has ended."""
        ...

    async def renew(self, digest: bytes, new: bytes, session: StoredSession) -> bool:
        """End a session and keep another in its place, in one step; False when it has ended."""
        ...

    async def end(self, digest: bytes) -> None:
        """Forget a session; one that is not there is no error."""
        ...

    async def end_all(self, actor: str, *, keep: bytes | None = None) -> int:
        """Forget every session of an actor, but for one; return how many."""
        ...

    async def of(self, actor: str) -> Mapping[bytes, StoredSession]:
        """Return the sessions of an actor that have not ended, by their digests."""
        ...
