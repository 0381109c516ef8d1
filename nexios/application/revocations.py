"""The port through which tokens and sessions end before their time, and what is compared."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, Protocol

from nexios.records import dataclass

SUBJECT_KEPT: Final = timedelta(days=35)
"""How long it is remembered that a subject was revoked: no credential should live longer."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What can be revoked of a proof. Moments are seconds since 1970.

    Attributes:
        subject: Whom it proves.
        token: The ``jti`` of a token.
        session: Id of the session, or of the login its token comes from (``sid``).
        issued_at: When it was made.
        expires_at: When it ends by itself.
    """

    subject: str | None = None
    token: str | None = None
    session: str | None = None
    issued_at: float | None = None
    expires_at: float | None = None


class Kind(Enum):
    """What is revoked."""

    TOKEN = "token"  # noqa: S105  # no password
    SUBJECT = "subject"
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class Revoked:
    """One revocation.

    Attributes:
        key: ``jti``, actor or id of a session.
        until: Nobody needs to know of it after that.
        before: Of a subject: what was issued before is refused.
    """

    kind: Kind
    key: str
    until: datetime
    before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Deltas:
    """What is new since a sequence, and the sequence to ask with next time."""

    entries: Sequence[Revoked]
    sequence: int


class Revocations(Protocol):
    """Notes what is revoked, for every process of an application.

    Each adapter owes: what was noted before a call of ``since`` is among what that, or one
    before it with a sequence handed out here, returns; none is left out because another writer
    was slower. An entry may be returned twice. A sequence smaller than the one that was given
    says that the store began anew: ask with 0. Entries are forgotten some time after ``until``.
    """

    async def token(self, jti: str, until: datetime) -> None:
        """Refuse one token.

        Args:
            jti: Its id.
            until: Its end; it is refused after that anyway.

        Raises:
            Unavailable: The store does not answer; nothing was revoked.
        """
        ...

    async def subject(
        self, actor: str, before: datetime, *, until: datetime | None = None
    ) -> None:
        """Refuse every token and session of an actor that was issued before a moment.

        A token whose ``iat`` has whole seconds counts as issued at their beginning.

        Args:
            until: The end of the last of them; `SUBJECT_KEPT` after ``before`` when absent.
        """
        ...

    async def session(self, id: str, until: datetime) -> None:
        """Refuse one session in a signed cookie, or the access tokens of one login (``sid``)."""
        ...

    async def since(self, sequence: int) -> Deltas:
        """Return what was noted since, without what has ended; everything for 0."""
        ...
