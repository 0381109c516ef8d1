"""The port through which aggregates are kept."""

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, TypeVar

from nexios.domain.entities import AggregateRoot
from nexios.domain.errors import NotFound
from nexios.domain.specs import Page, Specification
from nexios.domain.values import Identity

A = TypeVar("A", bound=AggregateRoot[Identity])
I = TypeVar("I", bound=Identity)  # noqa: E741


class Repository(ABC, Generic[A, I]):
    """All aggregates of one kind, as if in memory: change one and nothing needs saving.

    Each adapter owes: within one unit of work the same id is the same object; what was added,
    changed or removed is seen at once by ``find``, ``get`` and ``select`` of this unit of work,
    and by others after its commit.
    """

    __nexios_layer__: ClassVar[str] = "domain"

    @abstractmethod
    async def find(self, id: I) -> A | None:
        """Return the aggregate, or None when there is none (any more)."""

    async def get(self, id: I) -> A:
        """Return the aggregate.

        Raises:
            NotFound: There is none with this id.
        """
        found = await self.find(id)
        if found is None:
            raise NotFound("nothing has this id", id=str(id))
        return found

    @abstractmethod
    def add(self, aggregate: A) -> None:
        """Put a new aggregate in.

        Raises:
            AlreadyExists: It, or another with its id, is in this unit of work already. One that
                is stored and was not read shows at the end of the use case.
        """

    @abstractmethod
    def remove(self, aggregate: A) -> None:
        """Take the aggregate and all its parts out."""

    @abstractmethod
    async def select(
        self, spec: Specification[A] | None = None, *, limit: int = 50, after: str | None = None
    ) -> Page[A]:
        """Return those that ``spec`` picks (all without one), in id order.

        Args:
            spec: Which ones.
            limit: At most so many, at least 1.
            after: ``Page.next`` of the page before.

        Raises:
            InvalidValue: ``after`` was not made by this method, or ``limit`` is below 1.
        """
