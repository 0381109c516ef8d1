"""API keys: a long secret in a header of its own."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

from nexios.adapters.asgi.connection import Connection
from nexios.auth.backends.base import Proof
from nexios.auth.backends.loading import Loader, LoadingBackend
from nexios.auth.exceptions import AuthenticationFailed

_KEY: Final = re.compile(r"nx_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_MAX_CHARS: Final = 512


def create_api_key() -> tuple[str, str, str]:
    """Return a new key with what to store of it: the key, its id, the hash of its secret.

    The key, ``nx_<id>_<secret>``, is shown once and never stored; the id finds the row.
    """
    key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    key = f"nx_{key_id}_{secret}"
    return key, key_id, hash_of(key)


def hash_of(key: str) -> str:
    """Return what is stored of a key: SHA-256, since it has 256 random bits of its own."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def verify_key(key: str, hash: str) -> bool:
    """Return whether a key is the one of this hash, in constant time."""
    return hmac.compare_digest(hash_of(key), hash)


class APIKeyAuthBackend(LoadingBackend):
    """Proves whoever sends a key in a header; never one in a query string.

    Args:
        load_key: Called with ``key``, the whole text, and ``key_id``, None where it is no key of
            `create_api_key`; it may ask for services with ``Depend``. It finds the row by the
            id, compares by `verify_key`, and returns the user, or None.
        header_name: In which it comes.
        name: Of the scheme, for guards.
        authenticate_func: 2.11's name of ``load_key``.

    Raises:
        TypeError: There is no ``load_key``.
    """

    def __init__(
        self,
        load_key: Callable[..., Any] | None = None,
        header_name: str = "X-API-Key",
        name: str = "apikey",
        *,
        authenticate_func: Callable[..., Any] | None = None,
    ) -> None:
        load_key = authenticate_func if load_key is None else load_key
        if load_key is None:
            raise TypeError("APIKeyAuthBackend needs load_key: who does a key belong to?")
        self.scheme = name
        self.header_name = header_name
        self._load = self._loader = Loader(load_key, f"loader of {name!r}")

    def challenge(self) -> str:
        """Return a challenge that names the header; there is no registered scheme for it."""
        return f'ApiKey header="{self.header_name}"'

    def security_scheme(self) -> Mapping[str, object]:
        """Return a header."""
        return {"type": "apiKey", "in": "header", "name": self.header_name}

    def malformed(self, connection: Connection) -> str | None:
        """Return whether two keys came."""
        twice = len(connection.headers.getlist(self.header_name)) > 1
        return f"two {self.header_name} fields" if twice else None

    async def authenticate(self, connection: Connection) -> Proof | None:
        """Return whose key it is, or None when there is not exactly one.

        Raises:
            AuthenticationFailed: There is one, and it is nobody's.
        """
        told = connection.headers.getlist(self.header_name)
        if len(told) != 1:
            return None
        key = told[0]
        if not key or len(key) > _MAX_CHARS:
            raise AuthenticationFailed(challenges=(self.challenge(),))
        known = _KEY.fullmatch(key)
        claims: dict[str, object] = {"key": key, "key_id": None if known is None else known[1]}
        user = await self._load(claims)
        if not user:
            raise AuthenticationFailed(challenges=(self.challenge(),))
        return Proof(user, self.scheme)
