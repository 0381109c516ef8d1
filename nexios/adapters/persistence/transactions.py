"""The outermost block: BEGIN on a living connection, COMMIT to the end, ROLLBACK in time."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from nexios.adapters.persistence.blocks import Block, Root
from nexios.adapters.persistence.drivers import Begin, Row
from nexios.adapters.persistence.engines import start_parameters
from nexios.adapters.persistence.errors import (
    CommitUnanswered,
    ConnectionLost,
    DatabaseUnavailable,
    IdleTooLong,
    StatementTimedOut,
    TransactionFailed,
    TransactionOptions,
)
from nexios.adapters.persistence.finishing import to_the_end
from nexios.adapters.persistence.lending import Lent
from nexios.adapters.persistence.placeholders import Store
from nexios.adapters.persistence.places import asking_place
from nexios.adapters.persistence.pool import RELEASE_TIMEOUT_S, Pool
from nexios.adapters.persistence.statements import (
    Ask,
    Sql,
    Statement,
    carry,
    finish,
    make_batch,
    read_row,
    read_rows,
    touch,
    within_scope,
)
from nexios.adapters.persistence.tenancy import SETTING, quoted

T = TypeVar("T")

ISOLATIONS: Final = ("read committed", "repeatable read", "serializable")

_log: Final = logging.getLogger("nexios.persistence")


@dataclass(frozen=True, slots=True)
class TransactionSettings:
    """What the outermost block decides.

    Attributes:
        isolation: One of `ISOLATIONS`, or None for the server's default.
        read_only: Refuse writes.
        timeout_s: For the whole transaction; statements are cut to what is left of it.
        idle_timeout_s: How long the server waits for the next statement.
        tenant: Whose rows it sees, where row security keeps tenants apart (PostgreSQL).
    """

    isolation: str | None = None
    read_only: bool = False
    timeout_s: float | None = None
    idle_timeout_s: float | None = None
    tenant: str | None = None

    def __post_init__(self) -> None:
        if self.isolation is not None and self.isolation not in ISOLATIONS:
            raise TransactionOptions(
                f"isolation={self.isolation!r} is none of {', '.join(ISOLATIONS)}"
            )


class Transaction(Root, Block):
    """The outermost block: it owns the connection, from its first statement to its end."""

    def __init__(self, pool: Pool, settings: TransactionSettings) -> None:
        Block.__init__(self, self)
        self.settings = settings
        self.tenant = settings.tenant
        self._pool = pool
        self._lent: Lent | None = None
        self._deadline: float | None = None
        self._rested_at = 0.0
        if settings.timeout_s is not None:
            self._deadline = asyncio.get_running_loop().time() + settings.timeout_s

    @property
    def store(self) -> Store:
        return self._pool.url.store

    @property
    def lock_timeout_s(self) -> float:
        return self._pool.options.lock_timeout_s

    @property
    def opened(self) -> bool:
        """Whether BEGIN was sent: a transaction without a statement has no connection."""
        return self._lent is not None

    def is_broken(self) -> bool:
        return self._lent is not None and self._lent.wire.closed

    async def run(self, sql: Sql, args: Sequence[object] = ()) -> list[Row]:
        """Run one statement and return its rows."""
        return await self.ask(read_rows, sql, args)

    async def run_one(self, sql: Sql, args: Sequence[object] = ()) -> Row | None:
        """Run one statement and return its first row."""
        return await self.ask(read_row, sql, args)

    async def run_count(self, sql: Sql, args: Sequence[object] = ()) -> int:
        """Run one statement and return how many rows it touched."""
        return await self.ask(touch, sql, args)

    async def run_many(self, sql: Sql, rows: Sequence[Sequence[object]]) -> None:
        """Run one statement once for each row of values."""
        await self.take(*make_batch(sql, rows, self.store))

    async def open(self) -> None:
        """Take a connection and send BEGIN now."""
        await self._take_turn()
        try:
            await self._connection()
        finally:
            self._turn.release()

    async def carry(self, ask: Ask[T], statement: Statement, block: Block) -> T:
        """Run one statement in ``block``, whose turn it is; a failure spends the block."""
        lent = await self._connection()
        await checkpoint_if_cancelled()
        try:
            return await finish(lent, ask, statement, within_scope(self._left()))
        except ConnectionLost as error:
            known = self._broken_by(lent) or error
            block.spend(known)
            if known is error:
                raise
            raise known from error
        except StatementTimedOut as error:
            block.spend(error)
            await checkpoint_if_cancelled()
            raise
        except BaseException as error:
            block.spend(error)
            raise
        finally:
            self._rested_at = time.monotonic()

    async def command(self, text: str, block: Block) -> None:
        """Send a savepoint's command; a failure spends ``block``."""
        await self.carry(_command, Statement(text), block)

    async def undo_to(self, savepoint: str) -> None:
        """Go back to a savepoint; what does not come back in time is thrown away."""
        lent = await self._connection()
        try:
            with anyio.CancelScope(shield=True):
                async with asyncio.timeout(RELEASE_TIMEOUT_S):
                    await lent.wire.undo_to(savepoint)
        except BaseException:
            lent.wire.cut()
            raise

    async def commit(self) -> None:
        """Commit, to the end whoever cancels, and give the connection back.

        Raises:
            TransactionFailed: A statement failed before; everything is rolled back.
            CommitUnanswered: The connection broke after COMMIT was sent.
        """
        self._refuse_ended()
        interruption = await self._last_turn()
        try:
            if interruption is not None:
                raise interruption
            self.check()
            if self._lent is not None:
                await checkpoint_if_cancelled()
        except BaseException:
            await self.rollback()
            raise
        self.ended = asking_place()
        lent, self._lent = self._lent, None
        if lent is not None:
            await self._commit(lent)

    async def rollback(self) -> None:
        """Undo everything and give the connection back; harmless when it has ended."""
        if self.ended is not None:
            return
        interruption = await self._last_turn()
        self.ended = asking_place()
        lent, self._lent = self._lent, None
        if lent is None:
            return
        if self._turn.locked() and not lent.wire.queues:
            # A sibling's statement is still on the wire: ROLLBACK cannot be sent.
            self._pool.discard(lent)
        else:
            await self._pool.give_back(lent)
        if isinstance(interruption, asyncio.CancelledError):
            raise interruption

    async def _connection(self) -> Lent:
        if self._lent is None:
            self._refuse_ended()
            self._lent = await self._begin()
        return self._lent

    async def _begin(self) -> Lent:
        """Borrow and BEGIN; a BEGIN that found a dead backend has done nothing, so it repeats."""
        how = self._how()
        for _ in range(self._pool.size + 1):
            lent = await self._pool.borrow(probe=False)
            try:
                await carry(lent, _beginning(how), Statement("BEGIN"), None)
            except BaseException as error:
                broken = lent.wire.closed
                await self._pool.give_back(lent)
                if not broken or not isinstance(error, Exception):
                    raise
            else:
                self._rested_at = time.monotonic()
                return lent
        raise DatabaseUnavailable(f"every connection to {self._pool.url.masked} broke at BEGIN")

    def _how(self) -> Begin:
        options, asked = self._pool.options, self.settings
        settings = start_parameters(options) if options.pooler else {}
        limits = [s for s in (options.statement_timeout_s, asked.timeout_s) if s]
        if asked.timeout_s is not None:
            settings["statement_timeout"] = str(max(1, round(min(limits, default=0) * 1000)))
        if asked.idle_timeout_s is not None:
            idle = str(round(asked.idle_timeout_s * 1000))
            settings["idle_in_transaction_session_timeout"] = idle
        if asked.tenant:
            settings[SETTING] = quoted(asked.tenant)
        return Begin(asked.isolation, asked.read_only, settings)

    def _left(self) -> float | None:
        limit = self._pool.statement_limit_s
        if self._deadline is None:
            return limit
        left = self._deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise StatementTimedOut(
                f"the {self.settings.timeout_s:g} s of the transaction ran out"
            )
        return left if limit is None else min(left, limit)

    def _broken_by(self, lent: Lent) -> IdleTooLong | None:
        """Say why a connection is broken that nothing was sent on for as long as is allowed.

        The driver does not tell: by then it has thrown the server's last word away.
        """
        limit = self.settings.idle_timeout_s or self._pool.options.idle_in_transaction_timeout_s
        idle_s = time.monotonic() - self._rested_at
        if not lent.wire.closed or not limit or idle_s < limit:
            return None
        says = (
            f"{lent.place.who} sent nothing for {idle_s:.1f} s inside its transaction, "
            f"the server ended it after {limit:g} s ({lent.place})"
        )
        _log.error("%s\n  fix: wait, compute or call out before the transaction or after it", says)
        return IdleTooLong(says)

    async def _commit(self, lent: Lent) -> None:
        if lent.wire.closed:
            # COMMIT was never sent, so there is nothing to be unsure of.
            failed = self._broken_by(lent) or ConnectionLost("the connection broke before COMMIT")
            await self._pool.give_back(lent)
            raise failed
        if self.settings.read_only:
            # Nothing was written, so it may be cut short: no task of its own.
            with contextlib.suppress(ConnectionLost, StatementTimedOut):
                await self._end_reading(lent)
            return
        over = not lent.wire.in_transaction and not lent.wire.closed
        commit, cancelled = await to_the_end(lent.wire.commit())
        failure = _ended_early() if over else self._commit_failure(lent, commit)
        await self._pool.give_back(lent)
        if cancelled is not None:
            raise cancelled
        if failure is not None:
            raise failure
        await checkpoint_if_cancelled()

    async def _end_reading(self, lent: Lent) -> None:
        try:
            await finish(lent, _committing, Statement("COMMIT"), None)
        finally:
            await self._pool.give_back(lent)

    def _commit_failure(self, lent: Lent, commit: "asyncio.Task[bool]") -> BaseException | None:
        """Return why it is not certain that everything was written."""
        if commit.cancelled():
            lent.wire.cut()
            return CommitUnanswered("COMMIT was cancelled with its loop")
        error = commit.exception()
        if error is None:
            if commit.result():
                return None
            return TransactionFailed(
                "nothing was written: the server rolled back instead of committing"
            )
        if not isinstance(error, Exception):
            return error
        if lent.wire.closed or isinstance(error, TimeoutError):
            lent.wire.cut()
            unknown = CommitUnanswered(f"the answer to COMMIT was lost: {error!r}")
            unknown.__cause__ = error
            return unknown
        ours = lent.wire.explain(error, "COMMIT", ())
        if ours is not error:
            ours.__cause__ = error
        return ours

    def _refuse_ended(self) -> None:
        if self.ended is not None:
            self.check()


def _ended_early() -> TransactionFailed:
    return TransactionFailed(
        "a statement ended the transaction before its block did; what it wrote may be stored",
        fix="no COMMIT or ROLLBACK in a statement; the block sends them",
    )


async def _command(lent: Lent, statement: Statement, _timeout_s: float | None) -> str:
    return await lent.wire.command(statement.text)


async def _committing(lent: Lent, _: Statement, _timeout_s: float | None) -> bool:
    return await lent.wire.commit()


def _beginning(how: Begin) -> Ask[None]:
    async def begin(lent: Lent, _: Statement, _timeout_s: float | None) -> None:
        await lent.wire.begin(how)

    return begin
