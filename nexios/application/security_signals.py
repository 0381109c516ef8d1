"""Tells the watchers of an application what its guards and logins notice."""

from collections.abc import Callable
from typing import Final

from nexios.application.listening import Signals
from nexios.application.security_events import (
    LoggedSecurityEvents,
    SecurityEvent,
    SecurityEvents,
)
from nexios.application.signals import (
    AccessDenied,
    CredentialMalformed,
    LoginFailed,
    LoginSucceeded,
    TokenReused,
    TokenRotated,
)

_BY_ACTION: Final[dict[tuple[str, str], tuple[type, Callable[[SecurityEvent], object]]]] = {
    ("login", "allowed"): (LoginSucceeded, lambda one: LoginSucceeded(one.scheme)),
    ("login", "denied"): (LoginFailed, lambda one: LoginFailed(one.scheme, one.reason)),
    ("login", "failed"): (LoginFailed, lambda one: LoginFailed(one.scheme, one.reason)),
    ("token.reused", "denied"): (TokenReused, lambda one: TokenReused(one.scheme)),
    ("token.rotated", "allowed"): (TokenRotated, lambda one: TokenRotated(one.scheme)),
    ("auth.malformed", "denied"): (
        CredentialMalformed,
        lambda one: CredentialMalformed(one.scheme, one.reason),
    ),
    ("access.denied", "denied"): (
        AccessDenied,
        lambda one: AccessDenied(one.action, one.scheme, one.reason),
    ),
}


class ToldSecurityEvents:
    """Records security events and tells them as signals: what is bound where nothing else is.

    An application that binds `SecurityEvents` itself puts this one around its own to be told:
    ``ToldSecurityEvents(signals, mine)``.
    """

    def __init__(self, signals: Signals, events: SecurityEvents | None = None) -> None:
        """Tell, then record.

        Args:
            signals: Of the application.
            events: Where events go; to the log ``nexios.security`` unless told.
        """
        self._signals = signals
        self._events: SecurityEvents = events or LoggedSecurityEvents()

    async def record(self, event: SecurityEvent) -> None:
        """Tell who listens, then take notice."""
        told = _BY_ACTION.get((event.action, event.outcome))
        if told is not None and self._signals.hears(told[0]):
            self._signals.tell(told[1](event))
        await self._events.record(event)
