"""A use case cancelled at each of its awaits, both kinds: all of it happened, or nothing."""

import asyncio
import contextvars
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import anyio
import pytest

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.sql import SqlUnitOfWork
from nexios.adapters.persistence.tables import create_tables
from nexios.application.subscribers import Consumer
from nexios.domain import DomainEvent
from nexios.testing.postgres import assert_pool_idle
from tests.support.bank import METADATA, AccountId, Moved, SqlAccounts, Transfer

pytestmark = pytest.mark.asyncio


class _OneConsumer:
    def before(self, event_type: type[DomainEvent]) -> list[Any]:
        return []

    def consumers(self, event_type: type[DomainEvent]) -> list[Consumer]:
        return [Consumer("books", Moved)]


async def cancelled_at(
    steps: tuple[int, ...], work: Coroutine[Any, Any, None], *, native: bool
) -> tuple[bool, bool]:
    """Run ``work`` and cancel it while it waits for the n-th time, for each n of ``steps``.

    Returns:
        Whether it came to its end undisturbed, and whether it waited so often at all.
    """
    reached = False
    scope = anyio.CancelScope()

    async def run() -> bool:
        task = asyncio.current_task()
        assert task is not None
        with scope:
            await counted(task.cancel if native else scope.cancel)
            return True
        return False

    @types.coroutine
    def counted(cancel: Callable[[], object]) -> Generator[Any, Any, None]:
        nonlocal reached
        waited = 0
        error: BaseException | None = None
        while True:
            try:
                future = work.throw(error) if error is not None else work.send(None)
            except StopIteration:
                return
            waited += 1
            if waited in steps:
                reached = True
                asyncio.get_running_loop().call_soon(cancel)
            try:
                error = None
                yield future
            except BaseException as raised:
                error = raised

    task = asyncio.create_task(run(), context=contextvars.Context())
    (result,) = await asyncio.gather(task, return_exceptions=True)
    if isinstance(result, asyncio.CancelledError):
        return False, reached
    if isinstance(result, BaseException):
        raise result
    return result, reached


@pytest.mark.parametrize("twice", [False, True], ids=["once", "twice"])
@pytest.mark.parametrize("native", [False, True], ids=["anyio", "native"])
async def test_money_is_moved_whole_or_not_at_all(
    database_url: str, native: bool, twice: bool
) -> None:
    async with Database(database_url, pool_size=2) as db:
        await create_tables(db, METADATA)
        opener = SqlUnitOfWork(db)
        source, target = await Transfer(opener, SqlAccounts(opener)).open(100_000, 0)
        moved, step, reached = 0, 0, True
        while reached:
            step += 1
            unit = SqlUnitOfWork(db, subscribers=_OneConsumer())
            done, reached = await cancelled_at(
                (step, step + 1) if twice else (step,),
                Transfer(unit, SqlAccounts(unit)).move(source, target, 1),
                native=native,
            )
            assert_pool_idle(db)
            after = await _target(db, target)
            assert after in ((moved + 1,) if done else (moved, moved + 1)), step
            moved = after
            await _assert_whole(db, moved)
        assert step > 5


async def _target(db: Database, target: AccountId) -> int:
    return int(str(await db.fetch_value("SELECT cents FROM accounts WHERE id = ?", [target])))


async def _assert_whole(db: Database, moved: int) -> None:
    assert await db.fetch_value("SELECT sum(cents) FROM accounts") == 100_000
    assert await db.fetch_value("SELECT count(*) FROM bookings") == 2 * moved
    assert await db.fetch_value("SELECT count(*) FROM nx_outbox") == 2 * moved
    assert await db.fetch_value("SELECT count(*) FROM nx_delivery") == 2 * moved
    assert await db.fetch_value("SELECT sum(version) FROM accounts") == 2 + 2 * moved
