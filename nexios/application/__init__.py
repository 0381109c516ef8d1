"""Use cases and ports: what an application is written against, below every adapter."""

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
