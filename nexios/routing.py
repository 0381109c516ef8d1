"""Routes and routers, at the address people type."""

from nexios.adapters.http.router import Router
from nexios.adapters.http.routes import Route, RouteOptions, Routes
from nexios.adapters.routing.converters import CONVERTOR_TYPES, Convertor, register_url_convertor
from nexios.adapters.routing.errors import DuplicateRoute

__all__ = [
    "CONVERTOR_TYPES",
    "Convertor",
    "DuplicateRoute",
    "Route",
    "RouteOptions",
    "Router",
    "Routes",
    "register_url_convertor",
]
