"""Blocks on every store: nesting, spent blocks, turns, cancellation, ends."""

import asyncio
import contextvars
from collections.abc import AsyncIterator

import anyio
import pytest
import pytest_asyncio

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.errors import (
    BadStatement,
    PlaceholderMismatch,
    ReadOnlyTransaction,
    StatementTimedOut,
    TransactionBusy,
    TransactionClosed,
    TransactionFailed,
    TransactionOptions,
)
from nexios.adapters.persistence.placeholders import Store
from nexios.domain.errors import AlreadyExists
from nexios.testing.postgres import assert_pool_idle
from nexios.testing.skips import lacks

pytestmark = pytest.mark.asyncio

INSERT = "INSERT INTO t (n) VALUES (?)"


@pytest_asyncio.fixture
async def db(database: Database) -> Database:
    await database.execute("CREATE TABLE t (n integer PRIMARY KEY)")
    return database


@pytest_asyncio.fixture
async def impatient(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, lock_timeout_s=0.05) as database:
        await database.execute("CREATE TABLE t (n integer PRIMARY KEY)")
        yield database
        assert_pool_idle(database)


async def stored(db: Database) -> list[object]:
    return [row["n"] for row in await db.fetch_all("SELECT n FROM t ORDER BY n")]


async def test_a_normal_end_commits(db: Database) -> None:
    async with db.transaction():
        await db.execute(INSERT, [1])
        await db.execute(INSERT, [2])

    assert await stored(db) == [1, 2]


async def test_an_error_rolls_back_and_goes_through(db: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with db.transaction():
            await db.execute(INSERT, [1])
            raise ZeroDivisionError

    assert await stored(db) == []


async def test_nobody_else_sees_it_before_the_commit(database_url: str) -> None:
    if database_url == "sqlite://":
        lacks("sqlite in memory", "a second connection")
    async with Database(database_url) as db, Database(database_url) as other:
        await db.execute("CREATE TABLE t (n integer PRIMARY KEY)")
        async with db.transaction():
            await db.execute(INSERT, [1])
            assert await stored(other) == []

        assert await stored(other) == [1]


class TestNested:
    async def test_an_inner_failure_leaves_the_outer_usable(self, db: Database) -> None:
        async with db.transaction():
            await db.execute(INSERT, [1])
            with pytest.raises(AlreadyExists):
                async with db.transaction():
                    await db.execute(INSERT, [2])
                    await db.execute(INSERT, [1])
            await db.execute(INSERT, [3])

        assert await stored(db) == [1, 3]

    async def test_depth_is_free(self, db: Database) -> None:
        async with db.transaction():
            await db.execute(INSERT, [1])
            async with db.transaction():
                await db.execute(INSERT, [2])
                with pytest.raises(KeyError):
                    async with db.transaction():
                        await db.execute(INSERT, [3])
                        raise KeyError
                await db.execute(INSERT, [4])
            async with db.transaction():
                await db.execute(INSERT, [5])

        assert await stored(db) == [1, 2, 4, 5]

    async def test_an_outer_failure_takes_the_inner_with_it(self, db: Database) -> None:
        with pytest.raises(KeyError):
            async with db.transaction():
                async with db.transaction():
                    await db.execute(INSERT, [1])
                raise KeyError

        assert await stored(db) == []

    @pytest.mark.parametrize(
        "options", [{"isolation": "serializable"}, {"read_only": True}, {"timeout_s": 1}]
    )
    async def test_options_are_the_outermosts(
        self, db: Database, options: dict[str, object]
    ) -> None:
        async with db.transaction():
            with pytest.raises(TransactionOptions, match="this one is nested"):
                async with db.transaction(**options):  # type: ignore[arg-type]
                    pass
            await db.execute(INSERT, [1])

        assert await stored(db) == [1]

    async def test_an_unknown_isolation_is_refused(self, db: Database) -> None:
        with pytest.raises(TransactionOptions, match="repeatable read"):
            db.transaction(isolation="chaos; DROP TABLE t")

    async def test_a_caught_error_in_a_nested_block_is_not_lost(self, db: Database) -> None:
        async with db.transaction():
            await db.execute(INSERT, [1])
            with pytest.raises(TransactionFailed):
                async with db.transaction():
                    await db.execute(INSERT, [2])
                    with pytest.raises(AlreadyExists):
                        await db.execute(INSERT, [1])
            await db.execute(INSERT, [3])

        assert await stored(db) == [1, 3]


class TestSpent:
    async def test_a_caught_error_and_a_normal_end_is_a_failure(self, db: Database) -> None:
        await db.execute(INSERT, [1])
        with pytest.raises(TransactionFailed) as refusal:
            async with db.transaction():
                await db.execute(INSERT, [2])
                with pytest.raises(AlreadyExists):
                    await db.execute(INSERT, [1])

        assert isinstance(refusal.value.__cause__, AlreadyExists)
        assert await stored(db) == [1]

    async def test_the_next_statement_is_refused_too(self, db: Database) -> None:
        await db.execute(INSERT, [1])
        with pytest.raises(TransactionFailed, match="nothing was written"):
            async with db.transaction():
                with pytest.raises(AlreadyExists):
                    await db.execute(INSERT, [1])
                await db.execute(INSERT, [2])

        assert await stored(db) == [1]

    async def test_what_was_never_sent_spends_nothing(self, db: Database) -> None:
        async with db.transaction():
            with pytest.raises(PlaceholderMismatch):
                await db.execute(INSERT, [1, 2])
            await db.execute(INSERT, [3])

        assert await stored(db) == [3]

    async def test_the_first_failure_is_the_cause(self, db: Database) -> None:
        await db.execute(INSERT, [1])
        with pytest.raises(TransactionFailed) as refusal:
            async with db.transaction():
                for sql, error in ((INSERT, AlreadyExists), (INSERT, TransactionFailed)):
                    with pytest.raises(error):
                        await db.execute(sql, [1])

        assert isinstance(refusal.value.__cause__, AlreadyExists)

    async def test_a_commit_in_a_statement_is_not_taken_for_ours(self, db: Database) -> None:
        with pytest.raises(TransactionFailed):
            async with db.transaction():
                await db.execute(INSERT, [1])
                await db.execute("ROLLBACK")

        assert await stored(db) == []

    async def test_a_begin_in_a_statement_does_not_enter_the_pool(self, db: Database) -> None:
        await db.execute("BEGIN")
        await db.execute(INSERT, [1])
        async with db.transaction():
            await db.execute(INSERT, [2])

        assert await stored(db) == [1, 2]


class TestReadOnly:
    async def test_a_write_is_refused(self, db: Database) -> None:
        with pytest.raises(ReadOnlyTransaction):
            async with db.transaction(read_only=True):
                assert await stored(db) == []
                await db.execute(INSERT, [1])

        await db.execute(INSERT, [2])
        assert await stored(db) == [2]

    async def test_the_connection_writes_again_afterwards(self, database_url: str) -> None:
        async with Database(database_url, pool_size=1) as db:
            await db.execute("CREATE TABLE t (n integer PRIMARY KEY)")
            async with db.transaction(read_only=True):
                await stored(db)
            with pytest.raises(KeyError):
                async with db.transaction(read_only=True):
                    raise KeyError
            await db.execute(INSERT, [1])
            assert await stored(db) == [1]
            assert db.status.replaced == 0


class TestTasks:
    async def test_children_share_the_transaction_and_take_turns(self, db: Database) -> None:
        with pytest.raises(KeyError):
            async with db.transaction():
                await asyncio.gather(*(db.execute(INSERT, [n]) for n in range(20)))
                assert len(await stored(db)) == 20
                assert db.status.in_use == 1
                raise KeyError

        assert await stored(db) == []

    async def test_a_siblings_row_never_goes_with_a_foreign_savepoint(self, db: Database) -> None:
        opened, written = asyncio.Event(), asyncio.Event()

        async def undoes() -> None:
            with pytest.raises(KeyError):
                async with db.transaction():
                    opened.set()
                    await db.execute(INSERT, [1])
                    await asyncio.sleep(0)
                    raise KeyError
            written.set()

        async def writes() -> None:
            await opened.wait()
            await db.execute(INSERT, [2])

        async with db.transaction():
            await asyncio.gather(undoes(), writes())

        assert await stored(db) == [2]

    async def test_waiting_for_ones_own_sibling_ends(self, impatient: Database) -> None:
        db = impatient
        opened, done = asyncio.Event(), asyncio.Event()

        async def holds() -> None:
            async with db.transaction():
                opened.set()
                await done.wait()

        async with db.transaction():
            sibling = asyncio.create_task(holds(), name="holder")
            await opened.wait()
            with pytest.raises(TransactionBusy, match='nested block of task "holder"'):
                await db.execute(INSERT, [1])
            done.set()
            await sibling
            await db.execute(INSERT, [2])

        assert await stored(db) == [2]

    async def test_a_block_that_ends_over_its_siblings_head_commits_nothing(
        self, impatient: Database
    ) -> None:
        db = impatient
        opened, done = asyncio.Event(), asyncio.Event()

        async def holds() -> None:
            async with db.transaction():
                await db.execute(INSERT, [1])
                opened.set()
                await done.wait()

        with pytest.raises(TransactionBusy):
            async with db.transaction():
                sibling = asyncio.create_task(holds())
                await opened.wait()

        done.set()
        with pytest.raises((TransactionClosed, TransactionFailed)):
            await sibling
        if db.store is Store.POSTGRESQL:
            assert await stored(db) == []
        assert db.status.in_use == 0

    async def test_a_task_that_outlives_its_block_is_told(self, db: Database) -> None:
        ended = asyncio.Event()

        async def late() -> None:
            await ended.wait()
            await db.execute(INSERT, [1])

        async with db.transaction():
            task = asyncio.create_task(late(), name="late")
        ended.set()
        with pytest.raises(TransactionClosed, match=r'task "late".*ended at .*test_transactions'):
            await task

        assert await stored(db) == []

    async def test_neither_may_it_open_a_block_of_its_own(self, db: Database) -> None:
        ended = asyncio.Event()

        async def late() -> None:
            await ended.wait()
            async with db.transaction():
                await db.execute(INSERT, [1])

        async with db.transaction():
            task = asyncio.create_task(late())
        ended.set()
        with pytest.raises(TransactionClosed):
            await task

    async def test_a_pool_of_n_serves_n_transactions(self, database_url: str) -> None:
        async with Database(database_url, pool_size=3, pool_timeout_s=20) as db:
            await db.execute("CREATE TABLE t (n integer PRIMARY KEY)")

            async def work(n: int) -> None:
                async with db.transaction():
                    await db.fetch_value("SELECT 1")
                    async with db.transaction():
                        await db.execute(INSERT, [n])

            await asyncio.gather(
                *(asyncio.create_task(work(n), context=contextvars.Context()) for n in range(12))
            )
            assert await stored(db) == list(range(12))

    async def test_the_current_block_ends_with_its_block(self, db: Database) -> None:
        assert db.current is None
        async with db.transaction():
            outer = db.current
            async with db.transaction():
                assert db.current is not outer
            assert db.current is outer
        assert db.current is None


class TestCancellation:
    async def test_no_statement_runs_after_a_cancel(self, db: Database) -> None:
        reached = []
        with anyio.CancelScope() as scope:
            async with db.transaction():
                await db.execute(INSERT, [1])
                scope.cancel()
                await db.execute(INSERT, [2])
                reached.append("after")

        assert reached == []
        assert await stored(db) == []

    async def test_a_cancelled_block_does_not_commit(self, db: Database) -> None:
        with anyio.CancelScope() as scope:
            async with db.transaction():
                await db.execute(INSERT, [1])
                scope.cancel()

        assert await stored(db) == []

    @pytest.mark.parametrize("native", [True, False], ids=["Task.cancel", "anyio"])
    async def test_a_cancelled_statement_leaves_a_usable_connection(
        self, database_url: str, native: bool
    ) -> None:
        async with Database(database_url, pool_size=1, statement_timeout_s=1) as db:
            await db.execute("CREATE TABLE t (n integer PRIMARY KEY)")
            slow = _slow(db)

            async def use_case() -> None:
                async with db.transaction():
                    await db.execute(INSERT, [1])
                    await db.fetch_value(slow)

            if native:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await use_case()
            else:
                with anyio.move_on_after(0.1) as scope:
                    try:
                        await use_case()
                    except StatementTimedOut:
                        await anyio.lowlevel.checkpoint()
                assert scope.cancelled_caught

            assert await stored(db) == []
            await db.execute(INSERT, [2])
            assert await stored(db) == [2]
            assert db.status.in_use == 0

    async def test_a_cancelled_autocommit_statement_leaves_one_too(
        self, database_url: str
    ) -> None:
        async with Database(database_url, pool_size=1) as db:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await db.fetch_value(_slow(db))
            assert await db.fetch_value("SELECT 1") == 1
            assert db.status.in_use == 0

    async def test_a_caught_cancel_spends_the_block(self, db: Database) -> None:
        with pytest.raises(TransactionFailed):
            async with db.transaction():
                await db.execute(INSERT, [1])
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await db.fetch_value(_slow(db))

        assert await stored(db) == []


class TestTimeLimits:
    async def test_a_statement_is_stopped(self, database_url: str) -> None:
        async with Database(database_url, pool_size=1, statement_timeout_s=0.2) as db:
            with pytest.raises(StatementTimedOut):
                await db.fetch_value(_slow(db))
            assert await db.fetch_value("SELECT 1") == 1
            assert db.status.replaced == 0

    async def test_the_whole_block_has_one(self, db: Database) -> None:
        with pytest.raises(StatementTimedOut):
            async with db.transaction(timeout_s=0.2):
                await db.execute(INSERT, [1])
                await db.fetch_value(_slow(db))

        assert await stored(db) == []

    async def test_no_statement_starts_after_it(self, db: Database) -> None:
        with pytest.raises(StatementTimedOut, match="of the transaction ran out"):
            async with db.transaction(timeout_s=0.05):
                await db.execute(INSERT, [1])
                await asyncio.sleep(0.06)
                await db.execute(INSERT, [2])

        assert await stored(db) == []


class TestLazy:
    async def test_no_statement_no_connection(self, db: Database) -> None:
        transaction = db.begin()
        assert db.current is transaction
        assert db.status.in_use == 0
        await transaction.commit()
        db.end(transaction)
        assert db.current is None

    async def test_the_first_statement_begins(self, db: Database) -> None:
        transaction = db.begin()
        await asyncio.gather(*(db.execute(INSERT, [n]) for n in range(5)))
        assert db.status.in_use == 1
        assert await transaction.run("SELECT count(*) AS c FROM t") == [{"c": 5}]
        await transaction.rollback()
        await transaction.rollback()
        db.end(transaction)

        assert await stored(db) == []

    async def test_there_is_one_at_a_time(self, db: Database) -> None:
        async with db.transaction():
            with pytest.raises(TransactionOptions, match="join it"):
                db.begin()

    async def test_a_failed_begin_leaves_nothing(self, database_url: str) -> None:
        async with Database(database_url, pool_size=1, pool_timeout_s=0.05) as db:
            with pytest.raises(BadStatement):
                async with db.transaction():
                    await db.execute("SELEC")
            assert db.status.in_use == 0


def _slow(db: Database) -> str:
    if db.store is Store.POSTGRESQL:
        return "SELECT pg_sleep(20)"
    return (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000)"
        " SELECT count(*) FROM n"
    )
