"""Middleware of the house, and the base for one's own."""

from typing import TYPE_CHECKING, Final

from nexios.faces import handing_on

if TYPE_CHECKING:
    from nexios.middleware.base import BaseMiddleware
    from nexios.middleware.common import CommonMiddleware
    from nexios.middleware.cors import CORSMiddleware
    from nexios.middleware.csrf import CSRFMiddleware
    from nexios.middleware.gzip import GZipMiddleware
    from nexios.middleware.hosts import TrustedHostMiddleware
    from nexios.middleware.load_shedding import LoadSheddingMiddleware
    from nexios.middleware.monitoring import MonitoringMiddleware
    from nexios.middleware.paths import only_for
    from nexios.middleware.rate_limiting import (
        RateLimitMiddleware,
        by_caller,
        by_tenant,
        client_ip,
        rate_limit,
    )
    from nexios.middleware.request_id import RequestIdMiddleware
    from nexios.middleware.security import SecurityMiddleware
    from nexios.middleware.session import SessionMiddleware
    from nexios.middleware.timeout import TimeoutMiddleware, deadline

# Loaded where they are used: an application without sessions does not pay for signing.
_HOMES: Final = {
    "nexios.middleware.base": "BaseMiddleware",
    "nexios.middleware.common": "CommonMiddleware",
    "nexios.middleware.cors": "CORSMiddleware",
    "nexios.middleware.csrf": "CSRFMiddleware",
    "nexios.middleware.gzip": "GZipMiddleware",
    "nexios.middleware.hosts": "TrustedHostMiddleware",
    "nexios.middleware.load_shedding": "LoadSheddingMiddleware",
    "nexios.middleware.monitoring": "MonitoringMiddleware",
    "nexios.middleware.paths": "only_for",
    "nexios.middleware.rate_limiting": (
        "RateLimitMiddleware by_caller by_tenant client_ip rate_limit"
    ),
    "nexios.middleware.request_id": "RequestIdMiddleware",
    "nexios.middleware.security": "SecurityMiddleware",
    "nexios.middleware.session": "SessionMiddleware",
    "nexios.middleware.timeout": "TimeoutMiddleware deadline",
}

__all__ = [
    "BaseMiddleware",
    "CORSMiddleware",
    "CSRFMiddleware",
    "CommonMiddleware",
    "GZipMiddleware",
    "LoadSheddingMiddleware",
    "MonitoringMiddleware",
    "RateLimitMiddleware",
    "RequestIdMiddleware",
    "SecurityMiddleware",
    "SessionMiddleware",
    "TimeoutMiddleware",
    "TrustedHostMiddleware",
    "by_caller",
    "by_tenant",
    "client_ip",
    "deadline",
    "only_for",
    "rate_limit",
]

__getattr__ = handing_on(globals(), _HOMES)
