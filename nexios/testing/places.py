"""Where a contract runs: a memory store, a SQLite file or a database on a PostgreSQL server."""

import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import pytest

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.mapper import Mapper
from nexios.adapters.persistence.memory import MemoryUnitOfWork
from nexios.adapters.persistence.memory_store import MemoryStore
from nexios.adapters.persistence.repository import MappedRepository
from nexios.adapters.persistence.sql import SqlUnitOfWork
from nexios.adapters.persistence.tables import all_rows, create_tables
from nexios.adapters.persistence.unit import TrackingUnitOfWork
from nexios.application.caller import ANONYMOUS, Caller

T = TypeVar("T")


class Place(ABC):
    """One store, empty, for one test; open it with ``async with``.

    Attributes:
        name: ``memory``, ``sqlite`` or ``postgres``.
        mapper: Of the repository under test.
    """

    def __init__(self, name: str, repository: type[MappedRepository[Any, Any]]) -> None:
        self.name = name
        self.mapper: Mapper[Any] = repository.mapper
        self._repository = repository

    @abstractmethod
    def unit(self, caller: Caller = ANONYMOUS) -> TrackingUnitOfWork:
        """Return a new unit of work, as each request has one."""

    @abstractmethod
    async def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Return what is committed in the mapper's tables, seen from outside of any run."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(  # noqa: B027  # a store without connections has nothing to close
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close what was opened; nothing by default."""

    def repository(self, unit: TrackingUnitOfWork | None = None) -> MappedRepository[Any, Any]:
        """Return the repository under test, on a new unit of work unless one is given."""
        return self._repository(unit or self.unit())

    async def do(self, work: Callable[[Any], Awaitable[T]], **options: Any) -> T:
        """Run ``work`` with the repository, as a request of its own.

        Args:
            work: Is given the repository.
            options: For ``UnitOfWork.run``.
        """
        unit = self.unit()
        repository = self.repository(unit)
        return await unit.run(lambda: work(repository), **options)


class MemoryPlace(Place):
    """A memory store.

    Attributes:
        later_s: How far the store's clock is ahead; tests move it.
    """

    def __init__(self, name: str, repository: type[MappedRepository[Any, Any]]) -> None:
        super().__init__(name, repository)
        self.later_s = 0.0
        self.store = MemoryStore(now=lambda: time.monotonic() + self.later_s)

    def unit(self, caller: Caller = ANONYMOUS) -> TrackingUnitOfWork:
        """Return a new unit of work over the store."""
        return MemoryUnitOfWork(self.store, caller)

    async def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Return what is committed."""
        return {table.name: self.store.rows(table) for table in self.mapper.tables}


class SqlPlace(Place):
    """A database; afterwards every connection must be back in the pool."""

    def __init__(self, name: str, repository: type[MappedRepository[Any, Any]], url: str) -> None:
        super().__init__(name, repository)
        self.database = Database(url)
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._open.enter_async_context(self.database)
        try:
            await create_tables(self.database, self.mapper.root.metadata)
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        in_use = self.database.status.in_use
        await self._open.aclose()
        if error is None:
            assert in_use == 0, f"{in_use} connections were not given back"  # noqa: S101

    def unit(self, caller: Caller = ANONYMOUS) -> TrackingUnitOfWork:
        """Return a new unit of work over the database."""
        return SqlUnitOfWork(self.database, caller)

    async def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Return what is committed, through a connection of its own."""
        found: dict[str, list[dict[str, Any]]] = {}
        for table in self.mapper.tables:
            found[table.name] = await all_rows(self.database, table)
        return found


def open_place(
    name: str, repository: type[MappedRepository[Any, Any]], request: pytest.FixtureRequest
) -> Place:
    """Return the place of a name.

    Args:
        name: ``memory``, ``sqlite`` or ``postgres``; the last needs the fixture
            ``nexios_postgres`` and is skipped, and counted, without a server.
        repository: The class under test.
        request: Of the test that asks.
    """
    match name:
        case "memory":
            return MemoryPlace(name, repository)
        case "sqlite":
            folder: Path = request.getfixturevalue("tmp_path")
            return SqlPlace(name, repository, f"sqlite:///{folder / 'contract.db'}")
        case "postgres":
            return SqlPlace(name, repository, request.getfixturevalue("nexios_database_url"))
    raise ValueError(f'"{name}" is no store: memory, sqlite or postgres')
