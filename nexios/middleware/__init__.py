"""Middleware of the house, and the base for one's own."""

from nexios.middleware.base import BaseMiddleware
from nexios.middleware.cors import CORSMiddleware
from nexios.middleware.hosts import TrustedHostMiddleware
from nexios.middleware.security import SecurityMiddleware

__all__ = ["BaseMiddleware", "CORSMiddleware", "SecurityMiddleware", "TrustedHostMiddleware"]
