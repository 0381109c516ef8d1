"""The ways to prove who is calling."""

from nexios.auth.backends.base import AuthenticationBackend, AuthResult, Proof
from nexios.auth.backends.jwt import JWTAuthBackend, create_jwt, decode_jwt

__all__ = [
    "AuthResult",
    "AuthenticationBackend",
    "JWTAuthBackend",
    "Proof",
    "create_jwt",
    "decode_jwt",
]
