"""What the facade needs of a driver's connection."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class Begin:
    """How a transaction starts.

    Attributes:
        isolation: ``read committed``, ``repeatable read`` or ``serializable``; SQLite always
            gives the last one.
        read_only: Refuse writes.
        settings: PostgreSQL's settings for this transaction only.
    """

    isolation: str | None = None
    read_only: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


class Cursor(Protocol):
    """Rows that stay at the server until they are asked for."""

    async def fetch(self, count: int) -> list[Row]:
        """Return the next rows, fewer than ``count`` only at the end."""

    async def close(self) -> None:
        """Free what the server holds."""


class Wire(ABC):
    """What the facade needs of a connection; it lives as long as the driver's one.

    One operation at a time. Errors come as the driver raises them, through `explain` they
    become ours.

    Attributes:
        used_at: When it was given back, by the monotonic clock.
        unsettled: A cancelled operation may still be on its way.
        read_only: Inside a transaction that refuses writes.
        unfit: The server behind it cannot serve us; not to be lent again.
        queues: Operations sent while another one runs wait for it.
    """

    queues = False

    def __init__(self) -> None:
        self.used_at = time.monotonic()
        self.unsettled = False
        self.read_only = False
        self.unfit = False

    @property
    @abstractmethod
    def closed(self) -> bool: ...

    @property
    @abstractmethod
    def in_transaction(self) -> bool: ...

    @abstractmethod
    async def rows(
        self, text: str, args: Sequence[object], timeout_s: float | None
    ) -> list[Row]: ...

    @abstractmethod
    async def row(
        self, text: str, args: Sequence[object], timeout_s: float | None
    ) -> Row | None: ...

    @abstractmethod
    async def count(self, text: str, args: Sequence[object], timeout_s: float | None) -> int: ...

    @abstractmethod
    async def many(
        self, text: str, rows: Sequence[Sequence[object]], timeout_s: float | None
    ) -> None: ...

    @abstractmethod
    async def cursor(self, text: str, args: Sequence[object]) -> Cursor: ...

    @abstractmethod
    async def command(self, text: str) -> str:
        """Run SAVEPOINT or its like: no values, no rows; return the tag of the answer."""

    @abstractmethod
    async def begin(self, how: Begin) -> None:
        """Start a transaction, in one trip."""

    @abstractmethod
    async def commit(self) -> bool:
        """End the transaction; False when the server rolled it back instead."""

    @abstractmethod
    async def rollback(self) -> None:
        """Undo the transaction if there is one; also shows whether the server still answers."""

    @abstractmethod
    async def undo_to(self, savepoint: str) -> None:
        """Go back to a savepoint and drop it."""

    @abstractmethod
    def explain(self, error: Exception, sql: str, args: Sequence[object]) -> Exception:
        """Return our error for the driver's; the same object when it is none of a database."""

    @abstractmethod
    def cut(self) -> None:
        """Let go of the server at once, without waiting for it."""

    async def close(self) -> None:
        """Let go of the server in good order."""
        self.cut()

    async def settle(self) -> None:
        """Come to rest after a cancelled operation, so that the next one may start."""
        self.unsettled = True

    def alarm(self, timeout_s: float | None) -> asyncio.TimerHandle | None:  # noqa: ARG002
        """Have the next operation stopped when its time is over, where no server does that."""
        return None


def named_twice(names: Sequence[str]) -> str:
    """Say which column name is there twice."""
    twice = next(name for name in names if names.count(name) > 1)
    return f'"{twice}" is selected twice'
