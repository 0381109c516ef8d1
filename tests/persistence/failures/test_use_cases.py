"""Use cases over SqlUnitOfWork when the server undoes them, dies, or does not answer."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import select

from nexios.adapters.persistence import outcome
from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.errors import (
    CommitUnanswered,
    ConnectionLost,
    DatabaseUnavailable,
    StaleWrite,
)
from nexios.adapters.persistence.outcome import MARK, resolve_commit
from nexios.adapters.persistence.sql import SqlUnitOfWork
from nexios.application.errors import OutcomeUnknown
from nexios.domain.errors import Conflict
from nexios.testing.leaks import watched
from nexios.testing.postgres import NoPostgres, PostgresServer, kill_backends, run_sql
from nexios.testing.proxy import Cut, CuttingProxy
from nexios.testing.skips import missing
from tests.support.counters import (
    COUNTERS,
    CounterId,
    SqlCounters,
    in_own_context,
    made,
    raise_by_one,
    stored,
)

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def proxied(
    server: PostgresServer, counters: Database
) -> AsyncIterator[tuple[Database, CuttingProxy]]:
    async with CuttingProxy("127.0.0.1", server.port).running() as proxy:
        url = f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres"
        async with Database(url, pool_size=2) as database:
            yield database, proxy


async def test_a_backend_killed_before_the_commit_means_once_more(
    counters: Database, server: PostgresServer
) -> None:
    id = await made(counters)
    uow = SqlUnitOfWork(counters)
    tries = 0

    async def work() -> None:
        nonlocal tries
        tries += 1
        counter = await SqlCounters(uow).get(id)
        counter.value += 1
        if tries == 1:
            await asyncio.to_thread(kill_backends, server)

    await uow.run(work)

    assert tries == 2
    assert await stored(counters) == (1, 2)


async def test_one_that_dies_each_time_is_503(counters: Database, server: PostgresServer) -> None:
    id = await made(counters)
    uow = SqlUnitOfWork(counters)
    tries = 0

    async def work() -> None:
        nonlocal tries
        tries += 1
        (await SqlCounters(uow).get(id)).value += 1
        await asyncio.to_thread(kill_backends, server)

    with pytest.raises(DatabaseUnavailable) as refusal:
        await uow.run(work, retries=1)

    assert tries == 2
    assert any("was tried 2 times" in note for note in refusal.value.__notes__)
    assert await stored(counters) == (0, 1)


async def test_many_writers_all_land(counters: Database) -> None:
    id = await made(counters)

    await asyncio.gather(
        *(in_own_context(lambda: raise_by_one(counters, id, retries=50)) for _ in range(8))
    )

    assert await stored(counters) == (8, 9)


async def test_a_stale_version_without_retries_is_a_conflict(counters: Database) -> None:
    id = await made(counters)
    uow = SqlUnitOfWork(counters)

    async def work() -> None:
        (await SqlCounters(uow).get(id)).value += 1
        await in_own_context(lambda: raise_by_one(counters, id))

    with pytest.raises(Conflict):
        await uow.run(work, retries=0)

    assert await stored(counters) == (1, 2)


async def test_a_deadlock_is_run_again(counters: Database) -> None:
    first, second = await made(counters), await made(counters)
    both = asyncio.Barrier(2)
    tries = 0

    async def cross(one: CounterId, two: CounterId) -> None:
        uow = SqlUnitOfWork(counters)
        met = False

        async def work() -> None:
            nonlocal met, tries
            tries += 1
            # Locked by hand, in crossed order: what the unit of work itself never does.
            await counters.execute("SELECT 1 FROM counters WHERE id = ? FOR UPDATE", [one])
            if not met:
                met = True
                await both.wait()
            await counters.execute("SELECT 1 FROM counters WHERE id = ? FOR UPDATE", [two])
            (await SqlCounters(uow).get(two)).value += 1

        await uow.run(work)

    await asyncio.gather(
        in_own_context(lambda: cross(first, second)), in_own_context(lambda: cross(second, first))
    )

    assert tries == 3
    assert await counters.fetch_value("SELECT sum(value) FROM counters") == 2


async def test_serializable_use_cases_keep_a_rule_across_aggregates(counters: Database) -> None:
    ids = [await made(counters), await made(counters)]
    both = asyncio.Barrier(2)

    async def leave(id: CounterId) -> None:
        uow = SqlUnitOfWork(counters)
        met = False

        async def work() -> None:
            nonlocal met
            repository = SqlCounters(uow)
            here = [(await repository.get(one)).value for one in ids]
            if not met:
                met = True
                await both.wait()
            if here.count(0) > 1:
                (await repository.get(id)).value = 1

        await uow.run(work, isolation="serializable", retries=5)

    await asyncio.gather(*(in_own_context(lambda one=one: leave(one)) for one in ids))

    assert await counters.fetch_value("SELECT sum(value) FROM counters") == 1


async def test_a_lost_answer_to_a_commit_that_happened_is_success(
    proxied: tuple[Database, CuttingProxy], counters: Database
) -> None:
    database, proxy = proxied
    id = await made(database)
    proxy.cut = Cut.AFTER

    assert await raise_by_one(database, id) == 1

    assert proxy.cuts == 1
    assert await stored(counters) == (1, 2)


async def test_a_commit_that_never_arrived_is_run_again(
    proxied: tuple[Database, CuttingProxy], counters: Database
) -> None:
    database, proxy = proxied
    id = await made(database)
    proxy.cut = Cut.BEFORE

    assert await raise_by_one(database, id) == 2

    assert proxy.cuts == 1
    assert await stored(counters) == (1, 2)


async def test_a_lost_answer_that_nobody_can_explain_is_said_so(
    proxied: tuple[Database, CuttingProxy],
    counters: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    database, proxy = proxied
    id = await made(database)
    monkeypatch.setattr(outcome, "BUDGET_S", 0.2)
    proxy.cut = Cut.AFTER
    proxy.refuse_after_cut = True

    with pytest.raises(OutcomeUnknown, match="answer to COMMIT was lost"):
        await raise_by_one(database, id)

    assert await stored(counters) == (1, 2)


@pytest.mark.parametrize("flushed", [False, True], ids=["forgotten", "remembered"])
async def test_a_number_that_a_crash_gave_out_again_proves_nothing(flushed: bool) -> None:
    # Nothing but a commit writes the log down in time.
    try:
        private = PostgresServer(durable=True, settings=["wal_writer_delay=10s"])
    except NoPostgres as reason:
        missing("postgres", str(reason))
    with private as server:
        run_sql(server.url(), "CREATE TABLE t (n integer)")
        async with watched(server.url()) as database:
            transaction = database.begin()
            row = await transaction.run_one(f"INSERT INTO t VALUES (1) RETURNING {MARK} AS mark")
            assert row is not None
            mark = str(row["mark"])
            if flushed:
                await asyncio.to_thread(run_sql, server.url(), "INSERT INTO t VALUES (2)")
            await asyncio.to_thread(server.restart, "immediate")
            await transaction.rollback()
            database.end(transaction)

            # At once the number may be one of the future, then it is somebody else's.
            for _ in range(5):
                with pytest.raises((ConnectionLost, CommitUnanswered)):
                    await resolve_commit(database, mark, CommitUnanswered("lost"))
                await database.execute("INSERT INTO t VALUES (3)")


async def test_after_a_crash_a_row_that_only_this_one_wrote_is_proof(counters: Database) -> None:
    id = await made(counters)
    row = await counters.fetch_one(f"UPDATE counters SET value = 1 RETURNING {MARK} AS mark")
    assert row is not None
    xid, _, life = str(row["mark"]).partition(" ")
    lost = CommitUnanswered("lost")
    await resolve_commit(counters, f"{xid} {life}", lost)
    here, elsewhere = (
        select(COUNTERS.c.id).where(COUNTERS.c.id == one) for one in (id, CounterId.new())
    )

    await resolve_commit(counters, f"{xid} 1.5", lost, witness=here)
    with pytest.raises(CommitUnanswered):
        await resolve_commit(counters, f"{xid} 1.5", lost, witness=elsewhere)
    with pytest.raises(CommitUnanswered):
        await resolve_commit(counters, f"{xid} 1.5", lost)


async def test_a_raw_transaction_never_pretends_to_know(
    proxied: tuple[Database, CuttingProxy], counters: Database
) -> None:
    database, proxy = proxied
    id = await made(database)
    for cut in (Cut.BEFORE, Cut.AFTER):
        proxy.cut = cut
        with pytest.raises(OutcomeUnknown):
            async with database.transaction():
                await database.execute("UPDATE counters SET value = value + 1 WHERE id = ?", [id])

    assert (await stored(counters))[0] == 1


async def test_two_tasks_of_one_use_case_share_one_transaction(counters: Database) -> None:
    ids = [await made(counters) for _ in range(5)]
    uow = SqlUnitOfWork(counters)

    async def work() -> None:
        repository = SqlCounters(uow)

        async def one(id: CounterId) -> None:
            (await repository.get(id)).value += 1

        await asyncio.gather(*(one(id) for id in ids), *(one(id) for id in ids))
        assert counters.status.in_use == 1

    await uow.run(work)

    assert await counters.fetch_value("SELECT sum(value) FROM counters") == 10


async def test_a_use_case_that_joined_is_not_tried_again(counters: Database) -> None:
    tries: list[int] = []

    async def stale() -> None:
        tries.append(1)
        raise StaleWrite

    # What the block wrote before cannot be done again from in here.
    with pytest.raises(StaleWrite):
        async with counters.transaction():
            await SqlUnitOfWork(counters).run(stale)
    assert tries == [1]


async def test_a_use_case_inside_a_transaction_joins_it(counters: Database) -> None:
    id = await made(counters)
    with pytest.raises(KeyError):
        async with counters.transaction():
            await raise_by_one(counters, id)
            assert await stored(counters) == (1, 2)
            raise KeyError

    assert await stored(counters) == (0, 1)


async def test_a_read_only_use_case_holds_no_lock_and_writes_nothing(
    counters: Database, server: PostgresServer
) -> None:
    id = await made(counters)
    uow = SqlUnitOfWork(counters)

    async def work() -> int:
        counter = await SqlCounters(uow).get(id)
        await asyncio.to_thread(run_sql, server.url(), "UPDATE counters SET version = version")
        return counter.value

    assert await uow.run(work, read_only=True) == 0
