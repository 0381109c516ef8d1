"""The port of authentication: a backend finds out who is asking."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from datetime import UTC, datetime
from typing import Any, Final

from nexios.adapters.asgi.connection import Connection
from nexios.application.revocations import Credential
from nexios.records import dataclass

NO_CLAIMS: Final[Mapping[str, object]] = {}


@dataclass(frozen=True, slots=True)
class Proof:
    """What a backend found out about a request.

    Attributes:
        user: The application's own object.
        scheme: The name of the backend that proved it.
        subject: What the credential calls the user; None when it does not.
        claims: What else the credential says.
        scopes: What the credential may be used for; None where it is not narrowed.
        authenticated_at: When the user last showed a password or the like, in UTC; None where
            nobody knows.
        credential: What can be revoked of it; None where nothing can.
    """

    user: object
    scheme: str
    subject: str | None = None
    claims: Mapping[str, object] = field(default_factory=dict)
    scopes: frozenset[str] | None = None
    authenticated_at: datetime | None = None
    credential: Credential | None = None


@dataclass(frozen=True, slots=True)
class AuthResult:
    """2.11's way to say what a backend found out."""

    success: bool
    identity: object = None
    scope: str = ""


class AuthenticationBackend:
    """Base of the backends. It holds settings; nothing about a request is kept on it.

    A child owes ``authenticate``: return a `Proof`, a user, ``(user, scheme)``, an `AuthResult`,
    or None for "no credential of my kind". A credential that is there and bad may be refused
    with `AuthenticationFailed`. Every other exception means that the identity could not be
    established; it is never taken for nobody.
    """

    scheme: str = ""

    def challenge(self) -> str | None:
        """Return the ``WWW-Authenticate`` value that asks for this credential, or None."""
        return None

    def malformed(self, connection: Connection) -> str | None:  # noqa: ARG002  # the port's name
        """Return why a credential proves nothing because of how it came; asked when none did."""
        return None

    def security_scheme(self) -> Mapping[str, object] | None:
        """Return how OpenAPI describes the credential; None where the challenge says enough."""
        return None

    def bind(self, app: Any) -> None:
        """Take what is needed from the app, once, before the first request.

        ``app`` is Any: it stands floors above.
        """

    authenticate: Callable[..., Awaitable[object]]


def moment_in(claims: Mapping[str, object], name: str) -> datetime | None:
    """Return a claim that is seconds since 1970 (RFC 7519, 2) as a moment in UTC."""
    found = claims.get(name)
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        return None
    try:
        return datetime.fromtimestamp(found, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def described(backend: Any) -> Mapping[str, object] | None:
    """Return a backend's security scheme (OpenAPI 3.1, 4.8.27): its own words, or a guess.

    What it challenges with tells ``basic`` and ``bearer``, a ``header_name`` an API key. None
    where nothing tells; then only ``app.docs.add_security_scheme`` can.
    """
    own = backend.security_scheme() if hasattr(backend, "security_scheme") else None
    if own is not None:
        return dict(own)
    challenge = backend.challenge() if hasattr(backend, "challenge") else None
    kind = (challenge or "").partition(" ")[0].lower()
    if kind in {"basic", "bearer"}:
        return {"type": "http", "scheme": kind}
    header = getattr(backend, "header_name", None)
    if isinstance(header, str):
        return {"type": "apiKey", "in": "header", "name": header}
    return None


def asker(backend: Any) -> Callable[[Connection, object], Awaitable[object]]:
    """Return how to ask a backend: with the connection, or with 2.11's request and response.

    Raises:
        TypeError: It has no coroutine function ``authenticate`` of one or two parameters.
    """
    authenticate = getattr(backend, "authenticate", None)
    name = type(backend).__qualname__
    if not inspect.iscoroutinefunction(authenticate):
        raise TypeError(
            f"{name} is no authentication backend: it has no `async def authenticate(connection)`"
        )
    needed = [
        parameter
        for parameter in inspect.signature(authenticate).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and parameter.default is parameter.empty
    ]
    if len(needed) == 1:
        return lambda connection, _: authenticate(connection)
    if len(needed) == 2:
        return authenticate
    raise TypeError(f"{name}.authenticate takes (connection) or (request, response)")


def as_proof(result: object, scheme: str) -> Proof | None:
    """Turn what a backend returned into one form; None and falsy users prove nothing."""
    if isinstance(result, Proof):
        return result if result.user else None
    if isinstance(result, AuthResult):
        if not result.success or not result.identity:
            return None
        return Proof(result.identity, result.scope or scheme)
    if isinstance(result, tuple) and len(result) == 2:
        user, named = result
        return Proof(user, str(named or scheme)) if user else None
    return Proof(result, scheme) if result else None
