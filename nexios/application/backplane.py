"""The port that carries the messages of channels, inside one process or between many."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from enum import Enum
from typing import Final, Protocol

from nexios.records import dataclass

PAYLOAD_BYTES: Final = 2**20 - 2**14
"""1 MiB, which NATS takes by default, less room for its headers."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What has an order of its own: a channel, or one group of it.

    Attributes:
        channel: Name of the channel.
        group: Name of the group, or None for the channel itself.
    """

    channel: str
    group: str | None = None

    def __str__(self) -> str:
        return self.channel if self.group is None else f"{self.channel}/{self.group}"


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the order of a topic.

    Attributes:
        epoch: Changes whenever stored positions may have been lost.
        offset: Grows strictly within an epoch; 0 stands before the first message.
    """

    epoch: str
    offset: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.offset}"

    def is_beyond(self, last: "Position | None") -> bool:
        """Return whether it comes behind another, as far as anybody knows."""
        return last is None or self.epoch != last.epoch or self.offset > last.offset


@dataclass(frozen=True, slots=True)
class Keep:
    """How much of a topic stays readable; ``count=0`` keeps nothing.

    Attributes:
        count: Messages at most.
        size: Bytes of payload at most.
        age_s: Seconds at most.
    """

    count: int
    size: int
    age_s: float


@dataclass(frozen=True, slots=True)
class Stored:
    """The answer to a publish; ``duplicate`` when the id had been stored before."""

    position: Position
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Arrived:
    """One message of a topic, as followers and readers get it.

    Attributes:
        position: Its place.
        previous: Offset of the message before it in this topic, 0 for the first.
        id: The publisher's id.
        key: What later messages replace it by, or None.
        payload: Opaque bytes.
    """

    position: Position
    previous: int
    id: str
    key: str | None
    payload: bytes


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of what a topic keeps, oldest first.

    Attributes:
        messages: Stored messages after the asked position.
        head: Where the topic stands now.
        complete: True only if nothing between the asked position and the last of
            ``messages`` is missing.
    """

    messages: tuple[Arrived, ...]
    head: Position
    complete: bool


@dataclass(frozen=True, slots=True)
class Present:
    """A socket that is in a topic, on whichever process.

    Attributes:
        topic: Where it is.
        socket: Its id.
        subject: Who was authenticated, or None.
        meta: JSON values that were given when it joined.
        since: Unix time at which it joined.
    """

    topic: Topic
    socket: str
    subject: str | None
    meta: Mapping[str, object]  # JSON
    since: float


class LinkState(Enum):
    """Whether the carrier between processes can be reached."""

    UP = "up"
    DEGRADED = "degraded"


@dataclass(frozen=True, slots=True)
class Link:
    """A change of the carrier's state; ``reason`` is for people, never for clients."""

    state: LinkState
    reason: str = ""


class Backplane(Protocol):
    """Carries topics between the processes of one application.

    What every adapter owes:

    * **Order.** Offsets of a topic grow strictly within an epoch; they need not be dense. Every
      follower, the publisher's process included, gets a topic's messages in offset order.
    * **A publish that returned** has stored the message, if ``keep`` keeps any, and ``read`` shows
      it until it is trimmed. ``Unavailable`` means not stored, ``OutcomeUnknown`` perhaps. The
      same id within two minutes is answered with the first position and ``duplicate=True``,
      and nothing is delivered again.
    * **Gaps are visible**: ``previous`` differs from the offset seen last.
    * **`read` tells the truth** about completeness; a position of another epoch, or ahead of the
      head, is incomplete.
    * **The epoch** is another one whenever stored positions may have been lost.
    * **UP is told** only when following works again.
    * **One subscription per process and topic**, counted. ``follow`` is live when it is entered.
    * **Payloads are opaque** bytes up to ``PAYLOAD_BYTES``, topic names any text.
    * **No call outlasts its time limit**, none retries on the caller's path.
    """

    @property
    def shared(self) -> bool:
        """Whether other processes can be reached through it."""
        ...

    async def start(self) -> None:
        """Connect, or raise ``Unavailable``."""
        ...

    async def close(self) -> None:
        """Let go of everything; idempotent."""
        ...

    def on_link(self, changed: Callable[[Link], None]) -> None:
        """Call ``changed`` on the loop whenever the link goes up or down."""
        ...

    async def publish(
        self, topic: Topic, payload: bytes, *, id: str, key: str | None, keep: Keep
    ) -> Stored:
        """Store one message, give it its place and bring it to all followers.

        ``keep`` is the same for all topics of a channel: an adapter may hold it for all at once.
        """
        ...

    def follow(
        self, topic: Topic, arrived: Callable[[Arrived], None]
    ) -> AbstractAsyncContextManager[Position]:
        """Call ``arrived`` for each message published while the context is open.

        ``arrived`` runs on the loop, one at a time, never blocks and never raises. The context
        gives the head at the moment following began; it is entered and left by one task.
        """
        ...

    async def read(self, topic: Topic, after: Position | None, limit: int) -> Slice:
        """Return up to ``limit`` kept messages after a position; None asks for the last ones."""
        ...

    async def touch(self, entries: Sequence[Present], ttl_s: float) -> None:
        """Note that these are present, for so long; noted again they stay."""
        ...

    async def forget(self, entries: Sequence[Present]) -> None:
        """Note that these have left."""
        ...

    async def present(self, topic: Topic) -> Sequence[Present]:
        """Return who is there, those first who came first."""
        ...
