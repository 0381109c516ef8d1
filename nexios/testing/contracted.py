"""What a suite over repositories stands on: its stores, and what it does in a use case."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import fields
from typing import Any, ClassVar, Generic, TypeVar

import pytest

from nexios.adapters.persistence.repository import MappedRepository
from nexios.domain.entities import AggregateRoot
from nexios.domain.specs import Specification
from nexios.domain.values import Identity
from nexios.testing.places import Place, open_place

A = TypeVar("A", bound=AggregateRoot[Identity])
T = TypeVar("T")

Work = Callable[[Any], Awaitable[T]]


class Contracted(Generic[A]):
    """What the subclass gives, and the stores that each test is run on."""

    stores: ClassVar[dict[str, type[MappedRepository[Any, Any]]]]

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

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test on each store."""
        if "place" in metafunc.fixturenames:
            metafunc.parametrize("place_name", list(self.stores))

    @pytest.fixture
    def place(self, place_name: str, request: pytest.FixtureRequest) -> Place:
        """The store of this run of the test, with the tables of the mapper."""
        return open_place(place_name, self.stores[place_name], request)

    def _changing(self, made: A, n: int) -> Work[A]:
        async def work(repository: Any) -> A:
            found: A = await repository.get(made.id)
            self.change(found, n)
            return found

        return work


async def elsewhere(work: Coroutine[Any, Any, T]) -> T:
    """Run as another request would: a task that shares no context with this one."""
    return await asyncio.create_task(work, context=contextvars.Context())


def adding(*made: Any) -> Work[None]:
    """Return a use case that adds these aggregates."""

    async def work(repository: Any) -> None:
        for one in made:
            repository.add(one)

    return work


def getting(made: Any) -> Work[Any]:
    """Return a use case that gets the aggregate of the same id."""

    async def work(repository: Any) -> Any:
        return await repository.get(made.id)

    return work


def finding(made: Any) -> Work[Any]:
    """Return a use case that finds the aggregate of the same id, or None."""

    async def work(repository: Any) -> Any:
        return await repository.find(made.id)

    return work


def values(aggregate: Any) -> dict[str, Any]:
    """Return what an aggregate holds, without its version and what it recorded."""
    kept = [one.name for one in fields(aggregate) if one.name not in ("version", "_recorded")]
    return {name: getattr(aggregate, name) for name in kept}
