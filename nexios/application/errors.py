"""What can go wrong in a use case that is nobody's rule: rights, load, time, the store."""

from typing import Final

from nexios.domain.errors import InvalidValue, kebab

_DEFAULT_TEXT: Final = {
    "unauthenticated": "authentication is required",
    "forbidden": "not allowed",
    "rate-limited": "too many requests",
    "overloaded": "the service is overloaded",
    "unavailable": "a service this needs is not available",
    "timed-out": "the time for this ran out",
    "outcome-unknown": "the change may or may not have happened; look before you send it again",
}


class ApplicationError(Exception):
    """Root of the application's errors; the same shape as ``DomainError``.

    Args:
        message: For people; reaches clients, so no SQL, class name or path.
        code: Stable kebab-case word for machines; the class name by default.
        details: Flat values that explain the case; they reach clients too.
    """

    def __init__(self, message: str = "", *, code: str | None = None, **details: object) -> None:
        self.code = code or kebab(type(self).__name__)
        self.message = message or _DEFAULT_TEXT.get(self.code, self.code.replace("-", " "))
        self.details = details
        super().__init__(self.message)


class Unauthenticated(ApplicationError):
    """Nobody proved who is asking, and this needs somebody."""


class Forbidden(ApplicationError):
    """The caller is known and may not do this."""


class RetryLater(ApplicationError):
    """Nothing is wrong with what was asked; ``retry_after_s`` says when to ask again."""

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        retry_after_s: float | None = None,
        **details: object,
    ) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message, code=code, **details)


class RateLimited(RetryLater):
    """This caller asked too often."""


class Overloaded(RetryLater):
    """There is more work than this process finishes in time; this piece was not begun."""


class Unavailable(RetryLater):
    """The database, or another service this needs, cannot be used now; nothing was changed."""


class OutcomeUnknown(RetryLater):
    """The change may or may not have happened, and asking did not help.

    Safe to repeat with the same idempotency key only.
    """


class TimedOut(ApplicationError):
    """The statement or the whole use case took longer than it may; nothing was changed."""


class KeyReused(InvalidValue):
    """An idempotency key came again, with other arguments than the first time."""
