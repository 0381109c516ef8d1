"""Access tokens that are short-lived, and refresh tokens that work once."""

import hashlib
import logging
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from typing import Final

import anyio

from nexios.application.errors import Unauthenticated
from nexios.application.refresh_tokens import (
    Outcome,
    RefreshFamily,
    RefreshTokens,
    Turn,
)
from nexios.application.revocations import Revocations
from nexios.application.sections.callers import AuthSettings
from nexios.application.security_events import LoggedSecurityEvents, SecurityEvent, SecurityEvents
from nexios.application.tokens import TokenCodec, TokenError
from nexios.application.tracking import tell
from nexios.domain.clock import Clock
from nexios.records import dataclass

_LOGGER: Final = logging.getLogger("nexios.auth")
_FAMILY_BYTES: Final = 16
_TOKEN_BYTES: Final = 32
_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]{64}")
# Clocks differ: an access token may be believed a little after its end.
_TOLERANCE: Final = timedelta(seconds=60)
_REVOKE_S: Final = 5.0
SESSION_CLAIM: Final = "sid"
"""The claim of an access token that names its login, the same for all tokens of a family."""


class RefreshRefused(Unauthenticated, TokenError):
    """A refresh token cannot be used (RFC 6749, 5.2: ``invalid_grant``). Why is not told."""

    def __init__(self) -> None:
        super().__init__("the refresh token cannot be used; log in again", code="invalid-grant")


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a client gets (RFC 6749, 5.1).

    Attributes:
        refresh_token: Good for one call of `TokenPairs.rotate`.
        expires_in: Seconds the access token lives.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105  # a word of RFC 6750


class TokenPairs:
    """Opens logins for programs, renews their access tokens, and closes them.

    A refresh token is random, known to the store by its digest only, and works once. When one
    comes again its whole login is closed, for whoever has the other copy as well.
    """

    def __init__(
        self,
        codec: TokenCodec,
        store: RefreshTokens,
        clock: Clock,
        settings: AuthSettings,
        revocations: Revocations | None = None,
        events: SecurityEvents | None = None,
    ) -> None:
        """Use these.

        Args:
            codec: Makes the access tokens.
            store: Keeps the refresh tokens.
            clock: Tells the time.
            settings: How long both last.
            revocations: Told of closed logins, so that their access tokens end too.
            events: Told of ``token.rotated`` and ``token.reused``; the log ``nexios.security``
                where nobody else is.
        """
        self._codec = codec
        self._store = store
        self._clock = clock
        self._settings = settings
        self._revocations = revocations
        self._events = events or LoggedSecurityEvents()

    async def open(
        self,
        subject: str,
        *,
        scopes: Sequence[str] = (),
        claims: Mapping[str, object] | None = None,
        client: str | None = None,
    ) -> TokenPair:
        """Begin a login, after somebody proved to be ``subject``.

        Args:
            scopes: Of its access tokens, also after a rotation.
            claims: Further claims of its access tokens; JSON values. ``auth_time`` is now, unless
                it is told.
            client: The program; `rotate` can insist on it.

        Raises:
            Unavailable: The store does not answer.
            ValueError: A claim cannot be written as JSON.
        """
        if not subject:
            raise ValueError("a login is opened for a subject with a name")
        now = self._clock.now()
        begin = secrets.token_bytes(_FAMILY_BYTES)
        token, digest = _fresh(begin)
        ends = now + timedelta(seconds=self._settings.refresh_absolute_s)
        family = RefreshFamily(
            id=_family_id(begin),
            digest=digest,
            actor=subject,
            client=client,
            opened_at=now,
            idle_ends_at=min(ends, self._idle_end(now)),
            ends_at=ends,
            scopes=tuple(scopes),
            claims={"auth_time": int(now.timestamp()), **(claims or {})},
        )
        pair = self._pair(family, token)
        await self._store.open(family)
        return pair

    async def rotate(self, token: str, *, client: str | None = None) -> TokenPair:
        """Return the next pair; ``token`` is of no use from then on.

        Args:
            client: Who sent it, where that is known: then it has to be who it was given to.

        Raises:
            RefreshRefused: It is unknown, has ended, or was used before.
            Unavailable: The store does not answer; the token may have been used up.
        """
        begin, spent = _read(token)
        fresh, digest = _fresh(begin)
        now = self._clock.now()
        turned = await self._store.rotate(
            Turn(
                family=_family_id(begin),
                spent=spent,
                fresh=digest,
                now=now,
                idle_ends_at=self._idle_end(now),
                grace=timedelta(seconds=self._settings.refresh_grace_s),
                client=client,
            )
        )
        if turned.family is None:
            raise RefreshRefused
        if turned.outcome is Outcome.REUSED:
            # Whoever sent it may have left, so that this task is being cancelled.
            with anyio.move_on_after(_REVOKE_S, shield=True):
                await self._reused(turned.family, now)
            raise RefreshRefused
        family = turned.family
        await self._tell(
            SecurityEvent(
                "token.rotated",
                "allowed",
                family.actor,
                details={"client": family.client, "session": _session_of(family), "at": now},
            ),
            "the rotation of a refresh token could not be recorded",
        )
        return self._pair(family, fresh)

    async def close(self, token: str) -> None:
        """End the login of a refresh token; one that is not known is no error (RFC 7009, 2.2).

        Raises:
            Unavailable: A store does not answer.
        """
        try:
            begin, _ = _read(token)
        except RefreshRefused:
            return
        family = await self._store.close_family(_family_id(begin))
        if family is not None:
            await self._revoke(family, self._clock.now())

    async def close_all(self, subject: str) -> int:
        """End every login of somebody, and their sessions; return how many had refresh tokens.

        Raises:
            Unavailable: A store does not answer.
        """
        now = self._clock.now()
        closed = await self._store.close_all(subject)
        if self._revocations is not None:
            await self._revocations.subject(subject, now)
        return closed

    def _idle_end(self, now: datetime) -> datetime:
        return now + timedelta(seconds=self._settings.refresh_idle_s)

    def _pair(self, family: RefreshFamily, token: str) -> TokenPair:
        access = self._codec.issue(
            family.actor,
            lifetime_s=self._settings.access_s,
            scopes=family.scopes,
            claims={**family.claims, SESSION_CLAIM: _session_of(family)},
        )
        return TokenPair(access, token, int(self._settings.access_s))

    async def _reused(self, family: RefreshFamily, now: datetime) -> None:
        try:
            await self._revoke(family, now)
        except Exception as error:
            text = "access tokens of %r could not be revoked"
            tell(_LOGGER, logging.ERROR, error, text, family.actor)
        event = SecurityEvent(
            "token.reused",
            "denied",
            family.actor,
            reason="a refresh token came a second time: the login is closed",
            details={"client": family.client, "session": _session_of(family), "at": now},
        )
        await self._tell(event, "the reuse of a refresh token could not be recorded")

    async def _tell(self, event: SecurityEvent, otherwise: str) -> None:
        try:
            await self._events.record(event)
        except Exception as error:  # what it tells of has happened
            tell(_LOGGER, logging.ERROR, error, otherwise)

    async def _revoke(self, family: RefreshFamily, now: datetime) -> None:
        """End the access tokens that came from the family."""
        if self._revocations is not None:
            until = now + timedelta(seconds=self._settings.access_s) + _TOLERANCE
            await self._revocations.session(_session_of(family), until)


def _fresh(begin: bytes) -> tuple[str, bytes]:
    """Return a new token of a family, and its digest."""
    raw = begin + secrets.token_bytes(_TOKEN_BYTES)
    return urlsafe_b64encode(raw).decode("ascii"), hashlib.sha256(raw).digest()


def _read(token: str) -> tuple[bytes, bytes]:
    """Return what a token has in common with its family, and its digest."""
    if _SHAPE.fullmatch(token) is None:
        raise RefreshRefused
    raw = urlsafe_b64decode(token)
    return raw[:_FAMILY_BYTES], hashlib.sha256(raw).digest()


def _family_id(begin: bytes) -> bytes:
    return hashlib.sha256(begin).digest()


def _session_of(family: RefreshFamily) -> str:
    # Told to everybody who reads an access token; it does not lead back to a refresh token.
    return urlsafe_b64encode(family.id[:18]).decode("ascii")
