"""User name and password with each request (RFC 7617)."""

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, Final

from nexios.adapters.asgi.connection import Connection
from nexios.auth.backends.base import Proof
from nexios.auth.backends.loading import Loader, LoadingBackend
from nexios.auth.exceptions import AuthenticationFailed
from nexios.domain.errors import InvalidValue

_MAX_CHARS: Final = 2048  # of base64: a password of 1,024 bytes, and a name


class BasicAuthBackend(LoadingBackend):
    """Proves who knows a password; over TLS, or from this machine itself, alone.

    Args:
        check: Called with ``username``, ``password`` and the client's ``address``, as far as it
            has parameters for them; it may ask for services with ``Depend``, and returns the
            user, or None. A `PasswordLogin` is one.
        realm: What the password is for, shown by browsers.
        name: Of the scheme, for guards.

    Raises:
        ValueError: The realm holds a quote or a control character.
    """

    def __init__(
        self, check: Callable[..., Any], realm: str | None = None, name: str = "basic"
    ) -> None:
        if realm is not None and (not realm.isprintable() or '"' in realm or "\\" in realm):
            raise ValueError(f"the realm {realm!r} cannot stand in a header field")
        self.scheme = name
        self._realm = realm or "application"
        self._load = self._loader = Loader(check, f"check of {name!r}")

    def challenge(self) -> str:
        """Return the challenge; names and passwords are UTF-8 (RFC 7617, 2.1)."""
        return f'Basic realm="{self._realm}", charset="UTF-8"'

    def malformed(self, connection: Connection) -> str | None:
        """Return whether two credentials came."""
        twice = len(connection.headers.getlist("authorization")) > 1
        return "two Authorization fields" if twice else None

    async def authenticate(self, connection: Connection) -> Proof | None:
        """Return whose password it is, or None when none was sent.

        Raises:
            AuthenticationFailed: It is wrong, malformed, or came where others could read it.
        """
        sent = connection.headers.getlist("authorization")
        scheme, _, encoded = (sent[0] if len(sent) == 1 else "").partition(" ")
        if scheme.lower() != "basic":
            return None
        pair = _pair(encoded.strip()) if _is_private(connection) else None
        if pair is None:
            raise AuthenticationFailed(challenges=(self.challenge(),))
        told = {"username": pair[0], "password": pair[1], "address": connection.get_client_ip()}
        try:
            user = await self._load(told)
        except InvalidValue:  # such as a password of a length that none has
            user = None
        if not user:
            raise AuthenticationFailed(challenges=(self.challenge(),))
        return Proof(user, self.scheme, authenticated_at=datetime.now(UTC))


def _pair(encoded: str) -> tuple[str, str] | None:
    if len(encoded) > _MAX_CHARS:
        return None
    try:
        text = base64.b64decode(encoded, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    name, colon, password = text.partition(":")
    return (name, password) if colon and text.isprintable() else None


def _is_private(connection: Connection) -> bool:
    if connection.is_secure:
        return True
    try:
        return ip_address(connection.get_client_ip()).is_loopback
    except ValueError:
        return connection.get_client_ip() == "testclient"
