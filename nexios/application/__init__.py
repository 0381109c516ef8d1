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
from nexios.application.handlers import after_commit, before_commit
from nexios.application.idempotency import Idempotency
from nexios.application.inbox import Inbox
from nexios.application.limits import Limits
from nexios.application.outbox import OutboxStore
from nexios.application.subscribers import Subscribers, subscribe
from nexios.application.unit_of_work import UnitOfWork
from nexios.application.use_cases import ApplicationService, transactional

__all__ = [
    "ANONYMOUS",
    "ApplicationError",
    "ApplicationService",
    "AuditTrail",
    "Caller",
    "Envelope",
    "Forbidden",
    "Idempotency",
    "Inbox",
    "KeyReused",
    "Limits",
    "OutboxStore",
    "OutcomeUnknown",
    "Overloaded",
    "RateLimited",
    "Subscribers",
    "SystemClock",
    "TimedOut",
    "Unauthenticated",
    "Unavailable",
    "UnitOfWork",
    "after_commit",
    "before_commit",
    "subscribe",
    "transactional",
]
