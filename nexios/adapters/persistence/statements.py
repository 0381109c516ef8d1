"""One statement on one connection: text with ``?``, the driver's own text, or a Core statement."""

import math
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from anyio import CancelScope, current_effective_deadline, current_time
from anyio.lowlevel import checkpoint_if_cancelled
from sqlalchemy import Executable
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.util.concurrency import greenlet_spawn

from nexios.adapters.persistence.drivers import Row
from nexios.adapters.persistence.errors import (
    BadParameter,
    BadStatement,
    DatabaseError,
    PlaceholderMismatch,
    StatementTimedOut,
)
from nexios.adapters.persistence.lending import Lent
from nexios.adapters.persistence.parameters import to_sqlite
from nexios.adapters.persistence.placeholders import Store, check_count, scan
from nexios.application.errors import ApplicationError
from nexios.domain.errors import DomainError

T = TypeVar("T")

_AFTER_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class DriverSql:
    """Text in the driver's own placeholder style (``$1`` or ``?``), its values in its types."""

    text: str


Sql = str | DriverSql | Executable


@dataclass(frozen=True, slots=True)
class Statement:
    """What goes to the driver, proven sound as far as that goes without asking the server.

    Attributes:
        text: The driver's text; empty for a Core statement.
        args: Its values, left to right.
        core: The Core statement, which takes SQLAlchemy's way.
    """

    text: str
    args: Sequence[object] = ()
    core: Executable | None = None


Ask = Callable[[Lent, Statement, float | None], Awaitable[T]]

Batch = tuple[Ask[None], Statement]


def make_statement(sql: Sql, args: Sequence[object], store: Store) -> Statement:
    """Return the statement for ``sql`` and ``args``.

    Raises:
        PlaceholderMismatch: They differ in number.
        BadParameter: SQLite has no exact form for a value.
    """
    if isinstance(sql, str):
        found = scan(sql, store)
        check_count(sql, found, args)
        return Statement(found.text, to_sqlite(args, sql) if store is Store.SQLITE else args)
    if isinstance(sql, DriverSql):
        return Statement(sql.text, args)
    if args:
        raise PlaceholderMismatch(
            "a Core statement carries its values itself", fix="users.c.id == 7, and no args"
        )
    return Statement("", (), sql)


def make_batch(sql: Sql, rows: Iterable[Sequence[object]], store: Store) -> Batch:
    """Return how to run ``sql`` once for each of ``rows``, all of them checked first."""
    made = [make_statement(sql, row, store) for row in rows]
    if any(one.core is not None for one in made):
        raise BadStatement("a Core statement cannot run for rows of plain values", fix="raw SQL")

    async def run_all(lent: Lent, statement: Statement, timeout_s: float | None) -> None:
        if made:
            await lent.wire.many(statement.text, [one.args for one in made], timeout_s)

    return run_all, made[0] if made else Statement("")


async def carry(lent: Lent, ask: Ask[T], statement: Statement, timeout_s: float | None) -> T:
    """Run one statement: notice a cancellation first, then finish what was begun.

    Raises:
        DatabaseError, Unavailable, TimedOut, DomainError: As the table in `errors` says.
    """
    await checkpoint_if_cancelled()
    try:
        return await finish(lent, ask, statement, within_scope(timeout_s))
    except StatementTimedOut:
        await checkpoint_if_cancelled()
        raise


def within_scope(timeout_s: float | None) -> float | None:
    """Return what is left of a statement's time when the deadline of its scope comes first.

    A little more than that, so that the scope has been cancelled when the statement is: to
    whoever set the deadline that is what happened.
    """
    ends = current_effective_deadline()
    if ends == math.inf:
        return timeout_s
    left = max(ends - current_time(), 0.0) + _AFTER_S
    return left if timeout_s is None else min(left, timeout_s)


async def finish(lent: Lent, ask: Ask[T], statement: Statement, timeout_s: float | None) -> T:
    """Run one statement to its end, whatever anyio cancels meanwhile."""
    with CancelScope(shield=True):
        answer = await _run(lent, ask, statement, timeout_s)
    return answer  # noqa: RET504 - mypy thinks the scope may swallow an error


async def _run(lent: Lent, ask: Ask[T], statement: Statement, timeout_s: float | None) -> T:
    wire = lent.wire
    timer = wire.alarm(timeout_s)
    try:
        if lent.told.ran:
            text = statement.text if statement.core is None else str(statement.core)
            with lent.told.statement(text):
                return await ask(lent, statement, timeout_s)
        return await ask(lent, statement, timeout_s)
    except CancelledError:
        # anyio's shield does not hold Task.cancel(); the driver has stopped the server.
        await wire.settle()
        raise
    except (DatabaseError, DomainError, ApplicationError):
        raise
    except Exception as error:
        driver_error = _driver_error(error)
        if isinstance(driver_error, DatabaseError | DomainError):
            raise driver_error from error
        ours = wire.explain(driver_error, statement.text, statement.args)
        if ours is error:
            raise
        raise ours from driver_error
    finally:
        if timer is not None:
            timer.cancel()


async def read_rows(lent: Lent, statement: Statement, timeout_s: float | None) -> list[Row]:
    if statement.core is None:
        return await lent.wire.rows(statement.text, statement.args, timeout_s)
    return await greenlet_spawn(_core_rows, lent, statement.core)


async def read_row(lent: Lent, statement: Statement, timeout_s: float | None) -> Row | None:
    if statement.core is None:
        return await lent.wire.row(statement.text, statement.args, timeout_s)
    rows = await greenlet_spawn(_core_rows, lent, statement.core)
    return rows[0] if rows else None


async def touch(lent: Lent, statement: Statement, timeout_s: float | None) -> int:
    if statement.core is None:
        return await lent.wire.count(statement.text, statement.args, timeout_s)
    return await greenlet_spawn(_core_count, lent, statement.core)


def _core_rows(lent: Lent, statement: Executable) -> list[Row]:
    result: CursorResult[Any] = lent.core.execute(statement)  # its row type is the user's
    if not result.returns_rows:
        return []
    names = list(result.keys())
    return [dict(zip(names, row, strict=True)) for row in result]


def _core_count(lent: Lent, statement: Executable) -> int:
    result: CursorResult[Any] = lent.core.execute(statement)  # its row type is the user's
    touched = 0 if _only_reads(statement) else result.rowcount
    result.close()
    return max(touched, 0)


def _only_reads(statement: Executable) -> bool:
    return bool(getattr(statement, "is_select", False))


def _driver_error(error: Exception) -> Exception:
    """Return what the driver raised, below SQLAlchemy's wrapping."""
    if isinstance(error, DBAPIError):
        below = error.orig
        cause = below.__cause__ if below is not None else None
        found = cause if isinstance(cause, Exception) else below
        return found if isinstance(found, Exception) else error
    if isinstance(error, StatementError):
        if isinstance(error.orig, DomainError):
            return error.orig
        return BadParameter(str(error.orig or error), error.statement or "")
    return error
