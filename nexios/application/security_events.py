"""What happened that whoever guards the application wants to know."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

_LOGGER: Final = logging.getLogger("nexios.security")

Outcome = Literal["allowed", "denied", "failed"]


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
    """

    action: str
    outcome: Outcome
    actor: str | None = None
    scheme: str | None = None
    reason: str = ""
    details: Mapping[str, object] = field(default_factory=dict)


class SecurityEvents(Protocol):
    """Takes notice of security events.

    Every adapter owes: nothing is raised for an event that cannot be kept unless the adapter
    says so; `record` returns before a slow sink does.
    """

    async def record(self, event: SecurityEvent) -> None:
        """Take notice of an event."""
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
        **event.details,
    }
    shown = json.dumps({k: v for k, v in told.items() if v is not None}, default=str)
    _LOGGER.log(level, "%s %s %s", event.action, event.outcome, shown)
