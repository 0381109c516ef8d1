"""Who is asking: a value that travels with each request, message, command and delivery."""

from datetime import datetime
from typing import Final

from nexios.application.grants import NO_GRANTS, Grants
from nexios.records import dataclass


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
        session_id: Which session proved it, where there is one.
        grants: What the actor may do.
        authenticated_at: When the actor last showed a password or the like; None where nobody
            knows.
    """

    actor: str | None = None
    tenant: str | None = None
    correlation: str | None = None
    causation: str | None = None
    idempotency_key: str | None = None
    scheme: str | None = None
    session_id: str | None = None
    grants: Grants = NO_GRANTS
    authenticated_at: datetime | None = None

    @property
    def anonymous(self) -> bool:
        """True when nobody proved who they are."""
        return self.actor is None

    def can(self, permission: str) -> bool:
        """Return whether roles and permissions of the actor, and the credential, give this."""
        return self.grants.can(permission)


ANONYMOUS: Final = Caller()
