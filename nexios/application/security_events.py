"""What happened that whoever guards the application wants to know."""

import json
import logging
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Final, Literal, Protocol

from nexios.records import dataclass

_LOGGER: Final = logging.getLogger("nexios.security")

Outcome = Literal["allowed", "denied", "failed"]

_REQUIRED: Final = frozenset(("login", "rights", "keys"))


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """Somebody passed, was refused, or something about their proof changed.

    Attributes:
        action: In lower case with dots: ``login``, ``access.denied``, ``token.reused``.
        outcome: What became of it.
        actor: Who is proven; for a login that failed nobody.
        scheme: How.
        reason: For those who guard; it never reaches the client.
        details: Flat values; no secret, and nothing as long as a client likes.
        at: When; None for when it is recorded.
    """

    action: str
    outcome: Outcome
    actor: str | None = None
    scheme: str | None = None
    reason: str = ""
    details: Mapping[str, object] = field(default_factory=dict)
    at: datetime | None = None

    @property
    def required(self) -> bool:
        """Whether what it tells of may happen only if it is recorded: logins, rights, keys."""
        return self.action.partition(".")[0] in _REQUIRED


class SecurityEvents(Protocol):
    """Takes notice of security events.

    Every adapter owes: a required event is kept when `record` returns, or `Unavailable` is
    raised, and then whoever asked does not do what it tells of. Others cost the caller nothing
    where the adapter has a queue.
    """

    async def record(self, event: SecurityEvent) -> None:
        """Take notice of an event.

        Raises:
            Unavailable: It cannot be kept; an adapter with a queue raises it for required ones
                alone.
        """
        ...


class LoggedSecurityEvents:
    """Writes them to the log ``nexios.security``, denials and failures as warnings."""

    async def record(self, event: SecurityEvent) -> None:
        """Write one line."""
        note(event)


def note(event: SecurityEvent) -> None:
    """Write an event to the log ``nexios.security``, where there is nobody to hand it to."""
    level = logging.INFO if event.outcome == "allowed" else logging.WARNING
    # As JSON, so that no character of a client begins a line.
    told = {
        "actor": event.actor,
        "scheme": event.scheme,
        "reason": event.reason or None,
        "at": event.at,
        **event.details,
    }
    shown = json.dumps({k: v for k, v in told.items() if v is not None}, default=str)
    _LOGGER.log(level, "%s %s %s", event.action, event.outcome, shown)
