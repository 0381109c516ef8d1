"""Passwords hashed fast, for tests of applications; never for production."""

import hashlib
import hmac
import logging
import secrets
from typing import Final

from nexios.application.passwords import Verified, password_bytes

_WRONG: Final = Verified(ok=False)
_LOGGER: Final = logging.getLogger("nexios.auth")


class FastPasswords:
    """A `PasswordHasher` that costs nothing, and counts what it was asked.

    Args:
        parameters: Hashes of others verify, and are replaced.

    Attributes:
        hashed: How many passwords were hashed for the store.
        verified: How many were compared, with a hash or with nobody's.
    """

    def __init__(self, parameters: str = "1") -> None:
        self._parameters = parameters
        self.hashed = 0
        self.verified = 0

    async def hash(self, password: str) -> str:
        """Return ``$fast$<parameters>$<salt>$<digest>``."""
        self.hashed += 1
        return self._made(password_bytes(password), self._parameters, secrets.token_hex(8))

    async def verify(self, password: str, stored: str | None) -> Verified:
        """Compare a password with a stored hash."""
        typed = password_bytes(password)
        self.verified += 1
        if stored is None:
            return _WRONG
        parts = stored.split("$")
        if len(parts) != 5 or parts[1] != "fast":
            _LOGGER.error("a stored password cannot be read")
            return _WRONG
        if not hmac.compare_digest(self._made(typed, parts[2], parts[3]), stored):
            return _WRONG
        if parts[2] == self._parameters:
            return Verified(ok=True)
        return Verified(True, self._made(typed, self._parameters, secrets.token_hex(8)))

    def _made(self, password: bytes, parameters: str, salt: str) -> str:
        digest = hashlib.sha256(salt.encode() + password).hexdigest()
        return f"$fast${parameters}${salt}${digest}"
