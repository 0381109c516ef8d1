"""Tickets: proof for one socket, given over HTTP to those who cannot send a header with it."""

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.security.memory_one_time import MemoryOneTime
from nexios.adapters.websocket.carriers import TICKET
from nexios.application.one_time import OneTime
from nexios.application.replica import RevocationReplica
from nexios.application.revocations import Credential
from nexios.auth.backends.base import Proof
from nexios.auth.backends.loading import Loader, LoadingBackend
from nexios.auth.exceptions import AuthenticationFailed
from nexios.container.container import Container
from nexios.container.depend import Depend
from nexios.container.entry import Entry, EntryPoint

TICKET_S: Final = 30.0

_PURPOSE: Final = "ticket"
_BYTES: Final = 16


class TicketBackend(LoadingBackend):
    """Proves a socket's user by the ``?ticket=`` that `ticket_routes` gave out before.

    It is good once, for 30 seconds and for pages of the origin it was given to. The scheme,
    rights and end of the proof it was given for go on: guards that ask for a scheme see that
    one. Tickets wait in the bound `OneTime`, or in this process: bind one where there are more.

    Args:
        load_user: Called with ``sub`` (and ``id``, the same), ``roles`` and ``permissions``, by
            name; it may ask for services with ``Depend``. None is nobody. Without it these are
            the user.
        clock: Seconds since 1970.
    """

    scheme = "ticket"

    def __init__(
        self,
        load_user: Callable[..., Any] | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._loader = None if load_user is None else Loader(load_user, "loader of 'ticket'")
        self._clock = clock
        self._store: OneTime = MemoryOneTime()
        self._entry: Entry | None = None
        self._revocations: RevocationReplica | None = None

    def wire(self, container: Container) -> None:
        """Have the loader planned, and find the `OneTime` that is bound, if any."""
        super().wire(container)
        if OneTime in container:
            self._entry = container.entry(EntryPoint("the store of tickets", _bound_store))

    def bind(self, app: Any) -> None:
        """Learn where to look for what is revoked."""
        self._revocations = getattr(app, "revocations", None)

    def security_scheme(self) -> Mapping[str, object]:
        """Return a value of the query."""
        return {"type": "apiKey", "in": "query", "name": "ticket"}

    async def issue(self, request: Connection, proof: Proof) -> str:
        """Return a new ticket for whoever was proven to send this request."""
        ticket = secrets.token_urlsafe(_BYTES)
        caller = request.caller
        grants = caller.grants
        kept = {
            "sub": caller.actor,
            "scheme": proof.scheme,
            "roles": sorted(grants.roles),
            "permissions": sorted(grants.permissions),
            "scopes": None if grants.scopes is None else sorted(grants.scopes),
            "at": None if proof.authenticated_at is None else proof.authenticated_at.isoformat(),
            "credential": None if proof.credential is None else asdict(proof.credential),
            "origin": request.headers.get("origin"),
        }
        await (await self._kept_in()).put(_PURPOSE, _digest(ticket), kept, TICKET_S)
        return ticket

    async def authenticate(self, connection: Connection) -> Proof | None:
        """Return whom the ticket of a socket's handshake was given to; it is used up by that.

        Raises:
            AuthenticationFailed: It was used, is old, or was given to another origin.
            Unavailable: The store does not answer, or whether it was revoked is not known.
        """
        ticket: str | None = connection.scope.get(TICKET)
        if ticket is None:
            return None
        kept = await (await self._kept_in()).take(_PURPOSE, _digest(ticket))
        if kept is None or kept["origin"] != connection.headers.get("origin"):
            raise AuthenticationFailed
        told = kept["credential"]
        credential = None if told is None else Credential(**told)
        if credential is not None and self._is_over(credential):
            raise AuthenticationFailed
        claims = {
            "sub": kept["sub"],
            "id": kept["sub"],
            "roles": kept["roles"],
            "permissions": kept["permissions"],
        }
        user = claims if self._loader is None else await self._loader(claims)
        if not user:
            raise AuthenticationFailed
        return Proof(
            user,
            kept["scheme"],
            kept["sub"],
            claims,
            scopes=None if kept["scopes"] is None else frozenset(kept["scopes"]),
            authenticated_at=None if kept["at"] is None else datetime.fromisoformat(kept["at"]),
            credential=credential,
        )

    def _is_over(self, credential: Credential) -> bool:
        ends = credential.expires_at
        if ends is not None and ends <= self._clock():
            return True
        return self._revocations is not None and self._revocations.refuses(credential)

    async def _kept_in(self) -> OneTime:
        if self._entry is None:
            return self._store
        plan = self._entry.plan
        found: Any = plan.call()
        store: OneTime = await found if plan.awaits else found
        return store


def _bound_store(store: OneTime = Depend()) -> OneTime:
    return store


def _digest(ticket: str) -> bytes:
    return hashlib.sha256(ticket.encode("utf-8", "replace")).digest()
