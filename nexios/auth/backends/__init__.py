"""The ways to prove who is calling."""

from typing import TYPE_CHECKING, Final

from nexios.faces import handing_on

if TYPE_CHECKING:
    from nexios.auth.backends.base import AuthenticationBackend, AuthResult, Proof
    from nexios.auth.backends.jwt import JWTAuthBackend, create_jwt, decode_jwt

# Loaded where they are used: who needs one file of this room does not pay for the others.
_HOMES: Final = {
    "nexios.auth.backends.base": "AuthenticationBackend AuthResult Proof",
    "nexios.auth.backends.jwt": "JWTAuthBackend create_jwt decode_jwt",
}

__all__ = [
    "AuthResult",
    "AuthenticationBackend",
    "JWTAuthBackend",
    "Proof",
    "create_jwt",
    "decode_jwt",
]

__getattr__ = handing_on(globals(), _HOMES)
