"""What is known about the caller of one request, and how more is found out."""

import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from time import time
from typing import Any, Final

from nexios.adapters.asgi.connection import Connection
from nexios.adapters.asgi.event_desk import EventDesk
from nexios.adapters.asgi.evidence import CrossSiteRequest, Evidence
from nexios.application.caller import ANONYMOUS
from nexios.application.errors import Overloaded, RateLimited, Unauthenticated, Unavailable
from nexios.application.grants import Roles
from nexios.application.revocations import Credential
from nexios.application.security_events import SecurityEvent
from nexios.application.tracking import tell
from nexios.auth.backends.base import Proof, as_proof
from nexios.auth.callers import caller_of
from nexios.records import dataclass

IDENTITY: Final = "identity"
"""The scope's key for the `Identity` of a request."""

BROKEN: Final = "broken_identity"
"""The scope's key for the error that reading the user raises (adapters/asgi/connection.py)."""

CHALLENGES: Final = "nexios.challenges"
"""The scope's key for what tells what a 401 asks for (adapters/http/problems.py)."""

LOGIN_URL: Final = "nexios.login_url"
"""The scope's key for where browsers are sent instead of a 401 (adapters/http/problems.py)."""
CREDENTIAL: Final = "nexios.credential"
"""The scope's key of what a socket stays open for (adapters/websocket/gateway.py)."""

COOKIE_PROOF: Final = "nexios.cookie_proof"
"""The scope's key that is true where a browser sent the proof by itself."""

_RETRY_AFTER_S: Final = 2.0
_PATH_CHARS: Final = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """A backend and how to ask it; the same for every request."""

    backend: Any
    scheme: str
    ask: Callable[[Connection, object], Awaitable[object]]
    malformed: Callable[[Connection], str | None] | None = None


class Identity:
    """Who is calling, as far as anybody asked. Lives and dies with its request."""

    __slots__ = (
        "_asked",
        "_at",
        "_backends",
        "_foreign",
        "_logger",
        "_proofs",
        "_response",
        "_user_model",
        "events",
        "proof",
        "refused",
        "roles",
    )

    def __init__(
        self,
        backends: tuple[Asked, ...],
        response: object,
        user_model: Any,
        roles: Roles,
        events: EventDesk,
        logger: logging.Logger,
    ) -> None:
        self._backends = backends
        self._response = response
        self._user_model = user_model
        self.roles = roles
        self.events = events
        self._logger = logger
        self._asked: set[str] = set()
        self._foreign: tuple[str, ...] = ()
        self._proofs: dict[str, Proof] = {}
        self._at = -1
        self.proof: Proof | None = None
        self.refused: dict[str, tuple[str, ...]] = {}

    @property
    def backends(self) -> tuple[Any, ...]:
        """Every backend of the application, in their order."""
        return tuple(one.backend for one in self._backends)

    async def establish(self, connection: Connection) -> None:
        """Ask the backends in their order until one proves somebody."""
        for at, asked in enumerate(self._backends):
            if await self._ask(at, asked, connection) or BROKEN in connection.scope:
                return
        if self._foreign:
            # The cookie proves nothing: a guard, or whoever reads the user, says why.
            connection.scope[BROKEN] = CrossSiteRequest()

    async def proven_by(self, connection: Connection, schemes: Collection[str]) -> Proof | None:
        """Return the proof of one of ``schemes``, any if there are none; ask who was not asked.

        Whoever is proven by several is the user of the last of those backends, so that guards
        that name them may stand in any order.

        Raises:
            CrossSiteRequest: A cookie would have, and a page of another site sent it.
            Unavailable: A backend broke, so nobody knows who this is.
        """
        self._raise_broken(connection)
        if self.proof is not None and (not schemes or self.proof.scheme in schemes):
            return self.proof
        for scheme in schemes:
            if scheme in self._proofs:
                return self._proofs[scheme]
        for at, asked in enumerate(self._backends):
            if asked.scheme in schemes and asked.scheme not in self._asked:
                found = await self._ask(at, asked, connection)
                self._raise_broken(connection)
                if found is not None:
                    return found
        if any(scheme in schemes for scheme in self._foreign):
            raise CrossSiteRequest
        return None

    def challenges(self, schemes: Collection[str]) -> tuple[str, ...]:
        """Return one challenge for each backend that could satisfy ``schemes``."""
        told: list[str] = []
        for asked in self._backends:
            if schemes and asked.scheme not in schemes:
                continue
            bare = asked.backend.challenge() if hasattr(asked.backend, "challenge") else None
            told.extend(self.refused.get(asked.scheme) or ((bare,) if bare else ()))
        return tuple(dict.fromkeys(told))

    def every_challenge(self) -> tuple[str, ...]:
        """Return the challenges of all backends; asked when there is a 401 to answer."""
        return self.challenges(())

    def _raise_broken(self, connection: Connection) -> None:
        broken = connection.scope.get(BROKEN)
        if broken is not None:
            raise broken

    async def _ask(self, at: int, asked: Asked, connection: Connection) -> Proof | None:
        self._asked.add(asked.scheme)
        try:
            proof = as_proof(await asked.ask(connection, self._response), asked.scheme)
            if proof is not None and self._user_model is not None:
                user = await self._user_model.load_user(proof.user)
                proof = replace(proof, user=user) if user else None
        except Unauthenticated as refusal:
            self.refused[asked.scheme] = getattr(refusal, "challenges", ())
            await self._note_malformed(asked, connection)
            return None
        except (Overloaded, RateLimited) as later:
            # The backend works, and who this is stays unknown until then.
            connection.scope[BROKEN] = later
            return None
        except Exception as error:
            # Whatever broke, nobody may be taken for nobody because of it.
            text = "authentication backend %r broke"
            tell(self._logger, logging.ERROR, error, text, asked.scheme)
            event = SecurityEvent(
                "auth.unavailable", "failed", scheme=asked.scheme, reason=type(error).__name__
            )
            await self.events.record(event, seldom=True)
            broken = Unavailable(retry_after_s=_RETRY_AFTER_S)
            broken.__cause__ = error
            connection.scope[BROKEN] = broken
            return None
        if proof is None:
            await self._note_malformed(asked, connection)
            return None
        if not _is_ours(asked.backend, connection):
            self._foreign = (*self._foreign, asked.scheme)
            return None
        self._proofs[proof.scheme] = proof
        if at < self._at:
            return proof
        self.proof, self._at = proof, at
        connection.scope[COOKIE_PROOF] = getattr(asked.backend, "cookie_borne", False)
        scope = connection.scope
        scope["user"] = proof.user
        scope["auth"] = proof.scheme
        known = scope.get("caller", ANONYMOUS)
        caller = caller_of(proof, known, self.roles, self._logger)
        scope["caller"] = caller
        if scope["type"] == "websocket":
            credential = proof.credential or Credential(caller.actor, issued_at=time())
            scope[CREDENTIAL] = credential
        return proof

    async def _note_malformed(self, asked: Asked, connection: Connection) -> None:
        reason = None if asked.malformed is None else asked.malformed(connection)
        if reason is not None:
            details = {"path": connection.scope["path"][:_PATH_CHARS]}
            await self.events.record(
                SecurityEvent("auth.malformed", "denied", None, asked.scheme, reason, details)
            )


def _is_ours(backend: object, connection: Connection) -> bool:
    """Return whether a proof may count: what browsers send by themselves needs evidence."""
    if not getattr(backend, "cookie_borne", False):
        return True
    return Evidence.of(connection).given(connection)


def identity_of(connection: Connection) -> Identity | None:
    """Return what is known about the caller; None without ``AuthenticationMiddleware``."""
    found: Identity | None = connection.scope.get(IDENTITY)
    return found
