"""What a database can answer instead of rows, and the one table from its codes to our errors."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from nexios.application.errors import OutcomeUnknown, TimedOut, Unavailable
from nexios.domain.errors import AlreadyExists, Conflict, RuleViolated

RETRY_AFTER_S: Final = 1.0
_SHOWN_CHARACTERS: Final = 60


class DatabaseError(Exception):
    """Root of the mistakes a programmer mends; a client is told nothing of them.

    Args:
        says: What is wrong.
        fix: The line or the step that mends it.
    """

    def __init__(self, says: str, *, fix: str = "") -> None:
        self.says = says
        self.fix = fix
        super().__init__(says)

    def __str__(self) -> str:
        return f"{self.says}\n  fix: {self.fix}" if self.fix else self.says


class UnknownDriver(DatabaseError):
    """The URL names a database Nexios does not speak to."""


class UnknownOption(DatabaseError):
    """A keyword of ``Database`` that does not exist, or a value outside of its bounds."""


class StatementError(DatabaseError):
    """Root of mistakes in one statement; shows the text with a caret under each place.

    Args:
        says: What is wrong.
        sql: The statement.
        positions: Offsets into ``sql`` that are meant.
        fix: The line or the step that mends it.
    """

    def __init__(
        self, says: str, sql: str = "", positions: Sequence[int] = (), *, fix: str = ""
    ) -> None:
        self.sql = sql
        self.positions = tuple(positions)
        super().__init__(says, fix=fix)

    def __str__(self) -> str:
        return "\n".join([self.says, *_marked(self.sql, self.positions), *self._fix_line()])

    def _fix_line(self) -> list[str]:
        return [f"  fix: {self.fix}"] if self.fix else []


class PlaceholderMismatch(StatementError):
    """The ``?`` in the text and the values given do not belong together."""


class BadParameter(StatementError):
    """A value cannot be what its column or placeholder wants."""


class BadStatement(StatementError):
    """The server does not understand the statement, or does not know a name in it."""


class OneStatementOnly(StatementError):
    """Two statements came in one call."""


class DuplicateColumn(StatementError):
    """Two columns of the result have one name, so a dict would lose one."""


class TransactionFailed(DatabaseError):
    """An earlier statement of this block failed, so nothing of the block was written."""


class TransactionClosed(DatabaseError):
    """A task used a transaction that has ended."""


class StreamClosed(DatabaseError):
    """Rows were asked for after their ``stream`` block."""


class TransactionBusy(DatabaseError):
    """A nested block of a sibling task kept the connection too long."""


class TransactionOptions(DatabaseError):
    """A nested block asked for what only the outermost one decides."""


class ReadOnlyTransaction(DatabaseError):
    """A write inside of ``read_only=True``."""


class OutsideTransaction(DatabaseError):
    """A repository was used where no use case runs."""


class InsideTransaction(DatabaseError):
    """Something was done in a transaction that must not be rolled back with it."""


class MissingCriterion(DatabaseError):
    """A mapper has no SQL for a specification."""


class WrongEventLoop(DatabaseError):
    """The pool belongs to another running loop, or to no asyncio loop at all."""


class MigrationError(DatabaseError):
    """Root of what is wrong with migrations, their files or their order."""


class StaleWrite(Conflict):
    """Somebody wrote this aggregate since it was loaded; a repeated use case may succeed."""

    def __init__(self, message: str = "", **details: object) -> None:
        # The client's word for it, whoever noticed.
        super().__init__(
            message or "somebody else changed it meanwhile", code="conflict", **details
        )


class DatabaseUnavailable(Unavailable):
    """The database cannot be used now. ``str()`` is for the log; a client gets ``message``."""

    def __init__(self, says: str) -> None:
        self.says = says
        super().__init__(code="unavailable", retry_after_s=RETRY_AFTER_S)

    def __str__(self) -> str:
        return self.says


class DatabaseRefused(DatabaseUnavailable):
    """The server is there and does not let us in: trying again does not help."""


class ConnectionLost(DatabaseUnavailable):
    """The connection broke before the transaction was committed."""


class IdleTooLong(DatabaseUnavailable):
    """The server ended a transaction that sent nothing for too long: a bug of its code.

    A repetition would wait as long again, so there is none.
    """


class TransactionUndone(DatabaseUnavailable):
    """The server undid the transaction in favour of another one; a repetition may succeed.

    Attributes:
        state: The SQLSTATE, or SQLite's name of the cause.
    """

    def __init__(self, says: str, state: str) -> None:
        self.state = state
        super().__init__(says)


class StatementTimedOut(TimedOut):
    """A statement was stopped at its time limit. ``str()`` is for the log."""

    def __init__(self, says: str) -> None:
        self.says = says
        super().__init__(code="timed-out")

    def __str__(self) -> str:
        return self.says


class CommitUnanswered(OutcomeUnknown):
    """COMMIT was sent and no answer came. ``str()`` is for the log."""

    def __init__(self, says: str) -> None:
        self.says = says
        # No word of when to repeat it: a client that obeyed might do it twice.
        super().__init__(code="outcome-unknown")

    def __str__(self) -> str:
        return self.says


def is_repeatable(error: BaseException) -> bool:
    """Tell whether the same use case, run again, may succeed where this one did not."""
    return isinstance(error, StaleWrite | TransactionUndone | ConnectionLost)


_TAKEN: Final = "a value that must be unique is taken"
_BROKEN: Final = "a rule of the stored data forbids this"


def from_postgres(error: Exception, sql: str, *, read_only: bool = False) -> Exception | None:
    """Return our error for a server's answer, or None when it carries no SQLSTATE we know."""
    state = getattr(error, "sqlstate", None)
    if not isinstance(state, str):
        return None
    if state == "25006" and read_only:
        return ReadOnlyTransaction(
            f"a write in a read-only transaction: {error}", fix="drop read_only=True"
        )
    make = _STATES.get(state) or _STATES.get(state[:2])
    return make(error, sql, state) if make is not None else None


def from_sqlite(error: Exception, sql: str, *, read_only: bool = False) -> Exception | None:
    """Return our error for a SQLite result code, or None when it is not one we know."""
    name = getattr(error, "sqlite_errorname", None)
    if not isinstance(name, str):
        return _without_code(error, sql)
    if name.startswith("SQLITE_READONLY") and read_only:
        return ReadOnlyTransaction(
            f"a write in a read-only transaction: {error}", fix="drop read_only=True"
        )
    make = _RESULT_CODES.get(name) or _RESULT_CODES.get("_".join(name.split("_")[:2]))
    return make(error, sql, name) if make is not None else None


def _without_code(error: Exception, sql: str) -> Exception | None:
    text = str(error)
    if "one statement at a time" in text:
        return _two_statements(error, sql, "")
    if "number of bindings" in text:
        return PlaceholderMismatch(text, sql, fix="write ? for each value")
    if isinstance(error, OverflowError) or "binding" in text.lower():
        return BadParameter(text, sql)
    return None


def _taken(_error: Exception, _sql: str, _state: str) -> Exception:
    return AlreadyExists(_TAKEN)


def _broken(_error: Exception, _sql: str, _state: str) -> Exception:
    return RuleViolated(_BROKEN)


def _bad_parameter(error: Exception, sql: str, state: str) -> Exception:
    # PostgreSQL's DETAIL of a NOT NULL is the whole row: people's data in a log.
    return BadParameter(_first_line(error) if state == "23502" else str(error), sql)


def _bad_statement(error: Exception, sql: str, _state: str) -> Exception:
    position = str(getattr(error, "position", None) or "")
    hint = getattr(error, "hint", None)
    at = (int(position) - 1,) if position.isdigit() else ()
    return BadStatement(_first_line(error) if hint else str(error), sql, at, fix=hint or "")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _syntax(error: Exception, sql: str, state: str) -> Exception:
    if "multiple commands" in str(error):
        return _two_statements(error, sql, state)
    return _bad_statement(error, sql, state)


def _two_statements(_error: Exception, sql: str, _state: str) -> Exception:
    return OneStatementOnly(
        "2 statements in one call", sql, fix="one call for each; a migration for scripts"
    )


def _undone(error: Exception, _sql: str, state: str) -> Exception:
    return TransactionUndone(f"{error} ({state})", state)


def _too_slow(error: Exception, sql: str, _state: str) -> Exception:
    return StatementTimedOut(f"{error}: {shortened(sql)}")


def _unavailable(error: Exception, _sql: str, state: str) -> Exception:
    return DatabaseUnavailable(f"{error} ({state})")


def _lost(error: Exception, _sql: str, state: str) -> Exception:
    return ConnectionLost(f"{error} ({state})")


def _idle_too_long(error: Exception, _sql: str, state: str) -> Exception:
    return IdleTooLong(f"{error} ({state})")


def _failed_before(_error: Exception, _sql: str, _state: str) -> Exception:
    return TransactionFailed("nothing was written: an earlier statement failed")


_Make = Callable[[Exception, str, str], Exception]

# PostgreSQL, appendix A. A whole class (two characters) stands for its members not listed.
_STATES: Final[Mapping[str, _Make]] = {
    "08": _lost,
    "0A": _bad_statement,
    "22": _bad_parameter,
    "23502": _bad_parameter,
    "23503": _broken,
    "23505": _taken,
    "23514": _broken,
    "23P01": _taken,
    "25006": _unavailable,
    "25P02": _failed_before,
    "25P03": _idle_too_long,
    "26": _undone,
    "28": _unavailable,
    "3D": _unavailable,
    "40001": _undone,
    "40P01": _undone,
    "42": _bad_statement,
    "42601": _syntax,
    "53": _unavailable,
    "55P03": _undone,
    "57014": _too_slow,
    "57P01": _lost,
    "57P02": _lost,
    "57P03": _unavailable,
}

# sqlite.org/rescode.html. A primary code stands for its extended ones not listed.
_RESULT_CODES: Final[Mapping[str, _Make]] = {
    "SQLITE_BUSY": _undone,
    "SQLITE_CANTOPEN": _unavailable,
    "SQLITE_CONSTRAINT": _broken,
    "SQLITE_CONSTRAINT_DATATYPE": _bad_parameter,
    "SQLITE_CONSTRAINT_NOTNULL": _bad_parameter,
    "SQLITE_CONSTRAINT_PRIMARYKEY": _taken,
    "SQLITE_CONSTRAINT_ROWID": _taken,
    "SQLITE_CONSTRAINT_UNIQUE": _taken,
    "SQLITE_CORRUPT": _unavailable,
    "SQLITE_ERROR": _bad_statement,
    "SQLITE_FULL": _unavailable,
    "SQLITE_INTERRUPT": _too_slow,
    "SQLITE_IOERR": _unavailable,
    "SQLITE_LOCKED": _undone,
    "SQLITE_MISMATCH": _bad_parameter,
    "SQLITE_NOTADB": _unavailable,
    "SQLITE_RANGE": _bad_parameter,
    "SQLITE_READONLY": _unavailable,
    "SQLITE_TOOBIG": _bad_parameter,
}


def shortened(text: str) -> str:
    """Return one line of ``text``, short enough for a log line."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[: _SHOWN_CHARACTERS - 3]}..."


def _marked(sql: str, positions: Sequence[int]) -> list[str]:
    """Return the lines of ``sql``, each followed by its carets."""
    lines: list[str] = []
    start = 0
    for line in sql.splitlines():
        lines.append(f"  {line}")
        here = [at - start for at in positions if start <= at <= start + len(line)]
        if here:
            carets = "".join("^" if column in here else " " for column in range(max(here) + 1))
            lines.append(f"  {carets}")
        start += len(line) + 1
    return lines
