"""The words people model with; standard library only."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
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

# Loaded where they are used: who needs one file of this room does not pay for the others.
_HOMES: Final = {
    "nexios.domain.clock": "Clock",
    "nexios.domain.entities": "AggregateRoot Entity",
    "nexios.domain.errors": "AlreadyExists Conflict DomainError InvalidValue NotAllowed "
    "NotFound RuleViolated",
    "nexios.domain.events": "DomainEvent",
    "nexios.domain.repository": "Repository",
    "nexios.domain.services": "DomainService",
    "nexios.domain.specs": "Page Specification",
    "nexios.domain.values": "Identity ValueObject",
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names.split()}

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


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # nexios: allow NX106 because these are the homes of this room's own words
    found = globals()[name] = getattr(import_module(home), name)
    return found
