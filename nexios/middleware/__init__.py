"""Middleware of the house, and the base for one's own."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from nexios.middleware.base import BaseMiddleware
from nexios.middleware.common import CommonMiddleware
from nexios.middleware.cors import CORSMiddleware
from nexios.middleware.gzip import GZipMiddleware
from nexios.middleware.hosts import TrustedHostMiddleware
from nexios.middleware.paths import only_for
from nexios.middleware.request_id import RequestIdMiddleware
from nexios.middleware.security import SecurityMiddleware
from nexios.middleware.timeout import TimeoutMiddleware, deadline

if TYPE_CHECKING:
    from nexios.middleware.csrf import CSRFMiddleware
    from nexios.middleware.load_shedding import LoadSheddingMiddleware
    from nexios.middleware.rate_limit import RateLimitMiddleware
    from nexios.middleware.session import SessionMiddleware

# Loaded where they are used: an application without sessions does not pay for signing.
_LATER: Final = {
    "CSRFMiddleware": "nexios.middleware.csrf",
    "LoadSheddingMiddleware": "nexios.middleware.load_shedding",
    "RateLimitMiddleware": "nexios.middleware.rate_limit",
    "SessionMiddleware": "nexios.middleware.session",
}

__all__ = [
    "BaseMiddleware",
    "CORSMiddleware",
    "CSRFMiddleware",
    "CommonMiddleware",
    "GZipMiddleware",
    "LoadSheddingMiddleware",
    "RateLimitMiddleware",
    "RequestIdMiddleware",
    "SecurityMiddleware",
    "SessionMiddleware",
    "TimeoutMiddleware",
    "TrustedHostMiddleware",
    "deadline",
    "only_for",
]


def __getattr__(name: str) -> object:
    home = _LATER.get(name)
    if home is None:
        raise AttributeError(f"module 'nexios.middleware' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(home), name)
    return found
