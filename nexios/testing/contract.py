# ruff: noqa: S101  # a suite asserts
"""What every repository owes, whoever wrote it: one class of tests, run on each store.

class TestOrders(RepositoryContract[Order]):
    stores = {"memory": MemoryOrders, "sqlite": SqlOrders, "postgres": SqlOrders}

    def make(self, n: int) -> Order: ...
    def change(self, aggregate: Order, n: int) -> None: ...
    def specs(self, made: list[Order]) -> list[Specification[Order]]: ...
"""

import asyncio
from typing import Any

import pytest

from nexios.adapters.persistence.errors import OutsideTransaction, ReadOnlyTransaction
from nexios.domain.errors import AlreadyExists, Conflict, NotFound
from nexios.domain.events import DomainEvent
from nexios.testing.contracted import A, adding, elsewhere, finding, getting, values
from nexios.testing.places import Place
from nexios.testing.selecting import SelectContract
from nexios.testing.skips import lacks

_WRITERS = 8


class ContractChecked(DomainEvent, name="nexios.contract-checked"):
    """Recorded by the contract: an event alone is a change."""


class RepositoryContract(SelectContract[A]):
    """Subclass it as ``Test...`` and give ``stores``, ``make``, ``change`` and ``specs``.

    Attributes:
        stores: Of ``memory``, ``sqlite`` and ``postgres``, the repository's class for each.
    """

    @pytest.mark.asyncio
    async def test_every_field_comes_back(self, place: Place) -> None:
        async with place:
            made = self.make(1)
            self.change(made, 1)
            await place.do(adding(made))
            assert made.version == 1
            found = await place.do(getting(made))
            assert found is not made
            assert values(found) == values(made)
            assert found.version == 1

    @pytest.mark.asyncio
    async def test_the_mapper_loads_what_it_dumps(self, place: Place) -> None:
        made = self.make(1)
        mapper = place.mapper
        for n in range(3):
            assert values(mapper.load(mapper.dump(made))) == values(made)
            self.change(made, n)

    @pytest.mark.asyncio
    async def test_a_raise_leaves_nothing(self, place: Place) -> None:
        async with place:
            stored, made = self.make(1), self.make(2)
            await place.do(adding(stored))
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
                assert await elsewhere(place.do(finding(made))) is None

            await place.do(look)
            assert await place.do(finding(made)) is not None

    @pytest.mark.asyncio
    async def test_each_change_raises_the_version(self, place: Place) -> None:
        async with place:
            made = self.make(1)
            await place.do(adding(made))
            for n in range(3):
                changed = await place.do(self._changing(made, n))
                assert changed.version == n + 2
                found = await place.do(getting(made))
                assert values(found) == values(changed)
                assert found.version == n + 2

    @pytest.mark.asyncio
    async def test_no_change_no_write(self, place: Place) -> None:
        async with place:
            made = self.make(1)
            await place.do(adding(made))
            before = await place.rows()
            assert (await place.do(getting(made))).version == 1
            assert await place.rows() == before

    @pytest.mark.asyncio
    async def test_an_event_alone_raises_the_version(self, place: Place) -> None:
        async with place:
            made = self.make(1)
            await place.do(adding(made))

            async def record(repository: Any) -> None:
                (await repository.get(made.id)).record(ContractChecked())

            await place.do(record)
            assert (await place.do(getting(made))).version == 2

    @pytest.mark.asyncio
    async def test_one_id_is_one_object(self, place: Place) -> None:
        async with place:
            made = self.make(1)
            await place.do(adding(made))

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
            await place.do(adding(made))

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
            await place.do(adding(made))

            async def lose(repository: Any) -> None:
                mine = await repository.get(made.id)
                await elsewhere(place.do(self._changing(made, 1)))
                self.change(mine, 2)

            with pytest.raises(Conflict):
                await place.do(lose, retries=0)
            assert (await place.do(getting(made))).version == 2

    @pytest.mark.asyncio
    async def test_a_conflict_is_tried_again_with_fresh_aggregates(self, place: Place) -> None:
        if place.name == "sqlite":
            lacks("sqlite", "interleaving: one writer at a time")
        async with place:
            made = self.make(1)
            await place.do(adding(made))
            seen: list[int] = []

            async def lose_once(repository: Any) -> None:
                mine = await repository.get(made.id)
                seen.append(mine.version)
                if len(seen) == 1:
                    await elsewhere(place.do(self._changing(made, 1)))
                self.change(mine, 2)

            await place.do(lose_once)
            assert seen == [1, 2]
            assert (await place.do(getting(made))).version == 3

    @pytest.mark.asyncio
    async def test_writers_at_once_all_land(self, place: Place) -> None:
        async with place:
            made = self.make(1)
            await place.do(adding(made))
            await asyncio.gather(
                *[
                    elsewhere(place.do(self._changing(made, n), retries=50))
                    for n in range(_WRITERS)
                ]
            )
            assert (await place.do(getting(made))).version == _WRITERS + 1

    @pytest.mark.asyncio
    async def test_a_taken_unique_value_is_refused(self, place: Place) -> None:
        made = self.make(1)
        clash = self.unique_clash(made, 2)
        if clash is None:
            lacks(type(self).__name__, "unique_clash()")
        async with place:
            await place.do(adding(made))
            before = await place.rows()
            with pytest.raises(AlreadyExists):
                await place.do(adding(clash))
            assert await place.rows() == before

    @pytest.mark.asyncio
    async def test_what_is_not_there_is_not_found(self, place: Place) -> None:
        async with place:
            made = self.make(1)
            assert await place.do(finding(made)) is None
            with pytest.raises(NotFound):
                await place.do(getting(made))

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
            await place.do(adding(made))
            with pytest.raises(AlreadyExists):
                await place.do(adding(made))

    @pytest.mark.asyncio
    async def test_a_read_only_use_case_writes_nothing(self, place: Place) -> None:
        async with place:
            made = self.make(1)
            await place.do(adding(made))
            with pytest.raises(ReadOnlyTransaction):
                await place.do(adding(self.make(2)), read_only=True)
            with pytest.raises(ReadOnlyTransaction):
                await place.do(self._changing(made, 1), read_only=True)
            assert (await place.do(getting(made), read_only=True)).version == 1

    @pytest.mark.asyncio
    async def test_removing_takes_the_children_too(self, place: Place) -> None:
        async with place:
            made, other = self.make(1), self.make(2)
            for n in range(2):
                self.change(made, n)
                self.change(other, n)
            await place.do(adding(other))
            before = await place.rows()
            await place.do(adding(made))

            async def remove(repository: Any) -> None:
                repository.remove(await repository.get(made.id))

            await place.do(remove)
            assert await place.rows() == before
            assert await place.do(finding(made)) is None

    @pytest.mark.asyncio
    async def test_removed_and_added_again_is_one_change(self, place: Place) -> None:
        async with place:
            made = self.make(1)
            self.change(made, 1)
            await place.do(adding(made))

            async def replace(repository: Any) -> None:
                old = await repository.get(made.id)
                repository.remove(old)
                self.change(old, 2)
                repository.add(old)

            await place.do(replace)
            assert (await place.do(getting(made))).version == 2
