"""Middleware of the house, and the base for one's own."""

from nexios.middleware.base import BaseMiddleware
from nexios.middleware.cors import CORSMiddleware
from nexios.middleware.gzip import GZipMiddleware
from nexios.middleware.hosts import TrustedHostMiddleware
from nexios.middleware.security import SecurityMiddleware

__all__ = [
    "BaseMiddleware",
    "CORSMiddleware",
    "GZipMiddleware",
    "SecurityMiddleware",
    "TrustedHostMiddleware",
]
