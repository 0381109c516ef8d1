"""The ways to prove who is calling."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nexios.auth.backends.base import AuthenticationBackend, AuthResult, Proof
    from nexios.auth.backends.jwt import JWTAuthBackend, create_jwt, decode_jwt

# Loaded where they are used: who needs one file of this room does not pay for the others.
_HOMES: Final = {
    "nexios.auth.backends.base": "AuthenticationBackend AuthResult Proof",
    "nexios.auth.backends.jwt": "JWTAuthBackend create_jwt decode_jwt",
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "AuthResult",
    "AuthenticationBackend",
    "JWTAuthBackend",
    "Proof",
    "create_jwt",
    "decode_jwt",
]


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(home), name)
    return found
