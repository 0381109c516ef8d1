"""Who is calling, and what they may do."""

from typing import TYPE_CHECKING, Final

from nexios.faces import handing_on

if TYPE_CHECKING:
    from nexios.auth.backends.base import AuthenticationBackend, AuthResult, Proof
    from nexios.auth.decorator import auth, fresh, has_permission, has_role, public
    from nexios.auth.exceptions import AuthenticationFailed, AuthException, PermissionDenied
    from nexios.auth.middleware import AuthenticationMiddleware
    from nexios.auth.users import BaseUser, SimpleUser, UnauthenticatedUser

# Loaded where they are used: who needs one file of this room does not pay for the others.
_HOMES: Final = {
    "nexios.auth.backends.base": "AuthenticationBackend AuthResult Proof",
    "nexios.auth.decorator": "auth fresh has_permission has_role public",
    "nexios.auth.exceptions": "AuthenticationFailed AuthException PermissionDenied",
    "nexios.auth.middleware": "AuthenticationMiddleware",
    "nexios.auth.users": "BaseUser SimpleUser UnauthenticatedUser",
}

__all__ = [
    "AuthException",
    "AuthResult",
    "AuthenticationBackend",
    "AuthenticationFailed",
    "AuthenticationMiddleware",
    "BaseUser",
    "PermissionDenied",
    "Proof",
    "SimpleUser",
    "UnauthenticatedUser",
    "auth",
    "fresh",
    "has_permission",
    "has_role",
    "public",
]

__getattr__ = handing_on(globals(), _HOMES)
