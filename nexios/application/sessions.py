"""The port that keeps sessions on the server, and what a session is at rest."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from nexios.records import dataclass


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
        """Replace as `save` does, under another digest: the old one is dead at once."""
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


@dataclass(frozen=True, slots=True)
class ActiveSession:
    """A session of somebody, to be shown to them.

    Attributes:
        id: Names it for `Sessions`; proves nothing, and nobody can guess it.
        data: What the application put into it.
        created_at: When it began, in UTC.
        seen_at: When it was last used, about to the minute.
        ends_at: When it ends if nobody uses it.
    """

    id: str
    data: Mapping[str, Any]
    created_at: datetime
    seen_at: datetime
    ends_at: datetime


class Sessions:
    """Where somebody is logged in, and how they are logged out there.

    ``request.session.id`` names the session of a request. What is ended here is ended for all
    processes, also for requests that are under way. Sessions in signed cookies are not known.

    Args:
        store: The one that `SessionMiddleware` uses.
    """

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    async def of(self, actor: str) -> Sequence[ActiveSession]:
        """Return the sessions of an actor, the last used first.

        Raises:
            Unavailable: The store does not answer.
        """
        found = await self._store.of(actor)
        told = [
            ActiveSession(digest.hex(), one.data, one.created_at, one.seen_at, one.ends_at)
            for digest, one in found.items()
        ]
        return sorted(told, key=lambda one: one.seen_at, reverse=True)

    async def end(self, id: str) -> None:
        """End a session; one that is not there is no error.

        Raises:
            Unavailable: The store does not answer.
        """
        digest = _digest(id)
        if digest is not None:
            await self._store.end(digest)

    async def end_all(self, actor: str, *, keep: str | None = None) -> int:
        """End every session of an actor; return how many.

        Args:
            actor: Whose.
            keep: The id of one that goes on, such as the one that asks.

        Raises:
            Unavailable: The store does not answer.
        """
        return await self._store.end_all(actor, keep=None if keep is None else _digest(keep))


def _digest(id: str) -> bytes | None:
    try:
        return bytes.fromhex(id)
    except ValueError:
        return None
