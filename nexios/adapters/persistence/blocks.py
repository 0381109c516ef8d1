"""One level of a transaction: whose turn it is, whether it is spent, how a savepoint ends."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeVar

from nexios.adapters.persistence.errors import (
    ConnectionLost,
    TransactionBusy,
    TransactionClosed,
    TransactionFailed,
)
from nexios.adapters.persistence.placeholders import Store
from nexios.adapters.persistence.places import Place, asking_place
from nexios.adapters.persistence.statements import Ask, Sql, Statement, make_statement

T = TypeVar("T")


class Root(ABC):
    """What a block needs of the transaction it belongs to."""

    @property
    @abstractmethod
    def store(self) -> Store: ...

    @property
    @abstractmethod
    def lock_timeout_s(self) -> float: ...

    @abstractmethod
    def is_broken(self) -> bool:
        """Whether the connection is gone, and everything with it."""

    @abstractmethod
    async def carry(self, ask: Ask[T], statement: Statement, block: "Block") -> T:
        """Run one statement in ``block``, whose turn it is; a failure spends the block."""

    @abstractmethod
    async def command(self, text: str, block: "Block") -> None:
        """Send a savepoint's command; a failure spends ``block``."""

    @abstractmethod
    async def undo_to(self, savepoint: str) -> None:
        """Go back to a savepoint; what does not come back in time is thrown away."""


class Block:
    """A transaction, or a savepoint inside one: what statements of a task run in.

    One statement at a time: tasks take turns. A nested block keeps the turn of the block around
    it until it ends, so its savepoint holds only its own statements.
    """

    def __init__(self, root: Root, around: "Block | None" = None) -> None:
        self.root = root
        self.around = around
        self.level: int = 0 if around is None else around.level + 1
        self.failed: BaseException | None = None
        self.ended: Place | None = None
        self.task = _task_name()
        self._turn = asyncio.Lock()
        self._inner: Block | None = None

    @property
    def closed(self) -> bool:
        return self.ended is not None

    async def ask(self, ask: Ask[T], sql: Sql, args: Sequence[object] = ()) -> T:
        """Run one statement in this block.

        Raises:
            TransactionClosed: The block has ended.
            TransactionFailed: An earlier statement failed; nothing will be written.
            TransactionBusy: A sibling's nested block kept the turn too long.
        """
        statement = make_statement(sql, args, self.root.store)
        return await self.take(ask, statement)

    async def take(self, ask: Ask[T], statement: Statement) -> T:
        """Run a statement that is proven already, when it is this task's turn."""
        self.check()
        await self._take_turn()
        try:
            self.check()
            return await self.root.carry(ask, statement, self)
        finally:
            self._turn.release()

    def check(self) -> None:
        """Refuse to go on with a block that has ended or is spent."""
        block: Block | None = self
        while block is not None:
            if block.ended is not None:
                raise TransactionClosed(
                    f'task "{_task_name()}" used a transaction that ended at {block.ended}',
                    fix="await the task inside the block, or start it after",
                )
            if block.failed is not None:
                raise spent(block.failed) from block.failed
            block = block.around

    def spend(self, cause: BaseException) -> None:
        """Note the first failure; a broken connection spends the blocks around as well."""
        if self.failed is None:
            self.failed = cause
        if self.around is not None and self.root.is_broken():
            self.around.spend(cause)

    async def nested(self) -> "Block":
        """Open a savepoint; it keeps this block's turn."""
        self.check()
        await self._take_turn()
        try:
            self.check()
            inner = Block(self.root, self)
            await self.root.command(f"SAVEPOINT {inner.savepoint}", self)
        except BaseException:
            self._turn.release()
            raise
        self._inner = inner
        return inner

    @property
    def savepoint(self) -> str:
        return f"nexios_{self.level}"

    async def leave(self, error: BaseException | None) -> None:
        """End a nested block: release its savepoint, or go back to it.

        Raises:
            TransactionFailed: The block ended normally although one of its statements failed.
        """
        around = self.around
        if around is None or self.ended is not None:
            return
        interruption = await self._last_turn()
        self.ended = asking_place()
        try:
            if around.closed:
                # Rolled back already, with all that is inside of it.
                if error is None:
                    around.check()
            elif error is None and self.failed is None:
                await self.root.command(f"RELEASE SAVEPOINT {self.savepoint}", around)
            else:
                await self._go_back(around)
        finally:
            around._inner = None  # noqa: SLF001 - the same class
            around._turn.release()  # noqa: SLF001 - the same class
        if interruption is not None:
            raise interruption
        if error is None and self.failed is not None:
            raise spent(self.failed) from self.failed

    async def _go_back(self, around: "Block") -> None:
        root = self.root
        if root.is_broken():
            around.spend(self.failed or ConnectionLost("the connection broke"))
            return
        try:
            await root.undo_to(self.savepoint)
        except BaseException as error:
            # The savepoint's statements would be committed with the rest.
            around.spend(error)
            raise

    async def _last_turn(self) -> BaseException | None:
        """Wait for a sibling's statement, so that the end does not come into its middle."""
        try:
            await self._take_turn()
        except (TransactionBusy, asyncio.CancelledError) as error:
            self.spend(error)
            return error
        self._turn.release()
        return None

    async def _take_turn(self) -> None:
        turn = self._turn
        if not turn.locked():
            await turn.acquire()
            return
        limit = self.root.lock_timeout_s
        try:
            async with asyncio.timeout(limit or None):
                await turn.acquire()
        except TimeoutError:
            holder = self._inner.task if self._inner is not None else "of a sibling"
            raise TransactionBusy(
                f'waited {limit:g} s for a nested block of task "{holder}"',
                fix="open the nested block around the gather, not inside of one of its tasks",
            ) from None


def spent(cause: BaseException) -> TransactionFailed:
    """Return what a block says that cannot go on."""
    return TransactionFailed(
        f"nothing was written: an earlier statement failed: {cause!r}",
        fix="async with db.transaction(): around that statement, inside the outer one",
    )


def _task_name() -> str:
    task = asyncio.current_task()
    return task.get_name() if task is not None else "?"
