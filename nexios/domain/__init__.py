"""The words people model with; standard library only."""

from nexios.domain.clock import Clock
from nexios.domain.entities import AggregateRoot, Entity
from nexios.domain.errors import (
    AlreadyExists,
    Conflict,
    DomainError,
    InvalidValue,
    NotAllowed,
    NotFound,
    RuleViolated,
)
from nexios.domain.events import DomainEvent
from nexios.domain.repository import Repository
from nexios.domain.services import DomainService
from nexios.domain.specs import Page, Specification
from nexios.domain.values import Identity, ValueObject

__all__ = [
    "AggregateRoot",
    "AlreadyExists",
    "Clock",
    "Conflict",
    "DomainError",
    "DomainEvent",
    "DomainService",
    "Entity",
    "Identity",
    "InvalidValue",
    "NotAllowed",
    "NotFound",
    "Page",
    "Repository",
    "RuleViolated",
    "Specification",
    "ValueObject",
]
