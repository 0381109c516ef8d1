"""What handlers raise and what a request may fail with, at the address people type."""

from nexios.adapters.asgi.errors import ClientDisconnect, SessionUnavailable
from nexios.adapters.asgi.headers import InvalidHeader
from nexios.adapters.http.errors import (
    BodyTooLarge,
    HTTPException,
    InvalidCursorError,
    InvalidPageError,
    InvalidPageSizeError,
    MalformedBody,
    NotFoundException,
    PaginationError,
    RequestInvalid,
    UnsupportedMediaType,
)
from nexios.adapters.routing.errors import DuplicateRoute
from nexios.adapters.websocket.closing import WebSocketDisconnect, WebSocketException
from nexios.auth.exceptions import AuthenticationFailed, AuthException, PermissionDenied
from nexios.config import ConfigError

__all__ = [
    "AuthException",
    "AuthenticationFailed",
    "BodyTooLarge",
    "ClientDisconnect",
    "ConfigError",
    "DuplicateRoute",
    "HTTPException",
    "InvalidCursorError",
    "InvalidHeader",
    "InvalidPageError",
    "InvalidPageSizeError",
    "MalformedBody",
    "NotFoundException",
    "PaginationError",
    "PermissionDenied",
    "RequestInvalid",
    "SessionUnavailable",
    "UnsupportedMediaType",
    "WebSocketDisconnect",
    "WebSocketException",
]
