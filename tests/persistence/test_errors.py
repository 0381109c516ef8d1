"""The one table from a database's codes to our errors, and what the errors say."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from nexios.adapters.persistence.database import Database
from nexios.adapters.persistence.errors import (
    BadParameter,
    BadStatement,
    CommitUnanswered,
    ConnectionLost,
    DatabaseError,
    DatabaseRefused,
    DatabaseUnavailable,
    IdleTooLong,
    OneStatementOnly,
    PlaceholderMismatch,
    ReadOnlyTransaction,
    StaleWrite,
    StatementTimedOut,
    TransactionFailed,
    TransactionUndone,
    from_postgres,
    from_sqlite,
    is_repeatable,
)
from nexios.application.errors import OutcomeUnknown, TimedOut, Unavailable
from nexios.domain.errors import AlreadyExists, Conflict, RuleViolated
from tests.support.golden import assert_golden


class ServerError(Exception):
    """As asyncpg raises them: with the fields of the server's message."""

    def __init__(self, sqlstate: str, text: str = "said so", position: str | None = None) -> None:
        self.sqlstate = sqlstate
        self.position = position
        super().__init__(text)


def sqlite_error(name: str, text: str = "said so") -> Exception:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorname = name
    return error


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("23505", AlreadyExists),
        ("23P01", AlreadyExists),
        ("23503", RuleViolated),
        ("23514", RuleViolated),
        ("23502", BadParameter),
        ("22001", BadParameter),
        ("22P02", BadParameter),
        ("42P01", BadStatement),
        ("42601", BadStatement),
        ("42501", BadStatement),
        ("40001", TransactionUndone),
        ("40P01", TransactionUndone),
        ("55P03", TransactionUndone),
        ("57014", StatementTimedOut),
        ("08006", ConnectionLost),
        ("53300", DatabaseUnavailable),
        ("53100", DatabaseUnavailable),
        ("57P01", ConnectionLost),
        ("57P03", DatabaseUnavailable),
        ("25006", DatabaseUnavailable),
        ("25P02", TransactionFailed),
        ("25P03", IdleTooLong),
        ("28P01", DatabaseUnavailable),
        ("3D000", DatabaseUnavailable),
    ],
)
def test_every_sqlstate_of_the_table(state: str, expected: type[Exception]) -> None:
    assert type(from_postgres(ServerError(state), "SELECT 1")) is expected


def test_what_is_not_in_the_table_is_not_guessed() -> None:
    assert from_postgres(ServerError("XX000"), "SELECT 1") is None
    assert from_postgres(ValueError("x"), "SELECT 1") is None
    assert from_sqlite(ValueError("x"), "SELECT 1") is None


def test_two_statements_are_told_from_bad_syntax() -> None:
    error = ServerError("42601", "cannot insert multiple commands into a prepared statement")

    assert type(from_postgres(error, "a; b")) is OneStatementOnly


def test_a_read_only_refusal_depends_on_who_asked_for_it() -> None:
    assert type(from_postgres(ServerError("25006"), "x", read_only=True)) is ReadOnlyTransaction
    refused = sqlite_error("SQLITE_READONLY")
    assert type(from_sqlite(refused, "x", read_only=True)) is ReadOnlyTransaction
    assert type(from_sqlite(refused, "x")) is DatabaseUnavailable


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SQLITE_CONSTRAINT_UNIQUE", AlreadyExists),
        ("SQLITE_CONSTRAINT_PRIMARYKEY", AlreadyExists),
        ("SQLITE_CONSTRAINT_FOREIGNKEY", RuleViolated),
        ("SQLITE_CONSTRAINT_CHECK", RuleViolated),
        ("SQLITE_CONSTRAINT_NOTNULL", BadParameter),
        ("SQLITE_BUSY", TransactionUndone),
        ("SQLITE_BUSY_SNAPSHOT", TransactionUndone),
        ("SQLITE_LOCKED", TransactionUndone),
        ("SQLITE_INTERRUPT", StatementTimedOut),
        ("SQLITE_FULL", DatabaseUnavailable),
        ("SQLITE_IOERR_WRITE", DatabaseUnavailable),
        ("SQLITE_ERROR", BadStatement),
    ],
)
def test_every_result_code_of_sqlite(name: str, expected: type[Exception]) -> None:
    assert type(from_sqlite(sqlite_error(name), "SELECT 1")) is expected


def test_what_may_succeed_when_repeated() -> None:
    repeatable = [StaleWrite("x"), TransactionUndone("x", "40001"), ConnectionLost("x")]
    final = [
        Conflict("x"),
        DatabaseUnavailable("x"),
        CommitUnanswered("x"),
        StatementTimedOut("x"),
        AlreadyExists("x"),
        BadStatement("x"),
    ]

    assert all(is_repeatable(error) for error in repeatable)
    assert not any(is_repeatable(error) for error in final)


def test_the_application_knows_them_without_knowing_the_database() -> None:
    assert issubclass(DatabaseUnavailable, Unavailable)
    assert issubclass(TransactionUndone, Unavailable)
    assert issubclass(StatementTimedOut, TimedOut)
    assert issubclass(CommitUnanswered, OutcomeUnknown)
    assert issubclass(StaleWrite, Conflict)


@pytest.mark.parametrize(
    "error",
    [
        DatabaseUnavailable("cannot reach postgresql://secret-host/shop"),
        TransactionUndone("secret-table", "40001"),
        StatementTimedOut("SELECT secret"),
        CommitUnanswered("secret"),
    ],
)
def test_a_client_is_told_nothing_of_the_inside(error: Unavailable) -> None:
    assert "secret" in str(error)
    assert "secret" not in error.message
    assert error.details == {}


def test_the_caret_stands_under_the_servers_position() -> None:
    error = from_postgres(
        ServerError("42703", 'column "nam" does not exist', position="8"),
        "SELECT nam\nFROM users",
    )

    assert_golden(error, "bad_statement.txt", room="persistence")


MISTAKES = {
    "two_statements.txt": ("SELECT 1; SELECT 2", []),
    "placeholder_mismatch.txt": ("SELECT * FROM t WHERE a = ? AND b = ?", [1]),
    "args_is_a_text.txt": ("SELECT ?, ?", "n1"),
    "numbered.txt": ("SELECT * FROM t WHERE id = $1", [7]),
    "named.txt": ("SELECT * FROM t WHERE id = :id", [7]),
    "duplicate_column.txt": ("SELECT 1 AS id, 2 AS id", []),
    "no_exact_form.txt": ("SELECT ?, ?", [1, {"a": 1}]),
}


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.asyncio
async def test_what_a_developer_reads(name: str) -> None:
    sql, args = MISTAKES[name]
    async with Database("sqlite://") as database:
        with pytest.raises(DatabaseError) as refusal:
            await database.fetch_all(sql, args)  # type: ignore[arg-type]

    assert_golden(refusal.value, name, room="persistence")


@pytest.mark.asyncio
async def test_what_a_developer_reads_about_transactions() -> None:
    async with Database("sqlite://") as database:
        await database.execute("CREATE TABLE t (n integer PRIMARY KEY)")
        await database.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(TransactionFailed) as failed:
            async with database.transaction():
                with pytest.raises(AlreadyExists):
                    await database.execute("INSERT INTO t VALUES (1)")
        ended = asyncio.Event()

        async def late() -> None:
            await ended.wait()
            await database.execute("SELECT 1")

        async with database.transaction():
            task = asyncio.create_task(late(), name="send_mail")
        ended.set()
        with pytest.raises(DatabaseError) as closed:
            await task

    assert_golden(failed.value, "transaction_failed.txt", room="persistence")
    text = str(closed.value)
    assert text.startswith('task "send_mail" used a transaction that ended at ')
    assert "test_errors.py:" in text
    assert "fix: await the task inside the block, or start it after" in text


@pytest.mark.parametrize("url", ["mysql://app:secret@db/shop", "sqlite://host/app.db"])
def test_what_a_wrong_url_is_told(url: str) -> None:
    with pytest.raises(DatabaseError) as refusal:
        Database(url)

    assert_golden(refusal.value, f"url_{url.partition(':')[0]}.txt", room="persistence")


def test_what_a_client_is_told_names_nothing_of_ours() -> None:
    stale, lost = StaleWrite(id="7"), CommitUnanswered("the answer to COMMIT was lost")
    assert (stale.code, stale.message) == ("conflict", "somebody else changed it meanwhile")
    assert stale.details == {"id": "7"}
    assert (lost.code, lost.retry_after_s) == ("outcome-unknown", None)


@pytest.mark.asyncio
async def test_values_that_have_no_order_are_refused(database: Database) -> None:
    for wrong in ({"id": 1}, {1}):
        with pytest.raises(PlaceholderMismatch, match=r"which has no order; write \[value"):
            await database.fetch_all("SELECT ?", wrong)  # type: ignore[arg-type]  # the mistake


@pytest.mark.asyncio
async def test_a_commit_inside_of_a_block_is_not_said_to_have_written_nothing(
    database: Database,
) -> None:
    await database.execute("CREATE TABLE t (n integer)")
    with pytest.raises(TransactionFailed, match="what it wrote may be stored"):
        async with database.transaction():
            await database.execute("INSERT INTO t VALUES (1)")
            await database.execute("COMMIT")
    assert await database.fetch_value("SELECT n FROM t") == 1


@pytest.mark.asyncio
async def test_a_row_that_lacks_a_value_is_not_shown(nexios_database: Database) -> None:
    await nexios_database.execute("CREATE TABLE people (name text, email text NOT NULL)")
    with pytest.raises(BadParameter, match='"email"') as refusal:
        await nexios_database.execute("INSERT INTO people (name) VALUES (?)", ["Ann Private"])
    assert "Ann Private" not in str(refusal.value)


@pytest.mark.asyncio
@pytest.mark.parametrize("made", [False, True], ids=["no folder", "another file"])
async def test_a_sqlite_file_that_cannot_be_is_said_at_once(tmp_path: Path, made: bool) -> None:
    path = tmp_path / "shop" / "shop.db"
    if made:
        path.parent.mkdir()
        path.write_text("this is no database, and it is long enough to be seen as none" * 40)
    database = Database(f"sqlite:///{path}", start_timeout_s=3600)
    with pytest.raises(DatabaseRefused, match="the folder must be there and writable"):
        await database.start()
    await database.stop()


def test_a_failed_opening_leaves_no_thread_that_speaks_to_a_closed_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "foreign.db"
    path.write_text("this is no database, and it is long enough to be seen as none" * 40)
    late: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda raised: late.append(raised.exc_value))

    async def open_it() -> None:
        with pytest.raises(DatabaseRefused):
            await Database(f"sqlite:///{path}").start()

    for _ in range(30):
        asyncio.run(open_it())
    assert late == []
