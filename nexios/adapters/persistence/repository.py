"""The half of a repository that no store knows of: one object an id, pending changes seen."""

import base64
import binascii
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from nexios.adapters.persistence.mapper import Mapper
from nexios.adapters.persistence.operations import Tracked
from nexios.adapters.persistence.runs import Run, Stored
from nexios.adapters.persistence.unit import TrackingUnitOfWork
from nexios.domain.entities import AggregateRoot
from nexios.domain.errors import InvalidValue
from nexios.domain.repository import Repository
from nexios.domain.specs import Page, Specification
from nexios.domain.values import Identity

A = TypeVar("A", bound=AggregateRoot[Identity])
I = TypeVar("I", bound=Identity)  # noqa: E741


class MappedRepository(Repository[A, I], Generic[A, I]):
    """Repository over a mapper; subclasses name the store.

    Attributes:
        mapper: Turns aggregates into rows and back; shared by all stores.
    """

    __nexios_layer__: ClassVar[str] = "persistence"

    mapper: ClassVar[Mapper[Any]]

    def __init__(self, uow: TrackingUnitOfWork) -> None:
        """Take the unit of work of this scope, the same that the services have."""
        self._uow = uow

    async def find(self, id: I) -> A | None:
        """Return the aggregate, or None when there is none (any more)."""
        run = self._run("find")
        tracked = run.find(self.mapper, id)
        if tracked is None:
            stored = await run.transaction.fetch(self.mapper, id)
            # Asked again: another task of this run may have loaded, added or removed it.
            tracked = run.find(self.mapper, id)
            if tracked is None and stored is not None:
                tracked = run.loaded(self.mapper, stored)
        return None if tracked is None else self._seen(tracked)

    def add(self, aggregate: A) -> None:
        """Put a new aggregate in; stored when the use case commits."""
        self._run("add").add(self.mapper, aggregate)

    def remove(self, aggregate: A) -> None:
        """Take the aggregate and its parts out; done when the use case commits."""
        self._run("remove").remove(self.mapper, aggregate)

    async def select(
        self, spec: Specification[A] | None = None, *, limit: int = 50, after: str | None = None
    ) -> Page[A]:
        """Return those that ``spec`` picks, pending changes of this use case included."""
        if limit < 1:
            raise InvalidValue("a page holds at least 1", limit=limit)
        run = self._run("select")
        start = None if after is None else _position(after)
        # Each tracked one may drop out of the store's answer; one more tells whether it goes on.
        wanted = limit + 1 + sum(1 for _ in run.of(self.mapper))
        stored = await run.transaction.fetch_page(self.mapper, spec, start, wanted)
        found: dict[int, Stored | A] = {one.id.int: one for one in stored}
        for tracked in run.of(self.mapper):
            number = tracked.aggregate.id.int
            found.pop(number, None)
            seen = self._seen(tracked)
            if seen is not None and (start is None or number > start.int) and _picks(spec, seen):
                found[number] = seen
        numbers = sorted(found)
        items = tuple(self._item(run, found[number]) for number in numbers[:limit])
        # A full answer goes on too: other tasks of this run may have tracked more meanwhile.
        more = len(numbers) > limit or len(stored) == wanted
        return Page(items, _cursor(items[-1].id) if more and items else None)

    def _run(self, method: str) -> Run:
        return self._uow.current(f"{type(self).__name__}.{method}()")

    def _seen(self, tracked: Tracked) -> A | None:
        aggregate: Any = tracked.aggregate
        return None if tracked.removed else aggregate

    def _item(self, run: Run, found: Stored | A) -> A:
        if not isinstance(found, Stored):
            return found
        aggregate: Any = run.loaded(self.mapper, found).aggregate
        return aggregate  # type: ignore[no-any-return]  # the mapper's type is the repository's


def _picks(spec: Specification[A] | None, aggregate: A) -> bool:
    return spec is None or spec(aggregate)


def _cursor(id: UUID) -> str:
    return base64.urlsafe_b64encode(id.bytes).rstrip(b"=").decode()


def _position(after: str) -> UUID:
    try:
        raw = base64.b64decode(f"{after}==", altchars=b"-_", validate=True)
        position = UUID(bytes=raw)
    except (ValueError, binascii.Error):
        raise InvalidValue("after is not the next of a page") from None
    if _cursor(position) != after:
        raise InvalidValue("after is not the next of a page")
    return position
