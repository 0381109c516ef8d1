"""Routes and routers, at the address people type."""

from nexios.adapters.http.group import Group
from nexios.adapters.http.router import Router
from nexios.adapters.http.routes import Route, RouteOptions, Routes
from nexios.adapters.http.socket_router import WebsocketRoutes, WSRouter
from nexios.adapters.routing.converters import CONVERTOR_TYPES, Convertor, register_url_convertor
from nexios.adapters.routing.errors import DuplicateRoute

# `nexios.routing.http` and its like of 2.11 are found by compat.py, which needs a package.
__path__: list[str] = []

__all__ = [
    "CONVERTOR_TYPES",
    "Convertor",
    "DuplicateRoute",
    "Group",
    "Route",
    "RouteOptions",
    "Router",
    "Routes",
    "WSRouter",
    "WebsocketRoutes",
    "register_url_convertor",
]
