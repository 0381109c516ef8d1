"""The fixed order of what stands around the routes (security-and-production.md, 7.1)."""

from enum import IntEnum


class Stage(IntEnum):
    """Where a middleware class of the house stands; the lower number is further out.

    Users cannot sort these, they stand in them: ``USER`` is the place of function and class
    middleware without a ``stage`` of its own.
    """

    FIREWALL = 2
    HEALTH = 3
    SHEDDER = 4
    HOSTS = 5
    PREFLIGHT = 6
    RATE_ADDRESS = 7
    SESSION = 8
    AUTHENTICATION = 9
    CSRF = 10
    RATE_CALLER = 11
    USER = 12
