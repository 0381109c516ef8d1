"""Entities and aggregates: what keeps its identity while it changes."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar, dataclass_transform

from nexios.domain.errors import Conflict
from nexios.domain.events import DomainEvent
from nexios.domain.values import Identity

# Covariant, so that Order, an AggregateRoot[OrderId], is an AggregateRoot[Identity]: an id is
# never assigned again.
K_co = TypeVar("K_co", bound=Hashable, covariant=True)
I_co = TypeVar("I_co", bound=Identity, covariant=True)


@dataclass_transform(eq_default=False, kw_only_default=True, field_specifiers=(field,))
@dataclass(eq=False, kw_only=True)
class Entity(Generic[K_co]):
    """A keyword-only dataclass by subclassing; equal when class and ``id`` are equal.

    The constructor reconstitutes: it checks invariants and records nothing. Creation, with its
    event, is a named factory (``Order.open(...)``).
    """

    id: K_co

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        dataclass(eq=False, kw_only=True)(cls)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Entity):
            return NotImplemented
        return type(self) is type(other) and bool(self.id == other.id)

    def __hash__(self) -> int:
        return hash(self.id)


class AggregateRoot(Entity[I_co]):
    """The one entity through which a consistent group is changed, loaded and stored.

    Attributes:
        version: How often it was stored; 0 for never. The repository keeps it.
    """

    __nexios_layer__: ClassVar[str] = "domain"

    version: int = 0
    _recorded: list[DomainEvent] = field(default_factory=list, init=False, repr=False)

    def record(self, event: DomainEvent) -> None:
        """Note what happened; the unit of work hands it on when the use case commits."""
        self._recorded.append(event)

    def pull_events(self) -> list[DomainEvent]:
        """Return what was recorded since the last pull, in order, and forget it."""
        events, self._recorded = self._recorded, []
        return events

    def expect_version(self, version: int) -> None:
        """Refuse to go on when this is not the version the caller has seen.

        Raises:
            Conflict: Another version is stored; never retried, the caller decides.
        """
        if self.version != version:
            raise Conflict(
                "it was changed since it was read", expected=version, current=self.version
            )
