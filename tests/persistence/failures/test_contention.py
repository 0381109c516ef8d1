"""Locks, deadlocks, serialization, time limits and cancellation on a real server."""

import asyncio

import anyio
import pytest

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.errors import (
    TransactionUndone,
    is_repeatable,
)
from nexios.domain.errors import RuleViolated
from nexios.testing.leaks import watched
from nexios.testing.postgres import PostgresServer, run_sql
from tests.support.counters import in_own_context

pytestmark = pytest.mark.asyncio


async def test_a_lock_that_is_held_is_repeatable_then_503(server: PostgresServer) -> None:
    async with watched(server.url(), lock_timeout_s=0.1) as db:
        await db.execute("CREATE TABLE t (n integer PRIMARY KEY, v integer)")
        await db.execute("INSERT INTO t VALUES (1, 0)")
        held, done = asyncio.Event(), asyncio.Event()

        async def holder() -> None:
            async with db.transaction():
                await db.execute("UPDATE t SET v = 1")
                held.set()
                await done.wait()

        task = in_own_context(holder)
        await held.wait()
        with pytest.raises(TransactionUndone) as refusal:
            async with db.transaction():
                await db.execute("UPDATE t SET v = 2")
        done.set()
        await task

        assert refusal.value.state == "55P03"
        assert is_repeatable(refusal.value)
        assert await db.fetch_value("SELECT v FROM t") == 1


async def test_one_of_a_deadlock_is_undone(db: Database) -> None:
    await db.execute("INSERT INTO t VALUES (1, 0), (2, 0)")
    both = asyncio.Barrier(2)

    async def cross(first: int, second: int) -> None:
        async with db.transaction():
            await db.execute("UPDATE t SET v = v + 1 WHERE n = ?", [first])
            await both.wait()
            await db.execute("UPDATE t SET v = v + 1 WHERE n = ?", [second])

    answers = await asyncio.gather(
        in_own_context(lambda: cross(1, 2)),
        in_own_context(lambda: cross(2, 1)),
        return_exceptions=True,
    )

    undone = [answer for answer in answers if answer is not None]
    assert [getattr(error, "state", None) for error in undone] == ["40P01"]
    assert await db.fetch_value("SELECT sum(v) FROM t") == 2


@pytest.mark.parametrize(
    ("isolation", "keeps"), [(None, False), ("repeatable read", False), ("serializable", True)]
)
async def test_write_skew_needs_serializable(
    db: Database, isolation: str | None, keeps: bool
) -> None:
    # The rule: at least one row has v = 0 (somebody stays on call).
    await db.execute("INSERT INTO t VALUES (1, 0), (2, 0)")
    both = asyncio.Barrier(2)

    async def leave(n: int) -> None:
        async with db.transaction(isolation=isolation):
            staying = await db.fetch_value("SELECT count(*) FROM t WHERE v = 0")
            await both.wait()
            assert isinstance(staying, int)
            if staying > 1:
                await db.execute("UPDATE t SET v = 1 WHERE n = ?", [n])

    answers = await asyncio.gather(
        in_own_context(lambda: leave(1)), in_own_context(lambda: leave(2)), return_exceptions=True
    )

    lost = [answer for answer in answers if answer is not None]
    if keeps:
        assert [getattr(error, "state", None) for error in lost] == ["40001"]
        assert await db.fetch_value("SELECT count(*) FROM t WHERE v = 0") == 1
    else:
        assert lost == []
        assert await db.fetch_value("SELECT count(*) FROM t WHERE v = 0") == 0


@pytest.mark.parametrize("native", [True, False], ids=["Task.cancel", "anyio"])
async def test_a_cancelled_statement_frees_its_lock_and_keeps_its_backend(
    server: PostgresServer, native: bool
) -> None:
    async with watched(server.url(), pool_size=1, statement_timeout_s=1) as db:
        await db.execute("CREATE TABLE t (n integer PRIMARY KEY, v integer)")
        await db.execute("INSERT INTO t VALUES (1, 0)")
        backend = await db.fetch_value("SELECT pg_backend_pid()")
        later: list[str] = []

        async def use_case() -> None:
            async with db.transaction():
                await db.execute("UPDATE t SET v = 9")
                await db.fetch_value("SELECT pg_sleep(0.6)")
                later.append("ran")
                await db.execute("UPDATE t SET v = 10")
                later.append("ran too")

        if native:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await use_case()
            assert later == []
        else:
            with anyio.move_on_after(0.2):
                await use_case()
            # The shield lets the statement end; the next one must not start.
            assert later in ([], ["ran"])

        await asyncio.to_thread(run_sql, server.url(), "UPDATE t SET v = v + 1 WHERE v = 0")
        assert await db.fetch_value("SELECT v FROM t") == 1
        assert await db.fetch_value("SELECT pg_backend_pid()") == backend
        assert db.status.replaced == 0


@pytest.mark.parametrize("native", [True, False], ids=["Task.cancel", "anyio"])
async def test_a_commit_that_was_sent_is_waited_for(server: PostgresServer, native: bool) -> None:
    async with watched(server.url(), pool_size=1) as db:
        await _slow_commit(db)

        async def use_case() -> None:
            async with db.transaction():
                await db.execute("INSERT INTO t VALUES (1)")

        if native:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await use_case()
        else:
            with anyio.move_on_after(0.2) as scope:
                await use_case()
            assert scope.cancelled_caught

        # Told after the fact: the row is there already when the cancellation arrives.
        assert db.status.in_use == 0
        assert await db.fetch_value("SELECT count(*) FROM t") == 1


async def test_a_constraint_checked_at_the_commit_is_a_definite_failure(db: Database) -> None:
    await db.execute(
        "CREATE TABLE child (n integer REFERENCES t (n) DEFERRABLE INITIALLY DEFERRED)"
    )
    with pytest.raises(RuleViolated):
        async with db.transaction():
            await db.execute("INSERT INTO child VALUES (99)")

    assert await db.fetch_value("SELECT count(*) FROM child") == 0


async def test_a_column_that_changes_type_costs_one_repetition_at_most(db: Database) -> None:
    await db.execute("INSERT INTO t VALUES (1, 1)")
    for _ in range(2):
        async with db.transaction():
            await db.fetch_all("SELECT * FROM t")
    async with Database(str(db._url.driver_url), application_name="migration") as other:
        await other.execute("ALTER TABLE t ALTER v TYPE text USING v::text")

    failures = []
    for _ in range(2):
        try:
            async with db.transaction():
                rows = await db.fetch_all("SELECT * FROM t")
        except TransactionUndone as error:
            failures.append(error)
    assert len(failures) <= 1
    assert all(is_repeatable(error) for error in failures)
    assert rows == [{"n": 1, "v": "1"}]


async def _slow_commit(db: Database) -> None:
    """Make a table whose rows take 0.6 s to commit."""
    await db.execute("CREATE TABLE t (n integer)")
    await db.execute(
        "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(0.6); RETURN NULL; END $$"
    )
    await db.execute(
        "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON t"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slowly()"
    )
