"""What the unit of work adds to a fact on its way out of the aggregate."""

from datetime import datetime
from uuid import UUID

from nexios.records import dataclass


@dataclass(frozen=True, slots=True)
class Envelope:
    """The circumstances of one event.

    Attributes:
        id: Unique to this event; hand it on as the idempotency key of an outside call.
        name: The event's stable name.
        version: The version of its fields.
        stream: ``<root table>:<aggregate id>``; order holds within one stream.
        stream_version: The aggregate's version after the change that recorded it.
        index: Its place among the events of that change, from 0.
        at: When the unit of work collected it.
        actor: Who caused it.
        tenant: For whom.
        correlation: One id for everything that follows from the first request.
        causation: Id of the event or message it follows from.
    """

    id: UUID
    name: str
    version: int
    stream: str
    stream_version: int
    index: int
    at: datetime
    actor: str | None = None
    tenant: str | None = None
    correlation: str | None = None
    causation: str | None = None
