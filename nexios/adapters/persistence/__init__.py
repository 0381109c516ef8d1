"""Databases: PostgreSQL and SQLite, raw SQL and SQLAlchemy Core."""

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.errors import (
    BadParameter,
    BadStatement,
    DatabaseError,
    DatabaseUnavailable,
    StaleWrite,
    TransactionFailed,
)
from nexios.adapters.persistence.url import DatabaseOptions

__all__ = [
    "BadParameter",
    "BadStatement",
    "Database",
    "DatabaseError",
    "DatabaseOptions",
    "DatabaseUnavailable",
    "StaleWrite",
    "TransactionFailed",
]
