"""Why a guard refuses."""

from nexios.application.errors import ApplicationError, Forbidden, Unauthenticated


class AuthException(ApplicationError):
    """Root of what authentication and guards refuse with."""


class AuthenticationFailed(AuthException, Unauthenticated):
    """Nobody proved who is asking: 401.

    Attributes:
        challenges: One ``WWW-Authenticate`` value for each way to prove it (RFC 9110, 11.6.1).
    """

    def __init__(self, message: str = "", *, challenges: tuple[str, ...] = ()) -> None:
        self.challenges = challenges
        super().__init__(message, code="unauthenticated")


class PermissionDenied(AuthException, Forbidden):
    """The caller is known and may not do this: 403.

    Attributes:
        challenges: ``WWW-Authenticate`` values, where a wider token would do (RFC 6750, 3.1).
    """

    def __init__(self, message: str = "", *, challenges: tuple[str, ...] = ()) -> None:
        self.challenges = challenges
        super().__init__(message, code="forbidden")
