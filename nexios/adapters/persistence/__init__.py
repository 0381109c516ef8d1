"""Databases, units of work and repositories: PostgreSQL, SQLite and memory."""

from nexios.adapters.persistence.audit import SqlAuditTrail
from nexios.adapters.persistence.changes import replay
from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.error_log import SqlErrors
from nexios.adapters.persistence.errors import (
    BadParameter,
    BadStatement,
    DatabaseError,
    DatabaseUnavailable,
    StaleWrite,
    TransactionFailed,
)
from nexios.adapters.persistence.inbox import MemoryInbox, SqlInbox
from nexios.adapters.persistence.mapper import Mapper
from nexios.adapters.persistence.memory import MemoryRepository, MemoryUnitOfWork
from nexios.adapters.persistence.memory_audit import MemoryAuditTrail
from nexios.adapters.persistence.memory_outbox import MemoryOutbox
from nexios.adapters.persistence.memory_store import MemoryStore
from nexios.adapters.persistence.migrations import Migrations
from nexios.adapters.persistence.outbox import SqlOutbox
from nexios.adapters.persistence.rows import Rows
from nexios.adapters.persistence.security_events import QueuedSecurityEvents, SqlSecurityEvents
from nexios.adapters.persistence.sql import SqlRepository, SqlUnitOfWork
from nexios.adapters.persistence.tables import create_tables, tables
from nexios.adapters.persistence.types import ExactDecimal, IdentityType, UtcDateTime
from nexios.adapters.persistence.url import DatabaseOptions

__all__ = [
    "BadParameter",
    "BadStatement",
    "Database",
    "DatabaseError",
    "DatabaseOptions",
    "DatabaseUnavailable",
    "ExactDecimal",
    "IdentityType",
    "Mapper",
    "MemoryAuditTrail",
    "MemoryInbox",
    "MemoryOutbox",
    "MemoryRepository",
    "MemoryStore",
    "MemoryUnitOfWork",
    "Migrations",
    "QueuedSecurityEvents",
    "Rows",
    "SqlAuditTrail",
    "SqlErrors",
    "SqlInbox",
    "SqlOutbox",
    "SqlRepository",
    "SqlSecurityEvents",
    "SqlUnitOfWork",
    "StaleWrite",
    "TransactionFailed",
    "UtcDateTime",
    "create_tables",
    "replay",
    "tables",
]
