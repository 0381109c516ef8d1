"""Who is calling, and what they may do."""

from nexios.auth.backends.base import AuthenticationBackend, AuthResult, Proof
from nexios.auth.decorator import auth, fresh, has_permission, has_role, public
from nexios.auth.exceptions import AuthenticationFailed, AuthException, PermissionDenied
from nexios.auth.middleware import AuthenticationMiddleware
from nexios.auth.users import BaseUser, SimpleUser, UnauthenticatedUser

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
