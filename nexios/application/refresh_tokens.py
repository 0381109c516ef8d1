"""The port that keeps refresh tokens, and what a family of them is at rest."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Protocol

from nexios.records import dataclass


@dataclass(frozen=True, slots=True)
class RefreshFamily:
    """What one login led to: a line of refresh tokens of which the last one is good.

    Attributes:
        id: SHA-256 of what its tokens have in common.
        digest: SHA-256 of the token that is good.
        actor: Whom its access tokens are about.
        client: Who may use it, where that was said.
        scopes: Of its access tokens.
        claims: Further ones of its access tokens; JSON values.
        opened_at: When it began, in UTC.
        idle_ends_at: Unless it is used before, it ends then; never after ``ends_at``.
        ends_at: It ends then, used or not.
    """

    id: bytes
    digest: bytes
    actor: str
    client: str | None
    opened_at: datetime
    idle_ends_at: datetime
    ends_at: datetime
    scopes: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Turn:
    """A refresh token came, and is to be replaced by the next one.

    Attributes:
        family: Its id.
        spent: Digest of the token that came.
        fresh: Digest of the one that is good from now on.
        now: The moment.
        idle_ends_at: The family's, from now on; its absolute end does not move.
        grace: The token before the good one may come once more, so long after it was replaced.
        client: Who sent it; None where that is not asked.
    """

    family: bytes
    spent: bytes
    fresh: bytes
    now: datetime
    idle_ends_at: datetime
    grace: timedelta = timedelta(0)
    client: str | None = None


class Outcome(Enum):
    """What a turn led to."""

    ROTATED = "rotated"
    REUSED = "reused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Turned:
    """The outcome of a turn.

    Attributes:
        family: As it is from now on; for a reused token as it was when it was closed; None
            for an unknown one.
    """

    outcome: Outcome
    family: RefreshFamily | None = None


class RefreshTokens(Protocol):
    """Keeps families of refresh tokens by digests, so that a copy of the store holds no token.

    Each adapter owes: a write is seen by all processes at once; of two turns with one token
    exactly one is ROTATED; a turn that is cancelled happened as a whole or not at all; what has
    ended or was closed never comes back, and is forgotten some time later.
    """

    async def open(self, family: RefreshFamily) -> None:
        """Keep a new family.

        Raises:
            Unavailable: The store does not answer.
        """
        ...

    async def rotate(self, turn: Turn) -> Turned:
        """Replace the good token by the next one, in one conditional update.

        A token of a living family that is not its good one was used before: the family is
        closed, and that is REUSED. A family that is not there, has ended, or belongs to another
        client is UNKNOWN and stays as it is.

        Raises:
            Unavailable: The store does not answer.
        """
        ...

    async def close_family(self, family: bytes) -> RefreshFamily | None:
        """Forget a family; return what it was, None when it is not there."""
        ...

    async def close_all(self, actor: str) -> int:
        """Forget every family of an actor; return how many."""
        ...
