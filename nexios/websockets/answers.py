"""What channels give back: receipts and history."""

from typing import Any, Generic

from typing_extensions import TypeVar

from nexios.application.backplane import Position
from nexios.records import dataclass

M = TypeVar("M", default=Any)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a broadcast.

    Attributes:
        id: The message's id, the given one or a new one.
        position: Its place in the topic; None when it has none.
        duplicate: A message with this id had been stored before; nobody got it again.
        degraded: No other process could be reached: the members here got it, nobody else.
    """

    id: str
    position: Position | None
    duplicate: bool = False
    degraded: bool = False


@dataclass(frozen=True, slots=True)
class Told(Generic[M]):
    """One message of the history."""

    id: str
    position: Position
    data: M


@dataclass(frozen=True, slots=True)
class Slice(Generic[M]):
    """A part of a topic's history, oldest first.

    Attributes:
        messages: What is kept after the asked position.
        position: Where the topic stands now.
        complete: False when something after the asked position is gone.
    """

    messages: tuple[Told[M], ...]
    position: Position
    complete: bool
