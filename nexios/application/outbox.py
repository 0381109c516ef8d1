"""The port through which a worker takes events that wait for their handlers."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from nexios.application.events import Envelope
from nexios.records import dataclass


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one consumer, taken by a worker.

    Attributes:
        seq: The event's number in the outbox.
        consumer: Stored name of who is to be told.
        attempts: Failed attempts so far.
        envelope: The circumstances; holds the event's name and version.
        payload: The event's fields in their stored form.
    """

    seq: int
    consumer: str
    attempts: int
    envelope: Envelope
    payload: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A delivery whose attempts are used up.

    Attributes:
        seq: The event's number in the outbox.
        consumer: Stored name of who could not handle it.
        stream: The event's stream; with the consumer it names the lane.
        event: Stored name of the event.
        attempts: How often it was tried.
        blocked: Its lane stands; otherwise the lane went on without it.
        error: Of the last attempt.
        at: When the event was recorded.
        overtaken: Later events of its stream wait no longer for this consumer.
    """

    seq: int
    consumer: str
    stream: str
    event: str
    attempts: int
    blocked: bool
    error: str
    at: datetime
    overtaken: bool


class Claim(Protocol):
    """A delivery nobody else can take while this is open.

    Leaving it with neither ``settle`` nor ``fail`` called gives it back as it was.
    """

    delivery: Delivery

    def handling(self) -> AbstractAsyncContextManager[None]:
        """Open around the handler: when it raises, what it wrote is undone and the claim stays.

        A unit of work run inside joins the delivery's transaction where the store has one.
        """
        ...

    async def settle(self) -> None:
        """Done: remove the delivery and free the next of its lane, together with the effect."""
        ...

    async def fail(self, error: str, *, delay_s: float | None, block: bool = False) -> None:
        """Not done: count the attempt.

        Args:
            error: For the operator; no secrets.
            delay_s: Try again after so long; None when attempts are used up.
            block: With ``delay_s=None``: stop the lane instead of going on without this one.
        """
        ...


class OutboxStore(Protocol):
    """Keeps deliveries. Only the first pending one of each lane (consumer, stream) can be taken.

    A worker that dies gives back what it held; nothing is lost and a lane's order holds.
    """

    @property
    def most_workers(self) -> int | None:
        """How many deliveries at a time leave enough connections for requests; None: any."""
        ...

    def claim(self, *, longest_s: float = 30.0) -> AbstractAsyncContextManager[Claim | None]:
        """Take the next ready delivery; None when none is ready now.

        Args:
            longest_s: How long its handler may take.
        """
        ...

    async def repair(self) -> int:
        """Set free lanes whose first delivery waits for nothing; return how many. Normally 0."""
        ...

    async def dead(self, consumer: str | None = None, *, limit: int = 100) -> Sequence[DeadLetter]:
        """Return dead and blocked deliveries (of one consumer), the oldest first."""
        ...

    async def redrive(self, consumer: str | None = None, *, seq: int | None = None) -> int:
        """Make dead and blocked deliveries ready again; return how many.

        Args:
            consumer: Only this one's.
            seq: Only those of this event.
        """
        ...

    async def skip(self, consumer: str, *, seq: int) -> int:
        """Let the lane of a blocked delivery go on without it; return 1, or 0 when none is."""
        ...

    async def purge(self, *, older_than_s: float) -> int:
        """Forget delivered events recorded longer ago; return how many.

        What else the store keeps of messages that were dealt with goes too (``Inbox``).
        """
        ...

    async def pending(self) -> Mapping[str, int]:
        """Return how many deliveries wait, by consumer; dead ones are not counted."""
        ...

    def on_commit(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` after each commit in this process that left deliveries. A hint only."""
        ...

    def hearing(self, wake: Callable[[], None]) -> AbstractAsyncContextManager[None]:
        """Call ``wake`` when another process committed deliveries, for the body of the block.

        A hint that may be lost, and may come without a cause.
        """
        ...
