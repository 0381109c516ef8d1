"""Rules that were not met, said in the domain's words."""

import re
from functools import lru_cache
from typing import Final

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@lru_cache(maxsize=1024)
def kebab(name: str) -> str:
    """Return ``OrderPlaced`` as ``order-placed``, ``HTTPError`` as ``http-error``."""
    return _HUMP.sub("-", name).lower()


class DomainError(Exception):
    """Root of the domain's errors.

    Args:
        message: For people; reaches clients, so no SQL, class name or path.
        code: Stable kebab-case word for machines; the class name by default.
        details: Flat values that explain the case; they reach clients too.
    """

    def __init__(self, message: str = "", *, code: str | None = None, **details: object) -> None:
        self.code = code or kebab(type(self).__name__)
        self.message = message or self.code.replace("-", " ")
        self.details = details
        super().__init__(self.message)


class InvalidValue(DomainError):
    """A value is outside of what its type means."""


class RuleViolated(DomainError):
    """The values are fine and the step is not allowed in this state."""


class NotFound(DomainError):
    """There is nothing with this identity."""


class AlreadyExists(DomainError):
    """Something with this identity or unique value is there already."""


class Conflict(DomainError):
    """Somebody else changed it since it was read."""


class NotAllowed(DomainError):
    """A policy of the domain forbids this to the one who asks."""
