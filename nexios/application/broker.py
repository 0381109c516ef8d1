"""The port through which domain events leave the process, and come in from others."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import field
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

from nexios.records import dataclass

DELIVERIES: Final = 10
"""How often a message is tried before it is buried."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One event on its way out; on the wire a CloudEvent 1.0.

    Attributes:
        id: Unique to this event: a message sent again under it is the same message.
        name: The event's stable name, ``orders.order-placed``.
        version: The version of its fields.
        key: What has an order of its own: the event's stream.
        at: When it happened.
        payload: Its fields as JSON values.
        headers: Further circumstances, by lower-case name: ``traceparent``, ``correlation``.
    """

    id: UUID
    name: str
    version: int
    key: str
    at: datetime
    payload: Mapping[str, Any]  # JSON
    headers: Mapping[str, str] = field(default_factory=dict)


class Incoming(Protocol):
    """One delivery of an event; the same comes again until it is acknowledged or buried.

    Attributes:
        event: What happened.
        delivery: How often it was delivered, this time included.
    """

    @property
    def event(self) -> Outgoing:
        """What happened."""
        ...

    @property
    def delivery(self) -> int:
        """How often it was delivered, this time included."""
        ...

    async def ack(self) -> None:
        """It is dealt with, and comes no more.

        Raises:
            Unavailable: The broker could not be told: it will come again.
        """
        ...

    async def retry(self, after_s: float) -> None:
        """Deliver it again after so long; what has its key waits behind it."""
        ...

    async def bury(self, reason: str) -> None:
        """Set it aside for an operator; what has its key goes on.

        Args:
            reason: For the operator; no secrets.
        """
        ...


@dataclass(frozen=True, slots=True)
class Buried:
    """A message that was set aside.

    Attributes:
        event: What it was.
        reason: Why it was set aside.
    """

    event: Outgoing
    reason: str


class EventBroker(Protocol):
    """Carries events between services.

    Each adapter owes: delivery at least once; one process of a consumer's name gets a message;
    order for each key, a retried message included; a message that was not acknowledged within
    ``visible_s`` comes again, after ten deliveries it is buried; one published again under its
    id within two minutes is stored once.
    """

    async def publish(self, event: Outgoing) -> None:
        """Return when the event is stored.

        Raises:
            Unavailable: It is not stored.
            OutcomeUnknown: It may be stored; publish it again with the same id.
        """
        ...

    def consume(
        self, consumer: str, names: Sequence[str], *, visible_s: float = 30.0
    ) -> AbstractAsyncContextManager[AsyncIterator[Incoming]]:
        """Receive events, those first that a consumer of this name has not had yet.

        A name that is new begins with what the broker still keeps.

        Args:
            consumer: Who receives; several processes of one name share the work.
            names: Which events.
            visible_s: How long one may take before it is given to another process.
        """
        ...

    async def buried(self, consumer: str, *, limit: int = 100) -> Sequence[Buried]:
        """Return what was set aside for a consumer, the oldest first."""
        ...

    async def redrive(self, consumer: str, *, id: UUID | None = None) -> int:
        """Deliver what was set aside again, to this consumer alone; return how many.

        Args:
            consumer: Whose messages.
            id: Only this one.
        """
        ...
