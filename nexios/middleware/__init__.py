"""Middleware of the house, and the base for one's own."""

from nexios.middleware.base import BaseMiddleware
from nexios.middleware.common import CommonMiddleware
from nexios.middleware.cors import CORSMiddleware
from nexios.middleware.gzip import GZipMiddleware
from nexios.middleware.hosts import TrustedHostMiddleware
from nexios.middleware.paths import only_for
from nexios.middleware.request_id import RequestIdMiddleware
from nexios.middleware.security import SecurityMiddleware
from nexios.middleware.timeout import TimeoutMiddleware

__all__ = [
    "BaseMiddleware",
    "CORSMiddleware",
    "CommonMiddleware",
    "GZipMiddleware",
    "RequestIdMiddleware",
    "SecurityMiddleware",
    "TimeoutMiddleware",
    "TrustedHostMiddleware",
    "only_for",
]
