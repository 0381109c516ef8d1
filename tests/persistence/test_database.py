"""What Database promises on every store."""

import asyncio
import contextvars
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from sqlalchemy import JSON, Column, Integer, MetaData, String, Table, insert, select
from sqlalchemy.schema import CreateTable

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.errors import (
    BadParameter,
    BadStatement,
    DatabaseUnavailable,
    DuplicateColumn,
    OneStatementOnly,
    PlaceholderMismatch,
    StreamClosed,
    WrongEventLoop,
)
from nexios.adapters.persistence.placeholders import Store
from nexios.adapters.persistence.types import ExactDecimal, IdentityType, UtcDateTime
from nexios.domain.errors import AlreadyExists, InvalidValue, RuleViolated
from nexios.domain.values import Identity
from nexios.testing.skips import lacks

USERS = (
    "CREATE TABLE users (id integer PRIMARY KEY, name varchar(40) UNIQUE NOT NULL,"
    " age integer CHECK (age >= 0), boss integer REFERENCES users (id))"
)
INSERT = "INSERT INTO users (id, name, age) VALUES (?, ?, ?)"


class ThingId(Identity):
    """For the typed table."""


THINGS = Table(
    "things",
    MetaData(),
    Column("id", IdentityType(ThingId), primary_key=True),
    Column("price", ExactDecimal(18, 4)),
    Column("at", UtcDateTime()),
    Column("data", JSON),
    Column("label", String(200)),
    Column("number", Integer),
)


@pytest_asyncio.fixture
async def db(database: Database) -> Database:
    await database.execute(USERS)
    await database.execute_many(INSERT, [(1, "ann", 30), (2, "bob", 40), (3, "cy", None)])
    return database


@pytest.mark.asyncio
class TestStatements:
    async def test_rows_are_dicts_in_select_order(self, db: Database) -> None:
        rows = await db.fetch_all("SELECT name, id FROM users WHERE id < ? ORDER BY id", [3])

        assert rows == [{"name": "ann", "id": 1}, {"name": "bob", "id": 2}]
        assert list(rows[0]) == ["name", "id"]

    async def test_one_row_or_none(self, db: Database) -> None:
        assert await db.fetch_one("SELECT name FROM users WHERE id = ?", [2]) == {"name": "bob"}
        assert await db.fetch_one("SELECT name FROM users WHERE id = ?", [9]) is None

    async def test_the_first_value_or_none(self, db: Database) -> None:
        assert await db.fetch_value("SELECT name, id FROM users WHERE id = ?", [2]) == "bob"
        assert await db.fetch_value("SELECT age FROM users WHERE id = 3") is None
        assert await db.fetch_value("SELECT name FROM users WHERE id = ?", [9]) is None

    async def test_execute_counts_rows(self, db: Database) -> None:
        assert await db.execute("UPDATE users SET age = 1 WHERE id < ?", [3]) == 2
        assert await db.execute("UPDATE users SET age = 1 WHERE id = 99") == 0
        assert await db.execute("SELECT * FROM users") == 0
        assert await db.execute("CREATE TABLE other (id integer)") == 0
        assert await db.execute("DELETE FROM users") == 3

    async def test_a_write_may_return_rows(self, db: Database) -> None:
        row = await db.fetch_one(f"{INSERT} RETURNING id, name", [7, "dee", 1])

        assert row == {"id": 7, "name": "dee"}
        assert await db.fetch_value("SELECT count(*) FROM users") == 4

    async def test_a_write_that_starts_with_a_query_is_counted(self, db: Database) -> None:
        if db.store is Store.SQLITE:
            sql = "WITH old AS (SELECT 2 AS id) DELETE FROM users WHERE id IN (SELECT id FROM old)"
        else:
            sql = (
                "WITH old AS (SELECT 2 AS id) DELETE FROM users USING old WHERE users.id = old.id"
            )

        assert await db.execute(sql) == 1

    async def test_many_rows_are_all_or_none(self, db: Database) -> None:
        with pytest.raises(AlreadyExists):
            await db.execute_many(INSERT, [(10, "x", 1), (11, "y", 1), (12, "ann", 1)])

        assert await db.fetch_value("SELECT count(*) FROM users") == 3

    async def test_many_of_nothing_is_nothing(self, db: Database) -> None:
        await db.execute_many(INSERT, [])

        assert await db.fetch_value("SELECT count(*) FROM users") == 3

    async def test_many_accepts_an_iterator_and_checks_each_row(self, db: Database) -> None:
        await db.execute_many(INSERT, ((n, f"u{n}", n) for n in range(10, 12)))
        with pytest.raises(PlaceholderMismatch):
            await db.execute_many(INSERT, [(20, "x", 1), (21, "y")])

        assert await db.fetch_value("SELECT count(*) FROM users") == 5

    async def test_the_connection_is_back_before_the_answer(self, db: Database) -> None:
        rows = await db.fetch_all("SELECT * FROM users")

        assert db.status.in_use == 0
        assert len(rows) == 3

    async def test_a_table_that_changes_is_read_again(self, db: Database) -> None:
        assert list((await db.fetch_all("SELECT * FROM users"))[0]) == [
            "id",
            "name",
            "age",
            "boss",
        ]
        await db.execute("ALTER TABLE users ADD COLUMN mail varchar(9)")

        row = await db.fetch_one("SELECT * FROM users")
        assert row is not None
        assert "mail" in row
        assert "mail" in (await db.fetch_all("SELECT * FROM users"))[0]


@pytest.mark.asyncio
class TestCore:
    async def test_core_and_raw_sql_mix_in_one_transaction(self, database: Database) -> None:
        await database.execute(CreateTable(THINGS))
        id = ThingId.new()
        async with database.transaction():
            touched = await database.execute(insert(THINGS).values(id=id, number=1))
            assert touched == 1
            assert await database.execute("UPDATE things SET number = ?", [2]) == 1
            row = await database.fetch_one(select(THINGS.c.id, THINGS.c.number))
            assert row == {"id": id, "number": 2}

        assert await database.fetch_value(select(THINGS.c.number)) == 2

    async def test_types_come_back_as_they_went(self, database: Database) -> None:
        await database.execute(CreateTable(THINGS))
        given = {
            "id": ThingId.new(),
            "price": Decimal("12345678901234.5678"),
            "at": datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=timezone(timedelta(hours=-3))),
            "data": {"a": [1, None, "\N{GRINNING FACE}"], "b": 1.5},
            "label": "\N{GRINNING FACE} 'quoted' \\ ? $1",
            "number": 0,
        }
        await database.execute(insert(THINGS).values(**given))

        row = await database.fetch_one(select(THINGS))
        assert row == given
        assert isinstance(row["id"], ThingId)
        assert isinstance(row["price"], Decimal)

    async def test_null_and_empty_stay_apart(self, database: Database) -> None:
        await database.execute(CreateTable(THINGS))
        await database.execute(insert(THINGS).values(id=ThingId.new(), label=""))

        row = await database.fetch_one(select(THINGS.c.label, THINGS.c.price, THINGS.c.at))
        assert row == {"label": "", "price": None, "at": None}

    async def test_a_refused_value_is_the_callers_not_the_databases(
        self, database: Database
    ) -> None:
        await database.execute(CreateTable(THINGS))
        with pytest.raises(InvalidValue):
            await database.execute(
                insert(THINGS).values(id=ThingId.new(), price=Decimal("0.00001"))
            )

    async def test_core_takes_no_args(self, database: Database) -> None:
        with pytest.raises(PlaceholderMismatch, match="carries its values"):
            await database.fetch_all(select(THINGS), [1])

    async def test_core_errors_are_translated(self, database: Database) -> None:
        await database.execute(CreateTable(THINGS))
        id = ThingId.new()
        await database.execute(insert(THINGS).values(id=id))
        with pytest.raises(AlreadyExists):
            await database.execute(insert(THINGS).values(id=id))
        with pytest.raises(BadStatement):
            await database.fetch_all(select(Table("nowhere", MetaData(), Column("x", Integer))))


@pytest.mark.asyncio
class TestRawValues:
    async def test_a_uuid_is_found_again(self, database: Database) -> None:
        kind = "uuid" if database.store is Store.POSTGRESQL else "text"
        await database.execute(f"CREATE TABLE t (id {kind})")
        id = uuid4()
        await database.execute("INSERT INTO t VALUES (?)", [id])

        assert UUID(str(await database.fetch_value("SELECT id FROM t WHERE id = ?", [id]))) == id

    async def test_an_identity_is_a_uuid(self, database: Database) -> None:
        kind = "uuid" if database.store is Store.POSTGRESQL else "text"
        await database.execute(f"CREATE TABLE t (id {kind})")
        id = ThingId.new()
        await database.execute("INSERT INTO t VALUES (?)", [id])

        assert str(await database.fetch_value("SELECT id FROM t WHERE id = ?", [id])) == str(id)

    async def test_instants_sort_and_compare(self, database: Database) -> None:
        kind = "timestamptz" if database.store is Store.POSTGRESQL else "text"
        await database.execute(f"CREATE TABLE t (at {kind})")
        noon = datetime(2024, 1, 1, 12, tzinfo=UTC)
        later = (noon + timedelta(microseconds=1)).astimezone(timezone(timedelta(hours=5)))
        await database.execute_many("INSERT INTO t VALUES (?)", [[later], [noon]])

        found = await database.fetch_all("SELECT at FROM t WHERE at > ? ORDER BY at", [noon])
        assert len(found) == 1

    async def test_bytes_bools_and_dates(self, database: Database) -> None:
        postgres = database.store is Store.POSTGRESQL
        await database.execute(
            f"CREATE TABLE t (b {'bytea' if postgres else 'blob'}, f boolean, d date)"
        )
        day = date(2024, 2, 29)
        await database.execute("INSERT INTO t VALUES (?, ?, ?)", [b"\0x", True, day])

        row = await database.fetch_one("SELECT * FROM t WHERE d = ? AND f = ?", [day, True])
        assert row is not None
        assert row["b"] == b"\0x"

    async def test_sqlite_refuses_what_it_would_falsify(self, database: Database) -> None:
        if database.store is not Store.SQLITE:
            lacks("postgres", "untyped values")
        for value in (Decimal("1.1"), {"a": 1}, [1], timedelta(1)):
            with pytest.raises(BadParameter, match="has no exact form in SQLite"):
                await database.fetch_value("SELECT ?", [value])
        with pytest.raises(BadParameter, match="without a timezone"):
            await database.fetch_value("SELECT ?", [datetime(2024, 1, 1)])  # noqa: DTZ001

    async def test_postgres_takes_json_and_arrays_natively(self, database: Database) -> None:
        if database.store is not Store.POSTGRESQL:
            lacks("sqlite", "json and arrays in raw SQL")
        assert await database.fetch_value("SELECT ?::jsonb", [{"a": [1]}]) == {"a": [1]}
        assert await database.fetch_value("SELECT ?::json", ['{"a": 1}']) == {"a": 1}
        assert await database.fetch_value("SELECT ?::int[]", [[1, 2]]) == [1, 2]
        assert await database.fetch_value("SELECT ?::numeric", [Decimal("1.10")]) == Decimal(
            "1.10"
        )


@pytest.mark.asyncio
class TestMistakes:
    async def test_a_wrong_number_of_values_sends_nothing(self, db: Database) -> None:
        with pytest.raises(PlaceholderMismatch, match="1 placeholder, 2 values"):
            await db.execute("DELETE FROM users WHERE id = ?", [1, 2])

        assert await db.fetch_value("SELECT count(*) FROM users") == 3

    async def test_two_statements_in_one_call(self, db: Database) -> None:
        with pytest.raises(OneStatementOnly, match="2 statements in one call"):
            await db.execute("DELETE FROM users; DELETE FROM users")

        assert await db.fetch_value("SELECT count(*) FROM users") == 3

    async def test_a_semicolon_at_the_end_is_fine(self, db: Database) -> None:
        assert await db.fetch_value("SELECT count(*) FROM users;") == 3

    async def test_two_columns_of_one_name(self, db: Database) -> None:
        for _ in range(2):
            with pytest.raises(DuplicateColumn, match='"id" is selected twice'):
                await db.fetch_all("SELECT a.id, b.id FROM users a, users b")

    async def test_unknown_names_and_bad_syntax(self, db: Database) -> None:
        for sql in ("SELECT nope FROM users", "SELECT * FROM nope", "SELEC 1"):
            with pytest.raises(BadStatement) as refusal:
                await db.fetch_all(sql)
            assert sql in str(refusal.value)

    async def test_broken_constraints_say_what_kind(self, db: Database) -> None:
        with pytest.raises(AlreadyExists):
            await db.execute(INSERT, [9, "ann", 1])
        with pytest.raises(AlreadyExists):
            await db.execute(INSERT, [1, "zoe", 1])
        with pytest.raises(RuleViolated):
            await db.execute(INSERT, [9, "zoe", -1])
        with pytest.raises(RuleViolated):
            await db.execute("UPDATE users SET boss = 99")
        with pytest.raises(BadParameter):
            await db.execute(INSERT, [9, None, 1])

    async def test_no_client_text_holds_sql(self, db: Database) -> None:
        with pytest.raises(AlreadyExists) as refusal:
            await db.execute(INSERT, [9, "ann", 1])

        assert "users" not in refusal.value.message
        assert refusal.value.details == {}
        assert refusal.value.__cause__ is not None

    async def test_a_value_of_the_wrong_type_names_its_place(self, db: Database) -> None:
        if db.store is Store.SQLITE:
            lacks("sqlite", "typed columns")
        with pytest.raises(BadParameter, match=r"value 2 of 2: 'abc' \(str\)"):
            await db.fetch_all("SELECT * FROM users WHERE id = ? AND age = ?", [1, "abc"])


@pytest.mark.asyncio
class TestStreams:
    async def test_rows_come_in_order_and_in_batches(self, database: Database) -> None:
        await database.execute("CREATE TABLE t (n integer)")
        await database.execute_many("INSERT INTO t VALUES (?)", [[n] for n in range(1001)])

        async with database.stream(
            "SELECT n FROM t WHERE n >= ? ORDER BY n", [0], batch=7
        ) as rows:
            seen = [row["n"] async for row in rows]

        assert seen == list(range(1001))
        assert database.status.in_use == 0

    async def test_core_streams_too(self, database: Database) -> None:
        await database.execute(CreateTable(THINGS))
        ids = sorted(ThingId.new() for _ in range(12))
        await database.execute(insert(THINGS).values([{"id": id} for id in ids]))

        query = select(THINGS.c.id).order_by(THINGS.c.id)
        async with database.stream(query, batch=5) as rows:
            assert [row["id"] async for row in rows] == ids

    async def test_leaving_early_gives_the_connection_back(self, db: Database) -> None:
        async with db.stream("SELECT * FROM users", batch=1) as rows:
            async for _ in rows:
                break

        assert db.status.in_use == 0

    async def test_other_statements_see_the_same_transaction(self, db: Database) -> None:
        async with db.transaction():
            await db.execute(INSERT, [4, "dee", 1])
            async with db.stream("SELECT id FROM users ORDER BY id", batch=2) as rows:
                async for row in rows:
                    await db.execute("UPDATE users SET age = 9 WHERE id = ?", [row["id"]])

        assert await db.fetch_value("SELECT count(*) FROM users WHERE age = 9") == 4

    async def test_iterating_after_the_block_is_an_error(self, db: Database) -> None:
        async with db.stream("SELECT * FROM users", batch=1) as rows:
            await anext(rows)

        with pytest.raises(StreamClosed):
            await anext(rows)

    async def test_an_error_inside_rolls_back_and_gives_back(self, db: Database) -> None:
        with pytest.raises(RuntimeError, match="stop"):
            async with db.stream("SELECT * FROM users", batch=1) as rows:
                await anext(rows)
                await db.execute("DELETE FROM users")
                raise RuntimeError("stop")

        assert await db.fetch_value("SELECT count(*) FROM users") == 3

    async def test_a_bad_query_fails_when_it_opens(self, db: Database) -> None:
        with pytest.raises(BadStatement):
            async with db.stream("SELECT * FROM nope"):
                pass

        assert db.status.in_use == 0


@pytest.mark.asyncio
class TestPool:
    async def test_many_tasks_share_few_connections(self, database_url: str) -> None:
        async with Database(
            database_url, pool_size=2, pool_timeout_s=30, max_waiting=40
        ) as database:
            await database.execute("CREATE TABLE t (n integer)")
            await asyncio.gather(
                *(database.execute("INSERT INTO t VALUES (?)", [n]) for n in range(40))
            )

            assert await database.fetch_value("SELECT count(*) FROM t") == 40
            assert database.status.in_use == 0

    async def test_an_exhausted_pool_says_who_holds_it(self, database_url: str) -> None:
        async with Database(database_url, pool_size=1, pool_timeout_s=0.05) as database:
            release = asyncio.Event()
            held = asyncio.Event()

            async def holder() -> None:
                async with database.transaction():
                    held.set()
                    await release.wait()

            task = asyncio.create_task(holder())
            await held.wait()
            with pytest.raises(DatabaseUnavailable) as refusal:
                await database.fetch_value("SELECT 1")
            release.set()
            await task

            assert "no connection came free within 0.05 s: 1 of 1 in use" in str(refusal.value)
            assert "holder" in str(refusal.value)
            assert refusal.value.retry_after_s
            assert "holder" not in refusal.value.message
            assert await database.fetch_value("SELECT 1") == 1

    async def test_a_waiter_that_is_cancelled_leaves_no_trace(self, database_url: str) -> None:
        async with Database(database_url, pool_size=1, pool_timeout_s=30) as database:
            async with database.transaction():
                waiting = asyncio.create_task(
                    _without_transaction(database, "SELECT 1"), context=_empty_context()
                )
                while not database.status.waiting:  # noqa: ASYNC110 - its state is all there is
                    await asyncio.sleep(0)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
            assert database.status.waiting == 0
            assert await database.fetch_value("SELECT 1") == 1

    async def test_start_and_stop_may_repeat(self, database_url: str) -> None:
        database = Database(database_url)
        await database.stop()
        for _ in range(2):
            await database.start()
            assert await database.fetch_value("SELECT 1") == 1
            await database.stop()
        assert await database.fetch_value("SELECT 1") == 1
        await database.ping()
        await database.stop()

    async def test_a_connection_that_comes_back_after_stop_is_closed(
        self, database_url: str
    ) -> None:
        database = Database(database_url)
        async with database.transaction():
            await database.fetch_value("SELECT 1")
            await database.stop()
        assert database.status.in_use == 0
        await database.stop()


def _empty_context() -> contextvars.Context:
    return contextvars.Context()


async def _without_transaction(database: Database, sql: str) -> object:
    return await database.fetch_value(sql)


def test_a_pool_belongs_to_one_running_loop(database_url: str) -> None:
    database = Database(database_url)

    async def use() -> object:
        return await database.fetch_value("SELECT 1")

    async def outer() -> None:
        await use()
        refusal = await asyncio.to_thread(_refused_in_another_loop, use)
        assert "one Database for each event loop" in str(refusal)
        await database.stop()

    asyncio.run(outer())


def _refused_in_another_loop(use: object) -> BaseException:
    with pytest.raises(WrongEventLoop) as refusal:
        asyncio.run(use())  # type: ignore[operator]
    return refusal.value


def test_a_pool_opens_again_in_the_next_loop(database_url: str) -> None:
    database = Database(database_url)

    async def use() -> None:
        assert await database.fetch_value("SELECT 1") == 1
        await database.stop()

    asyncio.run(use())
    asyncio.run(use())


def test_no_loop_no_database() -> None:
    database = Database("sqlite://")
    with pytest.raises(WrongEventLoop):
        database.fetch_value("SELECT 1").send(None)  # type: ignore[attr-defined]
