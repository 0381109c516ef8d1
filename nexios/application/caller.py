"""Who is asking: a value that travels with each request, message, command and delivery."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, for whom, and because of what.

    Attributes:
        actor: The subject that was authenticated; None for nobody.
        tenant: The customer whose data this is about, where the application has tenants.
        correlation: One id for everything that follows from the first request.
        causation: Id of the event or message this follows from.
        idempotency_key: The client's key for "this is the same attempt".
        scheme: How the actor was proved ("jwt", "session", ...).
    """

    actor: str | None = None
    tenant: str | None = None
    correlation: str | None = None
    causation: str | None = None
    idempotency_key: str | None = None
    scheme: str | None = None

    @property
    def anonymous(self) -> bool:
        """True when nobody proved who they are."""
        return self.actor is None


ANONYMOUS: Final = Caller()
