"""Use cases and ports: what an application is written against, below every adapter."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nexios.application.audit import AuditTrail
    from nexios.application.caller import ANONYMOUS, Caller
    from nexios.application.clock import SystemClock
    from nexios.application.errors import (
        ApplicationError,
        Forbidden,
        KeyReused,
        OutcomeUnknown,
        Overloaded,
        RateLimited,
        TimedOut,
        Unauthenticated,
        Unavailable,
    )
    from nexios.application.events import Envelope
    from nexios.application.grants import Grants, Roles
    from nexios.application.handlers import after_commit, before_commit
    from nexios.application.idempotency import Idempotency
    from nexios.application.inbox import Inbox
    from nexios.application.limits import Limits
    from nexios.application.outbox import OutboxStore
    from nexios.application.policies import Decision, Policies, Policy, allow, deny
    from nexios.application.security_events import SecurityEvent, SecurityEvents
    from nexios.application.subscribers import Subscribers, subscribe
    from nexios.application.tracking import ErrorReport, ErrorTracker
    from nexios.application.unit_of_work import UnitOfWork
    from nexios.application.use_cases import ApplicationService, transactional

# Loaded where they are used: who needs one file of this room does not pay for the others.
_HOMES: Final = {
    "nexios.application.audit": "AuditTrail",
    "nexios.application.caller": "ANONYMOUS Caller",
    "nexios.application.clock": "SystemClock",
    "nexios.application.errors": "ApplicationError Forbidden KeyReused OutcomeUnknown "
    "Overloaded RateLimited TimedOut Unauthenticated Unavailable",
    "nexios.application.events": "Envelope",
    "nexios.application.grants": "Grants Roles",
    "nexios.application.handlers": "after_commit before_commit",
    "nexios.application.idempotency": "Idempotency",
    "nexios.application.inbox": "Inbox",
    "nexios.application.limits": "Limits",
    "nexios.application.outbox": "OutboxStore",
    "nexios.application.policies": "Decision Policies Policy allow deny",
    "nexios.application.security_events": "SecurityEvent SecurityEvents",
    "nexios.application.subscribers": "Subscribers subscribe",
    "nexios.application.tracking": "ErrorReport ErrorTracker",
    "nexios.application.unit_of_work": "UnitOfWork",
    "nexios.application.use_cases": "ApplicationService transactional",
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "ANONYMOUS",
    "ApplicationError",
    "ApplicationService",
    "AuditTrail",
    "Caller",
    "Decision",
    "Envelope",
    "ErrorReport",
    "ErrorTracker",
    "Forbidden",
    "Grants",
    "Idempotency",
    "Inbox",
    "KeyReused",
    "Limits",
    "OutboxStore",
    "OutcomeUnknown",
    "Overloaded",
    "Policies",
    "Policy",
    "RateLimited",
    "Roles",
    "SecurityEvent",
    "SecurityEvents",
    "Subscribers",
    "SystemClock",
    "TimedOut",
    "Unauthenticated",
    "Unavailable",
    "UnitOfWork",
    "after_commit",
    "allow",
    "before_commit",
    "deny",
    "subscribe",
    "transactional",
]


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # nexios: allow NX106 because these are the homes of this room's own words
    found = globals()[name] = getattr(import_module(home), name)
    return found
