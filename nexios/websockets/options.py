"""What a channel can be told when it is declared."""

from enum import Enum
from typing import ClassVar, Literal

from nexios.application.backplane import Keep
from nexios.records import dataclass

WhenDegraded = Literal["local", "refuse"]
"""While no other process can be reached: tell the members here, or nobody."""


@dataclass(frozen=True, slots=True)
class History:
    """How much of each topic is kept; the first bound that is reached trims.

    Attributes:
        count: Messages.
        bytes: Size of their payloads.
        age_s: Seconds.
    """

    count: int = 512
    bytes: int = 2**20
    age_s: float = 300.0

    def __post_init__(self) -> None:
        if self.count < 0 or self.bytes < 0 or self.age_s < 0:
            raise ValueError(f"a history cannot be negative: {self!r}")

    @classmethod
    def off(cls) -> "History":
        """Keep nothing."""
        return cls(count=0, bytes=0, age_s=0.0)

    @property
    def keep(self) -> Keep:
        """The same for the backplane."""
        return Keep(self.count, self.bytes, self.age_s)


class OverflowKind(Enum):
    """What happens to a socket whose queue is full."""

    DISCONNECT = "disconnect"
    DROP_OLDEST = "drop_oldest"
    LATEST_BY_KEY = "latest_by_key"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Overflow:
    """The policy for members that read slower than the channel speaks.

    Attributes:
        kind: What happens.
        timeout_s: How long a broadcast waits, under ``block``.
    """

    kind: OverflowKind
    timeout_s: float = 0.0

    KEYS: ClassVar[int] = 256

    @classmethod
    def disconnect(cls) -> "Overflow":
        """Close the member with 1013; its client comes back and reads the history."""
        return cls(OverflowKind.DISCONNECT)

    @classmethod
    def drop_oldest(cls) -> "Overflow":
        """Drop the oldest queued message of the topic, never a reply."""
        return cls(OverflowKind.DROP_OLDEST)

    @classmethod
    def latest_by_key(cls) -> "Overflow":
        """Keep one queued message for each key: a newer one takes its place at the end.

        More than 256 keys at once are treated as ``disconnect`` does.
        """
        return cls(OverflowKind.LATEST_BY_KEY)

    @classmethod
    def block(cls, timeout_s: float) -> "Overflow":
        """Have ``broadcast`` wait until every member has room; for one process only.

        Members that have none after ``timeout_s`` seconds are closed with 1013.

        Raises:
            ValueError: The time is not above zero.
        """
        if timeout_s <= 0:
            raise ValueError(f"a broadcast waits for more than 0 seconds, not {timeout_s}")
        return cls(OverflowKind.BLOCK, timeout_s)
