"""What can go wrong on the wire, before anybody's rules are asked."""

from typing import Final

from nexios.adapters.asgi.types import Scope


class WireError(Exception):
    """Something on the wire is not as its protocol says. The table of each protocol answers it."""


class ClientDisconnect(WireError):
    """The peer left before its request was read. There is nobody to answer."""

    def __str__(self) -> str:
        return "the client left before its request was complete"


class SessionUnavailable(WireError, AssertionError):
    """A session was asked for, and no session middleware stands around this handler."""

    def __str__(self) -> str:
        return (
            "there is no session here\n"
            "  fix: app.add_middleware(SessionMiddleware()), and MakeConfig(secret_key=...)"
        )


class RequestRefused(WireError):
    """The firewall lets no such request in; ``reason`` reaches the client.

    Attributes:
        status: 400, 405, 414, 431 or 505.
        code: The end of the problem's type.
        headers: Fields of the answer, such as ``Allow``.
    """

    def __init__(
        self, status: int, code: str, reason: str, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self.status = status
        self.code = code
        self.reason = reason
        self.headers = headers
        super().__init__(status, code, reason)

    def __str__(self) -> str:
        return self.reason


class TooManyQueryFields(WireError):
    """The query string has more fields than ``limits.query_fields``."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(limit)

    def __str__(self) -> str:
        return f"more than {self.limit} query fields; fix: raise limits.query_fields"


class NulInQuery(WireError):
    """The query string holds U+0000, which no SQL store takes."""

    def __str__(self) -> str:
        return "the query holds U+0000"


class CookiesTooLarge(WireError):
    """The cookies of one request are over ``limits.cookie_bytes`` or ``limits.cookie_pairs``."""

    def __init__(self, limit: int, unit: str) -> None:
        self.limit = limit
        self.unit = unit
        super().__init__(limit, unit)

    def __str__(self) -> str:
        return (
            f"the cookie header has more than {self.limit} {self.unit}; "
            f"fix: raise limits.cookie_{self.unit}"
        )


ERROR_EXTENSION: Final = "nexios.error"
"""Key of ``scope["extensions"]`` under which a test client wants to hear of unhandled errors."""


def tell_client(scope: Scope, error: BaseException) -> None:
    """Hand an error that became a 500 to a client in this process that asked for it.

    No server sets the key, so nothing of an error leaves the process this way.
    """
    listen = (scope.get("extensions") or {}).get(ERROR_EXTENSION)
    if listen is not None:
        listen(error)
