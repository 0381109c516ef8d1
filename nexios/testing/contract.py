# ruff: noqa: S101  # a suite asserts
"""What every repository owes, whoever wrote it: one class of tests, run on each store.

class TestOrders(RepositoryContract[Order]):
    stores = {"memory": MemoryOrders, "sqlite": SqlOrders, "postgres": SqlOrders}

    def make(self, n: int) -> Order: ...
    def change(self, aggregate: Order, n: int) -> None: ...
    def specs(self, made: list[Order]) -> list[Specification[Order]]: ...
"""

import asyncio
import contextvars
import itertools
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import fields
from typing import Any, ClassVar, Generic, TypeVar

import pytest

from nexios.adapters.persistence.errors import OutsideTransaction, ReadOnlyTransaction
from nexios.adapters.persistence.repository import MappedRepository
from nexios.domain.entities import AggregateRoot
from nexios.domain.errors import AlreadyExists, Conflict, InvalidValue, NotFound
from nexios.domain.events import DomainEvent
from nexios.domain.specs import Specification
from nexios.domain.values import Identity
from nexios.testing.places import Place, open_place
from nexios.testing.skips import lacks

A = TypeVar("A", bound=AggregateRoot[Identity])
T = TypeVar("T")

Work = Callable[[Any], Awaitable[T]]

_WRITERS = 8


class ContractChecked(DomainEvent, name="nexios.contract-checked"):
    """Recorded by the contract: an event alone is a change."""


class RepositoryContract(Generic[A]):
    """Subclass it as ``Test...`` and give ``stores``, ``make``, ``change`` and ``specs``.

    Attributes:
        stores: Of ``memory``, ``sqlite`` and ``postgres``, the repository's class for each.
    """

    stores: ClassVar[dict[str, type[MappedRepository[Any, Any]]]]

    # -- given by the subclass ------------------------------------------------------------

    def make(self, n: int) -> A:
        """Return a new aggregate; two numbers give two that can be stored together."""
        raise NotImplementedError

    def change(self, aggregate: A, n: int) -> None:
        """Change it so that its rows differ; its children where it has some."""
        raise NotImplementedError

    def specs(self, made: list[A]) -> list[Specification[A]]:
        """Return specifications that pick some of ``made``, and with NULLs where there are."""
        raise NotImplementedError

    def unique_clash(self, aggregate: A, n: int) -> A | None:  # noqa: ARG002  # for who overrides
        """Return a new aggregate that shares a unique value with ``aggregate``; None: has none."""
        return None

    # -- the suite -------------------------------------------------------------------------

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test on each store."""
        if "place" in metafunc.fixturenames:
            metafunc.parametrize("place_name", list(self.stores))

    @pytest.fixture
    def place(self, place_name: str, request: pytest.FixtureRequest) -> Place:
        """The store of this run of the test, with the tables of the mapper."""
        return open_place(place_name, self.stores[place_name], request)

    @pytest.mark.asyncio
    async def test_every_field_comes_back(self, place: Place) -> None:
        async with place:
            made = self.make(1)
            self.change(made, 1)
            await place.do(_adding(made))
            assert made.version == 1
            found = await place.do(_getting(made))
            assert found is not made
            assert _values(found) == _values(made)
            assert found.version == 1

    @pytest.mark.asyncio
    async def test_the_mapper_loads_what_it_dumps(self, place: Place) -> None:
        made = self.make(1)
        mapper = place.mapper
        for n in range(3):
            assert _values(mapper.load(mapper.dump(made))) == _values(made)
            self.change(made, n)

    @pytest.mark.asyncio
    async def test_a_raise_leaves_nothing(self, place: Place) -> None:
        async with place:
            stored, made = self.make(1), self.make(2)
            await place.do(_adding(stored))
            before = await place.rows()

            async def fail(repository: Any) -> None:
                repository.add(made)
                self.change(await repository.get(stored.id), 1)
                raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                await place.do(fail)
            assert await place.rows() == before
            assert made.version == 0

    @pytest.mark.asyncio
    async def test_what_is_not_committed_is_unseen_elsewhere(self, place: Place) -> None:
        async with place:
            made = self.make(1)

            async def look(repository: Any) -> None:
                repository.add(made)
                assert await repository.find(made.id) is made
                assert await elsewhere(place.do(_finding(made))) is None

            await place.do(look)
            assert await place.do(_finding(made)) is not None

    @pytest.mark.asyncio
    async def test_each_change_raises_the_version(self, place: Place) -> None:
        async with place:
            made = self.make(1)
            await place.do(_adding(made))
            for n in range(3):
                changed = await place.do(self._changing(made, n))
                assert changed.version == n + 2
                found = await place.do(_getting(made))
                assert _values(found) == _values(changed)
                assert found.version == n + 2

    @pytest.mark.asyncio
    async def test_no_change_no_write(self, place: Place) -> None:
        async with place:
            made = self.make(1)
            await place.do(_adding(made))
            before = await place.rows()
            assert (await place.do(_getting(made))).version == 1
            assert await place.rows() == before

    @pytest.mark.asyncio
    async def test_an_event_alone_raises_the_version(self, place: Place) -> None:
        async with place:
            made = self.make(1)
            await place.do(_adding(made))

            async def record(repository: Any) -> None:
                (await repository.get(made.id)).record(ContractChecked())

            await place.do(record)
            assert (await place.do(_getting(made))).version == 2

    @pytest.mark.asyncio
    async def test_one_id_is_one_object(self, place: Place) -> None:
        async with place:
            made = self.make(1)
            await place.do(_adding(made))

            async def look(repository: Any) -> None:
                first = await repository.get(made.id)
                assert await repository.find(made.id) is first
                page = await repository.select()
                assert [one for one in page.items if one.id == made.id] == [first]
                assert all(one is first for one in page.items if one.id == made.id)

            await place.do(look)

    @pytest.mark.asyncio
    async def test_two_tasks_of_one_run_share_the_object(self, place: Place) -> None:
        async with place:
            made = self.make(1)
            await place.do(_adding(made))

            async def look(repository: Any) -> None:
                found = await asyncio.gather(*[repository.get(made.id) for _ in range(4)])
                assert all(one is found[0] for one in found)

            await place.do(look)

    @pytest.mark.asyncio
    async def test_a_stale_write_is_a_conflict(self, place: Place) -> None:
        if place.name == "sqlite":
            lacks("sqlite", "interleaving: one writer at a time")
        async with place:
            made = self.make(1)
            await place.do(_adding(made))

            async def lose(repository: Any) -> None:
                mine = await repository.get(made.id)
                await elsewhere(place.do(self._changing(made, 1)))
                self.change(mine, 2)

            with pytest.raises(Conflict):
                await place.do(lose, retries=0)
            assert (await place.do(_getting(made))).version == 2

    @pytest.mark.asyncio
    async def test_a_conflict_is_tried_again_with_fresh_aggregates(self, place: Place) -> None:
        if place.name == "sqlite":
            lacks("sqlite", "interleaving: one writer at a time")
        async with place:
            made = self.make(1)
            await place.do(_adding(made))
            seen: list[int] = []

            async def lose_once(repository: Any) -> None:
                mine = await repository.get(made.id)
                seen.append(mine.version)
                if len(seen) == 1:
                    await elsewhere(place.do(self._changing(made, 1)))
                self.change(mine, 2)

            await place.do(lose_once)
            assert seen == [1, 2]
            assert (await place.do(_getting(made))).version == 3

    @pytest.mark.asyncio
    async def test_writers_at_once_all_land(self, place: Place) -> None:
        async with place:
            made = self.make(1)
            await place.do(_adding(made))
            await asyncio.gather(
                *[
                    elsewhere(place.do(self._changing(made, n), retries=50))
                    for n in range(_WRITERS)
                ]
            )
            assert (await place.do(_getting(made))).version == _WRITERS + 1

    @pytest.mark.asyncio
    async def test_a_taken_unique_value_is_refused(self, place: Place) -> None:
        made = self.make(1)
        clash = self.unique_clash(made, 2)
        if clash is None:
            lacks(type(self).__name__, "unique_clash()")
        async with place:
            await place.do(_adding(made))
            before = await place.rows()
            with pytest.raises(AlreadyExists):
                await place.do(_adding(clash))
            assert await place.rows() == before

    @pytest.mark.asyncio
    async def test_what_is_not_there_is_not_found(self, place: Place) -> None:
        async with place:
            made = self.make(1)
            assert await place.do(_finding(made)) is None
            with pytest.raises(NotFound):
                await place.do(_getting(made))

    @pytest.mark.asyncio
    async def test_outside_of_a_use_case_it_refuses(self, place: Place) -> None:
        async with place:
            repository = place.repository()
            made = self.make(1)
            with pytest.raises(OutsideTransaction, match=r"find\(\) outside a use case"):
                await repository.find(made.id)
            with pytest.raises(OutsideTransaction):
                repository.add(made)
            with pytest.raises(OutsideTransaction):
                await repository.select()

    @pytest.mark.asyncio
    async def test_adding_twice_is_refused(self, place: Place) -> None:
        async with place:
            made = self.make(1)

            async def twice(repository: Any) -> None:
                repository.add(made)
                repository.add(made)

            with pytest.raises(AlreadyExists):
                await place.do(twice)
            await place.do(_adding(made))
            with pytest.raises(AlreadyExists):
                await place.do(_adding(made))

    @pytest.mark.asyncio
    async def test_a_read_only_use_case_writes_nothing(self, place: Place) -> None:
        async with place:
            made = self.make(1)
            await place.do(_adding(made))
            with pytest.raises(ReadOnlyTransaction):
                await place.do(_adding(self.make(2)), read_only=True)
            with pytest.raises(ReadOnlyTransaction):
                await place.do(self._changing(made, 1), read_only=True)
            assert (await place.do(_getting(made), read_only=True)).version == 1

    @pytest.mark.asyncio
    async def test_pending_changes_are_seen(self, place: Place) -> None:
        async with place:
            kept, removed, added = self.make(1), self.make(2), self.make(3)
            await place.do(_adding(kept, removed))

            async def look(repository: Any) -> None:
                repository.remove(await repository.get(removed.id))
                repository.add(added)
                assert await repository.find(removed.id) is None
                assert await repository.get(added.id) is added
                ids = {one.id for one in (await repository.select()).items}
                assert ids == {kept.id, added.id}
                first = await repository.select(limit=1)
                second = await repository.select(limit=1, after=first.next)
                assert [*first.items, *second.items] == sorted(
                    [await repository.get(kept.id), added], key=lambda one: one.id
                )
                assert second.next is None

            await place.do(look)

    @pytest.mark.asyncio
    async def test_specifications_mean_the_same_in_the_store(self, place: Place) -> None:
        async with place:
            made = [self.make(n) for n in range(6)]
            for n, one in enumerate(made[:3]):
                self.change(one, n)
            await place.do(_adding(*made))
            specs = self.specs(made)
            for spec in [*specs, *[~spec for spec in specs], *_combined(specs)]:
                expected = {one.id for one in made if spec(one)}

                async def look(repository: Any, spec: Any = spec) -> set[Any]:
                    return {one.id for one in (await repository.select(spec, limit=100)).items}

                assert await place.do(look) == expected, spec

    @pytest.mark.asyncio
    async def test_pages_visit_each_once_while_rows_are_added(self, place: Place) -> None:
        async with place:
            made = [self.make(n) for n in range(7)]
            await place.do(_adding(*made))
            visited: list[Any] = []
            after: str | None = None
            for extra in range(100, 120):

                async def page(repository: Any, after: str | None = after) -> Any:
                    return await repository.select(limit=2, after=after)

                found = await place.do(page)
                assert len(found.items) <= 2
                visited += [one.id for one in found.items]
                after = found.next
                if after is None:
                    break
                await place.do(_adding(self.make(extra)))
            assert len(visited) == len(set(visited))
            assert visited == sorted(visited)
            assert {one.id for one in made} <= set(visited)

    @pytest.mark.asyncio
    async def test_a_page_that_was_not_given_is_refused(self, place: Place) -> None:
        async with place:
            for wrong in ({"after": "x"}, {"after": ""}, {"after": "é" * 22}, {"limit": 0}):

                async def look(repository: Any, wrong: dict[str, Any] = wrong) -> None:
                    await repository.select(**wrong)

                with pytest.raises(InvalidValue):
                    await place.do(look)

    @pytest.mark.asyncio
    async def test_removing_takes_the_children_too(self, place: Place) -> None:
        async with place:
            made, other = self.make(1), self.make(2)
            for n in range(2):
                self.change(made, n)
                self.change(other, n)
            await place.do(_adding(other))
            before = await place.rows()
            await place.do(_adding(made))

            async def remove(repository: Any) -> None:
                repository.remove(await repository.get(made.id))

            await place.do(remove)
            assert await place.rows() == before
            assert await place.do(_finding(made)) is None

    @pytest.mark.asyncio
    async def test_removed_and_added_again_is_one_change(self, place: Place) -> None:
        async with place:
            made = self.make(1)
            self.change(made, 1)
            await place.do(_adding(made))

            async def replace(repository: Any) -> None:
                old = await repository.get(made.id)
                repository.remove(old)
                self.change(old, 2)
                repository.add(old)

            await place.do(replace)
            assert (await place.do(_getting(made))).version == 2

    def _changing(self, made: A, n: int) -> Work[A]:
        async def work(repository: Any) -> A:
            found: A = await repository.get(made.id)
            self.change(found, n)
            return found

        return work


async def elsewhere(work: Coroutine[Any, Any, T]) -> T:
    """Run as another request would: a task that shares no context with this one."""
    return await asyncio.create_task(work, context=contextvars.Context())


def _adding(*made: Any) -> Work[None]:
    async def work(repository: Any) -> None:
        for one in made:
            repository.add(one)

    return work


def _getting(made: Any) -> Work[Any]:
    async def work(repository: Any) -> Any:
        return await repository.get(made.id)

    return work


def _finding(made: Any) -> Work[Any]:
    async def work(repository: Any) -> Any:
        return await repository.find(made.id)

    return work


def _combined(specs: list[Specification[Any]]) -> list[Specification[Any]]:
    pairs = list(itertools.pairwise(specs))
    return [one & other for one, other in pairs] + [one | ~other for one, other in pairs]


def _values(aggregate: Any) -> dict[str, Any]:
    kept = [one.name for one in fields(aggregate) if one.name not in ("version", "_recorded")]
    return {name: getattr(aggregate, name) for name in kept}
