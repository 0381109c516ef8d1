# ruff: noqa: S101  # a suite asserts
"""What every repository owes to who looks for several: specifications, pages, what is pending."""

import itertools
from typing import Any

import pytest

from nexios.domain.errors import InvalidValue
from nexios.domain.specs import Specification
from nexios.testing.contracted import A, Contracted, adding
from nexios.testing.places import Place


class SelectContract(Contracted[A]):
    """The part of `RepositoryContract` that is about ``select``."""

    @pytest.mark.asyncio
    async def test_pending_changes_are_seen(self, place: Place) -> None:
        async with place:
            kept, removed, added = self.make(1), self.make(2), self.make(3)
            await place.do(adding(kept, removed))

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
            await place.do(adding(*made))
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
            await place.do(adding(*made))
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
                await place.do(adding(self.make(extra)))
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


def _combined(specs: list[Specification[Any]]) -> list[Specification[Any]]:
    pairs = list(itertools.pairwise(specs))
    return [one & other for one, other in pairs] + [one | ~other for one, other in pairs]
